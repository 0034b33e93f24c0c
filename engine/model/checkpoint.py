"""Weights, sizes and settings of one model on disk, and which network they belong to.

A checkpoint is a torch zip of tensors and plain values (read with weights_only=True: nothing in
it can run). `runs/NAME/checkpoint.pt` also holds the optimizer, so that a killed run resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.atomic_file import replacing
from engine.denoisers.chorale_transformer import ChoraleTransformer, ChoraleTransformerConfig
from engine.denoisers.frame_transformer import FrameTransformer, FrameTransformerConfig
from engine.denoisers.harmony_transformer import (
    HarmonyTransformer,
    HarmonyTransformerConfig,
)
from engine.denoisers.paper_unet import PaperUnet, PaperUnetConfig
from engine.diffusion.cell_evidence import CellEvidence, CellRefiner
from engine.music.grid import PAPER, PIANO, STEPS_PER_BEAT, PitchRange
from engine.network_sizes import SizeError, configuration

FORMAT = 1


class CheckpointError(ValueError):
    """Weights that cannot be used; the message says why."""


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross-entropy of each cell, in nats."""
    return F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def _squared_error(logits: Tensor, target: Tensor) -> Tensor:
    """Return the paper's L2, of each cell."""
    return (torch.sigmoid(logits) - target) ** 2


@dataclass(frozen=True, slots=True)
class Family:
    """A kind of denoiser: how to build, train and sample it."""

    config: type[Any]
    """Its configuration class."""
    build: Callable[..., nn.Module]
    """The network from a configuration."""
    schedule: str
    """Of noise."""
    loss: Callable[[Tensor, Tensor], Tensor] | None = cross_entropy
    """Of each cell; None = a sampled term of the likelihood bound itself (`bound.bound_rate`)."""
    evidence: bool = False
    """It is trained with what a cell's own noisy value says added to the logits
    (`noise.own_evidence`)."""
    fitted: tuple[float, float] = (0.0, 0.0)
    """The weight of that in the exact chain where it is trained without: at noise level 0, and how
    much it falls to level 1; fitted on train windows."""
    pitches: PitchRange = PIANO
    """Of its rolls."""
    merged: bool = False
    """Its rolls have one voice and one plane, without tasks (the paper's)."""
    levels: int = 0
    """Noise levels it is trained on, 0 = continuous."""
    mixed_lengths: bool = True
    """Half-length windows are mixed in."""
    sampling: dict[str, object] = field(default_factory=dict)
    """Settings it plays best with."""
    music: str = "pack"
    """Trained on: a packed corpus, a file of chorales (`feed.MUSIC`) or harmony plans."""
    steps_per_beat: int = STEPS_PER_BEAT
    """In that music."""
    prior: float = 0.0
    """Chance of a redrawn cell; 0 = the mean density of the music."""
    weight_decay: float = 0.01
    indifferent: tuple[str, ...] = ()
    """Sizes that may differ between a network and the one whose weights it begins with."""
    before: dict[str, int] = field(default_factory=dict)
    """Sizes that came later, as the networks had it that do not tell them."""


FAMILIES: dict[str, Family] = {
    "frame-transformer": Family(
        FrameTransformerConfig,
        FrameTransformer,
        "cosine",
        fitted=(0.95, 0.5),
        indifferent=("in_key", "plan", "dropout_percent"),
        before={
            "in_key": 0,
            "plan": 0,
            "dropout_percent": 0,
            "beat_layers": 0,
            "beat_width": 320,
            "beat_heads": 5,
        },
    ),
    "paper-unet": Family(
        PaperUnetConfig,
        PaperUnet,
        "linear",
        _squared_error,
        pitches=PAPER,
        merged=True,
        levels=100,
        mixed_lengths=False,
        sampling={"sampler": "algorithm1-threshold", "steps": 100, "temperature": 1.0},
    ),
    "chorale": Family(
        ChoraleTransformerConfig,
        ChoraleTransformer,
        "linear",
        loss=None,
        evidence=True,
        merged=True,
        mixed_lengths=False,
        music="chorales",
        steps_per_beat=1,
        prior=0.0044,
        weight_decay=0.05,
    ),
    "harmony": Family(
        HarmonyTransformerConfig,
        HarmonyTransformer,
        "cosine",
        evidence=True,
        mixed_lengths=False,
        music="plans",
        weight_decay=0.05,
    ),
}
"""Every network there is."""


def family_of(name: str) -> Family:
    """Return the row of FAMILIES; raises CheckpointError that names the choices."""
    if name not in FAMILIES:
        raise CheckpointError(f"no model family {name!r}; there are: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def build(family: str, sizes: dict[str, int]) -> nn.Module:
    """Return a fresh network of a family. Raises CheckpointError for an unknown one, and for sizes
    it cannot have."""
    entry = family_of(family)
    return entry.build(configuration_of(family, entry.config, sizes))


def configuration_of(family: str, kind: type[Any], sizes: Mapping[str, int]) -> Any:
    """Return a family's configuration with these sizes; CheckpointError for those it cannot be."""
    try:
        return configuration(kind, sizes)
    except SizeError as error:
        raise CheckpointError(f"{family}: {error}") from None


def options_of(family: str, sizes: dict[str, int]) -> str:
    """Return the `midi-diffuse train` options that build this network: its family and unusual
    sizes, always in the same order."""
    usual = asdict(family_of(family).config())
    unusual = {name: size for name, size in (usual | sizes).items() if usual.get(name) != size}
    return " ".join([f"--family {family}", *(f"--size {n}={s}" for n, s in unusual.items())])


def load_weights(network: nn.Module, weights: object) -> None:
    """Put weights into a network; CheckpointError where they are of another shape of it."""
    try:
        network.load_state_dict(weights)  # type: ignore[arg-type]
    except RuntimeError as err:
        reason = " ".join(str(err).split())[:160]
        raise CheckpointError(f"the weights do not fit this version's network: {reason}") from None


def cell_evidence_of(family: str, retouch: Mapping[str, Tensor] | None = None) -> nn.Module:
    """Return what stands behind a family's network in the exact chain: `retouch` weights, if there
    are any, else the family's own weight of a cell's evidence. Raises CheckpointError."""
    entry = family_of(family)
    if retouch:
        module = CellRefiner()
        try:
            load_weights(module, retouch)
        except CheckpointError:
            raise CheckpointError(
                "refined by another version; run `midi-diffuse refine` on its run again"
            ) from None
        return module.eval()
    return CellEvidence(1.0) if entry.evidence else CellEvidence(*entry.fitted)


def sizes_of(network: nn.Module) -> dict[str, int]:
    """Return the configuration a network was built from, as plain values."""
    config: Any = network.config
    return dict(asdict(config))


def with_all_sizes(state: dict[str, Any]) -> dict[str, Any]:
    """Return what a file tells of its network, with the sizes that did not exist when it was
    written."""
    family = FAMILIES.get(str(state.get("family")))
    if family is None or "sizes" not in state:
        return state
    return state | {"sizes": family.before | state["sizes"]}


def save_atomically(state: dict[str, object], path: Path) -> None:
    """Replace the checkpoint `path` as one piece.

    Raises CheckpointError where that is not possible, and leaves nothing then.
    """
    make_folder(path.parent)
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except (OSError, RuntimeError) as err:  # torch's writer raises the latter on a full disk
        raise CheckpointError(f"{path}: cannot be written: {err}") from None


def make_folder(folder: Path) -> None:
    """Make a folder for results; CheckpointError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise CheckpointError(f"{folder}: cannot be made: {err.strerror or err}") from None


def load(path: Path, device: str = "cpu") -> dict[str, object]:
    """Read a checkpoint; raises CheckpointError if damaged, of another kind or newer format."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: no such checkpoint") from None
    except Exception as err:  # torch raises many kinds for damaged files
        raise CheckpointError(
            f"{path}: damaged or not a checkpoint ({type(err).__name__})"
        ) from None
    if not isinstance(state, dict) or "format" not in state:
        raise CheckpointError(f"{path}: not a midi-diffuse checkpoint")
    if state["format"] > FORMAT:
        raise CheckpointError(
            f"{path}: written by a newer midi-diffuse (format {state['format']}, this one reads "
            f"{FORMAT}); upgrade with `pip install -U midi-diffuse`"
        )
    return with_all_sizes(dict(state))
