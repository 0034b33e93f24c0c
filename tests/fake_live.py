"""Ableton Live with AbletonOSC, as far as its README says: refuses what Live would refuse."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import build_msg

TYPES: dict[str, tuple[type, ...]] = {
    "/live/test": (),
    "/live/song/get/track_names": (),
    "/live/song/get/num_tracks": (),
    "/live/song/get/num_scenes": (),
    "/live/song/create_midi_track": (int,),
    "/live/song/create_scene": (int,),
    "/live/track/get/has_midi_input": (int,),
    "/live/track/set/name": (int, str),
    "/live/clip_slot/get/has_clip": (int, int),
    "/live/clip_slot/create_clip": (int, int, float),
    "/live/clip/set/name": (int, int, str),
    "/live/clip/get/notes": (int, int),
}
"""Arguments of each address; that of /live/clip/add/notes is checked by hand."""
ADD = "/live/clip/add/notes"
NOTE = (int, float, float, int, bool)


@dataclass
class FakeClip:
    length: float
    name: str = ""
    notes: list[tuple[Any, ...]] = field(default_factory=list)


@dataclass
class FakeTrack:
    name: str
    midi: bool = True
    clips: dict[int, FakeClip] = field(default_factory=dict)


class FakeLive:
    """A Live Set. wrong: what was not as the README has it. chunk: most values in an answer."""

    def __init__(self, reply_port: int, chunk: int = 200) -> None:
        self.tracks = [FakeTrack("Audio", midi=False), FakeTrack("Keys")]
        self.scenes = 2
        self.wrong: list[str] = []
        self.heard: list[str] = []
        self._reply_port, self._chunk = reply_port, chunk
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()

    def _run(self) -> None:
        while packet := self._socket.recv(65_536):
            message = OscMessage(packet)
            self._take(message.address, tuple(message.params))

    def _take(self, address: str, values: tuple[Any, ...]) -> None:
        self.heard.append(address)
        if not self._fits(address, values):
            self.wrong.append(f"{address} {values}")
            return
        try:
            answer = self._act(address, values)
        except (LookupError, AssertionError) as err:
            self.wrong.append(f"{address} {values}: {err}")
            self._send("/live/error", ("Index out of range",))
            return
        if answer is not None:
            self._answer(address, answer)

    def _fits(self, address: str, values: tuple[Any, ...]) -> bool:
        if address == ADD:
            notes = [values[at : at + 5] for at in range(2, len(values), 5)]
            return len(values) < 1000 and all(_are(note, NOTE) for note in notes)
        return address in TYPES and _are(values, TYPES[address])

    def _act(self, address: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        acts: dict[str, Callable[..., tuple[Any, ...] | None]] = {
            "/live/test": lambda: ("ok",),
            "/live/song/get/track_names": lambda: tuple(track.name for track in self.tracks),
            "/live/song/get/num_tracks": lambda: (len(self.tracks),),
            "/live/song/get/num_scenes": lambda: (self.scenes,),
            "/live/song/create_midi_track": self._make_track,
            "/live/song/create_scene": self._make_scene,
            "/live/track/get/has_midi_input": lambda t: (t, self.tracks[t].midi),
            "/live/track/set/name": self._name_track,
            "/live/clip_slot/get/has_clip": self._has_clip,
            "/live/clip_slot/create_clip": self._make_clip,
            "/live/clip/set/name": self._name_clip,
            "/live/clip/get/notes": self._notes,
            ADD: self._add,
        }
        return acts[address](*values)

    def _make_track(self, index: int) -> None:
        assert index == -1
        self.tracks.append(FakeTrack(f"{len(self.tracks) + 1}-MIDI"))

    def _make_scene(self, index: int) -> None:
        assert index == -1
        self.scenes += 1

    def _name_track(self, track: int, name: str) -> None:
        self.tracks[track].name = name

    def _has_clip(self, track: int, slot: int) -> tuple[Any, ...]:
        assert 0 <= slot < self.scenes
        return track, slot, slot in self.tracks[track].clips

    def _make_clip(self, track: int, slot: int, length: float) -> None:
        here = self.tracks[track]
        assert here.midi
        assert 0 <= slot < self.scenes
        assert slot not in here.clips
        assert length > 0
        here.clips[slot] = FakeClip(length)

    def _name_clip(self, track: int, slot: int, name: str) -> None:
        self.tracks[track].clips[slot].name = name

    def _add(self, track: int, slot: int, *values: Any) -> None:
        clip = self.tracks[track].clips[slot]
        for at in range(0, len(values), 5):
            pitch, start, length, velocity, _ = values[at : at + 5]
            assert 0 <= pitch < 128
            assert 1 <= velocity < 128
            assert length > 0
            assert 0 <= start < clip.length
            clip.notes.append((pitch, start, length, velocity))

    def _notes(self, track: int, slot: int) -> tuple[Any, ...]:
        notes = self.tracks[track].clips[slot].notes
        return (track, slot, *(value for note in notes for value in (*note, False)))

    def _answer(self, address: str, values: tuple[Any, ...]) -> None:
        parts = [values[at : at + self._chunk] for at in range(0, len(values), self._chunk)]
        if len(parts) > 1:
            parts = [("#$#", *parts[0]), *parts[1:-1], (*parts[-1], "#$#")]
        for part in parts or [()]:
            self._send(address, part)

    def _send(self, address: str, values: tuple[Any, ...]) -> None:
        self._socket.sendto(build_msg(address, list(values)).dgram, ("127.0.0.1", self._reply_port))


def _are(values: tuple[Any, ...], types: tuple[type, ...]) -> bool:
    return tuple(type(value) for value in values) == types
