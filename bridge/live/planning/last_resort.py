"""What a reply plays when the engine is gone for longer than its last plan: the last bars again.

Knows nothing of engines; says what would be played, if it comes to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.request_window import Turn
from engine.music.grid import LEAD, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import SampleSettings

_REPEATED_BARS = (2, 1)
"""So many bars are repeated, or fewer where there were not so many."""
_FARTHEST_BARS = 16
"""Where ours was silent, or held one note, for longer: the last bar that had notes, of so many."""
_CLASHES = (1, 11)
"""Semitones, modulo the octave, that no repeated note may have to the melody."""
_HELD_STEPS = 16 * STEPS_PER_BEAT
"""How long ago a note of the melody that is still held may have begun."""


def repeated(
    first_step: int,
    stop_step: int,
    turn: Turn,
    song: SongMemory,
    bars: BeatLines,
    settings: SampleSettings,
) -> list[Note]:
    """Return notes that begin in [first_step, stop_step): the reply of a bar or two before.

    As the locks, the register and the melody allow; where the melody allows none, all others. Where
    the bars before were silent for a beat, as they are where the reply began in mid-bar, the last
    beat that was not is played again.
    """
    for back in (*_bars_back(first_step, turn, song, bars), *_beats_back(first_step, bars)):
        stop = min(stop_step - back, first_step)
        notes = _reply(first_step - back, stop, back, turn, song)
        if notes:
            allowed = [note for note in notes if _within_locks(note, settings)]
            lead = _lead(first_step, stop_step, turn, song)
            return [note for note in allowed if not _clashes(note.pitch, lead)] or allowed
        if _sounds(first_step, back, turn, song, bars):
            return []
    return []


def _bars_back(first_step: int, turn: Turn, song: SongMemory, bars: BeatLines) -> Iterator[int]:
    """Yield how many steps ago the bars began that are repeated, if there were any notes then."""
    line = bars.bar(first_step)[0]
    for count in (*_REPEATED_BARS, *range(_REPEATED_BARS[0] + 1, _FARTHEST_BARS + 1)):
        back = line - bars.plus(line, -count)
        if _reply(line - back, bars.plus(line, 1 - count), 0, turn, song):
            yield back
            return


def _beats_back(first_step: int, bars: BeatLines) -> Iterator[int]:
    """Yield how many steps ago each beat of the last bars began, the latest first."""
    line = bars.beat(first_step)
    least = bars.plus(bars.bar(first_step)[0], -_REPEATED_BARS[0])
    before = bars.beat(line - 1)
    while before >= least:
        yield line - before
        before = bars.beat(before - 1)


def _sounds(first_step: int, back: int, turn: Turn, song: SongMemory, bars: BeatLines) -> bool:
    """Tell whether ours sounds in this beat anyway: held over, or begun later `back` ago."""
    shift, end = turn.shift_steps, bars.next_beat(first_step)
    held = song.reply.notes(first_step - shift, end - shift, end - shift)
    return bool(held) or bool(_reply(first_step - back, end - back, 0, turn, song))


def _reply(first: int, stop: int, back: int, turn: Turn, song: SongMemory) -> list[Note]:
    """Return ours that began in output steps [first, stop), moved `back` steps on."""
    shift = turn.shift_steps
    return [
        replace(note, onset_step=note.onset_step + shift + back)
        for note in song.reply.notes(first - shift, stop - shift, stop - shift)
        if note.onset_step >= first - shift and note.voice in turn.voices
    ]


def _within_locks(note: Note, settings: SampleSettings) -> bool:
    in_register = settings.low <= note.pitch <= settings.high
    classes = settings.pitch_classes
    return in_register and (not classes or note.pitch % 12 in classes)


def _lead(first: int, stop: int, turn: Turn, song: SongMemory) -> set[int]:
    """Return pitches of the melody that are answered here: bars ago, or held now."""
    shift = turn.shift_steps
    here = song.input.notes(first - shift, stop - shift, stop - shift)
    held = [] if shift else song.input.onsets(first - _HELD_STEPS, stop)
    return {note.pitch for note in here if note.voice == LEAD} | {
        entry.pitch for entry in held if entry.voice == LEAD and entry.end_step is None
    }


def _clashes(pitch: int, lead: Iterable[int]) -> bool:
    return any(pitch == other or (pitch - other) % 12 in _CLASHES for other in lead)
