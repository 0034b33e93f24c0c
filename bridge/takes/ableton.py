"""Puts music into clips of a Live Set, through AbletonOSC, a remote script that Live's users add.

Addresses as in its README: https://github.com/ideoforms/AbletonOSC. Everything is asked back, since
a datagram may be lost and Live acts a moment later.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import build_msg

from bridge.commands import Value
from engine.music.grid import STEPS_PER_BEAT
from engine.scores.parts import is_reply
from engine.scores.score import Score, Track

_REPLY_PORT = 11001
"""Where AbletonOSC sends answers."""
_NOTES_AT_ONCE = 50
WAIT_S, _POLL_S = 2.0, 0.05
_END = -1
"""As an index: behind the last."""
_CHUNK = "#$#"
"""Stands at both ends of an answer that comes in several messages."""


class AbletonError(Exception):
    """Live cannot be had, or did not do it; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class ClipNote:
    """Times in beats of the clip."""

    pitch: int
    start_beats: float
    length_beats: float
    velocity: int


@dataclass(frozen=True, slots=True)
class Clip:
    """What goes into one clip slot."""

    name: str
    length_beats: float
    notes: tuple[ClipNote, ...]


@dataclass(frozen=True, slots=True)
class ClipPlace:
    """Indices from 0; `track_name` is new where no track had it."""

    track: int
    slot: int
    track_name: str


def clips_of(score: Score, name: str, *, everything: bool) -> list[tuple[str, Clip]]:
    """Track names and clips: of our own parts in a file, or of all. All clips are as long: whole
    bars, from the one in which the first note of any of them begins.
    """
    parts = [part for part in score.pitched if everything or is_reply(part.name)]
    if not parts:
        return []
    notes = [note for part in parts for note in score.notes_of(part)]
    first = min(note.onset_step for note in notes)
    lines = score.meter_map().bar_lines(first, max(note.end_step for note in notes))
    start, beats = lines[0], (lines[-1] - lines[0]) / STEPS_PER_BEAT
    return [(part.name or name, Clip(name, beats, _notes(score, part, start))) for part in parts]


def _notes(score: Score, part: Track, start: int) -> tuple[ClipNote, ...]:
    return tuple(
        ClipNote(
            note.pitch,
            (note.onset_step - start) / STEPS_PER_BEAT,
            note.length_steps / STEPS_PER_BEAT,
            max(note.velocity, 1),
        )
        for note in score.notes_of(part)
    )


class AbletonClient:
    """Talks to AbletonOSC. Close it."""

    def __init__(self, peer: tuple[str, int], reply_port: int = _REPLY_PORT) -> None:
        """Raise AbletonError where the port for answers is taken."""
        self._peer = peer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("", reply_port))
        except OSError as err:
            self._socket.close()
            text = f"port {reply_port}, to which AbletonOSC answers, is taken ({err.strerror})"
            raise AbletonError(text) from None

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

    def greet(self) -> None:
        """Raise AbletonError where Live does not answer."""
        try:
            self.ask("/live/test")
        except AbletonError:
            host, port = self._peer
            raise AbletonError(
                f"no AbletonOSC at {host} port {port}: start Live, and choose AbletonOSC as a "
                "control surface in its settings (Link, Tempo & MIDI)"
            ) from None

    def push(self, clip: Clip, track_name: str) -> ClipPlace:
        """Put a clip into the first empty slot of the track so called; makes the track, and a
        scene, where there is none. Raises AbletonError.
        """
        track = self._track(track_name)
        slot = self._empty_slot(track)
        self.send("/live/clip_slot/create_clip", track, slot, clip.length_beats)
        self._until(lambda: bool(self._has_clip(track, slot)), "made no clip")
        self.send("/live/clip/set/name", track, slot, clip.name)
        for at in range(0, len(clip.notes), _NOTES_AT_ONCE):
            self._add(track, slot, clip.notes[at : at + _NOTES_AT_ONCE])
        count = len(clip.notes)
        self._until(lambda: self._count(track, slot) == count, f"has not all {count} notes")
        return ClipPlace(track, slot, track_name)

    def send(self, address: str, *arguments: Value) -> None:
        """Send a message; nothing comes back."""
        self._socket.sendto(build_msg(address, list(arguments)).dgram, self._peer)

    def ask(self, address: str, *arguments: Value) -> tuple[Any, ...]:
        """Return the answer to a question. Raises AbletonError: none came, or Live says what is
        wrong."""
        self.send(address, *arguments)
        end_s, found, chunked = time.monotonic() + WAIT_S, list[Any](), False
        while (left_s := end_s - time.monotonic()) > 0:
            for message in self._receive(left_s):
                if message.address == "/live/error":
                    raise AbletonError(f"Live says: {' '.join(map(str, message.params))}")
                if message.address != address:
                    continue
                marks = message.params.count(_CHUNK)
                found += [each for each in message.params if each != _CHUNK]
                if not marks and not chunked:
                    return tuple(found)
                if marks == 2 or (marks and chunked):
                    return tuple(found)
                chunked = True
        raise AbletonError(f"Live does not answer {address}")

    def _receive(self, seconds: float) -> list[OscMessage]:
        self._socket.settimeout(seconds)
        try:
            packet = self._socket.recv(65_536)
            return [OscMessage(packet)]
        except (OSError, ParseError):  # nothing came, nobody listens there, or it is no message
            return []

    def _track(self, name: str) -> int:
        names = self.ask("/live/song/get/track_names")
        for index, each in enumerate(names):
            if each == name and self.ask("/live/track/get/has_midi_input", index)[1]:
                return index
        self.send("/live/song/create_midi_track", _END)
        count = len(names) + 1
        self._until(lambda: self._number("tracks") == count, "made no track")
        self.send("/live/track/set/name", count - 1, name)
        return count - 1

    def _empty_slot(self, track: int) -> int:
        scenes = self._number("scenes")
        for slot in range(scenes):
            if not self._has_clip(track, slot):
                return slot
        self.send("/live/song/create_scene", _END)
        self._until(lambda: self._number("scenes") == scenes + 1, "made no scene")
        return scenes

    def _number(self, what: str) -> int:
        return int(self.ask(f"/live/song/get/num_{what}")[0])

    def _has_clip(self, track: int, slot: int) -> bool:
        return bool(self.ask("/live/clip_slot/get/has_clip", track, slot)[2])

    def _add(self, track: int, slot: int, notes: Sequence[ClipNote]) -> None:
        words = [_words(note) for note in notes]
        flat = [value for note in words for value in note]
        self.send("/live/clip/add/notes", track, slot, *flat)

    def _count(self, track: int, slot: int) -> int:
        """Return how many notes the clip has: five values each, after the two indices."""
        return (len(self.ask("/live/clip/get/notes", track, slot)) - 2) // 5

    def _until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Wait: Live acts a moment after it was told."""
        end_s = time.monotonic() + WAIT_S
        while not done():
            if time.monotonic() > end_s:
                raise AbletonError(f"Live {otherwise}; look at the Set, and try again")
            time.sleep(_POLL_S)


def _words(note: ClipNote) -> Iterable[Value]:
    return note.pitch, note.start_beats, note.length_beats, note.velocity, False
