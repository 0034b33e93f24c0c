"""What `live` shows the engine at one moment: which cells are known, which are to be guessed.

One rule for the bridge, which plays by it, and for replay.py, which scores it. Knows nothing
of memory, clocks or loops: notes and places come as arguments, in absolute steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.music.grid import ACCOMPANIMENT, LEAD, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import Span

_AHEAD_STEPS = 8 * STEPS_PER_BEAT
LONGEST_AHEAD_STEPS = 16 * STEPS_PER_BEAT
_RESTART_S = 4.0
WINDOW_STEPS = 32 * STEPS_PER_BEAT
"""The longest window the model is trained on."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is true of the melody.

    now_step: held notes last until here. heard_from: nothing is known before. lead: spans in which
    the melody is known. base_steps: whole loops between request and song steps.
    """

    now_step: int
    heard_from: int
    lead: tuple[tuple[int, int], ...]
    base_steps: int = 0

    @property
    def lead_end(self) -> int:
        """Where the melody stops being known."""
        return max((until for _, until in self.lead), default=self.now_step)


def ahead_steps(reach_steps: int, bpm: float) -> int:
    """Return how far a plan goes beyond its horizon, which is `reach_steps` away.

    Past the next plans, and long enough to restart an engine that died.
    """
    restart = (math.ceil(_RESTART_S * bpm / 60) + 1) * STEPS_PER_BEAT
    wanted = max(_AHEAD_STEPS, restart, 3 * reach_steps + STEPS_PER_BEAT)
    return min(LONGEST_AHEAD_STEPS, wanted)


def window_steps(
    beat: int, bar_steps: int, ahead: int, context_bars: int, heard_from: int
) -> tuple[int, int]:
    """Return the window [first, end) of a request for the `ahead` steps from the beat line `beat`
    on.

    The context is `context_bars` of the bar there, `bar_steps` long. It starts whole beats
    earlier, but not before anything was played.
    """
    first = beat - context_bars * bar_steps
    first = max(first, beat + ahead - WINDOW_STEPS, min(heard_from, beat))
    return first, beat + ahead + (first - beat) % STEPS_PER_BEAT


def end_under(end: int, planned: int | None, first_own: int | None, from_step: int) -> int:
    """Return where a note under way, planned to end at `end`, ends once a new plan holds.

    The plan holds from `from_step` on. planned: where it has the note end itself; None: it does
    not know of the note, which then ends, at the latest, where the plan's first own note begins.
    """
    if planned is None:
        planned = end if first_own is None else min(end, first_own)
    return max(planned, from_step)


def known_cells(
    first: int,
    end: int,
    place: int,
    known: Known,
    came_in: Iterable[Note],
    played: Iterable[Note],
    memory_steps: int,
) -> tuple[list[Note], list[Span]]:
    """Known notes and spans of the window [first, end).

    came_in: what others play and has begun. played: our own, known up to `place`.

    Of our own part the last `memory_steps` are known, and notes that still sound whole: who hears
    only itself settles into a rut. It counts as known from its first note in the window on: the
    silence before we came in must not be taken for the style of the song.
    """
    came_in, played = list(came_in), list(played)
    limit = min(known.now_step, place)
    notes = [part for note in came_in if note.voice != LEAD for part in _held(note, limit)]
    notes += [part for note in played if note.voice != LEAD for part in _held(note, place)]
    spans = []
    lead = [note for note in (*came_in, *played) if note.voice == LEAD]
    for begin, until in known.lead:
        begin, until = max(begin, first, known.heard_from), min(until, end)
        if begin < until:
            spans.append(Span(LEAD, begin, until))
            notes += [part for n in lead if n.end_step > begin for part in _held(n, until)]
    ours = [note for note in notes if note.voice == ACCOMPANIMENT]
    if ours:
        sounding = (note.onset_step for note in ours if note.end_step >= place)
        remembered = min(place - memory_steps, min(sounding, default=place))
        begin = max(remembered, min(note.onset_step for note in ours))
        begin = max(first, begin // STEPS_PER_BEAT * STEPS_PER_BEAT)
        spans += [Span(ACCOMPANIMENT, begin, place)] if begin < place else []
        notes = [note for note in notes if note.voice == LEAD or note.end_step > begin]
    return sorted(set(notes)), spans


def _held(note: Note, limit: int) -> list[Note]:
    """Return the note as far as it is known; beyond the limit its sound is free."""
    if note.onset_step >= limit:
        return []
    if note.end_step <= limit:
        return [note]
    return [replace(note, length_steps=min(note.end_step, limit) - note.onset_step)]
