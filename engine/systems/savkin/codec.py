"""Notes as one sequence of numbers: note-on 0..127, note-off 128..255, time shift from 256 on.

A shift is one number, 257, for each 0.01 s, as in the document: 256 + 0.01 / 0.01. 256 would be
no time at all, and is no event. A sample's values go to the nearest event there is; with a piano's
keys alone that leaves shifts, most of any sequence, room for the errors of a network. Musical time
becomes seconds at one tempo: at 125 bpm a beat of 24 steps is 48 shifts, so every step of our grid
is a whole number of them. numpy only.

The document's own loop appends an event only where time has passed since the one before, so of a
chord it keeps one note, and of a piece not its first; ours keeps all (docs/systems.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import PIANO, STEPS_PER_BEAT
from engine.music.roll import Note, PianoRoll, notes_to_roll
from engine.systems.common.note_lists import Lost, listed

Numbers = NDArray[np.int64]
"""[event], each 0..257"""

_OFF, SHIFT = 128, 257
_BPM = 125.0
SHIFTS_PER_STEP = 2
"""At _BPM, of 0.01 s each."""
_SHIFT_S = 0.01


class SavkinEvent(NamedTuple):
    """Something at `tick`, in 0.01 s; offs come before ons that are as late."""

    tick: int
    on: bool
    pitch: int


@dataclass(frozen=True, slots=True)
class Faults:
    """What a sequence had wrong, as counts: offs where nothing sounded; offs of a pitch that did
    not sound, which end the nearest that does; ons of notes that sounded already; notes without an
    end; pitches beyond the piano."""

    offs: int = 0
    nearest: int = 0
    ons: int = 0
    endless: int = 0
    beyond: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.offs + self.nearest + self.ons + self.endless + self.beyond


def _ticks_of(step: int, bpm: float = _BPM) -> int:
    """Return a place in steps, in shifts; rounded where the tempo does not divide."""
    return round(step * 60 / bpm / STEPS_PER_BEAT / _SHIFT_S)


def to_numbers(notes: Sequence[Note], first_step: int, end_step: int, bpm: float = _BPM) -> Numbers:
    """Return the events of notes from `first_step` to `end_step`, where what still sounds goes
    off."""
    zero = _ticks_of(first_step, bpm)
    events = [SavkinEvent(_ticks_of(n.onset_step, bpm) - zero, True, n.pitch) for n in notes]
    ends = (min(n.end_step, end_step) for n in notes)
    pairs = zip(ends, notes, strict=True)
    events += [SavkinEvent(_ticks_of(end, bpm) - zero, False, n.pitch) for end, n in pairs]
    numbers: list[int] = []
    now = 0
    for event in sorted(events):
        numbers += [SHIFT] * (event.tick - now)
        numbers.append(event.pitch if event.on else _OFF + event.pitch)
        now = event.tick
    return np.array(numbers, np.int64)


def from_numbers(
    numbers: Iterable[int], first_step: int = 0, bpm: float = _BPM
) -> tuple[list[Note], Faults]:
    """Return notes of any sequence of numbers, however wrong, and what was wrong with it."""
    reader = _NumberReader(first_step, bpm)
    for number in numbers:
        reader.hear(int(number))
    return reader.finished()


class _NumberReader:
    """Goes through a sequence with a clock and the notes that sound."""

    def __init__(self, first_step: int, bpm: float) -> None:
        self.first_step, self.bpm = first_step, bpm
        self.tick, self.sounding = 0, dict[int, int]()
        self.notes: list[Note] = []
        self.wrong = {"offs": 0, "nearest": 0, "ons": 0, "endless": 0, "beyond": 0}

    def hear(self, number: int) -> None:
        if number >= SHIFT:
            self.tick += 1
        elif number < 2 * _OFF:
            self._event(number % _OFF, number < _OFF)

    def _event(self, pitch: int, on: bool) -> None:
        if pitch not in PIANO:
            self.wrong["beyond"] += 1
        elif on:
            self._on(pitch)
        else:
            self._off(pitch)

    def _on(self, pitch: int) -> None:
        if pitch in self.sounding:
            self.wrong["ons"] += 1
            self._end(pitch)
        self.sounding[pitch] = self.tick

    def _off(self, pitch: int) -> None:
        if not self.sounding:
            self.wrong["offs"] += 1
            return
        nearest = min(self.sounding, key=lambda sounds: abs(sounds - pitch))
        self.wrong["nearest"] += nearest != pitch
        self._end(nearest)

    def _end(self, pitch: int) -> None:
        onset, end = self._step(self.sounding.pop(pitch)), self._step(self.tick)
        self.notes.append(Note(self.first_step + onset, pitch, max(end - onset, 1)))

    def _step(self, tick: int) -> int:
        return round(tick * _SHIFT_S * self.bpm / 60 * STEPS_PER_BEAT)

    def finished(self) -> tuple[list[Note], Faults]:
        self.wrong["endless"] = len(self.sounding)
        for pitch in list(self.sounding):
            self._end(pitch)
        return sorted(self.notes), Faults(**self.wrong)


def encode(roll: PianoRoll, bpm: float = _BPM) -> tuple[Numbers, Lost]:
    """Return the numbers of a roll, and what they cannot hold: voices are forgotten."""
    notes, lost = listed(roll)
    moved = sum(_moves(n.onset_step - roll.first_step, bpm) for n in notes)
    moved += sum(_moves(n.end_step - roll.first_step, bpm) for n in notes)
    return to_numbers(notes, roll.first_step, roll.end_step, bpm), lost + Lost(moved=moved)


def _moves(step: int, bpm: float) -> bool:
    """Return whether a place comes back as another one."""
    back = _ticks_of(step, bpm) * _SHIFT_S * bpm / 60 * STEPS_PER_BEAT
    return round(back) != step


def decode(numbers: Numbers, steps: int, first_step: int = 0, bpm: float = _BPM) -> PianoRoll:
    """Return a roll of `steps` steps; all notes are the accompaniment's."""
    notes, _ = from_numbers(numbers, first_step, bpm)
    return notes_to_roll(notes, first_step, first_step + steps)


def scaled(numbers: Numbers) -> NDArray[np.float64]:
    """0..257 to -1..1."""
    return numbers / (SHIFT / 2) - 1.0


_KEYS = np.arange(PIANO.low, PIANO.high + 1)
_EVENTS = np.concatenate([_KEYS, _OFF + _KEYS, [SHIFT]])
_BETWEEN = (_EVENTS[1:] + _EVENTS[:-1]) / 2


def unscaled(values: NDArray[np.float32]) -> Numbers:
    """-1..1 as the nearest events: a key's on or off, or a shift."""
    return np.asarray(_EVENTS[np.searchsorted(_BETWEEN, (values + 1.0) * (SHIFT / 2))], np.int64)
