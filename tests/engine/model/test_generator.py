"""From request to music: any length, known cells kept, locks held."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.denoisers.inputs import Denoiser, Inputs, no_plan
from engine.diffusion.sampler import Filled, Loop, Request, Sampler
from engine.model.generator import Generator
from engine.music.grid import (
    ACCOMPANIMENT,
    LEAD,
    ONSET,
    PIANO,
    STEPS_PER_BEAT,
    SUSTAIN,
    Meter,
    MeterMap,
)
from engine.music.roll import Note, PianoRoll, notes_to_roll, roll_to_notes
from engine.requests import constraints
from engine.requests.request import FillRequest, PlanRequest, SampleSettings, Span
from engine.requests.tasks import (
    continue_mask,
    generate_mask,
    harmonize_mask,
    infill_mask,
)

BEAT = STEPS_PER_BEAT
WINDOW = 4 * BEAT
"""The tiny generator's window."""


class Recording(torch.nn.Module):
    """Stands in for the sampler: notes every window it is asked for, answers with its source."""

    def __init__(self, answer: float = 0.0) -> None:
        super().__init__()
        self.answer = answer
        self.windows: list[tuple[int, int]] = []
        self.sources: list[torch.Tensor] = []
        self.masks: list[torch.Tensor] = []

    def forward(self, request: Request, loop: Loop) -> Filled:
        source, first = request.source, int(request.first_step[0])
        self.windows.append((first, first + source.shape[-1]))
        self.sources.append(source)
        self.masks.append(request.mask)
        filled = torch.where(request.mask > 0, source, torch.full_like(source, self.answer))
        return Filled(filled, filled, *no_plan(source))


@pytest.fixture(autouse=True)
def specks_are_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An untrained network says hardly anything else."""
    monkeypatch.setattr(constraints, "LEAST_STEPS", 1)


def recording(answer: float = 0.0) -> tuple[Generator, Recording]:
    module = Recording(answer)
    told = {"name": "x", "pitches": [21, 108], "styles": ["any"], "window_beats": 4}
    return Generator(module, told, torch.device("cpu")), module


def melody(beats: int, first: int = 0) -> list[Note]:
    return [Note(first + i * BEAT, 72 + (0, 2, 4, 5)[i % 4], BEAT, LEAD) for i in range(beats)]


def to_harmonize(length: int, first: int = 0, pitches: Any = PIANO, **more: Any) -> FillRequest:
    """A melody of quarter notes and nothing else, `length` steps from `first` on."""
    roll = notes_to_roll(melody(-(-length // BEAT), first), first, first + length, pitches)
    wanted = SampleSettings(**({"steps": 2, "voices": 88} | more))
    return FillRequest(roll, harmonize_mask(roll), settings=wanted)


slow = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@slow
@given(steps=st.integers(1, 300), first=st.integers(-50, 1000), seed=st.integers(0, 99))
def test_any_length_from_any_step(
    tiny_generator: Generator, steps: int, first: int, seed: int
) -> None:
    request = to_harmonize(steps, first, seed=seed)
    roll = tiny_generator.fill(request)
    assert (roll.first_step, roll.steps) == (first, steps)
    assert (roll.cells == request.roll.cells)[request.known].all()


@slow
@given(seed=st.integers(0, 1000), first=st.integers(-30, 30))
def test_known_cells_are_bit_exact_whatever_is_known(
    tiny_generator: Generator, seed: int, first: int
) -> None:
    rng = np.random.default_rng(seed)
    notes = [
        Note(first + int(rng.integers(0, 90)), int(rng.integers(21, 109)), 12, int(voice))
        for voice in rng.integers(0, 2, 20)
    ]
    roll = notes_to_roll(notes, first, first + 100)
    known = np.repeat(rng.random((2, 1, 1, 100)) < 0.5, 2, axis=1)
    known = np.broadcast_to(known, roll.cells.shape)
    filled = tiny_generator.fill(FillRequest(roll, known, settings=SampleSettings(steps=1)))
    assert (filled.cells == roll.cells)[known].all()


def test_512_beats_in_windows_of_constant_size_and_linear_number() -> None:
    counts = []
    for beats in (128, 512):
        generator, module = recording()
        generator.fill(to_harmonize(beats * BEAT))
        assert max(end - start for start, end in module.windows) == 2 * WINDOW
        counts.append(len(module.windows))
    assert counts == [31, 127]  # each goes on by half of what it sees


def test_512_beats_are_really_filled(tiny_generator: Generator) -> None:
    roll = tiny_generator.fill(to_harmonize(512 * BEAT, steps=1))
    bars = roll.cells[ACCOMPANIMENT].reshape(2, 88, 128, 4 * BEAT)
    assert bars.any(axis=(0, 1, 3)).all()


def test_windows_start_on_beats_and_cover_the_request() -> None:
    generator, module = recording()
    generator.fill(to_harmonize(250, first=-37))
    assert all(start % BEAT == 0 for start, _ in module.windows)
    assert module.windows[0][0] == -48
    assert module.windows[-1][1] == 216
    assert all(b[0] < a[1] for a, b in zip(module.windows, module.windows[1:], strict=False))


@pytest.mark.parametrize(("beats", "windows"), [(4, 1), (5, 1), (8, 1), (9, 2)])
def test_up_to_two_windows_are_filled_in_one_go(beats: int, windows: int) -> None:
    generator, module = recording()
    generator.fill(to_harmonize(beats * BEAT))
    assert len(module.windows) == windows


def test_windows_are_counted_from_the_end() -> None:
    generator, module = recording()
    generator.fill(to_harmonize(18 * BEAT))
    beats = [(start // BEAT, end // BEAT) for start, end in module.windows]
    assert beats == [(0, 6), (2, 10), (6, 14), (10, 18)]


def test_a_variation_always_starts_from_the_original() -> None:
    generator, module = recording(answer=1.0)
    notes = [Note(i * BEAT, 60, BEAT) for i in range(12)]
    roll = notes_to_roll(notes, 0, 12 * BEAT)
    request = FillRequest(roll, np.zeros_like(roll.cells), settings=SampleSettings(variation=0.5))
    generator.fill(request)
    # half of the second window is the first one's work; the rest must not be
    free = module.sources[1][0, ..., WINDOW:]
    assert (free.numpy() > 0.5).tolist() == roll.cells[..., 2 * WINDOW :].tolist()


def test_the_lead_sounds_in_the_next_windows_context() -> None:
    generator, module = recording()
    request = to_harmonize(12 * BEAT)
    generator.fill(request)
    assert torch.equal(
        module.sources[1][0, LEAD] > 0.5,
        torch.from_numpy(request.roll.cells[LEAD, ..., WINDOW:]),
    )


def test_a_window_knows_what_the_one_before_it_played() -> None:
    generator, module = recording(answer=1.0)
    generator.fill(to_harmonize(12 * BEAT))
    assert not module.masks[0][0, ACCOMPANIMENT].any()
    again = module.masks[1][0, ACCOMPANIMENT].amin(dim=(0, 1))  # [S]
    assert again.tolist() == [1.0] * WINDOW + [0.0] * WINDOW
    played = module.sources[1][0, ACCOMPANIMENT, ..., :WINDOW]
    assert played.any()


def test_a_melody_alone_is_gone_on_from_with_chords_under_it_that_are_not_in_the_answer() -> None:
    generator, module = recording(answer=1.0)
    roll = notes_to_roll(melody(4), 0, 8 * BEAT)
    asked = FillRequest(roll, continue_mask(roll, 4 * BEAT), settings=SampleSettings(voices=88))
    filled = generator.fill(asked)
    assert module.masks[0][0, LEAD, ..., : 4 * BEAT].all()
    assert not module.masks[0][0, ACCOMPANIMENT].any()
    assert (filled.cells == roll.cells)[asked.known].all()
    assert filled.cells[..., 4 * BEAT :].any()


def test_an_accompaniment_that_was_heard_stays_known() -> None:
    generator, module = recording()
    notes = [*melody(4), Note(0, 48, BEAT, ACCOMPANIMENT)]
    roll = notes_to_roll(notes, 0, 8 * BEAT)
    generator.fill(FillRequest(roll, continue_mask(roll, 4 * BEAT)))
    assert module.masks[0][0, ACCOMPANIMENT, ..., : 4 * BEAT].all()


def test_register_and_pitch_class_lock(tiny_generator: Generator) -> None:
    lock = frozenset({0, 4, 7})
    roll = tiny_generator.fill(to_harmonize(WINDOW, low=48, high=67, pitch_classes=lock))
    pitches = {note.pitch for note in roll_to_notes(roll) if note.voice == ACCOMPANIMENT}
    assert pitches
    assert pitches <= {48, 52, 55, 60, 64, 67}


@pytest.mark.parametrize("voices", [1, 3])
def test_voices_lock(tiny_generator: Generator, voices: int) -> None:
    roll = tiny_generator.fill(to_harmonize(2 * WINDOW, voices=voices))
    sounding = roll.cells[ACCOMPANIMENT].any(axis=0).sum(axis=0)
    assert sounding.max() == voices


@slow
@given(
    leads=st.lists(
        st.tuples(st.integers(0, 90), st.integers(30, 100), st.integers(1, 60)), max_size=12
    ),
    known_to=st.integers(0, 96),
    seed=st.integers(0, 99),
)
def test_nothing_doubles_the_lead_unless_asked(
    tiny_generator: Generator, leads: list[tuple[int, int, int]], known_to: int, seed: int
) -> None:
    notes = [Note(onset, pitch, length, LEAD) for onset, pitch, length in leads]
    roll = notes_to_roll(notes, 0, WINDOW)
    known = np.zeros(roll.cells.shape, np.bool_)
    known[LEAD, ..., :known_to] = known[ACCOMPANIMENT, ..., : known_to + 12] = True
    wanted = SampleSettings(steps=2, voices=88, seed=seed)
    filled = tiny_generator.fill(FillRequest(roll, known, settings=wanted))
    lead, reply = np.asarray(filled.cells.any(axis=1))
    assert not (lead & reply).any()


def test_doubling_when_asked(tiny_generator: Generator) -> None:
    roll = notes_to_roll([Note(0, pitch, WINDOW, LEAD) for pitch in range(21, 109)], 0, WINDOW)
    for doubling, some in (("allow", True), ("avoid", False)):
        wanted = SampleSettings(steps=2, doubling=doubling)
        filled = tiny_generator.fill(FillRequest(roll, harmonize_mask(roll), settings=wanted))
        assert filled.cells[ACCOMPANIMENT].any() == some


def test_notes_are_whole(tiny_generator: Generator) -> None:
    cells = tiny_generator.fill(to_harmonize(2 * WINDOW)).cells
    assert not (cells[:, ONSET] & cells[:, SUSTAIN]).any()
    led = np.asarray(cells.any(axis=1))[..., :-1]
    assert not (cells[:, SUSTAIN, :, 1:] & ~led).any()


def test_same_seed_same_notes(tiny_generator: Generator) -> None:
    first, again, other = (
        tiny_generator.fill(to_harmonize(WINDOW, seed=seed)).cells for seed in (5, 5, 6)
    )
    assert (first == again).all()
    assert not (first == other).all()


def test_bar_lines_reach_the_network(tiny_generator: Generator) -> None:
    request = to_harmonize(WINDOW)
    meters = MeterMap(((0, Meter(7, 8)),))
    other = FillRequest(request.roll, request.known, meters, request.settings)
    assert not (tiny_generator.fill(request).cells == tiny_generator.fill(other).cells).all()


def test_nothing_free_is_nothing_to_do() -> None:
    generator, module = recording()
    roll = notes_to_roll(melody(4), 0, 4 * BEAT)
    request = FillRequest(roll, np.ones_like(roll.cells))
    assert (generator.fill(request).cells == roll.cells).all()
    assert module.windows == []


def test_plan_answers_in_notes(tiny_generator: Generator) -> None:
    notes = tuple(melody(4, 480))
    request = PlanRequest(
        7,
        480,
        480 + WINDOW,
        notes,
        (Span(LEAD, 480, 480 + WINDOW),),
        settings=SampleSettings(steps=2),
    )
    plan = tiny_generator.plan(request)
    assert (plan.id, plan.first_step, plan.end_step, plan.calls) == (7, 480, 576, 2)
    assert plan.elapsed_ns > 0
    assert [n for n in plan.notes if n.voice == LEAD] == sorted(notes)
    assert any(n.voice == ACCOMPANIMENT for n in plan.notes)


def rhythm_of(roll: PianoRoll) -> list[tuple[int, int, int]]:
    return sorted((n.voice, n.onset_step, n.length_steps) for n in roll_to_notes(roll))


def source_to_vary(pitches: Any = PIANO, beats: int = 12) -> PianoRoll:
    """A melody over chords of three, held for two beats and syncopated."""
    chords = [
        Note(i * BEAT + 6, pitch, 2 * BEAT - 6, ACCOMPANIMENT)
        for i in range(0, beats, 2)
        for pitch in (48, 52, 55)
    ]
    return notes_to_roll(melody(beats) + chords, 0, beats * BEAT, pitches)


@pytest.mark.parametrize("model", ["tiny_generator", "paper_generator"])
@pytest.mark.parametrize("beats", [4, 12])  # one window, and several
def test_vary_with_the_rhythm_kept(model: str, beats: int, request: pytest.FixtureRequest) -> None:
    generator: Generator = request.getfixturevalue(model)
    roll = source_to_vary(generator.pitches, beats)
    wanted = SampleSettings(steps=2, voices=1, rhythm="keep", low=40, high=70)
    filled = generator.fill(FillRequest(roll, generate_mask(roll), settings=wanted))
    assert rhythm_of(filled) == rhythm_of(roll)
    assert roll_to_notes(filled) != roll_to_notes(roll)
    reply = [n.pitch for n in roll_to_notes(filled) if n.voice == ACCOMPANIMENT]
    assert min(reply) >= 40
    assert max(reply) <= 70


# -- Many at once ----------------------------------------------------------------------------------


class Wishes(Denoiser):
    """Likes some pitches, what sounds already, and a style: without sums over a batch's cells."""

    def forward(self, inputs: Inputs) -> torch.Tensor:
        noisy, known = inputs.noisy, inputs.known
        pitch = torch.arange(noisy.shape[3])[:, None] % 12
        style = inputs.style.to(noisy.dtype)[:, None, None, None, None]
        wished: torch.Tensor = noisy - 5.0 + (pitch == 0) * 2.0 + (pitch == 7) * style + known
        return wished


def test_many_at_once_are_filled_as_each_alone() -> None:
    prior = torch.full((2, 2, 1, 1), 0.02)
    told = {"name": "x", "pitches": [21, 108], "styles": ["any", "hymn"], "window_beats": 4}
    sampler = Sampler(Wishes(), prior, "cosine", PIANO.low)
    generator = Generator(sampler, told, torch.device("cpu"))
    many = [
        to_harmonize(10 * BEAT, first, seed=seed, style=style, density=density, low=low, steps=3)
        for first, seed, style, density, low in (
            (0, 1, "any", None, 21),
            (48, 2, "hymn", 2.0, 40),
            (240, 3, "any", 4.0, 30),
        )
    ]
    together = generator.fill_many(many)
    for request, filled in zip(many, together, strict=True):
        alone = generator.fill(request)
        assert filled.first_step == request.roll.first_step
        assert (filled.cells == alone.cells).all()
        assert filled.cells[ACCOMPANIMENT].any()
    assert generator.fill_many([]) == []


def test_a_loop_paced_otherwise_plays_otherwise(tiny_generator: Generator) -> None:
    asked = to_harmonize(WINDOW, steps=4)
    same, low = tiny_generator.paced(1.0, 0), tiny_generator.paced(1.0, 2)
    assert (same.fill(asked).cells == tiny_generator.fill(asked).cells).all()
    assert (low.fill(asked).cells != tiny_generator.fill(asked).cells).any()
    assert low.pitches == tiny_generator.pitches


def test_many_share_their_windows_and_skip_what_is_done() -> None:
    generator, module = recording()
    roll = notes_to_roll(melody(4), 0, WINDOW)
    done = FillRequest(roll, np.ones_like(roll.cells), settings=to_harmonize(WINDOW).settings)
    generator.fill_many([to_harmonize(WINDOW), done, to_harmonize(WINDOW, 96)])
    assert [len(source) for source in module.sources] == [2]


@pytest.mark.parametrize(
    "other",
    [
        to_harmonize(WINDOW + BEAT),
        to_harmonize(WINDOW, steps=3),
        to_harmonize(WINDOW, sampler="ddim"),
    ],
)
def test_what_does_not_fit_together_is_refused(other: FillRequest) -> None:
    with pytest.raises(ValueError, match="one length and one way to sample"):
        recording()[0].fill_many([to_harmonize(WINDOW), other])


def test_plans_made_together_are_those_made_alone(tiny_generator: Generator) -> None:
    known = (Span(LEAD, 0, WINDOW // 2),)
    asked = [
        PlanRequest(i, 0, WINDOW, tuple(melody(2)), known, settings=SampleSettings(steps=2, seed=i))
        for i in (3, 4)
    ]
    together = tiny_generator.plan_many(asked)
    assert [plan.id for plan in together] == [3, 4]
    assert [p.notes for p in together] == [tiny_generator.plan(request).notes for request in asked]


# -- The paper's model: one voice, one plane -------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1000, -31])
def test_paper_harmonize_keeps_the_lead(paper_generator: Generator, first: int) -> None:
    request = to_harmonize(6 * BEAT, first, paper_generator.pitches, steps=3)
    roll = paper_generator.fill(request)
    assert (roll.cells == request.roll.cells)[request.known].all()
    reply = roll.cells[ACCOMPANIMENT].any(axis=0)
    assert reply.any()
    assert not (reply & roll.cells[LEAD].any(axis=0)).any()


def test_paper_infill_keeps_what_is_around(paper_generator: Generator) -> None:
    notes = melody(8) + [Note(i * BEAT, 50, BEAT, ACCOMPANIMENT) for i in range(8)]
    roll = notes_to_roll(notes, 0, 8 * BEAT, paper_generator.pitches)
    known = infill_mask(roll, 2 * BEAT, 6 * BEAT)
    request = FillRequest(roll, known, settings=SampleSettings(steps=2, voices=88))
    filled = paper_generator.fill(request)
    assert (filled.cells == roll.cells)[known].all()
    assert filled.cells[ACCOMPANIMENT, ..., 2 * BEAT : 6 * BEAT].any()


@pytest.mark.parametrize(("variation", "calls"), [(0.25, 25), (0.75, 75), (0.95, 95), (1.0, 100)])
def test_paper_variation_starts_at_25_75_95(
    paper_generator: Generator, variation: float, calls: int, eager_recorder: Any
) -> None:
    sampler = paper_generator.sampler
    assert isinstance(sampler, Sampler)
    seen = eager_recorder(sampler.network)
    roll = notes_to_roll(melody(2), 0, 2 * BEAT, paper_generator.pitches)
    wanted = SampleSettings(steps=100, variation=variation, sampler="algorithm1-threshold")
    paper_generator.fill(FillRequest(roll, np.zeros_like(roll.cells), settings=wanted))
    assert len(seen) == calls


def test_paper_register_lock(paper_generator: Generator) -> None:
    request = to_harmonize(4 * BEAT, 0, paper_generator.pitches, low=50, high=60, steps=2)
    notes = roll_to_notes(paper_generator.fill(request))
    assert all(50 <= n.pitch <= 60 for n in notes if n.voice == ACCOMPANIMENT)


def test_a_roll_of_another_range_is_refused() -> None:
    with pytest.raises(ValueError, match="rows do not fit"):
        PianoRoll(np.zeros((2, 2, 56, 24), np.bool_))


def test_an_output_that_is_no_number_is_not_taken_for_silence() -> None:
    generator, _ = recording(answer=float("nan"))
    with pytest.raises(ArithmeticError, match="not a number"):
        generator.fill(to_harmonize(4 * BEAT))
