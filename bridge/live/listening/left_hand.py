"""Left-hand chords: what is held below the split point is the chord of the reply, until the next.

Knows nothing of time. Owner: the transport thread.
"""

from __future__ import annotations

from bridge.live.listening.note_gate import Change, NoteEvent
from bridge.midi_messages import ChannelPitch
from engine.music.chord_names import Chord

_FEWEST_CLASSES = 2
"""One key alone is no chord; the one before stays."""


class LeftHand:
    """chord: the one held last, kept when the keys are let go (latched); None before the first."""

    def __init__(self) -> None:
        self.chord: Chord | None = None
        self.below: int | None = None
        self._held: set[ChannelPitch] = set()

    def split_at(self, pitch: int | None) -> None:
        """Give keys below `pitch` to the left hand from now on; None: there is no left hand."""
        self.below = pitch
        if pitch is None:
            self.chord = None

    def owns(self, event: NoteEvent) -> bool:
        """Say whether it is the left hand's; a key that it put down it also lifts."""
        if event.change is not Change.ON:
            return (event.channel, event.pitch) in self._held
        return self.below is not None and event.pitch < self.below

    def note(self, event: NoteEvent) -> bool:
        """Take a key of the left hand that goes down or up; True where that makes another chord."""
        key = event.channel, event.pitch
        if event.change is Change.OFF:
            self._held.discard(key)
            return False
        if event.change is not Change.ON:
            return False
        self._held.add(key)
        pitches = sorted(pitch for _, pitch in self._held)
        classes = frozenset(pitch % 12 for pitch in pitches)
        if len(classes) < _FEWEST_CLASSES:
            return False
        before, self.chord = self.chord, Chord(classes, pitches[0] % 12)
        return self.chord != before
