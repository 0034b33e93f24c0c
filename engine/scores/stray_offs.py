"""Ends of notes that stand in another track than their onset: some programs write files so.

Knows events and keys; what a track is made of is `midi_file`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.scores.midi_events import NOTE_OFF, NOTE_ON, Event, pair_notes

_Key = tuple[int, int]
"""Channel, from 0, and pitch."""


def hung_onsets(events: list[Event]) -> set[tuple[int, int, int]]:
    """(channel, pitch, tick) of the notes that nothing in this track ends: they last to its end."""
    last = events[-1].tick if events else 0
    return {
        (note.channel, note.pitch, note.onset_tick)
        for note in pair_notes(events)
        if note.off is None and note.cut_by is None and note.end_tick == last
    }


def stray_offs(tracks: Iterable[list[Event]]) -> dict[_Key, list[int]]:
    """Ticks, in order, of the offs of each key that end nothing in their own track."""
    found: dict[_Key, list[int]] = {}
    for events in tracks:
        opened: Counter[_Key] = Counter()
        for event in events:
            kind = event.status & 0xF0
            if kind not in (NOTE_ON, NOTE_OFF):
                continue
            key = event.status & 0x0F, event.data[0] & 0x7F
            if kind == NOTE_ON and event.data[1]:
                opened[key] += 1
            elif opened[key]:
                opened[key] -= 1
            else:
                found.setdefault(key, []).append(event.tick)
    return {key: sorted(ticks) for key, ticks in found.items()}
