"""A reply by parts, as a band divides it: bass, chords, lead; and how their tracks are called.

Knows nothing of files' bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from engine.music.grid import LEAD
from engine.music.roll import Note

REPLY_NAME = "midi-diffuse"
"""The name of the tracks we write."""
_PARTS = ("bass", "chords", "lead")


def is_reply(track_name: str) -> bool:
    """Return whether a track of that name is ours: `midi-diffuse`, `midi-diffuse 2`, `... bass`."""
    return track_name == REPLY_NAME or track_name.startswith(f"{REPLY_NAME} ")


def by_part(notes: Iterable[Note]) -> dict[str, list[Note]]:
    """Return the notes by _PARTS, sorted; parts without notes are left out.

    Bass is what has nothing of the accompaniment below it where it begins; lead is a melody of the
    reply's own.
    """
    lead = sorted(note for note in notes if note.voice == LEAD)
    other = sorted(note for note in notes if note.voice != LEAD)
    bass = set(_lowest(other))
    found = {"bass": sorted(bass), "chords": [n for n in other if n not in bass], "lead": lead}
    return {part: notes for part, notes in found.items() if notes}


def _lowest(notes: Sequence[Note]) -> Iterable[Note]:
    """Return, of notes in order of onset, those that begin with nothing below them."""
    sounding: list[Note] = []
    for onset, beginning in groupby(notes, attrgetter("onset_step")):
        sounding = [note for note in sounding if note.end_step > onset]
        new = list(beginning)
        sounding += new
        pitch = min(note.pitch for note in sounding)
        yield from (note for note in new if note.pitch == pitch)
