"""Which notes of a score are the melody: by track name, else the highest part, else the skyline."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_TOKEN
from engine.music.roll import Note
from engine.scores.midi_file import MidiFileError
from engine.scores.parts import is_reply
from engine.scores.score import Score, Track

# Best first: a track called "Melody" wins over one called "Voice".
_NAMES = (
    r"melod\w*|mélodie|tune|theme|thema|top ?line",
    r"lead|vocals?|vox|sing(er|ing|stimme)?|gesang|chant|canto|cantus|superius",
    r"sopran\w*|voice|voix|voce|voz|stimme|solo\w*|descant\w*|discant\w*|treble",
)
_NOT_NAMES = (
    r"back(ing|ings|s)?|bgvs?|choirs?|pads?|o+hs?|a+hs?|bass\w*|drums?|accomp\w*|chords?|left|"
    r"harmon\w*|altos?|tenors?"
)
_MONOPHONIC_BONUS = 12.0  # a part that is always one note at a time counts an octave higher
_ENOUGH = 0.15  # a part with fewer notes than this share of the fullest one is an ornament
_PLENTY = 8  # but not one with so many notes that has a melody's name


class MelodyError(MidiFileError):
    """No such melody track; the message lists the tracks there are."""


@dataclass(frozen=True, slots=True)
class Melody:
    """The lead of a score, and everything else.

    lead: one note at a time, sorted, voice LEAD. rest: the other pitched notes, ACCOMPANIMENT.
    reason: in words, how it was found. certain: False where the lead is the top of one polyphonic
    part and nobody asked for it: such a piece may as well have no lead at all.
    below: how many notes of the melody's own part are not lead. place: `track 2 'Soprano'`.
    """

    track: Track
    lead: tuple[Note, ...]
    rest: tuple[Note, ...]
    reason: str
    certain: bool
    below: int
    place: str

    def describe(self) -> str:
        """`track 2 'Soprano', by its name`."""
        return f"{self.place}, {self.reason}"


def find_melody(score: Score, wanted: str = "") -> Melody:
    """Return the melody of `score`; `wanted` is a track's name or its number, from 1.

    Numbers count the parts of `Score.pitched`. Raises MelodyError that lists them.
    """
    parts = score.pitched
    if not parts:
        raise MelodyError("holds drums only: there is no melody")
    if wanted:
        track, reason = _by_request(parts, wanted), "as asked"
    elif named := _by_name(parts):
        track, reason = named, "by its name"
    else:
        track = _highest(score, _fair(parts))
        reason = "the highest part" if len(parts) > 1 else "the only part"
    lead, below = skyline(score.notes_of(track, LEAD))
    rest = [replace(note, voice=ACCOMPANIMENT) for note in below]
    for other in parts:
        if other is not track:
            rest += score.notes_of(other)
    certain = bool(wanted) or reason == "by its name" or len(parts) > 1 or len(below) < len(lead)
    if below:
        reason += ", its top line"
    return Melody(
        track,
        tuple(lead),
        tuple(sorted(rest)),
        reason,
        certain,
        len(below),
        track_label(score, track),
    )


def track_label(score: Score, track: Track) -> str:
    """`track 2 'Soprano'`."""
    number = score.pitched.index(track) + 1
    return f"track {number} {track.name!r}" if track.name else f"track {number}"


def _by_request(parts: tuple[Track, ...], wanted: str) -> Track:
    names = {track.name.casefold(): track for track in reversed(parts) if track.name}
    if found := names.get(wanted.strip().casefold()):
        return found
    if wanted.strip().isdecimal() and 1 <= int(wanted) <= len(parts):
        return parts[int(wanted) - 1]
    close = difflib.get_close_matches(wanted.casefold(), names, n=1)
    hint = f" (did you mean {names[close[0]].name!r}?)" if close else ""
    listed = ", ".join(f"{i} {track.name or '(no name)'}" for i, track in enumerate(parts, 1))
    raise MelodyError(f"no melody track {wanted!r}{hint}; tracks with notes: {listed}")


def _by_name(parts: tuple[Track, ...]) -> Track | None:
    """Return the first track with the best name; one that several channels share says nothing.

    Nor does the name of a part with a note or two beside many: a solo that is yet to come.
    """
    shared = Counter(track.chunk for track in parts)
    most = max(len(track.notes) for track in parts)
    enough = min(_ENOUGH * most, _PLENTY)
    named = [t for t in _given(parts) if shared[t.chunk] == 1 and len(t.notes) >= enough]
    for pattern in _NAMES:
        for track in named:
            name = track.name.casefold().replace("_", " ")
            if re.search(rf"\b({pattern})(\b|\d)", name) and not re.search(_word(_NOT_NAMES), name):
                return track
    return None


def _word(pattern: str) -> str:
    return rf"\b({pattern})\b"


def _fair(parts: tuple[Track, ...]) -> list[Track]:
    """Parts that could be a melody: not our own earlier reply, not a handful of notes."""
    fair = _given(parts)
    most = max(len(track.notes) for track in fair)
    return [track for track in fair if len(track.notes) >= _ENOUGH * most]


def _given(parts: Iterable[Track]) -> list[Track]:
    """Return the parts that are not our own earlier reply, if there are any."""
    parts = list(parts)
    return [track for track in parts if not is_reply(track.name)] or parts


def _highest(score: Score, parts: list[Track]) -> Track:
    """Choose by mean pitch, each note weighing its length; monophonic parts are preferred."""

    def height(track: Track) -> float:
        notes = score.notes_of(track)
        weight = sum(note.length_steps for note in notes)
        mean = sum(note.pitch * note.length_steps for note in notes) / weight
        lead, _ = skyline(notes)
        return mean + _MONOPHONIC_BONUS * (len(lead) / len(notes))

    return max(parts, key=height)


def skyline(notes: list[Note]) -> tuple[list[Note], list[Note]]:
    """Return the top line, one note at a time, and the notes below it; both sorted.

    A lower note that begins while the top one sounds is below, unless the overlap is mere legato
    (at most a sixteenth and half of either note): then the top one ends there. A higher note
    always takes over.
    """
    top: list[Note] = []
    below: list[Note] = []
    for note in sorted(notes, key=lambda n: (n.onset_step, -n.pitch)):
        if top and note.onset_step < top[-1].end_step:
            last = top[-1]
            shortest = min(last.length_steps, note.length_steps)
            legato = min(STEPS_PER_TOKEN, shortest // 2)
            overlap = last.end_step - note.onset_step
            if note.pitch <= last.pitch and (
                note.onset_step == last.onset_step or overlap > legato
            ):
                below.append(note)
                continue
            top[-1] = replace(last, length_steps=note.onset_step - last.onset_step)
        top.append(note)
    return top, sorted(below)
