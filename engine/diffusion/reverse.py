"""The rules of the reverse process, by name: how x0 is drawn, and which cells take noise back.

A name of `requests.request.SAMPLERS` has two parts: the way back, and after a dash how x0 is
drawn. Everything here is scriptable. Shapes: B batch, V voice, P plane, K pitch, S step.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.diffusion.noise import diffuse, predicted_posterior


def rule_of(sampler: str) -> tuple[str, str]:
    """Return the way back (`algorithm1`, `renoise`, `ancestral`, `ddim`) and how x0 is drawn: anew
    in each call (empty), `coupled`, `joint` (`_joint_x0`), or by `threshold`.

    Coupled draws (common random numbers: always the first call's) change x0 only where the network
    changed its mind, so a rhythm once begun is less often averaged away (measured: note lengths
    nearer to human ones).
    """
    parts = sampler.split("-")
    return parts[0], parts[1] if len(parts) > 1 else ""


def x0_of(
    probability: Tensor, uniform: Tensor, drawing: str, known: Tensor, calls_left: int
) -> Tensor:
    """Draw the cells that a call answers with, 0.0 or 1.0. calls_left: how many come after it."""
    if drawing == "joint" and probability.size(2) == 2:  # a merged roll has no onsets
        return _joint_x0(probability, uniform, known, 0.0 if calls_left else 0.5)
    if drawing == "threshold":
        return (probability > 0.5).to(probability.dtype)
    return (uniform < probability).to(probability.dtype)


def _joint_x0(probability: Tensor, uniform: Tensor, known: Tensor, held_share: float) -> Tensor:
    """Draw x0, each onset together with whether its pitch sounds a step earlier.

    A network gives each cell its own chance. Drawn alone, an onset that is meant for a note out of
    silence also falls on one that sounds already, and strikes it again. Here its chance has two
    parts, `struck` after a sounding step and `fresh` after a silent one. Since a sustain needs a
    sounding step before it, P(struck) <= P(sounding before) - P(sustain); both parts together
    are the network's chance again.

    held_share: of the notes that would be struck again, the share that is held instead. The
    networks strike again too often; half, in the last call, leaves about as many as composers
    write (docs/benchmarks.md, By ear).
    """
    onset, sustain = probability[:, :, 0], probability[:, :, 1]
    u_onset, goes_on = uniform[:, :, 0], uniform[:, :, 1] < probability[:, :, 1]
    known_before = _a_step_earlier(known.amax(dim=2))
    sounding = torch.maximum(_a_step_earlier(onset + sustain - onset * sustain), known_before)
    drawn = _a_step_earlier(((u_onset < onset) | goes_on).to(known.dtype))
    sounds = torch.maximum(drawn, known_before) > 0.5
    struck = torch.minimum(onset, (sounding - sustain).clamp(min=0.0)) / sounding.clamp_min(1e-6)
    fresh = (onset - struck * sounding) / (1.0 - sounding).clamp_min(1e-6)
    begins = u_onset < torch.where(sounds, (1.0 - held_share) * struck, fresh)
    held = sounds & (u_onset < struck) & ~begins & (sustain > 0.0)  # 0: it may not sound there
    return torch.stack([begins, goes_on | held], dim=2).to(probability.dtype)


def _a_step_earlier(cells: Tensor) -> Tensor:
    """At each step of the last axis what was a step earlier; 0 at the first."""
    return F.pad(cells, [1, 0])[..., :-1]


def back(
    way: str,
    x: Tensor,
    x0: Tensor,
    x_start: Tensor,
    probability: Tensor,
    kept: list[Tensor],
    prior: Tensor,
    uniform: Tensor,
) -> Tensor:
    """x at the next noise level. kept: alpha_bar of the first level, of this and of the next."""
    after = kept[2]
    if way == "renoise":
        return diffuse(x0, after, prior, uniform)
    if way == "algorithm1":
        beta = _noise(after) / max(_noise(kept[0]), 1e-9)  # rescaled to start at 1
        return _algorithm1(x0, x_start, beta, uniform)
    if way == "ddim":
        return _ddim(x0, x, _noise(after), _noise(kept[1]), uniform)
    chance = predicted_posterior(x, probability, kept[1], after, prior)
    return (uniform < chance).to(x.dtype)


def _noise(kept: Tensor) -> float:
    """1 - alpha_bar; all windows are at one level."""
    return 1.0 - float(kept.flatten()[0])


def _algorithm1(x0: Tensor, x_start: Tensor, beta: float, uniform: Tensor) -> Tensor:
    """Atassi's Algorithm 1: each cell takes x_T with probability beta, else x0.

    Where x0 = x_T the paper's XOR changes nothing, so this is its cell law. `beta` is the
    *cumulative* noise 1 - alpha_bar of the level being entered, and 0 on the last step.
    """
    return torch.where(uniform < beta, x_start, x0)


def _ddim(x0: Tensor, x_t: Tensor, beta_s: float, beta_t: float, uniform: Tensor) -> Tensor:
    """Discrete DDIM: each cell keeps x_t with probability beta_s / beta_t, else x0."""
    return torch.where(uniform < beta_s / max(beta_t, 1e-9), x_t, x0)


def levels(steps: int, start: float, power: float, corrections: int = 0) -> list[float]:
    """Return noise levels from `start` to 0, of `steps` calls; power > 1 makes them denser near 0.

    The last `corrections` calls (fewer than `steps`) stay at a tenth of `start` instead.
    """
    falling = steps - corrections
    falls = [start * (1.0 - i / falling) ** power for i in range(falling)]
    return falls + [0.1 * start] * corrections + [0.0]


def beside_lead(x0: Tensor, known: Tensor) -> Tensor:
    """1 where a voice may sound, 0 for the accompaniment (voice 1) at the lead's (voice 0) pitch.

    x0: the filled cells, 0 elsewhere; known: the known ones. [B, V, P, K, S] to [B, V, 1, K, S].
    """
    lead = (x0[:, :1] + known[:, :1]).amax(dim=2, keepdim=True)
    return torch.cat([torch.ones_like(lead), 1.0 - lead], dim=1)


def tempered(logits: Tensor, free: Tensor, room: Tensor, temperature: float) -> Tensor:
    """Return logits over `temperature`, shifted per voice and plane so that the density stays.

    Without the shift anything below 1 falls silent: a note has p < 0.5 nearly everywhere while
    the roll is still noisy; and so does a lock, since each call hears what the last one lost.
    What is wished for in all `free` cells (nobody taught the network what to say of known ones)
    goes into those among them that are allowed, `room`. [B, V, P, K, S] in and out.
    """
    wanted = (torch.sigmoid(logits) * free).sum(dim=[3, 4], keepdim=True) + 1e-9
    sharp = logits / temperature
    for _ in range(8):
        there = (torch.sigmoid(sharp) * room).sum(dim=[3, 4], keepdim=True) + 1e-9
        sharp = sharp + torch.log(wanted / there)
    return sharp
