"""What a piano-roll picture shows: layers of notes, bars, systems. Knows nothing of pixels' colour.

`engine.scores.render` draws it.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from engine.music.chord_names import Chord, ChordError
from engine.music.grid import LEAD, STEPS_PER_BEAT, Meter, MeterMap
from engine.music.heard_chords import heard_chords, named, with_lead
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note
from engine.scores.melody import find_melody, skyline
from engine.scores.midi_file import MidiFileError
from engine.scores.parts import is_reply
from engine.scores.score import Score

MELODY, REPLY, OTHER, BACKING = "melody", "reply", "other tracks", "accompaniment"
_FEWEST_ROWS = 25
_MOST_SYSTEMS = 24
_WISHED_STEPS, _MOST_STEPS = 840, 3400
"""Steps in one system: what looks good, and what can just be made out."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Notes in one colour, named in the legend: MELODY, REPLY, OTHER or BACKING.

    BACKING is what a file without a reply has beside its melody.
    """

    name: str
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What to draw, later layers on top.

    lines: bar lines in absolute steps; the bar after the first has number `first_bar`.
    beats: the beats between them. generated: steps [from, to) shaded as made by the model.
    chords: (step, name) of each change of chord.
    """

    title: str
    subtitle: str
    layers: tuple[Layer, ...]
    lines: tuple[int, ...]
    beats: tuple[int, ...]
    first_bar: int = 1
    generated: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()
    chords: tuple[tuple[int, str], ...] = ()

    @property
    def bars(self) -> int:
        """How many bars are drawn."""
        return len(self.lines) - 1

    @property
    def pitches(self) -> tuple[int, int]:
        """Lowest and highest row: two beyond the notes, and a decent height at least."""
        pitches = [note.pitch for layer in self.layers for note in layer.notes]
        low, high = min(pitches) - 2, max(pitches) + 2
        while high - low + 1 < _FEWEST_ROWS:
            low, high = low - 1, high + 1
        return max(low, 0), min(high, 127)

    def systems(self) -> list[tuple[int, int]]:
        """Return the bars [first, end), by index in `lines`, of each system; the last may be
        shorter."""
        start, total = self.lines[0], self.lines[-1] - self.lines[0]
        count = min(-(-total // _WISHED_STEPS), _MOST_SYSTEMS)
        longest = self.lines[bisect_left(self.lines, start + -(-total // count))] - start
        systems, first = list[tuple[int, int]](), 0
        while first < self.bars:
            end = bisect_right(self.lines, self.lines[first] + longest) - 1
            end = max(end, first + 1)
            systems.append((first, end))
            first = end
        return systems


def picture(
    title: str,
    melody: Iterable[Note],
    reply: Iterable[Note],
    meters: MeterMap,
    *,
    others: Iterable[Note] = (),
    subtitle: str = "",
    generated: tuple[int, int] | None = None,
) -> Picture:
    """Return a picture of a melody and its reply. Raises MidiFileError where there is not one note.

    A very long piece is cut after the bars that can still be made out, with a warning.
    """
    answer = tuple(sorted(reply))
    named = ((OTHER if answer else BACKING, others), (REPLY, answer), (MELODY, melody))
    layers = [Layer(name, tuple(sorted(notes))) for name, notes in named]
    layers = [layer for layer in layers if layer.notes]
    notes = [note for layer in layers for note in layer.notes]
    if not notes:
        raise MidiFileError("there are no notes to draw")
    lines = meters.bar_lines(
        min(0, *(note.onset_step for note in notes)), max(note.end_step for note in notes)
    )
    warnings: tuple[str, ...] = ()
    fitting = bisect_left(lines, lines[0] + _MOST_SYSTEMS * _MOST_STEPS)
    if fitting < len(lines) - 1:
        warnings = (f"only the first {fitting} of {len(lines) - 1} bars are drawn",)
        lines = lines[: fitting + 1]
    return Picture(
        title,
        subtitle,
        tuple(layers),
        tuple(lines),
        tuple(_beats(lines, meters)),
        1 - sum(line < 0 for line in lines[:-1]),
        generated,
        warnings,
    )


def picture_of(score: Score, title: str, melody_track: str = "") -> Picture:
    """Return a picture of a MIDI file: its melody, its midi-diffuse tracks, and what else there is.

    Where the reply stands in only some of the bars, those are shaded. Raises
    engine.scores.melody.MelodyError.
    """
    melody = find_melody(score, melody_track).track
    lead, others = skyline(score.notes_of(melody, LEAD))
    reply: list[Note] = []
    for track in score.pitched:
        if track is not melody:
            (reply if is_reply(track.name) else others).extend(score.notes_of(track))
    meters = score.meter_map()
    bars = len(meters.bar_lines(0, score.end_step)) - 1
    meter = ", ".join(dict.fromkeys(str(meter) for _, meter in meters.changes[:4]))
    made = picture(
        title,
        lead,
        reply,
        meters,
        others=others,
        subtitle=f"{bars} bars  ·  {meter}  ·  {score.bpm:.4g} bpm",
        generated=_shaded(lead, reply, meters),
    )
    chords = _marked_chords(score) or _chord_names(reply or others, lead)
    return replace(made, warnings=(*score.warnings, *made.warnings), chords=tuple(chords))


def _chord_names(notes: Sequence[Note], lead: Sequence[Note]) -> list[tuple[int, str]]:
    """(step, name) of each change of chord, read off an accompaniment and the melody over it."""
    if not notes:
        return []
    end = max(note.end_step for note in notes)
    first = min(note.onset_step for note in notes)
    read = heard_chords(notes, first, end)
    key = read_key(class_weights([*notes, *lead])) or Key(0)
    return named(with_lead(read, lead), key.names)


def _marked_chords(score: Score) -> list[tuple[int, str]]:
    """Return the file's markers that name chords, as midi-diffuse writes them."""
    found = []
    for tick, text in score.markers:
        with contextlib.suppress(ChordError):
            Chord.parse(text)
            found.append((score.step_at(tick), text))
    return found


def _shaded(lead: list[Note], reply: list[Note], meters: MeterMap) -> tuple[int, int] | None:
    """Return bars of the reply, unless they are those of the melody; a pickup may be without it."""
    if not reply:
        return None
    own = meters.bar_lines(reply[0].onset_step, max(note.end_step for note in reply))
    song = meters.bar_lines(lead[0].onset_step, max(note.end_step for note in lead))
    pickup = 2 * (lead[0].onset_step - song[0]) >= song[1] - song[0]
    return (own[0], own[-1]) if own[0] > song[pickup] or own[-1] < song[-1] else None


def _beats(lines: list[int], meters: MeterMap) -> Iterable[int]:
    for first, end in pairwise(lines):
        index = max(i for i, (start, _) in enumerate(meters.changes) if start <= max(first, 0))
        yield from range(first, end, _beat(meters.changes[index][1]))


def _beat(meter: Meter) -> int:
    """Return what one taps to: the dotted quarter in 6/8, 9/8 and 12/8."""
    if meter.unit == 8 and meter.beats % 3 == 0:
        return 3 * STEPS_PER_BEAT // 2
    return max(4 * STEPS_PER_BEAT // meter.unit, STEPS_PER_BEAT // 2)
