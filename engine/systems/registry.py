"""Every system there is, by family."""

from __future__ import annotations

from engine.model.checkpoint import CheckpointError
from engine.systems.common.system import System
from engine.systems.kumawat import network as kumawat_network
from engine.systems.kumawat import process as kumawat_process
from engine.systems.kumawat import training as kumawat_training
from engine.systems.savkin import network as savkin_network
from engine.systems.savkin import process as savkin_process
from engine.systems.savkin import training as savkin_training
from engine.systems.signorelli import network as signorelli_network
from engine.systems.signorelli import process as signorelli_process
from engine.systems.signorelli import training as signorelli_training
from engine.systems.ziko_munim import network as ziko_munim_network
from engine.systems.ziko_munim import process as ziko_munim_process
from engine.systems.ziko_munim import training as ziko_munim_training

SYSTEMS: dict[str, System] = {
    "signorelli": System(
        signorelli_network.CausalUnetConfig,
        signorelli_network.CausalUnet,
        signorelli_training.Segments,
        signorelli_training.loss,
        signorelli_process.fill,
        signorelli_process.recode,
        settle=signorelli_training.settle,
    ),
    "savkin": System(
        savkin_network.Unet1dConfig,
        savkin_network.Unet1d,
        savkin_training.Sequences,
        savkin_training.loss,
        savkin_process.fill,
        savkin_process.recode,
        savkin_training.listen,
    ),
    "kumawat": System(
        kumawat_network.LatentUnetConfig,
        kumawat_network.LatentUnet,
        kumawat_training.material,
        kumawat_training.loss,
        kumawat_process.fill,
        kumawat_process.recode,
        settle=kumawat_training.settle,
    ),
    "ziko-munim": System(
        ziko_munim_network.TransformerConfig,
        ziko_munim_network.AnticipatingTransformer,
        ziko_munim_training.material,
        ziko_munim_training.loss,
        ziko_munim_process.fill,
        ziko_munim_process.recode,
        settle=ziko_munim_training.settle,
    ),
}


def system_of(family: str) -> System:
    """Return the row of SYSTEMS; raises CheckpointError that names the choices."""
    if family not in SYSTEMS:
        raise CheckpointError(f"no system {family!r}; there are: {', '.join(SYSTEMS)}")
    return SYSTEMS[family]
