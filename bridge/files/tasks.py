"""The five tasks on a MIDI file: a score to the engine's request, and its answer to notes.

Pure: reads no file, loads no model. Bars are numbered from 1, as a musician counts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT, GridError, MeterMap, PitchRange
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note, PianoRoll, fold_into, notes_to_roll, roll_to_notes
from engine.requests import tasks
from engine.requests.request import FillRequest, SampleSettings
from engine.scores.melody import Melody, find_melody, track_label
from engine.scores.midi_file import MidiFileError
from engine.scores.midi_write import free_channels
from engine.scores.parts import is_reply
from engine.scores.score import Score, Track

_CONTEXT_BARS = 16
"""How many bars around a gap the model is given; it hears no further than that anyway."""
_REPLY_SHARE = 0.8
_DEFAULT_VELOCITY = 80
LONGEST_REPLY_BARS = 1000


class TaskError(MidiFileError):
    """A wish that does not fit the file; the message says what would."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One file's work for the engine.

    The answer is what begins in the steps [from_step, to_step) in `voices`. `bars` are the first
    and last of these bars. folded, left_out: how many notes the engine hears in another octave,
    or not at all. replaced: the parts these new notes stand for.
    """

    request: FillRequest
    from_step: int
    to_step: int
    voices: tuple[int, ...]
    bars: tuple[int, int]
    melody: Melody | None = None
    folded: int = 0
    left_out: int = 0
    replaced: tuple[Track, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourcePiece:
    """A score with its melody and bar lines. `lines` ends where the last bar ends."""

    score: Score
    melody: Melody
    meters: MeterMap
    lines: tuple[int, ...]

    @classmethod
    def of(cls, score: Score, melody_track: str = "") -> SourcePiece:
        """Raise engine.scores.melody.MelodyError."""
        melody, meters = find_melody(score, melody_track), score.meter_map()
        return cls(score, melody, meters, tuple(meters.bar_lines(0, score.end_step)))

    @property
    def bars(self) -> int:
        """How many bars the piece has."""
        return len(self.lines) - 1

    @property
    def key(self) -> Key | None:
        """The key of the melody, where its notes tell one."""
        return read_key(class_weights(self.melody.lead))

    def span(self, from_bar: int, to_bar: int) -> tuple[int, int]:
        """Return steps of the bars `from_bar` to `to_bar` (inclusive). Raises TaskError."""
        if not 1 <= from_bar <= to_bar <= self.bars:
            raise TaskError(f"no bars {from_bar} to {to_bar}; the piece has bars 1 to {self.bars}")
        return self.lines[from_bar - 1], self.lines[to_bar]

    def voiced(self) -> list[Note]:
        """Return all notes by voice; with an uncertain melody everything is accompaniment."""
        if self.melody.certain:
            return [*self.melody.lead, *self.melody.rest]
        whole = [*self.melody.lead, *self.melody.rest]
        return sorted(replace(note, voice=ACCOMPANIMENT) for note in whole)


def harmonize(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange) -> Job:
    """Accompaniment under the melody, from its first bar to its last."""
    melody = piece.melody
    last = max(note.end_step for note in melody.lead)
    lines = piece.meters.bar_lines(melody.lead[0].onset_step, last)
    start, end = lines[0], lines[-1]
    known, folded, left_out = _hearable(melody.lead, pitches)
    roll = notes_to_roll(known, start, end, pitches)
    mask = tasks.harmonize_mask(roll)
    # Nothing of ours before the first note of a pickup.
    mask[ACCOMPANIMENT, ..., : _pickup_rest(melody.lead[0].onset_step, lines)] = True
    return Job(
        FillRequest(roll, mask, piece.meters, settings, ends=True),
        start,
        end,
        (ACCOMPANIMENT,),
        _bars_of(piece, start, end),
        melody,
        folded,
        left_out,
        warnings=(*_of_file(piece), *_unheard(piece)),
    )


def continue_(piece: SourcePiece, settings: SampleSettings, pitches: PitchRange, bars: int) -> Job:
    """`bars` bars more, melody and accompaniment, from the bar line after the last note."""
    start = piece.lines[-1]
    end = start + _bars_ahead(piece.meters, start, bars)
    first = piece.lines[max(piece.bars - _CONTEXT_BARS, 0)]
    known, folded, left_out = _hearable(piece.voiced(), pitches)
    roll = notes_to_roll(known, first, end, pitches)
    return Job(
        FillRequest(roll, tasks.continue_mask(roll, start), piece.meters, settings),
        start,
        end,
        (LEAD, ACCOMPANIMENT),
        (piece.bars + 1, piece.bars + bars),
        piece.melody,
        folded,
        left_out,
        warnings=_of_file(piece),
    )


def infill(
    piece: SourcePiece,
    settings: SampleSettings,
    pitches: PitchRange,
    from_bar: int | None = None,
    to_bar: int | None = None,
) -> Job:
    """Return new music in the bars `from_bar` to `to_bar`; by default the middle half of the
    piece."""
    first, last = _middle(piece.bars)
    if from_bar is None:
        from_bar = first if to_bar is None else min(first, to_bar)
    if to_bar is None:
        to_bar = max(last, from_bar)
    start, end = piece.span(from_bar, to_bar)
    notes = [n for n in piece.voiced() if not start <= n.onset_step < end]
    return _within(piece, notes, settings, pitches, (start, end), (LEAD, ACCOMPANIMENT))


def vary(
    piece: SourcePiece,
    settings: SampleSettings,
    pitches: PitchRange,
    keep: str = "nothing",
    from_bar: int | None = None,
    to_bar: int | None = None,
) -> Job:
    """Return the same bars anew, near the original; `keep` is nothing, lead or accompaniment."""
    start, end = piece.span(
        1 if from_bar is None else from_bar, piece.bars if to_bar is None else to_bar
    )
    # A held melody must be one: with `keep` the top line counts, certain or not.
    whole = [*piece.melody.lead, *piece.melody.rest] if keep != "nothing" else piece.voiced()
    notes = [_ending_by(n, end) if n.onset_step < end else n for n in whole]
    voices = {"nothing": (LEAD, ACCOMPANIMENT), "lead": (ACCOMPANIMENT,), "accompaniment": (LEAD,)}
    return _within(piece, notes, settings, pitches, (start, end), voices[keep])


def generate(settings: SampleSettings, pitches: PitchRange, bars: int, meters: MeterMap) -> Job:
    """`bars` bars out of nothing, and then it ends."""
    end = _bars_ahead(meters, 0, bars)
    roll = PianoRoll.empty(end, 0, pitches)
    request = FillRequest(roll, tasks.generate_mask(roll), meters, settings, ends=True)
    return Job(request, 0, end, (LEAD, ACCOMPANIMENT), (1, bars))


def new_notes(job: Job, answer: PianoRoll, velocity: int = 0) -> list[Note]:
    """Return what the engine added, sorted; velocity 0 follows the melody at 0.8 of its local
    mean."""
    inside = answer.window(job.from_step, job.to_step)
    notes = [n for n in roll_to_notes(inside) if n.voice in job.voices]
    around = list(job.melody.lead) if job.melody else []
    if velocity:
        return [replace(note, velocity=velocity) for note in notes]
    onsets = np.array([note.onset_step for note in around])
    return [replace(n, velocity=_velocity_beside(n, around, onsets)) for n in notes]


def _velocity_beside(note: Note, around: Sequence[Note], onsets: NDArray[np.int64]) -> int:
    """Take it from the melody within a beat of `note`, else all of it; a new lead is as loud."""
    share = _REPLY_SHARE if note.voice == ACCOMPANIMENT else 1.0
    low, high = np.searchsorted(
        onsets, [note.onset_step - STEPS_PER_BEAT, note.onset_step + STEPS_PER_BEAT + 1]
    )
    near = around[low:high] or around
    mean = fmean(n.velocity for n in near) if near else _DEFAULT_VELOCITY
    return min(max(round(mean * share), 1), 127)


def _pickup_rest(onset: int, lines: Sequence[int]) -> int:
    """Return steps before the first note where that is a pickup: in the second half of its bar."""
    rest, bar = onset - lines[0], lines[1] - lines[0]
    return rest if 2 * rest >= bar else 0


def _within(
    piece: SourcePiece,
    notes: Sequence[Note],
    settings: SampleSettings,
    pitches: PitchRange,
    span: tuple[int, int],
    voices: tuple[int, ...],
) -> Job:
    """Return the bars in `span` made anew in `voices`, everything around them known."""
    start, end = span
    first_bar, last_bar = piece.lines.index(start), piece.lines.index(end)
    first = piece.lines[max(first_bar - _CONTEXT_BARS, 0)]
    last = piece.lines[min(last_bar + _CONTEXT_BARS, piece.bars)]
    known_notes, folded, left_out = _hearable(notes, pitches)
    roll = notes_to_roll(known_notes, first, last, pitches)
    known = tasks.infill_mask(roll, start, end)
    for voice in {LEAD, ACCOMPANIMENT} - set(voices):
        known[voice] = True
    lead = piece.melody.track
    replaced = tuple(
        part for part in piece.score.pitched if (LEAD if part is lead else ACCOMPANIMENT) in voices
    )
    return Job(
        FillRequest(roll, known, piece.meters, settings),
        start,
        end,
        voices,
        (first_bar + 1, last_bar),
        piece.melody,
        folded,
        left_out,
        replaced,
        _of_file(piece),
    )


def _middle(bars: int) -> tuple[int, int]:
    """First and last bar, from 1, of the middle half; the last bar of one or two."""
    margin = max(bars // 4, 1)
    return (margin + 1, bars - margin) if bars > 2 else (bars, bars)


def _ending_by(note: Note, end: int) -> Note:
    return replace(note, length_steps=min(note.length_steps, end - note.onset_step))


def _bars_ahead(meters: MeterMap, start: int, bars: int) -> int:
    """Return steps in `bars` bars from the bar line `start` on."""
    if not 1 <= bars <= LONGEST_REPLY_BARS:
        raise TaskError(f"bars wants 1 to {LONGEST_REPLY_BARS}, not {bars}")
    line = start
    for _ in range(bars):
        line = meters.bar_span(line)[1]
    return line - start


def _bars_of(piece: SourcePiece, start: int, end: int) -> tuple[int, int]:
    """Return numbers of the first and last bar in the steps [start, end)."""
    inside = [n for n, (a, _) in enumerate(pairwise(piece.lines), 1) if start <= a < end]
    return inside[0], inside[-1]


def _hearable(notes: Sequence[Note], pitches: PitchRange) -> tuple[list[Note], int, int]:
    """Return the notes by octaves in the model's range; how many were moved, and how many do not
    fit."""
    fitting: list[Note] = []
    folded = 0
    for note in notes:
        try:
            moved, count = fold_into([note], pitches)
        except GridError:
            continue
        fitting += moved
        folded += count
    return fitting, folded, len(notes) - len(fitting)


def _of_file(piece: SourcePiece) -> tuple[str, ...]:
    """Return what of the file was skipped, and what the new track has to do without."""
    warnings, ticks = list(piece.score.warnings), piece.score.ticks_per_beat
    if ticks < STEPS_PER_BEAT:
        counted = "1 tick" if ticks == 1 else f"{ticks} ticks"
        warnings.append(f"the file has only {counted} a beat: new notes move to these or merge")
    if not free_channels(piece.score):
        warnings.append(
            "every channel is in use: the new notes share the melody's, and play with its sound"
        )
    return tuple(warnings)


def _unheard(piece: SourcePiece) -> tuple[str, ...]:
    """Return what of the file the harmony does not listen to."""
    others = [p for p in piece.score.pitched if p is not piece.melody.track]
    warnings = []
    if any(is_reply(part.name) for part in others):
        warnings.append("there is a midi-diffuse track already; it stays, beside the new one")
    others = [part for part in others if not is_reply(part.name)]
    if others:
        names = ", ".join(track_label(piece.score, part) for part in others[:4])
        names += " and more" if len(others) > 4 else ""
        warnings.append(f"only the melody is listened to; kept but not used: {names}")
    if piece.melody.below:
        count = piece.melody.below
        warnings.append(f"{count} notes below the melody in its own track are not listened to")
    return tuple(warnings)
