"""Writes takes into one folder, under names of our own. A take that cannot be written is not lost.

Owner: the outbox thread.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import platformdirs

from bridge.commands import KeepTake, OscOut
from bridge.take import BarsTake
from engine.music.grid import LEAD
from engine.music.heard_chords import heard_chords, named, with_lead
from engine.music.keys import Key, class_weights, read_key
from engine.music.roll import Note
from engine.scores.midi_events import MidiFileError
from engine.scores.midi_write import NewTrack, new_file, write
from engine.scores.parts import REPLY_NAME

_MOST_UNWRITTEN = 16
Now = Callable[[], datetime.datetime]


def takes_folder() -> Path:
    """Return where takes go by default: $XDG_DATA_HOME/midi-diffuse/takes on Linux."""
    return platformdirs.user_data_path("midi-diffuse", appauthor=False) / "takes"


class TakeKeeper:
    """unwritten: takes that the disk would not have; the next `keep` tries them again."""

    def __init__(self, folder: Path, now: Now = datetime.datetime.now) -> None:
        self.folder = folder
        self.unwritten: deque[tuple[str, BarsTake]] = deque(maxlen=_MOST_UNWRITTEN)
        self._now = now

    def keep(self, effect: KeepTake) -> Iterable[OscOut]:
        """Write the take, and those before it that could not be; says what came of it."""
        bars = "-".join(map(str, effect.take.bars))
        stamp = self._now().strftime("%Y-%m-%d-%H%M%S")
        self.unwritten.append((f"{stamp}-bars-{bars}", effect.take))
        while self.unwritten:
            stem, take = self.unwritten[0]
            path = self._free(stem)
            try:
                write(as_midi(take), path)
            except MidiFileError as err:
                text = f"{err}; the take is kept in memory, and written with the next"
                yield OscOut("/diffuse/out/error", ("keep", text), effect.to)
                return
            self.unwritten.popleft()
            first, last = take.bars
            yield OscOut("/diffuse/out/kept", (path.name, first, last), effect.to)

    def _free(self, stem: str) -> Path:
        path, number = self.folder / f"{stem}.mid", 1
        while path.exists():
            number += 1
            path = self.folder / f"{stem}-{number}.mid"
        return path


def as_midi(take: BarsTake) -> bytes:
    """Return a type-1 file: melody, the musician's other notes, the reply with its chords as
    markers."""
    tracks = [
        NewTrack("Melody", take.lead, channels={LEAD: 0}),
        NewTrack("Other", take.other, channels={1: 1}),
        NewTrack(
            REPLY_NAME, take.reply, channels={0: 3, 1: 2}, markers=_markers(take), key=_key(take)
        ),
    ]
    used = [track for track in tracks if track.notes]
    return new_file(used, take.bpm, take.meters, take.label)


def _key(take: BarsTake) -> Key | None:
    return read_key(class_weights([*take.lead, *take.other, *take.reply]))


def _markers(take: BarsTake) -> list[tuple[int, str]]:
    below: list[Note] = [*take.other, *(note for note in take.reply if note.voice != LEAD)]
    above = [*take.lead, *(note for note in take.reply if note.voice == LEAD)]
    if not below:
        return []
    end = max(note.end_step for note in below)
    names = (_key(take) or Key(0)).names
    return named(with_lead(heard_chords(below, 0, end), above), names)
