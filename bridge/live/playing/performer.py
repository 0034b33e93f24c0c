"""Committed notes to MIDI: velocity, humanize, channel, and the ends that plans may still move.

Knows nothing of plans' making or of the transport; positions are given to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.commands import Effect, OscOut, SendMidi
from bridge.live.listening.note_memory import RememberedNote
from bridge.live.planning.plan_book import Answer
from bridge.live.playing.scheduler import ScheduledNote, Scheduler
from bridge.live.playing.touch import dress, part_of
from bridge.midi_messages import NOTE_ON, ChannelPitch
from bridge.settings.knobs import Knobs
from bridge.timebase import NS_PER_MS
from engine.music.grid import STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.live_window import end_under

LATE_NS = 50 * NS_PER_MS
"""A note that cannot be sent within this time of its moment is not sent at all."""
_FIRST_VELOCITY = 80


@dataclass(frozen=True, slots=True)
class Committed:
    """A note that will be played, in output steps, and its place in memory."""

    note: Note
    entry: RememberedNote


@dataclass(slots=True, eq=False)
class _Active:
    """A committed note that has not ended, as planned and as scheduled."""

    committed: Committed
    scheduled: ScheduledNote
    ours: bool = True

    @property
    def key(self) -> tuple[int, int, int]:
        note = self.committed.note
        return note.onset_step, note.pitch, note.voice


class Performer:
    """The reply's way out. Owner: the transport thread.

    sent: called with the channel, pitch and time of each note-on (the echo guard listens).
    onsets: steps of the note-ons sent, until `began` has asked about them.
    """

    def __init__(self, sent: Callable[[int, int, int], None]) -> None:
        self.scheduler = Scheduler()
        self.lead_velocity = float(_FIRST_VELOCITY)
        self.onsets: list[float] = []
        self._sent = sent
        self._active: list[_Active] = []
        self._through: dict[ChannelPitch, tuple[int, ...]] = {}

    @property
    def late(self) -> int:
        """Notes that missed their moment so far."""
        return self.scheduler.late

    @property
    def sent(self) -> int:
        """Notes sent so far."""
        return self.scheduler.sent

    def next_step(self) -> float | None:
        """Return where the next note-on or note-off falls due."""
        return self.scheduler.next_step()

    def play(self, notes: list[Committed], knobs: Knobs, bpm: float) -> None:
        """Queue committed notes; when bypassed they are remembered but not played."""
        if knobs.flag("bypass"):
            return
        decided = [committed.note for committed in notes]
        for committed in notes:
            part = part_of(committed.note, [*decided, *self._under_way()])
            scheduled = dress(committed.note, decided, part, self.lead_velocity, knobs, bpm)
            self.scheduler.add(scheduled)
            self._active.append(_Active(committed, scheduled))

    def pass_on(self, note: Note, channel: int) -> Callable[[int], None]:
        """Queue a note of the player's, to sound later; gives a way to move its end."""
        onset, end = float(note.onset_step), float(note.end_step)
        scheduled = ScheduledNote(onset, end, channel, note.pitch, max(1, note.velocity))
        entry = RememberedNote(
            note.onset_step, note.end_step, note.pitch, note.velocity, note.voice
        )
        active = _Active(Committed(note, entry), scheduled, ours=False)
        self.scheduler.add(scheduled)
        self._active.append(active)

        def end_at(step: int) -> None:
            if active in self._active and self._end(active, max(step, note.onset_step + 1)):
                self._requeue()

        return end_at

    def reshape(self, answer: Answer, from_step: int) -> None:
        """Follow a new plan from `from_step` on: it says where notes under way end.

        Notes it does not know of end, at the latest, where its first own note begins.
        """
        theirs = {(n.onset_step, n.pitch, n.voice): n.end_step for n in answer.notes}
        first_own = next((n.onset_step for n in answer.notes if n.onset_step >= from_step), None)
        moved = False
        for active in self._active:
            note = active.committed.note
            # What ends right there may be held on: its sustain was left free.
            if note.end_step < from_step or not active.ours:
                continue
            end = end_under(note.end_step, theirs.get(active.key), first_own, from_step)
            moved |= self._end(active, max(end, note.onset_step + 1))
        if moved:
            self._requeue()

    def cut(self, step: float) -> None:
        """Cut at `step`: nothing of ours begins there or later, nor sounds beyond it."""
        self.scheduler.drop_from(step)
        kept, moved = [], False
        for active in self._active:
            if active.scheduled.onset_step >= step:
                continue
            kept.append(active)
            note = active.committed.note
            end = max(math.ceil(step), note.onset_step + 1)
            moved |= self._end(active, min(note.end_step, end))
        self._active = kept
        if moved:
            self._requeue()

    def due(
        self, position: float, oldest: float, now_ns: int, ns_at: Callable[[float], int]
    ) -> list[Effect]:
        """Send what has come due. `position`, `ns_at` and `oldest`, the position LATE_NS ago, have
        the output offset in them; notes due before `oldest` are dropped.
        """
        effects: list[Effect] = []
        for due in self.scheduler.due(position, position - oldest):
            effects.append(SendMidi(ns_at(due.step), due.data))
            if due.data[0] & 0xF0 == NOTE_ON:
                self.onsets.append(due.step)
                channel, pitch, velocity = due.data[0] & 0x0F, due.data[1], due.data[2]
                self._sent(channel, pitch, now_ns)
                end = self._end_of(channel, pitch, due.step)
                beats = (due.step / STEPS_PER_BEAT, (end - due.step) / STEPS_PER_BEAT)
                effects.append(
                    OscOut(
                        "/diffuse/out/note",
                        (pitch, velocity, round(beats[0], 4), round(beats[1], 4)),
                    )
                )
        if effects:
            self._active = [a for a in self._active if a.scheduled.end_step > position]
        return effects

    def silence(self, now_ns: int) -> list[Effect]:
        """Send note-offs for all of ours that sounds; what was queued is forgotten."""
        self._active.clear()
        return [SendMidi(now_ns, data) for data in self.scheduler.all_off()]

    def through(self, data: tuple[int, ...], at_ns: int) -> list[Effect]:
        """Pass an input note on."""
        key = (data[0] & 0x0F, data[1])
        if data[0] & 0xF0 == NOTE_ON and data[2]:
            self._sent(*key, at_ns)
            self._through[key] = (0x80 | key[0], key[1], 0)
        elif self._through.pop(key, None) is None:
            return []
        return [SendMidi(at_ns, data)]

    def end_through(self, at_ns: int) -> list[Effect]:
        """End the input notes that were passed on."""
        offs = [SendMidi(at_ns, data) for data in self._through.values()]
        self._through.clear()
        return list(offs)

    def began(self, first_step: int, end_step: int) -> bool:
        """Say whether ours began in [first_step, end_step), and forget what lies before its end."""
        began = any(first_step <= step < end_step for step in self.onsets)
        self.onsets = [step for step in self.onsets if step >= end_step]
        return began

    def ringing(self, step: int) -> bool:
        """Say whether a note that began before `step` sounds now."""
        return any(note.onset_step < step for note in self.scheduler.sounding_notes)

    def _under_way(self) -> list[Note]:
        """Return our own notes that have not ended."""
        return [active.committed.note for active in self._active if active.ours]

    def _end(self, active: _Active, end: int) -> bool:
        """Move a note's end; True when it moved and is still queued, so must be queued anew."""
        note, entry = active.committed.note, active.committed.entry
        if end == note.end_step:
            return False
        if entry.end_step is not None:
            entry.end_step += end - note.end_step
        note = replace(note, length_steps=end - note.onset_step)
        active.committed = replace(active.committed, note=note)
        old = active.scheduled
        # A strummed note may not have begun where it is to end: it is short then, not lost.
        end_step = max(float(end), old.onset_step + 1)
        active.scheduled = replace(old, end_step=end_step)
        for sounding in self.scheduler.sounding_notes:
            if sounding.key == old.key and sounding.onset_step == old.onset_step:
                self.scheduler.end_at(*old.key, end_step)
                return False
        return True

    def _requeue(self) -> None:
        """Queue the notes that have not begun again, with their new ends."""
        waiting = {(n.onset_step, *n.key) for n in self.scheduler.queued}
        self.scheduler.drop_from(float("-inf"))
        for active in self._active:
            if (active.scheduled.onset_step, *active.scheduled.key) in waiting:
                self.scheduler.add(active.scheduled)

    def _end_of(self, channel: int, pitch: int, onset: float) -> float:
        for active in reversed(self._active):
            scheduled = active.scheduled
            if scheduled.key == (channel, pitch) and scheduled.onset_step == onset:
                return scheduled.end_step
        return onset
