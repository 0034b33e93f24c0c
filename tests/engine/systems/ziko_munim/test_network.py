from __future__ import annotations

import torch

from engine.systems.ziko_munim.network import (
    ALL,
    AnticipatingTransformer,
    Condition,
    TransformerConfig,
    may_see,
)

BEATS = 6


def test_the_order_of_anticipation() -> None:
    sees = may_see(torch.tensor([1]), BEATS)[0]
    melody, rest = range(BEATS), range(BEATS, 2 * BEATS)
    for b in range(BEATS):
        heard = {m for m in melody if sees[rest[b], m]}
        assert heard == set(range(min(b + 2, BEATS)))
        assert {m for m in melody if sees[b, m]} == set(range(b + 1))
        assert {j for j in range(BEATS) if sees[b, rest[j]]} == set(range(max(b - 1, 0)))


def test_without_an_order_all_see_all() -> None:
    assert bool(may_see(torch.tensor([ALL]), BEATS).all())


def network() -> AnticipatingTransformer:
    torch.manual_seed(0)
    made = AnticipatingTransformer(
        TransformerConfig(width=24, layers=3, heads=2, numbers=4, coder=8, beats=BEATS)
    )
    for parameter in made.parameters():  # gates begin at zero, and nothing would be heard
        torch.nn.init.normal_(parameter, std=0.2)
    return made.eval()


def test_k_beats_of_the_melody_are_heard_and_no_more() -> None:
    made = network()
    x = torch.randn(1, 2, 4, 11, BEATS)
    known = torch.tensor([[[1.0] * BEATS, [0.0] * BEATS]])
    nothing = torch.zeros(1, dtype=torch.int64)
    place = torch.zeros(1, BEATS, 2, dtype=torch.int64)
    for k in (0, 2):
        given = Condition(place, nothing, nothing, torch.tensor([k]))
        before = made(x, torch.tensor([0.7]), known, given)
        later = x.clone()
        later[:, 0, :, :, 4] += 1.0
        moved = (made(later, torch.tensor([0.7]), known, given) - before).abs()
        reached = moved[0, 1].amax(dim=(0, 1)).detach() > 1e-6
        assert reached.tolist() == [b + k >= 4 for b in range(BEATS)]


def test_a_known_patch_hears_no_noise_level() -> None:
    made = network()
    x = torch.randn(1, 2, 4, 11, BEATS)
    known = torch.ones(1, 2, BEATS)
    nothing = torch.zeros(1, dtype=torch.int64)
    place = torch.zeros(1, BEATS, 2, dtype=torch.int64)
    given = Condition(place, nothing, nothing, torch.tensor([ALL]))
    low, high = (made(x, torch.tensor([level]), known, given) for level in (0.1, 0.9))
    assert torch.equal(low, high)
