"""The blocks on whole beats: their shape, what they hear, and what an old file has of them."""

from __future__ import annotations

import warnings
from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from engine.denoisers.frame_transformer import FrameTransformer, FrameTransformerConfig
from engine.denoisers.transformer import BeatBlocks, BeatSizes
from engine.model import checkpoint

SIZES = BeatSizes(width=8, heads=2, condition_width=4, dropout_percent=0, layers=1, tokens=4)
HOURGLASS = FrameTransformerConfig(
    width=8, layers=2, heads=2, condition_width=4, beat_layers=1, beat_width=8, beat_heads=2
)


def called(blocks: BeatBlocks, h: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = blocks(h, torch.zeros(len(h), 4), torch.zeros(0), torch.zeros(0))
    return out


@pytest.fixture
def blocks() -> BeatBlocks:
    torch.manual_seed(0)
    return BeatBlocks(6, SIZES).eval()


@pytest.mark.parametrize("tokens", [1, 3, 4, 10, 16])
def test_they_keep_the_shape_where_the_last_beat_is_cut_short_too(
    blocks: BeatBlocks, tokens: int
) -> None:
    assert called(blocks, torch.randn(2, tokens, 6)).shape == (2, tokens, 6)


def test_a_cut_beat_is_one_that_ends_in_zeros(blocks: BeatBlocks) -> None:
    h = torch.randn(1, 6, 6)
    whole = torch.cat([h, torch.zeros(1, 2, 6)], dim=1)
    torch.testing.assert_close(called(blocks, h), called(blocks, whole)[:, :6])


def test_beats_hear_each_other(blocks: BeatBlocks) -> None:
    h = torch.randn(1, 8, 6)
    other = h.clone()
    other[:, 7] += 1.0
    assert not torch.allclose(called(blocks, h)[:, :4], called(blocks, other)[:, :4])


def test_what_comes_of_a_beat_is_added_to_its_tokens(blocks: BeatBlocks) -> None:
    for weights in blocks.spread.parameters():
        torch.nn.init.zeros_(weights)
    h = torch.randn(2, 8, 6)
    assert torch.equal(called(blocks, h), h)


def test_they_lie_in_the_middle_of_the_others() -> None:
    network = FrameTransformer(HOURGLASS)
    assert [type(block).__name__ for block in network.blocks] == ["Block", "BeatBlocks", "Block"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(network)


def test_a_file_that_tells_none_has_none() -> None:
    told = asdict(FrameTransformerConfig())
    older = {name: size for name, size in told.items() if not name.startswith("beat")}
    state = checkpoint.with_all_sizes({"family": "frame-transformer", "sizes": older})
    assert state["sizes"] == told | {"beat_layers": 0}
