"""A request answered with triples.

Where both voices are free the music so far is known and the network goes on, window after window,
until the span is over. Where one voice is free, places for new notes are laid between the known
ones, as many as the density wishes; pitch and duration of the known notes are written over the
noise, and between two of them the deltas are scaled in each step so that they add up.
The network is causal, so it hears nothing of what comes later than the note it makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.music.grid import ACCOMPANIMENT, STEPS_PER_BEAT
from engine.music.roll import Note, PianoRoll
from engine.requests.request import FillRequest, SampleSettings
from engine.systems.common.gaussian import Walk, reverse
from engine.systems.common.mending import snapped
from engine.systems.common.note_lists import ordered_notes
from engine.systems.common.settle import answered, in_voices
from engine.systems.common.spans import Free, Given, given_by
from engine.systems.common.system import Facts, Recoded, SystemAnswer
from engine.systems.signorelli.codec import (
    DELTA,
    FURTHEST_BEATS,
    Triples,
    decode,
    encode,
    from_triples,
    to_triples,
)

_CONTEXT = 64
"""Notes of the past that are known in each window, or half of a shorter one; the rest is new."""
_LARGEST = 30.0
"""Standard triples are within it; what is beyond 0..1 is cut in `mend`."""
_ACCOMPANIES = 0.75
"""Share of all notes that accompany, where nobody says how busy the accompaniment is to be."""


@dataclass(slots=True)
class _Voice:
    """Notes made so far, in order, and how many were put right."""

    notes: list[Note] = field(default_factory=list)
    mended: int = 0


@dataclass(frozen=True, slots=True)
class Player:
    """A network and how it is to be played in one request."""

    network: nn.Module
    settings: SampleSettings
    length: int
    generator: torch.Generator
    rng: np.random.Generator

    def walk(self) -> Walk:
        """Go as the settings have it."""
        settings = self.settings
        way = "ancestral" if settings.sampler == "ancestral" else "ddim"
        return Walk(settings.steps, way, settings.variation, _LARGEST)

    def sample(
        self, triples: Triples, known: NDArray[np.bool_], sums: list[tuple[int, int, float]]
    ) -> Triples:
        """Return one window, [n, 3] with n at most `length`. known: bool[n, 3].

        sums: (first, end, total): the deltas of these notes add up to so much.
        """
        count, spare = len(triples), self.length - len(triples)
        values = np.pad(triples, ((0, spare), (0, 0)))
        padded = np.pad(known, ((0, spare), (0, 0)))
        device = next(self.network.parameters()).device
        standard: Any = self.network.standard

        def as_input(array: NDArray[Any]) -> Tensor:
            return torch.from_numpy(array.T.copy()).float()[None].to(device)

        def mend(x0: Tensor) -> Tensor:
            inside = standard.back(x0).clamp(0.0, 1.0)
            for first, end, total in sums:
                part = inside[:, DELTA, first:end] + 1e-6
                inside[:, DELTA, first:end] = part * (total / part.sum(dim=1, keepdim=True))
            out: Tensor = standard(inside)
            return out

        with torch.inference_mode():
            source = standard(as_input(values))
            known_too = as_input(padded)
            found = reverse(self.network, source, known_too, self.walk(), self.generator, mend)
            values_found: Triples = standard.back(found)[0].cpu().double().numpy().T
        return values_found[:count]


def fill(network: nn.Module, request: FillRequest, facts: Facts) -> SystemAnswer:
    """Return the request's cells; see the module."""
    config: Any = network.config
    settings, given = request.settings, given_by(request)
    player = Player(
        network,
        settings,
        int(config.length),
        torch.Generator().manual_seed(settings.seed),
        np.random.default_rng(settings.seed),
    )
    made: list[Note] = []
    mended = 0
    for span in given.free:
        both = len(span.voices) == 2
        past, _ = ordered_notes([*given.known, *made])
        if settings.variation < 1.0 and any(_inside(n, span) for n in given.source):
            voice = _varied(player, given, span)
        elif both:
            voice = _gone_on(player, [n for n in past if n.onset_step < span.first], span)
        else:
            voice = _woven(player, past, span, facts)
        made += in_voices(voice.notes, span, given)
        mended += voice.mended
    return answered(request, given, made, mended)


def _inside(note: Note, span: Free) -> bool:
    return span.first <= note.onset_step < span.end


def _gone_on(player: Player, past: list[Note], span: Free) -> _Voice:
    """Return new notes of both voices from `span.first` on, until its end is reached."""
    most = min(_CONTEXT, player.length // 2)
    voice, context_notes = _Voice(), past[-most:]
    reached = span.first
    for _ in range(4 + (span.end - span.first) // STEPS_PER_BEAT):
        before = context_notes[0].onset_step if context_notes else span.first
        context, _ = to_triples(context_notes, before)
        triples = np.zeros((player.length, 3))
        triples[: len(context_notes)] = context
        known = np.zeros(triples.shape, np.bool_)
        known[: len(context_notes)] = True
        found = from_triples(player.sample(triples, known, []), before)[len(context_notes) :]
        # What the last known note still allows, but the span does not.
        late = max(reached - found[0].onset_step, 0)
        if late:
            found = [replace(n, onset_step=n.onset_step + late) for n in found]
            voice.mended += 1
        voice.notes += [snapped(n) for n in found]
        stuck = found[-1].onset_step <= reached
        reached = max(found[-1].onset_step, reached)
        context_notes = [*context_notes, *found][-most:]
        if reached >= span.end or stuck:
            break
    return _settled(voice, span)


def _settled(voice: _Voice, span: Free) -> _Voice:
    """Only what begins in the span, each pitch once at a time, none sounding beyond it."""
    inside = [n for n in voice.notes if _inside(n, span)]
    kept, doubled = ordered_notes(inside)
    ended = [replace(n, length_steps=min(n.length_steps, span.end - n.onset_step)) for n in kept]
    return _Voice(ended, voice.mended + doubled)


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a sequence: a note that is known, or one to be made, maybe from a source."""

    note: Note | None
    known: bool


def _density(player: Player, span: Free, facts: Facts) -> float:
    """Return new notes a beat."""
    wished = player.settings.density
    if wished is not None and span.voices == (ACCOMPANIMENT,):
        return wished
    share = _ACCOMPANIES if span.voices == (ACCOMPANIMENT,) else 1.0 - _ACCOMPANIES
    return float(facts["notes_per_beat"]) * share


def _woven(player: Player, known: list[Note], span: Free, facts: Facts) -> _Voice:
    """Return new notes of one voice between the known ones of the other."""
    density = _density(player, span, facts)
    past = [n for n in known if n.onset_step < span.first][-_CONTEXT // 2 :]
    inside = [n for n in known if _inside(n, span)]
    slots = [Slot(n, True) for n in past]
    places = [span.first, *(n.onset_step for n in inside), span.end]
    for (here, there), note in zip(pairwise(places), [*inside, None], strict=True):
        wished = density * (there - here) / STEPS_PER_BEAT
        count = min(int(wished + player.rng.random()), player.length // 2)
        slots += [Slot(None, False)] * count
        if note is not None:
            slots.append(Slot(note, True))
    return _settled(_made(player, slots, span), span)


def _varied(player: Player, given: Given, span: Free) -> _Voice:
    """Return the source's notes of a span made anew, one for one, from their noised triples."""
    known = [n for n in given.known if n.onset_step < span.end]
    past = sorted(n for n in known if n.onset_step < span.first)[-_CONTEXT // 2 :]
    rows = [Slot(n, True) for n in known if _inside(n, span)]
    rows += [Slot(n, False) for n in given.source if _inside(n, span)]
    rows.sort(key=lambda slot: (slot.note.onset_step, slot.note.pitch) if slot.note else (0, 0))
    return _settled(_made(player, [*(Slot(n, True) for n in past), *rows], span), span)


def _made(player: Player, slots: list[Slot], span: Free) -> _Voice:
    """Slots filled window by window; each window has the slots before it as known."""
    voice, done = _Voice(), list[Note | None](s.note if s.known else None for s in slots)
    begin = min([span.first, *(n.onset_step for n in done if n is not None)])
    hop = player.length // 2
    for at in range(0, max(len(slots) - player.length, 0) + hop, hop):
        part = range(at, min(at + player.length, len(slots)))
        if not any(done[i] is None for i in part):
            continue
        window = _TripleWindow.of(slots, done, part, begin, span)
        found = player.sample(window.triples, window.known, window.sums)
        notes = from_triples(found, window.first_step)
        last = part.stop if part.stop == len(slots) else at + hop
        for i in range(at, last):
            if done[i] is None:
                note = snapped(notes[i - at])
                late = max(span.first - note.onset_step, 0)
                voice.mended += late > 0
                done[i] = replace(note, onset_step=note.onset_step + late)
                voice.notes.append(done[i])  # type: ignore[arg-type]
    return voice


@dataclass(frozen=True, slots=True)
class _TripleWindow:
    """What the network is asked of a row of slots."""

    triples: Triples
    known: NDArray[np.bool_]
    sums: list[tuple[int, int, float]]
    first_step: int

    @classmethod
    def of(
        cls, slots: list[Slot], done: list[Note | None], part: range, begin: int, span: Free
    ) -> _TripleWindow:
        rows = [done[i] or slots[i].note for i in part]
        is_known = [done[i] is not None for i in part]
        before = next((done[i] for i in range(part.start - 1, -1, -1) if done[i]), None)
        first = before.onset_step if before is not None else begin
        # Free places without a source stand, for now, where the note before them does.
        places = [first]
        for note in rows:
            places.append(max(note.onset_step, places[-1]) if note else places[-1])
        notes = [
            replace(note or Note(0, 60, STEPS_PER_BEAT), onset_step=place)
            for note, place in zip(rows, places[1:], strict=True)
        ]
        triples, _ = to_triples(notes, first)
        known = np.repeat(np.array(is_known)[:, None], 3, axis=1)
        sums = list(_sums(is_known, [p - first for p in places[1:]]))
        for start, end, _total in sums:
            known[start:end, DELTA] = False
        return cls(triples, known, sums, first)


def _sums(is_known: list[bool], places: list[int]) -> list[tuple[int, int, float]]:
    """(first, end, total) of each run of free places with the known one that ends it."""
    found: list[tuple[int, int, float]] = []
    start: int | None = None
    for i, known in enumerate(is_known):
        if not known and start is None:
            start = i
        if known and start is not None:
            before = places[start - 1] if start else 0
            found.append((start, i + 1, (places[i] - before) / STEPS_PER_BEAT / FURTHEST_BEATS))
            start = None
    return found


def recode(network: nn.Module, roll: PianoRoll) -> Recoded:
    """Return a roll as triples hold it; the network has no part in that."""
    triples, lost = encode(roll)
    return Recoded(decode(triples, roll.steps, roll.first_step), lost)
