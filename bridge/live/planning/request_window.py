"""The span of song that a request shows the engine: which cells are known, which are free.

Song steps are where the melody was; output steps are where the reply sounds. They differ by the
turn's shift (`next-bar`), and request steps differ from song steps by whole passes of a loop, so
that noise, which is keyed by absolute step, is the same in every pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bridge.live.listening.note_memory import SongMemory
from bridge.live.planning.beat_lines import BeatLines
from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.live_window import WINDOW_STEPS, Known, ahead_steps, known_cells, window_steps
from engine.requests.request import PlanRequest, SampleSettings, Span

__all__ = ["WINDOW_STEPS", "Known", "Turn", "ahead_steps", "plan_request", "task_request"]


@dataclass(frozen=True, slots=True)
class Turn:
    """When we play, in output steps, and what: song step s is answered at s + shift_steps."""

    start_step: int
    end_step: int | None = None
    shift_steps: int = 0
    voices: tuple[int, ...] = (ACCOMPANIMENT,)

    def covers(self, step: int) -> bool:
        """Say whether `step` is ours to play."""
        return self.start_step <= step and (self.end_step is None or step < self.end_step)

    def within(self, start: int, stop: int) -> tuple[int, int] | None:
        """Return the part of [start, stop) that is ours to play, or None."""
        first = max(start, self.start_step)
        last = stop if self.end_step is None else min(stop, self.end_step)
        return (first, last) if first < last else None


def plan_request(
    place: int,
    ahead: int,
    context_bars: int,
    memory_beats: int,
    known: Known,
    song: SongMemory,
    bars: BeatLines,
    settings: SampleSettings,
) -> PlanRequest:
    """Return a request (without id) for the `ahead` steps from the beat of song step `place` on.

    Ours is known for `memory_beats` up to `place`, the melody as `known` says. The context starts
    whole beats earlier, but not before anything was played.
    """
    beat = bars.beat(place)
    first_bar, end_bar = bars.bar(place)
    first, end = window_steps(beat, end_bar - first_bar, ahead, context_bars, known.heard_from)
    base, now = known.base_steps, known.now_step
    came_in = song.input.notes(first, max(min(end, known.lead_end), now), now)
    played = song.reply.notes(first, place, place)
    memory = memory_beats * STEPS_PER_BEAT
    notes, spans = known_cells(first, end, place, known, came_in, played, memory)
    return PlanRequest(
        id=0,
        first_step=first - base,
        end_step=end - base,
        notes=tuple(replace(n, onset_step=n.onset_step - base) if base else n for n in notes),
        known=tuple(Span(s.voice, s.from_step - base, s.to_step - base) for s in spans),
        meters=bars.shifted(base),
        settings=settings,
    )


def task_request(
    from_step: int,
    to_step: int,
    free: tuple[int, int] | None,
    source: bool,
    song: SongMemory,
    bars: BeatLines,
    settings: SampleSettings,
) -> PlanRequest:
    """Return a request (without id) for [from_step, to_step), for a triggered task.

    source: show what came in and was played there. free: with it, all but these steps is known.
    """
    notes: list[Note] = []
    if source:
        came_in = song.input.notes(from_step, to_step, to_step)
        notes = sorted({*came_in, *song.reply.notes(from_step, to_step, to_step)})
    spans = []
    if free is not None:
        for voice in (LEAD, ACCOMPANIMENT):
            spans.append(Span(voice, from_step, free[0]))
            spans.append(Span(voice, free[1], to_step))
    return PlanRequest(0, from_step, to_step, tuple(notes), tuple(spans), bars.meters, settings)
