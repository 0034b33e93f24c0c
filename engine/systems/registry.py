"""Every system there is, by family."""

from __future__ import annotations

from engine.model.checkpoint import CheckpointError
from engine.systems.common.system import System
from engine.systems.savkin import network as savkin_network
from engine.systems.savkin import process as savkin_process
from engine.systems.savkin import training as savkin_training
from engine.systems.signorelli import network as signorelli_network
from engine.systems.signorelli import process as signorelli_process
from engine.systems.signorelli import training as signorelli_training

SYSTEMS: dict[str, System] = {
    "signorelli": System(
        signorelli_network.CausalUnetConfig,
        signorelli_network.CausalUnet,
        signorelli_training.Segments,
        signorelli_training.loss,
        signorelli_process.fill,
    ),
    "savkin": System(
        savkin_network.Unet1dConfig,
        savkin_network.Unet1d,
        savkin_training.Sequences,
        savkin_training.loss,
        savkin_process.fill,
        savkin_training.listen,
    ),
}


def system_of(family: str) -> System:
    """The row of SYSTEMS; raises CheckpointError that names the choices."""
    if family not in SYSTEMS:
        raise CheckpointError(f"no system {family!r}; there are: {', '.join(SYSTEMS)}")
    return SYSTEMS[family]
