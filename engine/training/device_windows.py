"""Training windows drawn on the device itself: no thread of Python between the music and a GPU.

The notes of a pack lie on the device; a batch is a few dozen tensor operations, so an H100 is fed
hundreds of thousands of beats a second where one core draws some thousands. The windows are those
of `dataset.DeviceWindows` in kind (random beat, transposition, tasks, corruptions), not number for
number. Shapes:

    B window, T beat, V voice, P plane, K pitch, S step
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.requests.request import STYLES
from engine.training.corpus_table import CORPORA
from engine.training.dataset import Pack, PackError, draw_mask

_SPAN, _OFFSET = 1 << 26, 1 << 20
_LOOK_BACK = 16 * STEPS_PER_BEAT
_SKYLINE = 2
_MASKS = 8192
_PAD_BEATS = 64
"""Beats after a piece's end that still have a bar phase."""


@dataclass(slots=True)
class Notes:
    """Notes of a batch, flat: window index, onset, end (steps from the window's start), pitch, and
    voice, each int64 [n]."""

    window: Tensor
    onset: Tensor
    end: Tensor
    pitch: Tensor
    voice: Tensor


@dataclass(slots=True)
class DeviceWindows:
    """Which music: piece and first beat of each window [B], and what is said of it.

    phase, bar: int64 [B, T], of each beat. style: int64 [B].
    """

    piece: Tensor
    first_beat: Tensor
    beats: int
    phase: Tensor
    bar: Tensor
    style: Tensor


class DevicePack:
    """One split of a pack as tensors on a device, and how to draw windows of it."""

    def __init__(
        self, pack: Pack, split: int, device: torch.device, most_pieces: int | None = None
    ) -> None:
        """most_pieces: draw of no more than so many, from all over the split (a dry run)."""
        self.device = device
        self.voice, self.pitch = (self._to(x, torch.int64) for x in (pack.voice, pack.pitch))
        self.onset, self.end = (self._to(x, torch.int64) for x in (pack.onset, pack.end))
        self.first_note = self._to(pack.first_note, torch.int64)
        pieces = np.repeat(np.arange(len(pack.piece_beats)), np.diff(pack.first_note))
        self.key = self._to(pieces * _SPAN + pack.onset + _OFFSET, torch.int64)
        self.beats = self._to(pack.piece_beats, torch.int64)
        share = np.zeros(len(pack.piece_beats))
        for index, corpus in enumerate(pack.corpora):
            mine = (pack.piece_corpus == index) & (pack.piece_split == split)
            beats = pack.piece_beats * mine
            if beats.sum():
                share += CORPORA.get(corpus, ("any", 1.0))[1] * beats / beats.sum()
        if share.sum() == 0:
            raise PackError("the packed corpus has no piece in this split")
        self.pieces = np.flatnonzero((pack.piece_split == split) & (share > 0))
        if most_pieces is not None:
            self.pieces = self.pieces[:: -(-len(self.pieces) // most_pieces)]
            share[~np.isin(np.arange(len(share)), self.pieces)] = 0.0
        self.share = self._to(share.cumsum() / share.sum(), torch.float64)
        styles = [STYLES.index(CORPORA.get(c, ("any", 0.0))[0]) for c in pack.corpora]
        self.style = self._to(np.array(styles)[pack.piece_corpus], torch.int64)
        self.first_row, phase, bar = _bars(pack)
        self.phase, self.bar = self._to(phase, torch.int64), self._to(bar, torch.int64)
        self.first_row_of = self._to(self.first_row, torch.int64)

    def _to(self, array: np.ndarray, dtype: torch.dtype) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, dtype)

    def at(self, piece: Tensor, first_beat: Tensor, beats: int) -> DeviceWindows:
        """Return the windows of `beats` beats that begin there."""
        rows = self.first_row_of[piece][:, None] + (
            first_beat[:, None] + torch.arange(beats, device=self.device)
        )
        last = self.first_row_of[piece + 1][:, None] - 1
        rows = torch.minimum(rows, last)
        return DeviceWindows(
            piece, first_beat, beats, self.phase[rows], self.bar[rows], self.style[piece]
        )

    def random(self, size: int, beats: int, generator: torch.Generator) -> DeviceWindows:
        """`size` windows at random; of twice as many drawn, those without notes come last."""
        shape = (2, 2 * size)
        uniform = torch.rand(shape, generator=generator, device=self.device, dtype=torch.float64)
        piece = torch.searchsorted(self.share, uniform[0], right=True).clamp_max(
            len(self.beats) - 1
        )
        first = (uniform[1] * (self.beats[piece] - 4).clamp_min(1)).long()
        low, high = self._span(piece, first, beats)
        order = torch.argsort((high - low < 4).long(), stable=True)[:size]
        return self.at(piece[order], first[order], beats)

    def _span(self, piece: Tensor, first_beat: Tensor, beats: int) -> tuple[Tensor, Tensor]:
        start = piece * _SPAN + first_beat * STEPS_PER_BEAT + _OFFSET
        low = torch.searchsorted(self.key, start - _LOOK_BACK)
        high = torch.searchsorted(self.key, start + beats * STEPS_PER_BEAT)
        first, last = self.first_note[piece], self.first_note[piece + 1]
        return low.clamp(min=first, max=last), high.clamp(min=first, max=last)

    def notes(self, windows: DeviceWindows) -> Notes:
        """Return the notes that sound in each window."""
        low, high = self._span(windows.piece, windows.first_beat, windows.beats)
        count = (high - low).clamp_min(0)
        window = torch.repeat_interleave(torch.arange(len(count), device=self.device), count)
        place = torch.arange(len(window), device=self.device) - (count.cumsum(0) - count)[window]
        index = low[window] + place
        start = (windows.first_beat * STEPS_PER_BEAT)[window]
        sounding = self.end[index] > start
        index, window, start = index[sounding], window[sounding], start[sounding]
        return Notes(
            window,
            self.onset[index] - start,
            self.end[index] - start,
            self.pitch[index],
            self.voice[index],
        )


def _bars(pack: Pack) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First row of each piece, and phase and bar length in steps of every beat of every piece."""
    counts = pack.piece_beats + _PAD_BEATS
    first = np.concatenate([[0], np.cumsum(counts)])
    phase, bar = np.zeros(first[-1], np.int64), np.zeros(first[-1], np.int64)
    for piece, (starts, lengths) in enumerate(pack.meters):
        steps = np.arange(counts[piece]) * STEPS_PER_BEAT
        index = np.maximum(np.searchsorted(starts, steps, side="right") - 1, 0)
        rows = slice(first[piece], first[piece + 1])
        phase[rows], bar[rows] = (steps - starts[index]) % lengths[index], lengths[index]
    return first, phase, bar


def with_voices(notes: Notes, skyline_leads: Tensor, all_ours: Tensor) -> Notes:
    """Return the notes with each window's top line in the lead where `skyline_leads` [B], else in
    the accompaniment, and with all of them in the accompaniment where `all_ours` [B]."""
    leads = torch.where(skyline_leads, LEAD, ACCOMPANIMENT)[notes.window]
    voice = torch.where(notes.voice == _SKYLINE, leads, notes.voice)
    voice = torch.where(all_ours[notes.window], ACCOMPANIMENT, voice)
    return Notes(notes.window, notes.onset, notes.end, notes.pitch, voice)


def corrupted(notes: Notes, size: int, steps: int, generator: torch.Generator) -> Notes:
    """Return the notes as in a live context: `context_corruption.py` but for the stuck chord."""
    device, count = notes.window.device, len(notes.window)

    def chance(share: float) -> Tensor:
        return (torch.rand(size, generator=generator, device=device) < share)[notes.window]

    def rand() -> Tensor:
        return torch.rand(count, generator=generator, device=device)

    ours = notes.voice == ACCOMPANIMENT
    dropped = chance(0.30) & ours
    pitch = torch.where(
        dropped & (rand() < 0.06), notes.pitch + (rand() * 5).long() - 2, notes.pitch
    )
    place = torch.rand(size, generator=generator, device=device) * 0.8 * steps
    place = (place.long() // STEPS_PER_BEAT * STEPS_PER_BEAT)[notes.window]
    late = chance(0.08) & ours & (notes.onset < place)
    by_hand = chance(0.20) & (notes.voice == LEAD)
    off = torch.where(by_hand, (rand() * 3).long() - 1, 0)
    kept = ~(dropped & (rand() < 0.08)) & ~late
    return Notes(
        notes.window[kept],
        (notes.onset + off)[kept],
        (notes.end + off)[kept],
        pitch[kept],
        notes.voice[kept],
    )


def roll_of(notes: Notes, size: int, steps: int) -> Tensor:
    """Return cells uint8 [B, 2, 2, K, S] of the notes that lie on the 88 pitches."""
    inside = (notes.pitch >= PIANO.low) & (notes.pitch <= PIANO.high)
    window, voice = notes.window[inside], notes.voice[inside]
    onset, end = notes.onset[inside], notes.end[inside]
    row = (window * 2 + voice) * PIANO.size + notes.pitch[inside] - PIANO.low
    edges = torch.zeros(size * 2 * PIANO.size * (steps + 1), dtype=torch.int32, device=row.device)
    one = torch.ones_like(row, dtype=torch.int32)
    edges.index_add_(0, row * (steps + 1) + (onset + 1).clamp(0, steps), one)
    edges.index_add_(0, row * (steps + 1) + end.clamp(0, steps), -one)
    onsets = torch.zeros(size * 2 * PIANO.size * steps, dtype=torch.uint8, device=row.device)
    starts = (onset >= 0) & (onset < steps)
    onsets[row[starts] * steps + onset[starts]] = 1
    onsets = onsets.view(size, 2, PIANO.size, steps)
    sounding = (
        edges.view(size, 2, PIANO.size, steps + 1)[..., :-1].cumsum(-1, dtype=torch.int32) > 0
    )
    return torch.stack([onsets, (sounding & (onsets == 0)).to(torch.uint8)], dim=2)


def stuck(roll: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
    """Return the roll with one chord struck over and over in the accompaniment of the `chosen`
    windows."""
    size, steps, device = roll.shape[0], roll.shape[-1], roll.device
    place = (torch.rand(size, generator=generator, device=device) * steps).long()
    ours = roll[:, ACCOMPANIMENT].amax(dim=1)  # [B, K, S]
    chord = torch.gather(ours, 2, place[:, None, None].expand(-1, ours.shape[1], 1))  # [B, K, 1]
    which = (torch.rand(size, generator=generator, device=device) * 3).long()
    every = STEPS_PER_BEAT * torch.tensor([1, 2, 4], device=device)[which]
    struck = (torch.arange(steps, device=device)[None] % every[:, None] == 0)[:, None]  # [B, 1, S]
    planes = torch.stack([chord * struck, chord * ~struck], dim=1).to(torch.uint8)
    there = chosen & (chord.amax(dim=(1, 2)) > 0)
    out = roll.clone()
    out[:, ACCOMPANIMENT] = torch.where(there[:, None, None, None], planes, roll[:, ACCOMPANIMENT])
    return out


def alone(roll: Tensor) -> Tensor:
    """Return all music in the accompaniment, as `music.merged.alone`; the lead rests."""
    sounds = roll.amax(dim=(1, 2))
    before = torch.nn.functional.pad(sounds, [1, 0])[..., :-1]
    out = torch.zeros_like(roll)
    out[:, ACCOMPANIMENT, 0], out[:, ACCOMPANIMENT, 1] = sounds & ~before & 1, sounds & before
    return out


def mask_bank(beats: int, seed: int) -> np.ndarray:
    """Tasks of `dataset.draw_mask`, bool [8192, 2, N], to draw from at random."""
    rng = np.random.default_rng((seed, beats))
    return np.stack(
        [draw_mask(rng, beats * STEPS_PER_BEAT)[:, ::STEPS_PER_TOKEN] for _ in range(_MASKS)]
    )
