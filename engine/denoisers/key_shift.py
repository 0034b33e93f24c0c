"""Key normalisation: every window is moved so that its melody is in C major or A minor.

A network that learns each chord in twelve keys learns it twelve times. So the key is read from
what is known, the rolls are moved there, and the answer is moved back; nothing else of the model
knows. Where nothing is known nothing moves. Scriptable. Shapes:

    B batch, V voice, P plane, K pitch, S step
"""

import torch
from torch import Tensor

# Krumhansl and Kessler (1982): how well each degree, from the tonic up, fits a key.
_MAJOR = [6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88]
_MINOR = [6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17]


def key_profiles() -> list[float]:
    """24 unit vectors over the 12 pitch classes, C first: major keys and their relative minors.

    Number 2 i is the major key i semitones above C, number 2 i + 1 its relative minor.
    """
    rows = []
    for tonic in range(12):
        for profile, degree in ((_MAJOR, tonic), (_MINOR, tonic + 9)):
            row = torch.tensor(profile) - sum(profile) / 12
            rows.append(torch.roll(row / row.norm(), degree))
    numbers: list[float] = torch.cat(rows).tolist()
    return numbers


def key_shift(known: Tensor, profiles: list[float], low_pitch: int, trust: float = 0.05) -> Tensor:
    """Return semitones, int64 [B] from -6 to 5, that move each window to C major or A minor.

    The key whose profile correlates best with how long each pitch class is known to sound. Read
    from the lead; from the accompaniment where there is no lead: `trust` is its weight, low
    because live it is our own, and one wrong chord must not bring the next. known:
    [B, V, P, K, S], 0 or 1; profiles: `key_profiles()`; low_pitch: of row 0.
    """
    sounding = known.sum(dim=[2, 4])  # [B, V, K]
    steps = sounding[:, 0] + trust * sounding[:, 1:].sum(dim=1)  # [B, K]
    classes = torch.zeros(steps.size(0), 12, dtype=steps.dtype, device=steps.device)
    pitch = (torch.arange(steps.size(1), device=steps.device) + low_pitch) % 12
    classes.index_add_(1, pitch, steps)
    return key_of_classes(classes, profiles)


def moved(x: Tensor, shift: Tensor, outside: float) -> Tensor:
    """`x` [B, .., K] with each window's pitches `shift` [B] semitones higher.

    What comes in from beyond the edge is `outside`.
    """
    size = x.size(-1)
    row = torch.arange(size, device=x.device)[None] - shift[:, None]
    inside = (row >= 0) & (row < size)
    shape = [x.size(0)] + [1] * (x.dim() - 2) + [size]
    from_row = row.clamp(0, size - 1).view(shape).expand(x.shape)
    return torch.where(inside.view(shape), torch.gather(x, -1, from_row), outside)


def turned(plan: Tensor, shift: Tensor) -> Tensor:
    """Return a harmony plan [B, 24, T] with its pitch and bass classes `shift` [B] semitones
    higher."""
    row = torch.arange(24, device=plan.device)
    source = row - row % 12 + (row[None] % 12 - shift[:, None]) % 12  # [B, 24]
    return torch.gather(plan, 1, source[:, :, None].expand(plan.shape))


def key_of_classes(classes: Tensor, profiles: list[float]) -> Tensor:
    """Return semitones, int64 [B] from -6 to 5, to C major or A minor; classes: weights [B, 12]."""
    fits = torch.tensor(profiles, dtype=classes.dtype, device=classes.device).view(24, 12)
    tonic = torch.argmax(classes @ fits.t(), dim=1) // 2
    return (6 - tonic) % 12 - 6
