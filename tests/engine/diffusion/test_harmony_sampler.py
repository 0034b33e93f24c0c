"""Plans drawn by the reverse process, alone and in front of the texture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.denoisers.harmony import plan_of
from engine.denoisers.inputs import HarmonyInputs
from engine.diffusion.harmony_sampler import (
    HarmonyRequest,
    HarmonySampler,
    agreed,
    goes_on,
    sounding_classes,
    with_chords,
    with_one_bass,
)
from engine.diffusion.sampler import Loop, Request, Sampler, no_chords
from engine.model import checkpoint
from engine.model.export import script
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT
from engine.music.roll import Note
from engine.requests.request import ChordCell, PlanRequest, SampleSettings, Span

BEATS = 8
BEAT = STEPS_PER_BEAT
C = frozenset({0, 4, 7})
PRIOR = torch.full((1, 24, 1), 0.25)


class Steady(nn.Module):
    """Hears nothing but each cell: so overlapping windows agree."""

    def forward(self, noisy: Tensor, *_: Any) -> Tensor:
        return noisy - 1.2


@pytest.fixture
def planner(tiny_planner_sizes: dict[str, int]) -> HarmonySampler:
    torch.manual_seed(5)
    network = checkpoint.build("harmony", tiny_planner_sizes).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return HarmonySampler(network, PRIOR)


@pytest.fixture
def band(tiny_sampler: Sampler, planner: HarmonySampler) -> Sampler:
    tiny_sampler.harmony = planner
    return tiny_sampler


def draw(
    module: nn.Module,
    known: Tensor | None = None,
    mask: Tensor | None = None,
    seed: int = 0,
    first: int = 0,
    temperature: float = 0.7,
    room: Tensor | None = None,
    choices: int = 1,
    sounds: Tensor | None = None,
) -> Tensor:
    empty = torch.zeros(1, 24, BEATS)
    beat = torch.arange(BEATS)[None] * BEAT % 96
    with torch.inference_mode():
        inputs = HarmonyInputs(
            empty if known is None else known,
            empty if mask is None else mask,
            torch.zeros(1, BEATS, 96),
            torch.zeros(1, BEATS, 4),
            beat,
            torch.full_like(beat, 96),
            torch.tensor([0]),
        )
        room = empty + 1 if room is None else room
        sounds = torch.zeros(1, BEATS) if sounds is None else sounds
        request = HarmonyRequest(inputs, room, sounds, torch.tensor([seed]), torch.tensor([first]))
        plan: Tensor = module(request, 6, temperature, choices)
    return plan


def cells(share: float, seed: int) -> Tensor:
    uniform = torch.rand((1, 24, BEATS), generator=torch.Generator().manual_seed(seed))
    return (uniform < share).float()


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_known_cells_stay_and_there_is_one_bass(
    planner: HarmonySampler, temperature: float
) -> None:
    mask = cells(0.3, 1)
    mask[:, 12:] = 0.0
    known = cells(0.4, 2) * mask
    plan = draw(planner, known, mask, temperature=temperature)
    assert torch.equal(plan * mask, known)
    assert set(plan.flatten().tolist()) <= {0.0, 1.0}
    assert float(plan[:, 12:].sum(dim=1).max()) <= 1.0
    bass_but_no_class = plan[:, 12:] * (1 - plan[:, :12]) * (1 - mask[:, :12])
    assert not bool(bass_but_no_class.any())


def test_the_seed_decides(planner: HarmonySampler) -> None:
    assert torch.equal(draw(planner, seed=3), draw(planner, seed=3))
    assert not torch.equal(draw(planner, seed=3), draw(planner, seed=4))
    assert float(draw(planner).mean()) > 0.02


def test_overlapping_windows_agree() -> None:
    module = HarmonySampler(Steady(), PRIOR)
    early, late = (draw(module, first=first, temperature=1.0) for first in (0, 3))
    assert torch.equal(early[..., 3:], late[..., :-3])
    assert 0.02 < float(early.mean()) < 0.9


def test_what_a_lock_forbids_is_not_drawn(planner: HarmonySampler) -> None:
    room = torch.zeros(1, 24, BEATS)
    room[:, [0, 4, 7, 12, 16, 19]] = 1.0
    plan = draw(planner, room=room)
    assert plan.any()
    assert not (plan * (1 - room)).any()


class Silent(nn.Module):
    """Sure that nothing sounds, and least so of C, E and G, with C in the bass."""

    def forward(self, noisy: Tensor, level: Tensor, inputs: HarmonyInputs) -> Tensor:
        logits = torch.full_like(noisy, -14.0)
        logits[:, [0, 4, 7]] = -8.0
        logits[:, 12] = -8.0
        return logits


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("choices", [1, 3])
def test_where_the_melody_goes_on_the_likeliest_chord_is_played(
    temperature: float, choices: int
) -> None:
    module = HarmonySampler(Silent(), PRIOR)
    assert not draw(module, temperature=temperature, choices=choices).any()
    sounds = torch.zeros(1, BEATS)
    sounds[:, 2:5] = 1.0
    plan = draw(module, temperature=temperature, choices=choices, sounds=sounds)
    assert torch.equal(plan.amax(dim=1), sounds)
    assert not plan[:, [1, 2, 3, 5, 6, 8, 9, 10, 11]].any()
    assert torch.equal(plan[:, 12:].sum(dim=1), sounds), "with a bass"
    assert torch.equal(plan[:, 12], sounds)


def test_what_is_known_or_forbidden_stays_so_where_the_melody_goes_on() -> None:
    module, sounds = HarmonySampler(Silent(), PRIOR), torch.ones(1, BEATS)
    room = torch.zeros(1, 24, BEATS)
    room[:, [2, 14], :3] = 1.0
    mask = torch.zeros(1, 24, BEATS)
    mask[..., 3:] = 1.0
    plan = draw(module, torch.zeros_like(mask), mask, room=room, sounds=sounds)
    assert set(plan[0, :, :3].nonzero()[:, 0].tolist()) == {2, 14}
    assert not plan[..., 3:].any(), "known to be silent"


def test_a_chord_is_raised_until_two_classes_and_a_bass_are_expected() -> None:
    logits = torch.randn(1, 24, BEATS, generator=torch.Generator().manual_seed(1)) - 6.0
    logits[..., 0] += 9.0  # sounds anyway
    sounds = torch.ones(1, BEATS)
    sounds[:, -1] = 0.0
    raised = with_chords(logits, torch.ones_like(logits), sounds)
    expected = torch.sigmoid(raised).view(1, 2, 12, BEATS).sum(dim=2)[0]
    goal = torch.tensor([2.0, 1.0])[:, None].expand(2, BEATS - 2)
    torch.testing.assert_close(expected[:, 1:-1], goal, rtol=0.02, atol=0.0)
    untouched = raised[..., [0, -1]]
    torch.testing.assert_close(untouched, logits[..., [0, -1]])
    ranks = raised.view(1, 2, 12, BEATS).argsort(dim=2)
    assert torch.equal(ranks, logits.view(1, 2, 12, BEATS).argsort(dim=2))


@pytest.mark.parametrize(
    ("sounding", "known", "beats"),
    [
        ("xx..|....|....|....", 16, "0000"),  # all is known
        ("xxxx|xxxx|    |    ", 8, "1111"),  # it sounded in the last beat that is known
        ("xxxx|x...|    |    ", 8, "1111"),
        ("xxxx|....|    |    ", 8, "1000"),  # it rests, and may have ended
        ("xxxx|...x|..  |    ", 10, "1111"),  # the last four sixteenths that are known
        ("xxxx|....|..  |    ", 10, "1000"),
        ("    |    |    |    ", 0, "0000"),
    ],
)
def test_a_melody_goes_on_until_it_is_known_to_rest(sounding: str, known: int, beats: str) -> None:
    lead = torch.zeros(1, 4, 4, 24)
    for number, what in enumerate(sounding.replace("|", "")):
        lead[0, number // 4, number % 4, 12 + number % 12] = float(what == "x")
    heard = (torch.arange(16) < known).float().view(1, 4, 4)
    found = goes_on(lead.view(1, 4, 96), heard)
    assert found.tolist() == [[float(beat) for beat in beats]]


def test_scripted_equals_eager(planner: HarmonySampler) -> None:
    scripted = script(planner)
    assert torch.equal(draw(planner, seed=2), draw(scripted, seed=2))
    sounds = torch.ones(1, BEATS)
    told = [draw(module, seed=2, sounds=sounds) for module in (planner, scripted)]
    assert torch.equal(*told)


def test_of_several_basses_the_known_or_likeliest_one_stays() -> None:
    x, probability = torch.zeros(2, 1, 24, 3)
    x[0, [12, 14, 19], 0] = 1.0
    probability[0, [12, 14, 19], 0] = torch.tensor([0.2, 0.6, 0.5])
    known, mask = torch.zeros(2, 1, 24, 3)
    x[0, 14, 1], probability[0, 14, 1] = 1.0, 0.9
    known[0, 16, 1] = mask[0, 16, 1] = 1.0
    plan = with_one_bass(x, probability, known, mask)
    assert plan[0].T.nonzero().tolist() == [[0, 2], [0, 14], [1, 4], [1, 16]]


def test_the_classes_that_rows_allow() -> None:
    allowed = torch.zeros(1, PIANO.size, 48)
    allowed[:, [60 - PIANO.low, 74 - PIANO.low], 30] = 1.0
    assert sounding_classes(allowed, PIANO.low)[0].T.nonzero().tolist() == [
        [1, 0],
        [1, 2],
        [1, 12],
        [1, 14],
    ]


# -- In front of the texture ---------------------------------------------------------------------


def asked(known_beats: int = 0, seed: int = 1) -> Request:
    """A lead that is known; the accompaniment so far a C major triad."""
    source = torch.zeros(1, 2, 2, PIANO.size, BEATS * BEAT)
    for beat in range(BEATS):
        source[:, LEAD, 0, 72 + beat % 5 - PIANO.low, beat * BEAT] = 1.0
    for pitch in (48, 64, 67):
        source[:, ACCOMPANIMENT, 1, pitch - PIANO.low, : known_beats * BEAT] = 1.0
    mask = torch.zeros_like(source)
    mask[:, LEAD] = 1.0
    mask[:, ACCOMPANIMENT, ..., : known_beats * BEAT] = 1.0
    phase = torch.arange(0, BEATS * BEAT, 6)[None] % 96
    style = torch.tensor([0])
    return Request(
        source,
        mask,
        torch.ones_like(source),
        phase,
        torch.full_like(phase, 96),
        style,
        style,
        torch.tensor([seed]),
        style,
        *no_chords(source),
    )


def test_the_plan_of_known_beats_is_read_off(band: Sampler) -> None:
    request = asked(known_beats=3)
    filled = band(request, Loop(2, "renoise", plan_calls=3))
    assert torch.equal(
        filled.plan[..., :3], plan_of(request.source[:, ACCOMPANIMENT], PIANO.low)[..., :3]
    )
    assert filled.planned.tolist() == [[1.0] * BEATS]
    assert filled.plan[..., 3:].any()
    assert torch.equal(filled.cells * request.mask, request.source * request.mask)


def test_given_chords_stay_but_what_is_known_to_sound_goes_first(band: Sampler) -> None:
    request = asked(known_beats=2)
    chords, known = (x.clone() for x in no_chords(request.source))
    known[..., 1:4] = 1.0
    chords[:, [2, 5, 9, 14], 1:4] = 1.0
    filled = band(request._replace(chords=chords, chords_known=known), Loop(1, "renoise"))
    assert filled.plan[0, :, 1].nonzero()[:, 0].tolist() == [0, 4, 7, 12]
    assert torch.equal(filled.plan[..., 2:4], chords[..., 2:4])


@pytest.mark.parametrize(
    ("chords_from", "known_beats", "beats"),
    [
        ("melody", 5, [1.0] * 8),
        ("melody", 8, [0.0] * 8),
        ("notes", 5, [0.0] * 8),
    ],
)
def test_a_reply_plays_on_while_the_melody_does(
    tiny_sampler: Sampler, chords_from: str, known_beats: int, beats: list[float]
) -> None:
    tiny_sampler.harmony = HarmonySampler(Silent(), PRIOR)
    request = asked()
    mask = request.mask.clone()
    mask[..., known_beats * BEAT :] = 0.0
    loop = Loop(1, "renoise", chords_from=chords_from)
    assert tiny_sampler(request._replace(mask=mask), loop).plan.amax(dim=1).tolist() == [beats]


def test_chords_from_the_melody_do_not_follow_what_we_played(band: Sampler) -> None:
    silent, played = asked(), asked(known_beats=4)
    loops = [Loop(1, "renoise", chords_from=source) for source in ("notes", "melody")]
    follows, free = (band(played, loop).plan for loop in loops)
    alone = band(silent, loops[1]).plan
    assert torch.equal(free[..., 4:], alone[..., 4:])
    assert not torch.equal(follows[..., 4:], alone[..., 4:])
    for plan in (follows, free):  # the network is told what sounds all the same
        assert plan[0, :, 1].nonzero()[:, 0].tolist() == [0, 4, 7, 12]


def test_where_all_is_known_nothing_is_drawn(band: Sampler) -> None:
    assert band.harmony is not None
    band.harmony.network = nn.Identity()  # would fail
    filled = band(asked(known_beats=BEATS), Loop(1, "renoise"))
    assert filled.plan[0, :, 5].nonzero()[:, 0].tolist() == [0, 4, 7, 12]


def test_what_the_source_holds_where_nothing_is_known_is_not_heard(band: Sampler) -> None:
    """`vary` brings a source; the plan follows what is known of it alone."""
    request = asked(known_beats=2)
    mask = request.mask.clone()
    mask[:, LEAD, ..., 3 * BEAT :] = 0.0
    noise = torch.rand(request.source.shape, generator=torch.Generator().manual_seed(1))
    noisy = torch.where(mask > 0.5, request.source, (noise < 0.5).float())
    plans = [
        band.plan_of_request(request._replace(source=source, mask=mask), Loop(2, "renoise"))[0]
        for source in (request.source * mask, noisy)
    ]
    assert torch.equal(*plans)
    assert plans[0].isfinite().all()


def test_an_end_changes_no_length(band: Sampler) -> None:
    plain, ends = (band(asked(), Loop(2, "renoise", ending=n)) for n in (0, 8))
    assert [x.shape for x in plain] == [x.shape for x in ends]
    assert not torch.equal(plain.plan, ends.plan)  # and it is heard


def test_a_model_without_a_planner_tells_nothing(tiny_sampler: Sampler) -> None:
    filled = tiny_sampler(asked(3), Loop(1, "renoise"))
    assert not filled.plan.any()
    assert not filled.planned.any()


@pytest.mark.parametrize("name", ["renoise", "ancestral"])
def test_the_whole_scripted_equals_eager(band: Sampler, name: str) -> None:
    request = asked(2)
    loop = Loop(3, name, 0.7, ending=4, plan_calls=4, guidance=1.5)
    eager, scripted = band.eval()(request, loop), script(band)(request, loop)
    for index in (0, 2, 3):  # cells, plan, planned
        assert torch.equal(eager[index], scripted[index])


# -- Through the generator -----------------------------------------------------------------------


def plan_request(first: int = 0, beats: int = BEATS, **more: Any) -> PlanRequest:
    lead = tuple(Note(first + i * BEAT, 72 + i % 5, BEAT, LEAD) for i in range(beats))
    span = Span(LEAD, first, first + beats * BEAT)
    settings = SampleSettings(steps=2, chord_calls=3, seed=4)
    return PlanRequest(1, first, first + beats * BEAT, lead, (span,), settings=settings, **more)


@pytest.fixture
def generator(tiny_generator: Generator, planner: HarmonySampler) -> Generator:
    sampler: Any = tiny_generator.sampler
    sampler.harmony = planner
    return tiny_generator


def test_a_plan_tells_its_chords_beat_by_beat(generator: Generator) -> None:
    plan = generator.plan(plan_request(first=-48))
    assert [(c.first_step, c.end_step) for c in plan.chords] == [
        (step, step + BEAT) for step in range(-48, -48 + BEATS * BEAT, BEAT)
    ]
    assert plan.chords == generator.plan(plan_request(first=-48)).chords
    assert any(chord.classes for chord in plan.chords)


@pytest.mark.parametrize("beats", [BEATS, 20])
def test_the_musicians_chord_comes_back(generator: Generator, beats: int) -> None:
    given = ChordCell(2 * BEAT, 4 * BEAT, C, 4)
    plan = generator.plan(plan_request(beats=beats, chords=(given,)))
    assert [(c.classes, c.bass) for c in plan.chords[2:4]] == [(C, 4)] * 2
    assert len(plan.chords) == beats


def test_without_any_note_the_chords_come_back_in_their_key(generator: Generator) -> None:
    d_major = frozenset({2, 6, 9})
    request = plan_request(chords=(ChordCell(0, 4 * BEAT, d_major, 2),))
    plan = generator.plan(replace(request, notes=(), known=()))
    assert [(c.classes, c.bass) for c in plan.chords[:4]] == [(d_major, 2)] * 4


def test_an_end_is_heard(generator: Generator) -> None:
    open_, ends = (generator.plan(plan_request(ends=ends)) for ends in (False, True))
    assert len(open_.chords) == len(ends.chords)
    assert open_.chords != ends.chords


def test_a_model_without_a_planner_tells_no_chords(tiny_generator: Generator) -> None:
    request = plan_request(chords=(ChordCell(0, BEAT, C),))
    assert tiny_generator.plan(request).chords == ()
    assert np.asarray(tiny_generator.fill(request.to_fill()).cells).any()


def test_the_plan_that_most_agree_with_is_chosen_and_not_the_fullest() -> None:
    plans = torch.zeros(1, 4, 24, 2)
    plans[0, 0, [0, 4, 7]] = 1.0
    plans[0, 1, [0, 4, 7]] = 1.0
    plans[0, 2, [0, 4, 9]] = 1.0
    plans[0, 3, :12] = 1.0  # shares all of every other's cells
    none_known = torch.zeros(1, 24, 2)
    assert torch.equal(agreed(plans, none_known), plans[:, 0])
    known = none_known.clone()
    known[:, 7] = known[:, 9] = known[:, 4] = 1.0  # what is given decides nothing
    plans[0, 2, 0] = plans[0, 3, 0] = 0.0
    assert torch.equal(agreed(plans, known), plans[:, 0])


def test_no_plan_wins_by_silence_where_the_others_are_of_many_minds() -> None:
    plans = torch.zeros(1, 4, 24, 2)
    plans[0, :, [0, 4, 7], 0] = 1.0  # all are sure of the first beat
    for number, root in enumerate((0, 5, 5)):
        plans[0, number, [root, root + 2, root + 5], 1] = 1.0  # plan 3 leaves the second
    assert torch.equal(agreed(plans, torch.zeros(1, 24, 2)), plans[:, 1])


def test_a_silence_that_most_agree_with_is_chosen() -> None:
    plans = torch.zeros(1, 3, 24, 2)
    plans[0, :, [0, 4, 7], 0] = 1.0
    plans[0, 0, [0, 4, 7], 1] = 1.0
    assert torch.equal(agreed(plans, torch.zeros(1, 24, 2)), plans[:, 1])


def test_of_many_plans_one_is_chosen_for_each_request(planner: HarmonySampler) -> None:
    one = draw(planner, seed=3)
    assert torch.equal(draw(planner, seed=3, choices=1), one)
    many = [draw(planner, seed=3 + planner.seeds_apart * i) for i in range(5)]
    chosen = draw(planner, seed=3, choices=5)
    assert torch.equal(chosen, agreed(torch.stack(many, dim=1), torch.zeros(1, 24, BEATS)))


class Split(nn.Module):
    """Sure of the classes 0 to 5 and of bass 12, and as sure that the others are silent."""

    def forward(self, noisy: Tensor, *_: Any) -> Tensor:
        likely = torch.full_like(noisy, -8.0)
        likely[:, :6] = 8.0
        likely[:, 12] = 8.0
        return likely


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_where_the_planner_is_sure_the_plan_is_what_it_says(temperature: float) -> None:
    room = torch.ones(1, 24, BEATS)
    room[:, 3:] = 0.0
    room[:, 12] = 1.0
    plan = draw(HarmonySampler(Split(), PRIOR), temperature=temperature, room=room)
    wanted = torch.zeros(24, BEATS)
    wanted[[0, 1, 2, 12]] = 1.0
    assert torch.equal(plan[0], wanted)


class Listens(nn.Module):
    """Keeps the noisy plans that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[Tensor] = []

    def forward(self, noisy: Tensor, *_: Any) -> Tensor:
        self.given.append(noisy)
        return noisy - 0.5


def test_the_planner_hears_noise_in_free_cells_alone() -> None:
    network, mask = Listens(), cells(0.5, 4)
    draw(HarmonySampler(network, PRIOR), cells(0.5, 5) * mask, mask)
    assert len(network.given) == 6
    for noisy in network.given:
        assert set(noisy.flatten().tolist()) == {0.0, 1.0}
        assert not bool((noisy * mask).any())
