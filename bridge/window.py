"""The span of song that a request shows the engine: which cells are known, which are free.

Song steps are where the melody was; output steps are where the reply sounds. They differ by the
turn's shift (`next-bar`), and request steps differ from song steps by whole passes of a loop, so
that noise, which is keyed by absolute step, is the same in every pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from bridge.beat_lines import BeatLines
from bridge.song import Song
from engine.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT
from engine.request import PlanRequest, SampleSettings, Span
from engine.roll import Note

AHEAD_STEPS = 8 * STEPS_PER_BEAT
LONGEST_AHEAD_STEPS = 16 * STEPS_PER_BEAT
RESTART_S = 4.0
WINDOW_STEPS = 32 * STEPS_PER_BEAT
"""The longest window the model is trained on."""


@dataclass(frozen=True, slots=True)
class Turn:
    """When we play, in output steps, and what: song step s is answered at s + shift_steps."""

    start_step: int
    end_step: int | None = None
    shift_steps: int = 0
    voices: tuple[int, ...] = (ACCOMPANIMENT,)

    def covers(self, step: int) -> bool:
        """Is `step` ours to play?"""
        return self.start_step <= step and (self.end_step is None or step < self.end_step)


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of the melody, in song steps.

    now_step: held notes last until here. heard_from: nothing is known before. lead: spans in which
    the melody is known. base_steps: whole loops between request and song steps.
    """

    now_step: int
    heard_from: int
    lead: tuple[tuple[int, int], ...]
    base_steps: int = 0


def ahead_steps(reach_steps: int, bpm: float) -> int:
    """How far a plan goes beyond its horizon, which is `reach_steps` away.

    Past the next plans, and long enough to restart an engine that died.
    """
    restart = (math.ceil(RESTART_S * bpm / 60) + 1) * STEPS_PER_BEAT
    wanted = max(AHEAD_STEPS, restart, 3 * reach_steps + STEPS_PER_BEAT)
    return min(LONGEST_AHEAD_STEPS, wanted)


def plan_request(
    place: int,
    ahead: int,
    context_bars: int,
    known: Known,
    song: Song,
    bars: BeatLines,
    settings: SampleSettings,
) -> PlanRequest:
    """A request (without id) for the `ahead` steps from the beat of song step `place` on.

    Ours is known up to `place`, the melody as `known` says. The context starts whole beats
    earlier, but not before anything was heard.
    """
    beat = bars.beat(place)
    first_bar, end_bar = bars.bar(place)
    first = beat - context_bars * (end_bar - first_bar)
    first = max(first, beat + ahead - WINDOW_STEPS, min(known.heard_from, beat))
    end = beat + ahead + (first - beat) % STEPS_PER_BEAT
    base = known.base_steps
    notes, spans = _known_cells(first, end, place, known, song)
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
    song: Song,
    bars: BeatLines,
    settings: SampleSettings,
) -> PlanRequest:
    """A request (without id) for [from_step, to_step), for a triggered task.

    source: show what was heard and played there. free: with it, all but these steps is known.
    """
    notes: list[Note] = []
    if source:
        heard = song.heard.notes(from_step, to_step, to_step)
        notes = sorted({*heard, *song.played.notes(from_step, to_step, to_step)})
    spans = []
    if free is not None:
        for voice in (LEAD, ACCOMPANIMENT):
            spans.append(Span(voice, from_step, free[0]))
            spans.append(Span(voice, free[1], to_step))
    return PlanRequest(0, from_step, to_step, tuple(notes), tuple(spans), bars.meters, settings)


def _known_cells(
    first: int, end: int, place: int, known: Known, song: Song
) -> tuple[list[Note], list[Span]]:
    """Known notes and spans of the window [first, end), in song steps.

    Our own part counts as known from its first note in the window on: the silence before we came
    in must not be taken for the style of the song.
    """
    now, notes, spans = known.now_step, [], []
    lead_end = min(end, max((until for _, until in known.lead), default=now))
    heard = song.heard.notes(first, max(lead_end, now), now)
    notes += [part for note in heard if note.voice != LEAD for part in _held(note, min(now, place))]
    played = song.played.notes(first, place, place)
    notes += [part for note in played if note.voice != LEAD for part in _held(note, place)]
    lead = [note for note in (*heard, *played) if note.voice == LEAD]
    for begin, until in known.lead:
        begin, until = max(begin, first, known.heard_from), min(until, end)
        if begin < until:
            spans.append(Span(LEAD, begin, until))
            notes += [part for n in lead if n.end_step > begin for part in _held(n, until)]
    ours = [note.onset_step for note in notes if note.voice == ACCOMPANIMENT]
    if ours:
        begin = max(first, min(ours) // STEPS_PER_BEAT * STEPS_PER_BEAT)
        spans.append(Span(ACCOMPANIMENT, begin, place))
    return sorted(set(notes)), spans


def _held(note: Note, limit: int) -> list[Note]:
    """The note as far as it is known; beyond the limit its sound is free."""
    if note.onset_step >= limit:
        return []
    if note.end_step <= limit:
        return [note]
    return [replace(note, length_steps=min(note.end_step, limit) - note.onset_step)]
