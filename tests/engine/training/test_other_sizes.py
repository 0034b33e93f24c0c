"""What a network of other blocks begins with."""

from __future__ import annotations

import pytest
import torch

from engine.denoisers.frame_transformer import FrameTransformer, FrameTransformerConfig
from engine.model.checkpoint import CheckpointError, build
from engine.training.other_sizes import begin_with


def network(layers: int, beat_layers: int, width: int = 8, seed: int = 0) -> FrameTransformer:
    torch.manual_seed(seed)
    sizes = {"heads": 2, "condition_width": 4, "beat_width": 8, "beat_heads": 2}
    return FrameTransformer(
        FrameTransformerConfig(width=width, layers=layers, beat_layers=beat_layers, **sizes)
    )


def queries(of: FrameTransformer) -> dict[int, torch.Tensor]:
    """Return the weights of the attention of each block on sixteenths, by its place."""
    found = of.state_dict()
    names = {n: f"blocks.{n}.qkv.weight" for n in range(len(of.blocks))}
    return {n: found[name] for n, name in names.items() if name in found}


def test_the_first_and_the_last_blocks_are_taken() -> None:
    given, begun = network(5, 0, seed=1), network(3, 1)
    begin_with(begun, given.state_dict())
    found, theirs = queries(begun), queries(given)
    assert list(found) == [0, 2, 3]  # blocks on beats are at 1
    for ours, taken in {0: 0, 2: 3, 3: 4}.items():
        assert torch.equal(found[ours], theirs[taken])
    assert torch.equal(begun.embed.weight, given.embed.weight)
    assert torch.equal(begun.out.bias, given.out.bias)


def test_fresh_blocks_on_beats_add_little_at_first() -> None:
    begun = network(2, 1)
    before = begun.state_dict()["blocks.1.spread.weight"].clone()
    begin_with(begun, network(6, 0, seed=1).state_dict())
    after = begun.state_dict()
    torch.testing.assert_close(after["blocks.1.spread.weight"], 0.1 * before)
    assert not after["blocks.1.spread.bias"].any()


@pytest.mark.parametrize(("layers", "beat_layers"), [(2, 1), (3, 0)])
def test_a_like_network_is_taken_whole(layers: int, beat_layers: int) -> None:
    given, begun = network(layers, beat_layers, seed=1), network(layers, beat_layers)
    begin_with(begun, given.half().state_dict())
    for name, weight in begun.state_dict().items():
        assert torch.equal(weight, given.state_dict()[name].float()), name


def test_too_few_blocks_are_refused() -> None:
    with pytest.raises(CheckpointError, match="1 blocks to begin with, and the network has 2"):
        begin_with(network(2, 1), network(1, 0).state_dict())


def test_weights_of_another_family_are_refused() -> None:
    with pytest.raises(CheckpointError, match="weights of another family"):
        begin_with(network(2, 1), build("paper-unet", {"full": 4}).state_dict())


def test_another_width_is_refused() -> None:
    with pytest.raises(CheckpointError, match="do not fit"):
        begin_with(network(2, 0), network(2, 0, width=16).state_dict())
