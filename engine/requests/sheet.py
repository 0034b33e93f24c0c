"""A request on its way through the network, window by window. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, STEPS_PER_BEAT
from engine.music.merged import merge, merge_known, split
from engine.music.roll import Cells, Mask, PianoRoll, shifted
from engine.requests.chord_grid import PlanCells, to_chords, to_plan, transposed_plan
from engine.requests.constraints import Scores, allowed_cells, same_rhythm, whole_notes
from engine.requests.request import ChordCell, FillRequest


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What the network is asked: cells, known and allowed, all bool[V, P, K, S] as it has them;
    chords and which of them are given, bool[24, T]."""

    cells: Cells
    known: Mask
    allowed: NDArray[np.bool_]
    first_step: int
    chords: PlanCells
    chords_known: PlanCells

    def higher(self, semitones: int) -> Window:
        """Return the same, so many semitones higher; what leaves the range is lost, what comes is
        not allowed to sound."""
        cells, known, allowed = (
            shifted(array, semitones) for array in (self.cells, self.known, self.allowed)
        )
        chords, given = (
            transposed_plan(each, semitones) for each in (self.chords, self.chords_known)
        )
        return Window(cells, known, allowed, self.first_step, chords, given)

    def merged(self) -> Window:
        """Return the same for a network with one voice and one plane (the paper's)."""
        allowed = np.asarray(self.allowed.any(axis=1))
        known_steps = self.known[ACCOMPANIMENT].all(axis=0)
        # What is new is the accompaniment's, or the lead's where the accompaniment is known.
        new = np.asarray(np.where(known_steps, allowed[LEAD], allowed[ACCOMPANIMENT]))[None, None]
        known = merge_known(self.cells, self.known)
        return replace(self, cells=merge(self.cells), known=known, allowed=new)


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A request stretched to whole beats, and what is done of it so far.

    first_step: of column 0. original, done, known: bool[V, P, K, S]; `known` grows with what
    earlier windows filled. scores: for `same_rhythm`. chords, chords_known: what the request's
    chords say of a harmony plan, bool[24, T]. plan, planned: the plan that was followed, and in
    which beats, bool[T].
    """

    request: FillRequest
    first_step: int
    original: Cells
    done: Cells
    known: Mask
    scores: Scores
    chords: PlanCells
    chords_known: PlanCells
    plan: PlanCells
    planned: NDArray[np.bool_]

    @classmethod
    def of(cls, request: FillRequest) -> Sheet:
        """Begin with nothing filled; what lies around the request is silent and known."""
        roll = request.roll
        first = roll.first_step // STEPS_PER_BEAT * STEPS_PER_BEAT
        end = -(-roll.end_step // STEPS_PER_BEAT) * STEPS_PER_BEAT
        original = roll.window(first, end).cells
        known = PianoRoll(request.known, roll.pitches, roll.first_step).window(first, end).cells
        known[..., : roll.first_step - first] = True
        known[..., roll.end_step - first :] = True
        scores = np.zeros((len(original), *original.shape[2:]), np.float32)
        beats = (end - first) // STEPS_PER_BEAT
        given = to_plan(request.chords, first, beats)
        nothing = np.zeros(beats, np.bool_)
        return cls(
            request,
            first,
            original,
            original.copy(),
            known,
            scores,
            *given,
            given[0] & False,
            nothing,
        )

    def hears_melody_alone(self) -> Sheet:
        """Return the same, with the accompaniment free for the network where all that is known of
        it is that there is none.

        A melody that somebody plays alone is no music without chords: from a known silence a
        network goes on in silence, and in any key. What is drawn there is not in the answer.
        """
        known = self.known[ACCOMPANIMENT]
        if known.all() or (self.original[ACCOMPANIMENT] & known).any():
            return self
        heard = self.known.copy()
        heard[ACCOMPANIMENT] = False
        return replace(self, known=heard)

    def window(self, part: slice) -> Window:
        """Return the steps `part`; free cells show the original, not what an earlier window made of
        it."""
        known = self.known[..., part]
        cells = np.where(known, self.done[..., part], self.original[..., part])
        settings, pitches = self.request.settings, self.request.roll.pitches
        allowed = allowed_cells(cells, known, settings, pitches)
        beats = slice(part.start // STEPS_PER_BEAT, part.stop // STEPS_PER_BEAT)
        chords, given = self.chords[:, beats], self.chords_known[:, beats]
        return Window(cells, known, allowed, self.first_step + part.start, chords, given)

    def take(self, part: slice, filled: Cells, probability: NDArray[np.float32]) -> None:
        """Take the network's answer to `window(part)`, and how sure it was, in its shape."""
        known = self.known[..., part]
        wished = probability[:, ONSET] + filled[:, ONSET]  # what was drawn comes first
        self.scores[..., part] = np.where(known[:, ONSET], self.scores[..., part], wished)
        if filled.shape != known.shape:
            filled = split(filled, self.window(part).cells, known)
        self.done[..., part] = filled

    def follow(self, part: slice, plan: PlanCells, planned: NDArray[np.bool_]) -> None:
        """Keep the plan of `window(part)`, bool[24, T], where there is one, bool[T]. A beat that an
        earlier window filled has that one's."""
        first = part.start // STEPS_PER_BEAT
        beats = slice(first, first + len(planned))
        fresh = planned & ~self.planned[beats]
        self.plan[:, beats] = np.where(fresh, plan, self.plan[:, beats])
        self.planned[beats] |= planned

    def followed(self) -> list[ChordCell]:
        """Return the chords of the plan, beat by beat; whole beats, as the network has them."""
        return to_chords(self.plan, self.planned, self.first_step)

    def finished(self) -> PianoRoll:
        """Return the request's steps with the rules that need whole notes; known cells
        bit-exact."""
        roll = self.request.roll
        shown = slice(roll.first_step - self.first_step, roll.end_step - self.first_step)
        if self.request.settings.rhythm == "keep":
            cells = same_rhythm(self.request, self.scores[..., shown])
        else:
            cells = whole_notes(self.request, self.done[..., shown])
        return PianoRoll(cells, roll.pitches, roll.first_step)
