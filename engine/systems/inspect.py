"""What a filter of a network looks for: activation maximisation (Erhan et al. 2009).

From a sample of the prior, gradient ascent on the mean of one filter's output with respect to the
input, as in Atassi's section 7. The input is whatever the network denoises: cells, codes, numbers
or triples; as there, it is not held to 0 and 1 on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.denoisers.inputs import Inputs, no_plan
from engine.model.export import ModelError, rebuilt
from engine.model.generator import Generator
from engine.music.grid import STEPS_PER_BEAT, STEPS_PER_TOKEN
from engine.systems.common.autoencoder import ROWS
from engine.systems.player import SystemPlayer, load_player
from engine.systems.ziko_munim.network import ALL, Condition

_STEPS = 200
_RATE = 0.1
_BEATS = 16
_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_LEVEL = 0.5
Pictures = NDArray[np.float32]
"""[filter, row, column], the inputs that were found"""


@dataclass(frozen=True, slots=True)
class Subject:
    """A network to look into: `call` runs it on an input like `sample(seed)`, and `rows` lays one
    input out as [row, column]."""

    network: nn.Module
    call: Callable[[Tensor], object]
    sample: Callable[[int], Tensor]
    rows: Callable[[Tensor], Tensor]

    def layers(self) -> dict[str, int]:
        """Layers that hear the input, in the order in which they do, with their filters' count."""
        found: dict[str, int] = {}
        self.network.requires_grad_(False)  # so that what has a slope has it from the input

        def note(name: str, module: nn.Module, given: object, out: Tensor) -> None:
            weight: Any = module.weight
            if out.requires_grad:
                found[name] = int(weight.shape[0])

        hooks = [
            module.register_forward_hook(partial(note, name))
            for name, module in self.network.named_modules()
            if isinstance(module, _LAYERS)
        ]
        self.call(self.sample(0).requires_grad_())
        for hook in hooks:
            hook.remove()
        return found

    @property
    def lowest(self) -> str:
        """The last convolution at the coarsest level; of a transformer the last map of its middle
        block."""
        names = list(self.layers())
        for name in _BOTTOMS:
            if name in names:
                return name
        blocks = [name for name in names if name.startswith("blocks.")]
        middle = len({name.split(".")[1] for name in blocks}) // 2
        return [name for name in blocks if name.startswith(f"blocks.{middle}.")][-1]


def subject_of(path: Path) -> Subject:
    """Return the network in a model file. Raises ModelError or CheckpointError."""
    player = load_player(path, "cpu")
    if isinstance(player, SystemPlayer):
        return _system(player)
    return _denoiser(path, player)


def maximise(
    subject: Subject, layer: str, filters: tuple[int, ...], seed: int = 0, steps: int = _STEPS
) -> Pictures:
    """Return the input each filter answers most to. Raises ModelError that names the layers."""
    there = subject.layers()
    if layer not in there:
        raise ModelError(
            f"no layer {layer!r}; --list names all {len(there)}, such as {subject.lowest!r}"
        )
    if wrong := [each for each in filters if not 0 <= each < there[layer]]:
        raise ModelError(f"{layer} has filters 0 to {there[layer] - 1}, not {wrong[0]}")
    outputs: list[Tensor] = []
    module = dict(subject.network.named_modules())[layer]
    hook = module.register_forward_hook(lambda m, given, out: outputs.append(out))
    try:
        found = [_ascend(subject, module, outputs, each, seed, steps) for each in filters]
    finally:
        hook.remove()
    return np.stack([subject.rows(x).detach().numpy() for x in found])


def neighbours(picture: NDArray[np.float32]) -> tuple[float, float]:
    """Correlation of each element with the next one along rows, and along columns.

    A network that has lost resolution along an axis cannot tell neighbours apart there: what it
    looks for would have runs of equal elements, and the correlation would be near 1.
    """

    def like(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        spread = float(a.std() * b.std())
        return float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else 0.0

    pitch = like(picture[:-1], picture[1:]) if len(picture) > 1 else 0.0
    return pitch, like(picture[:, :-1], picture[:, 1:])


def _ascend(
    subject: Subject, module: nn.Module, outputs: list[Tensor], chosen: int, seed: int, steps: int
) -> Tensor:
    x = subject.sample(seed).requires_grad_()
    for _ in range(steps):
        outputs.clear()
        subject.call(x)
        value = outputs[0].select(_axis(module), chosen).mean()
        (slope,) = torch.autograd.grad(value, x)
        # By the slope's size, so that one rate suits filters of all scales.
        x = (x + _RATE * slope / slope.pow(2).mean().sqrt().clamp_min(1e-12)).detach()
        x.requires_grad_()
    return x


def _axis(module: nn.Module) -> int:
    return -1 if isinstance(module, nn.Linear) else 1


def _denoiser(path: Path, player: Generator) -> Subject:
    """Return a network over rolls, from an export: its input are the noisy cells."""
    sampler, _ = rebuilt(path)
    network, prior = sampler.network, sampler.prior
    shape = (1, *prior.shape[:2], player.pitches.size, _BEATS * STEPS_PER_BEAT)

    def sample(seed: int) -> Tensor:
        drawn = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
        return (drawn < prior[None]).float()

    def call(x: Tensor) -> object:
        nothing = torch.zeros_like(x)
        tokens = torch.arange(0, shape[-1], STEPS_PER_TOKEN)[None]
        bar = torch.full_like(tokens, 4 * STEPS_PER_BEAT)
        any_ = torch.zeros(1, dtype=torch.int64)
        level = torch.tensor([_LEVEL])
        plan = no_plan(x[:, :, 0, 0])
        return network(Inputs(x, nothing, nothing, level, tokens % bar, bar, any_, any_, *plan))

    def rows(x: Tensor) -> Tensor:
        return x[0].flatten(0, 2)

    return Subject(network, call, sample, rows)


def _system(player: SystemPlayer) -> Subject:
    network: Any = player.network
    shape = _SHAPES[player.family](network.config)
    level = torch.tensor([_LEVEL])

    def sample(seed: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    def call(x: Tensor) -> object:
        if player.family != "ziko-munim":
            return network(x, level)
        beats = x.shape[4]
        place = torch.stack([torch.arange(beats) % 4, torch.full((beats,), 4)], dim=1)[None]
        any_ = torch.zeros(1, dtype=torch.int64)
        given = Condition(place, any_, any_, torch.tensor([ALL]))
        return network(x, level, torch.zeros(1, 2, beats), given)

    def rows(x: Tensor) -> Tensor:
        return x[0].flatten(0, -2) if x.dim() > 2 else x

    return Subject(network, call, sample, rows)


_SHAPES: dict[str, Callable[[Any], tuple[int, ...]]] = {
    "signorelli": lambda config: (1, config.features, config.length),
    "savkin": lambda config: (1, 1, config.length),
    "kumawat": lambda config: (1, 2 * config.numbers, ROWS, config.beats),
    "ziko-munim": lambda config: (1, 2, config.numbers, ROWS, config.beats),
}
"""Of what each family's network denoises."""

_BOTTOMS = ("bottom.3", "middle.2.second", "down.3.1.second.2.conv", "down.2.1.second")
