"""Uniform noise as a function of where it is: a counter-based generator in TorchScript.

The number in a cell depends only on (seed, call, voice, plane, pitch, absolute step), so the same
place gets the same noise in every replan and in every overlapping window, on CPU and on CUDA:
chords do not flicker while you play. The hash is the 32-bit finalizer of MurmurHash3 (public
domain, A. Appleby), chained over the key; int32, which multiplies four times as fast as int64.
"""

import torch
from torch import Tensor


def _mix(x: Tensor) -> Tensor:
    """MurmurHash3's finalizer on int32, products modulo 2^32; same shape.

    Shifts of int32 bring in the sign, hence the masks. Its factors are 0x85EBCA6B, 0xC2B2AE35.
    """
    x = x ^ ((x >> 16) & 0xFFFF)
    x = x * -2048144789
    x = x ^ ((x >> 13) & 0x7FFFF)
    x = x * -1028477387
    return x ^ ((x >> 16) & 0xFFFF)


def keyed_uniform(
    seed: Tensor, call: int, first_step: Tensor, shape: list[int], low_pitch: int
) -> Tensor:
    """U(0, 1) noise, float32 [B, V, P, K, S], S steps from `first_step` [B] on.

    seed [B]: int64. shape: [V, P, K, S]. low_pitch: MIDI pitch of row 0.
    """
    voices, planes, pitches, steps = shape[0], shape[1], shape[2], shape[3]
    device = seed.device
    row = torch.arange(pitches, device=device) + low_pitch
    plane = torch.arange(planes, device=device)[:, None] * 131
    voice = torch.arange(voices, device=device)[:, None, None] * 1031
    place = _mix((row + plane + voice + 0x9E3779B9).to(torch.int32))  # [V, P, K]
    key = _mix(seed.to(torch.int32) + _mix(torch.full_like(seed, call + 1).to(torch.int32)))  # [B]
    rows = _mix(place[None] + key[:, None, None, None])  # [B, V, P, K]
    step = first_step[:, None] + torch.arange(steps, device=device)[None]
    columns = _mix((step * 0x27D4EB2F).to(torch.int32))[:, None, None, None, :]
    bits = _mix(rows[..., None] ^ columns)
    return (((bits >> 8) & 0xFFFFFF).to(torch.float32) + 0.5) * (1.0 / 16777216.0)
