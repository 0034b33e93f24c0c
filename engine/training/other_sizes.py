"""Begin a network of the notes with the weights of one that has other blocks."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.denoisers.frame_transformer import FrameTransformer
from engine.denoisers.transformer import BeatBlocks, Block
from engine.model.checkpoint import CheckpointError, load_weights

_PLACE = "blocks."
_FRESH_SHARE = 0.1
"""Of what fresh blocks on beats add at first: the others' weights do not know them yet."""


def begin_with(network: FrameTransformer, weights: dict[str, Tensor]) -> None:
    """Give `network` the like of `weights`, float32: all beside the blocks, and of those on
    sixteenths the first and the last ones. Blocks on beats are taken over where both have them.

    Raises CheckpointError where the widths differ, or there are fewer blocks than it has.
    """
    own = network.state_dict()
    places = _places(network, weights)
    for name, weight in weights.items():
        if not name.startswith(_PLACE):
            own[name] = weight.float()
            continue
        number, rest = name.removeprefix(_PLACE).split(".", 1)
        if int(number) in places:
            own[f"{_PLACE}{places[int(number)]}.{rest}"] = weight.float()
    load_weights(network, own)
    taken = set(places.values())
    for place, block in enumerate(network.blocks):
        if isinstance(block, BeatBlocks) and place not in taken:
            _weaken(block)


def _places(network: FrameTransformer, weights: dict[str, Tensor]) -> dict[int, int]:
    """Return where each of their blocks goes; those that go nowhere are left out."""
    theirs = sorted({int(n.split(".")[1]) for n in weights if n.startswith(_PLACE)})
    on_beats = {n for n in theirs if f"{_PLACE}{n}.join.weight" in weights}
    plain = [n for n in theirs if n not in on_beats]
    wanted = [n for n, block in enumerate(network.blocks) if isinstance(block, Block)]
    if not plain:
        raise CheckpointError(
            "weights of another family; begin with those of a frame-transformer, such as the "
            "default model's"
        )
    if len(plain) < len(wanted):
        raise CheckpointError(
            f"{len(plain)} blocks to begin with, and the network has {len(wanted)}; "
            f"train with `--size layers={len(plain)}` or fewer"
        )
    first = len(wanted) // 2
    kept = plain[:first] + plain[len(plain) - (len(wanted) - first) :]
    ours = [n for n, block in enumerate(network.blocks) if isinstance(block, BeatBlocks)]
    return dict(zip(kept, wanted, strict=True)) | dict(zip(sorted(on_beats), ours, strict=False))


def _weaken(block: BeatBlocks) -> None:
    with torch.no_grad():
        block.spread.weight.mul_(_FRESH_SHARE)
        block.spread.bias.zero_()
