"""What a page that is opened now needs to know: the last word on everything, and the notes so far.

Pure: messages in, a snapshot out. Places are quarter notes from the song's start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

_MOST_NOTES = 20_000
"""Ten minutes of a busy band."""
_MOST_CHORDS = 4_000
MOST_FIGURES = 180
"""Seconds of lateness and plan time."""
_SEAM_BEATS = 0.5
"""A song position so much before the last one is a jump, not jitter."""
_LAST = (
    "state",
    "bar",
    "horizon",
    "chord_now",
    "key",
    "latency",
    "late",
    "ports",
    "plan",
    "freeze",
)
_PLOTTED = ("send_late_last_ms", "plan_last_ms")

Words = Sequence[Any]


class Memory:
    """Owner: the monitor's event loop."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.learned: dict[str, list[Any]] = {}
        self.stats: dict[str, float] = {}
        self._last: dict[str, list[Any]] = {}
        self._played: deque[list[Any]] = deque(maxlen=_MOST_NOTES)
        self._reply: deque[list[Any]] = deque(maxlen=_MOST_NOTES)
        self._chords: dict[tuple[int, float], list[Any]] = {}
        self._figures: deque[list[float]] = deque(maxlen=MOST_FIGURES)
        self._at_beats = 0.0

    def take(self, name: str, words: Words, at_ms: float) -> None:
        """Remember an answer called `name` (the part after /diffuse/out/), heard at `at_ms`."""
        if name.startswith("param/"):
            self.parameters[name.removeprefix("param/")] = words[0]
        elif name == "stats":
            self._figure(str(words[0]), float(words[1]), at_ms)
        elif name == "learned":
            self._learn(*words)
        elif name == "played":
            self._note_played(words)
        elif name == "note":
            self._reply.append(list(words))
        elif name == "chord":
            self._chords[int(words[2]), float(words[3])] = list(words)
            if len(self._chords) > _MOST_CHORDS:
                del self._chords[next(iter(self._chords))]
        if name in _LAST:
            self._last[name] = [at_ms, *words]
        if name == "horizon":
            self._follow(float(words[0]), int(words[1]), float(words[2]))

    def snapshot(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return {
            "parameters": self.parameters,
            "learned": self.learned,
            "stats": self.stats,
            "last": self._last,
            "played": list(self._played),
            "reply": list(self._reply),
            "chords": list(self._chords.values()),
            "figures": list(self._figures),
        }

    def _learn(self, name: str, channel: int, controller: int) -> None:
        """Remember the controller that moves it; channel 0: none does any more."""
        self.learned.pop(name, None)
        if channel:
            self.learned[name] = [channel, controller]

    def _note_played(self, words: Words) -> None:
        pitch, _, beats, length = words
        if length:
            for note in reversed(self._played):
                if note[0] == pitch and note[2] == beats:
                    note[3] = length
                    return
        self._played.append(list(words))

    def _figure(self, name: str, value: float, at_ms: float) -> None:
        self.stats[name] = value
        if name == "end":
            self._figures.append([at_ms, *(self.stats.get(each, 0.0) for each in _PLOTTED)])

    def _follow(self, beats: float, bar: int, beat: float) -> None:
        """Follow the song; what lies ahead of a jump back will be played anew."""
        if beats < self._at_beats - _SEAM_BEATS:
            for notes in (self._played, self._reply):
                kept = [note for note in notes if note[2] < beats - _SEAM_BEATS]
                notes.clear()
                notes.extend(kept)
            ahead = [place for place in self._chords if place >= (bar, beat)]
            for place in ahead:
                del self._chords[place]
        self._at_beats = beats
