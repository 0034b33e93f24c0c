"""Notes in order of their due step, and a ledger of what sounds. Knows nothing of tempo or ports.

"Scheduler" here is never the diffusion schedule. All times are absolute steps, fractional ones
too, so that a tempo change moves nothing in the queue.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace

from bridge.midi_messages import CHANNELS, NOTE_ON, ChannelPitch, note_off

_SHORTEST_STEPS = 0.25
"""A note that would end at or before its onset (humanize, a fast tempo) is given this length."""

MidiBytes = tuple[int, ...]
"""The bytes of one MIDI message."""


@dataclass(frozen=True, slots=True)
class ScheduledNote:
    """A note to play from `onset_step` to `end_step`. `channel` counts from 0, as on the wire."""

    onset_step: float
    end_step: float
    channel: int
    pitch: int
    velocity: int

    def __post_init__(self) -> None:
        if not (0 <= self.channel < CHANNELS and 0 <= self.pitch <= 127):
            raise ValueError(f"channel {self.channel}, pitch {self.pitch}: want 0..15 and 0..127")
        if not 1 <= self.velocity <= 127:
            raise ValueError(f"velocity {self.velocity}: want 1..127")
        if not (math.isfinite(self.onset_step) and math.isfinite(self.end_step)):
            raise ValueError("a note wants finite steps")

    @property
    def key(self) -> ChannelPitch:
        """What a note-off names: channel and pitch."""
        return self.channel, self.pitch


@dataclass(frozen=True, slots=True)
class Due:
    """A message to send now; `step` is where it should have sounded."""

    step: float
    data: MidiBytes


class Scheduler:
    """Queue of notes to come, and ledger of notes that sound.

    Every note-on that `due` returns is followed by exactly one note-off for it, from `due` or from
    `all_off`; nothing sounds after `all_off`. Owner: the transport thread.

    late: notes never played because their moment had passed. sent: note-ons returned.
    """

    def __init__(self) -> None:
        self.late = 0
        self.sent = 0
        self._position = -math.inf
        self._serial = 0
        self._ons: list[tuple[float, int, ScheduledNote]] = []
        # One entry per end ever set; the ledger says which is in force, the others are skipped.
        self._offs: list[tuple[float, int, ChannelPitch]] = []
        self._ledger: dict[ChannelPitch, tuple[int, ScheduledNote]] = {}

    def add(self, note: ScheduledNote) -> None:
        """Queue a note; of two with the same onset, the one added first sounds first."""
        end = max(note.end_step, note.onset_step + _SHORTEST_STEPS)
        note = note if end == note.end_step else replace(note, end_step=end)
        heapq.heappush(self._ons, (note.onset_step, self._next_serial(), note))

    def due(self, position_steps: float, late_limit_steps: float) -> list[Due]:
        """Return messages due up to `position_steps`, in order of step, offs before ons.

        A note more than `late_limit_steps` behind its onset, or already over, is dropped and
        counted. Offs come however late. A note on a sounding pitch ends that one first.
        """
        self._position = max(self._position, position_steps)
        out: list[Due] = []
        while True:
            off_step = self._next_off_step()
            on_step = self._ons[0][0] if self._ons else math.inf
            if min(off_step, on_step) > position_steps:
                return out
            if off_step <= on_step:
                step, _, key = heapq.heappop(self._offs)
                out.append(self._end(key, step))
            else:
                _, serial, note = heapq.heappop(self._ons)
                out += self._begin(note, serial, position_steps, late_limit_steps)

    def next_step(self) -> float | None:
        """Return where the next message falls due, or None when nothing is queued or sounding."""
        step = min(self._next_off_step(), self._ons[0][0] if self._ons else math.inf)
        return None if math.isinf(step) else step

    def end_at(self, channel: int, pitch: int, step: float) -> bool:
        """Let a sounding note end at `step` (at once, if that has passed); False if none sounds."""
        held = self._ledger.get((channel, pitch))
        if held is None:
            return False
        self._set_end((channel, pitch), max(step, self._position), held[1])
        return True

    def drop_from(self, step: float) -> int:
        """Forget queued notes with an onset at `step` or later; what sounds plays on.

        Returns how many were forgotten.
        """
        kept = [entry for entry in self._ons if entry[0] < step]
        dropped = len(self._ons) - len(kept)
        heapq.heapify(kept)
        self._ons = kept
        return dropped

    def all_off(self) -> list[MidiBytes]:
        """Note-offs for everything that sounds; empties the ledger and the queue."""
        offs = [note_off(*key) for key in self._ledger]
        self._ledger.clear()
        self._ons.clear()
        self._offs.clear()
        self._position = -math.inf
        return offs

    @property
    def sounding(self) -> frozenset[ChannelPitch]:
        """(channel, pitch) of every note that is on."""
        return frozenset(self._ledger)

    @property
    def sounding_notes(self) -> tuple[ScheduledNote, ...]:
        """The notes that are on, with the ends now in force, in the order they began."""
        return tuple(note for _, note in self._ledger.values())

    @property
    def queued(self) -> tuple[ScheduledNote, ...]:
        """Notes not begun, in the order they will be."""
        return tuple(note for _, _, note in sorted(self._ons, key=lambda entry: entry[:2]))

    def _next_serial(self) -> int:
        self._serial += 1
        return self._serial

    def _next_off_step(self) -> float:
        """Step of the next off in force; throws away those that no longer are."""
        while self._offs:
            step, serial, key = self._offs[0]
            held = self._ledger.get(key)
            if held is not None and held[0] == serial:
                return step
            heapq.heappop(self._offs)
        return math.inf

    def _set_end(self, key: ChannelPitch, step: float, note: ScheduledNote) -> None:
        serial = self._next_serial()
        self._ledger[key] = (serial, replace(note, end_step=step))
        heapq.heappush(self._offs, (step, serial, key))

    def _end(self, key: ChannelPitch, step: float) -> Due:
        del self._ledger[key]
        return Due(step, note_off(*key))

    def _begin(
        self, note: ScheduledNote, serial: int, position_steps: float, late_limit_steps: float
    ) -> list[Due]:
        if position_steps - note.onset_step > late_limit_steps or note.end_step <= position_steps:
            self.late += 1
            return []
        out = []
        held = self._ledger.get(note.key)
        if held is not None:
            if held[1].onset_step == note.onset_step:
                # The same note twice (two plans met): one sound, as long as the longer.
                self._set_end(note.key, max(held[1].end_step, note.end_step), held[1])
                return []
            out.append(self._end(note.key, note.onset_step))
        self._set_end(note.key, note.end_step, note)
        self.sent += 1
        on = (NOTE_ON | note.channel, note.pitch, note.velocity)
        return [*out, Due(note.onset_step, on)]
