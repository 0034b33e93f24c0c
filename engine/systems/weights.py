"""A system on disk: weights as fp16 and plain values; nothing in it can run.

Read with weights_only=True, unlike the default model's file, which is a program.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.model import checkpoint
from engine.model.export import ModelError, is_export
from engine.model.export import export as export_program
from engine.systems.registry import SYSTEMS, system_of


def _export(run: Path, out: Path, name: str) -> dict[str, object]:
    """Write `out` from a run's checkpoint; returns its metadata. Raises CheckpointError."""
    state: dict[str, Any] = checkpoint.load(run)
    system_of(str(state.get("family")))
    if "averaged" not in state:
        raise checkpoint.CheckpointError(
            f"{run}: an export already, and plays with any version; want a run's folder"
        )
    before = state.get("before", {"steps": 0, "minutes": 0.0})
    metadata: dict[str, object] = {
        "name": name,
        "family": state["family"],
        "sizes": state["sizes"],
        "facts": state["facts"],
        "corpora": state["corpora"],
        "trained_steps": before["steps"] + state["progress"]["step"],
        "trained_minutes": round(before["minutes"] + state["progress"]["elapsed_s"] / 60, 1),
        "valid_loss": state["progress"]["valid"],
        "seed": state["settings"]["seed"],
    }
    weights = {key: value.half() for key, value in state["averaged"].items()}
    file: dict[str, object] = {"format": checkpoint.FORMAT, "weights": weights, **metadata}
    checkpoint.save_atomically(file, out)
    return metadata


def export_any(path: Path, out: Path, name: str | None, harmony: Path | None) -> dict[str, object]:
    """Return what `midi-diffuse export` does, for any family; see `engine.model.export.export`."""
    if is_export(path) or str(checkpoint.load(path).get("family")) not in SYSTEMS:
        return export_program(path, out, name, harmony)
    if harmony is not None:
        raise checkpoint.CheckpointError(f"{path} was not trained with a harmony plan")
    return _export(path, out, name or out.stem)


def load_system(path: Path, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """Return the network, ready to play, and what the file tells of it.

    From an export or a run's checkpoint. Raises ModelError or CheckpointError, in one line.
    """
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; see `midi-diffuse presets`")
    state: dict[str, Any] = checkpoint.load(path)
    if "family" not in state or "facts" not in state:
        raise ModelError(f"{path}: does not hold a system; export its run again")
    family = str(state["family"])
    system = system_of(family)
    network = system.build(checkpoint.configuration_of(family, system.config, state["sizes"]))
    checkpoint.load_weights(network, state.get("weights", state.get("averaged")))
    facts = {key: value for key, value in state.items() if key not in _TENSORS}
    return network.float().eval().to(device), {"name": path.stem, **facts}


_TENSORS = ("weights", "network", "averaged", "optimizer")
