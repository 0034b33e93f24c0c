"""Uniform noise as a function of where it is: a counter-based generator in TorchScript.

The number in a cell depends only on (seed, call, voice, plane, pitch, absolute step), so the same
place gets the same noise in every replan and in every overlapping window, on CPU and on CUDA:
chords do not flicker while you play. The hash is the 32-bit finalizer of MurmurHash3 (public
domain, A. Appleby), chained over the key; integers are int64 masked to 32 bits.
"""

import torch
from torch import Tensor


def mix(x: Tensor) -> Tensor:
    """MurmurHash3's finalizer on int64 values that hold 32 bits; same shape."""
    mask = 0xFFFFFFFF
    x = x ^ (x >> 16)
    x = (x * 0x85EBCA6B) & mask
    x = x ^ (x >> 13)
    x = (x * 0xC2B2AE35) & mask
    return x ^ (x >> 16)


def keyed_uniform(
    seed: Tensor, call: int, first_step: Tensor, shape: list[int], low_pitch: int
) -> Tensor:
    """U(0, 1) noise, float32 [B, V, P, K, S], S steps from `first_step` [B] on.

    seed [B]: int64. shape: [V, P, K, S]. low_pitch: MIDI pitch of row 0.
    """
    mask = 0xFFFFFFFF
    voices, planes, pitches, steps = shape[0], shape[1], shape[2], shape[3]
    device = seed.device
    row = torch.arange(pitches, device=device) + low_pitch
    plane = torch.arange(planes, device=device)[:, None] * 131
    voice = torch.arange(voices, device=device)[:, None, None] * 1031
    place = mix((row + plane + voice + 0x9E3779B9) & mask)  # [V, P, K]
    key = mix((seed + mix(torch.full_like(seed, call + 1))) & mask)  # [B]
    rows = mix((place[None] + key[:, None, None, None]) & mask)  # [B, V, P, K]
    step = first_step[:, None] + torch.arange(steps, device=device)[None]
    columns = mix((step * 0x27D4EB2F) & mask)[:, None, None, None, :]
    bits = mix((rows[..., None] ^ columns) & mask)
    return ((bits >> 8).to(torch.float32) + 0.5) * (1.0 / 16777216.0)
