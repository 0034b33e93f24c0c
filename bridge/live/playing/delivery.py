"""From plan to player: commits notes, keeps the books of the beats.

Knows nothing of the engine, of input or of the transport. Owner: the transport thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from bridge.commands import Effect, OscOut
from bridge.live.listening.note_memory import LoopRegion, RememberedNote, SongMemory
from bridge.live.planning.beat_lines import BeatLines
from bridge.live.planning.beat_tally import FRESH_STEPS, BeatTally, Origin
from bridge.live.planning.plan_book import Answer, PlanBook
from bridge.live.planning.request_window import Turn
from bridge.live.playing.performer import Committed, Performer
from bridge.settings.knobs import Knobs
from engine.music.grid import LEAD, STEPS_PER_BEAT
from engine.music.roll import Note

_HELD_STEPS = 16 * STEPS_PER_BEAT
"""A note passed on before its end is known lasts so long, unless it ends before."""


class Delivery:
    """What is played of the plans, and how the beats went.

    frozen: a loop plays what it played before. filled: beats of the loop that have been answered.
    """

    def __init__(
        self,
        knobs: Knobs,
        song: SongMemory,
        bars: BeatLines,
        performer: Performer,
        plan_book: PlanBook,
        tally: BeatTally,
        spare: Callable[[int, int, Turn], Sequence[Note]] = lambda first, stop, turn: (),
    ) -> None:
        """spare: what to play between two steps where no plan reaches."""
        self.frozen = False
        self.filled: set[int] = set()
        self.next_line = 0
        self._knobs, self._song, self._bars, self._performer = knobs, song, bars, performer
        self._plan_book, self._tally, self._spare = plan_book, tally, spare
        self._beat = 0
        self._missed = 0
        self._ringing = False
        self._held: list[tuple[RememberedNote, Callable[[int], None]]] = []

    def aim(self, step: int) -> None:
        """Go to `step`: the beat under way is not counted."""
        self._beat, self.next_line = self._bars.beat(step), self._bars.next_beat(step)
        self._missed, self._ringing = self._performer.late, False

    def forget(self) -> None:
        """Drop what was committed: it is not played."""
        self._tally.forget()
        self._held.clear()
        self._performer.onsets.clear()

    def replays(self, region: LoopRegion | None) -> Callable[[int], bool]:
        """Give a function that says whether a step's beat is frozen as it was played."""
        if region is None or not self.frozen:
            return lambda step: False
        return lambda step: region(self._bars.beat(step)) in self.filled

    def commit(
        self, to_step: int, turn: Turn | None, region: LoopRegion | None, now_step: int, bpm: float
    ) -> list[Committed]:
        """Decide, for good, the onsets before `to_step`, and queue them.

        From the plan in force; where it does not reach, from what we played here before, or else
        from `spare`. A beat of a loop that is frozen comes from what we played here only.
        """
        start = self._plan_book.commit(to_step)
        replayed = self.replays(region)
        notes: list[Committed] = []
        for beat, first, stop in self._beats(start, to_step):
            if turn is None:
                self._song.reply.advance(stop)
                continue
            ours = turn.within(first, stop)
            planned = self._source(*ours, turn, beat, replayed(beat)) if ours else ()
            self._song.reply.advance(stop - turn.shift_steps)
            notes += [self._remember(note, turn) for note in planned]
            if region is not None and stop > turn.start_step:
                self.filled.add(region(beat))
        if turn is not None and turn.shift_steps and self._knobs.flag("thru"):
            self._pass_on(start, to_step, turn)
        if notes:
            self._follow_velocity(now_step)
            self._performer.play(notes, self._knobs, bpm)
        return notes

    def _beats(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Yield each beat line with the part of its beat in [start, stop)."""
        while start < stop:
            end = min(stop, self._bars.next_beat(start))
            yield self._bars.beat(start), start, end
            start = end

    def _source(
        self, start: int, stop: int, turn: Turn, beat: int, replayed: bool
    ) -> Sequence[Note]:
        """Return notes that begin in [start, stop); the tally learns where they come from."""
        plan = None if replayed else self._plan_book.planned(stop, turn)
        if plan is not None and not self._deserted(plan, beat, turn):
            self._tally.covered(beat, Origin.PLAN, plan.decided_step)
            return plan.onsets(start, stop)
        memory: Sequence[Note] = self._memory(start, stop, turn)
        if not memory and not replayed:
            memory = self._spare(start, stop, turn)
            self._plan_book.out_of_plans |= bool(memory)
        if plan is not None and not memory:
            self._tally.covered(beat, Origin.PLAN, plan.decided_step)
            return ()
        origin = Origin.MEMORY if memory else Origin.NOTHING
        self._tally.covered(beat, Origin.PLAN if replayed else origin, start)
        return memory

    def _deserted(self, plan: Answer, beat: int, turn: Turn) -> bool:
        """Say whether the plan, whose engine is gone, leaves a beat silent of which it knew little.

        What it chose for the next beats is meant, and silence too; the end of a plan is replaced
        before it is played, where there is an engine.
        """
        if not self._plan_book.orphaned or beat - plan.decided_step <= FRESH_STEPS:
            return False
        end, shift = self._bars.next_beat(beat), turn.shift_steps
        held = self._song.reply.notes(beat - shift, beat + 1 - shift, end - shift)
        over = [note for note in held if note.onset_step < beat - shift]
        return not plan.onsets(beat, end) and not over

    def _memory(self, start: int, stop: int, turn: Turn) -> list[Note]:
        """Return what we played here on an earlier pass, in output steps."""
        first = start - turn.shift_steps
        return [
            replace(note, onset_step=note.onset_step + turn.shift_steps)
            for note in self._song.reply.notes(first, stop - turn.shift_steps, stop)
            if note.onset_step >= first and note.voice in turn.voices
        ]

    def _remember(self, note: Note, turn: Turn) -> Committed:
        if turn.end_step is not None and note.end_step > turn.end_step:
            note = replace(note, length_steps=turn.end_step - note.onset_step)
        onset = note.onset_step - turn.shift_steps
        entry = RememberedNote(
            onset, onset + note.length_steps, note.pitch, note.velocity, note.voice
        )
        return Committed(note, self._song.reply.add(entry))

    def _pass_on(self, start: int, stop: int, turn: Turn) -> None:
        """Pass on for `thru`, as late as the answer where we play bars behind."""
        shift = turn.shift_steps
        for entry, end_at in self._held[:]:
            if entry.end_step is not None:
                end_at(entry.end_step + shift)
                self._held.remove((entry, end_at))
        start = max(start, turn.start_step)
        for entry in self._song.input.onsets(start - shift, stop - shift):
            length = entry.end_at(entry.onset_step + _HELD_STEPS) - entry.onset_step
            onset = entry.onset_step + shift
            note = Note(onset, entry.pitch, length, entry.voice, entry.velocity)
            end_at = self._performer.pass_on(note, entry.channel)
            if entry.end_step is None:
                self._held.append((entry, end_at))

    def cross(self, turn: Turn | None) -> tuple[int, list[Effect]]:
        """Close the beat under way: count it if it was ours. Gives the beat line crossed."""
        late = self._performer.late
        missed, self._missed = late - self._missed, late
        began = self._performer.began(self._beat, self.next_line)
        if turn is not None and turn.covers(self._beat) and not self._knobs.flag("bypass"):
            self._tally.close(self._beat, began or self._ringing, missed)
        self._beat, self.next_line = self.next_line, self._bars.next_beat(self.next_line)
        self._ringing = self._performer.ringing(self._beat)
        return self._beat, [OscOut("/diffuse/out/late", (late,))] if missed else []

    def _follow_velocity(self, here: int) -> None:
        """Make the reply as loud as the last beat of the melody asks for."""
        recent = self._song.input.onsets(here - STEPS_PER_BEAT, here + STEPS_PER_BEAT // 4)
        lead = [entry.velocity for entry in recent if entry.voice == LEAD]
        if lead:
            self._performer.lead_velocity = sum(lead) / len(lead)
