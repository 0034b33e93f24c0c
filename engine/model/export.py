"""One self-contained TorchScript file: network, whole sampling loop and metadata. In and out.

torch.jit is in maintenance and warns on script and load; this file and no other silences that,
so that torch.export can join here later. Weights are stored as fp16 (half the file) and cast on
load. One export loads on CPU and CUDA.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.atomic_file import replacing
from engine.diffusion.harmony_sampler import HarmonySampler
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint

EXPORT_FORMAT = 3
_METADATA = "midi-diffuse.json"
_PLANNER = "harmony"
"""The family that draws harmony plans."""


class ModelError(ValueError):
    """A model file that cannot be used; one line that says why and what to do."""


@contextmanager
def _quiet_jit() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch.jit")
        warnings.filterwarnings("ignore", message=".*torch.jit.*")
        yield


def script(sampler: nn.Module) -> torch.jit.ScriptModule:
    """Return a sampler with its network, compiled."""
    with _quiet_jit():
        scripted: torch.jit.ScriptModule = torch.jit.script(sampler)
    return scripted


def sampler_of(state: dict[str, Any]) -> Sampler:
    """Return the sampler of a checkpoint, with the averaged weights, ready to sample."""
    network = checkpoint.build(state["family"], state["sizes"])
    checkpoint.load_weights(network, state["averaged"])
    pitches = checkpoint.family_of(state["family"]).pitches
    exact = checkpoint.cell_evidence_of(state["family"], state.get("retouch"))
    return Sampler(network.eval(), state["prior"].float(), state["schedule"], pitches.low, exact)


def _planner_of(state: dict[str, Any]) -> HarmonySampler:
    """Return what draws harmony plans, from a checkpoint. Raises CheckpointError for another
    family."""
    if state["family"] != _PLANNER:
        raise checkpoint.CheckpointError(
            f"a {state['family']} draws no harmony plans; want a checkpoint of `{_PLANNER}`"
        )
    network = checkpoint.build(_PLANNER, state["sizes"])
    checkpoint.load_weights(network, state["averaged"])
    return HarmonySampler(network.eval(), state["prior"].float(), state["schedule"])


def _planner_in(path: Path) -> tuple[HarmonySampler, object]:
    """Return what draws harmony plans, from a checkpoint or an export that has one, and what a file
    tells of it. Raises ModelError or CheckpointError."""
    if not is_export(path):
        state = checkpoint.load(path)
        return _planner_of(state), _planner_metadata(state)
    sampler, metadata = rebuilt(path)
    if sampler.harmony is None:
        raise _no_planner(path)
    return sampler.harmony, metadata["harmony"]


def _no_planner(path: Path) -> ModelError:
    return ModelError(f"{path}: this model has no planner; name one that has, or a checkpoint")


def _planner_metadata(state: dict[str, Any]) -> dict[str, object]:
    """Return what a file tells of its planner."""
    return {
        "sizes": state["sizes"],
        "schedule": state["schedule"],
        "trained_steps": state["progress"]["step"],
        "trained_minutes": round(state["progress"]["elapsed_s"] / 60, 1),
        "valid_loss": state["progress"]["valid"],
    }


def _metadata_of(state: dict[str, Any], name: str) -> dict[str, object]:
    """Return what a player must know about the model, as plain JSON values."""
    family = checkpoint.family_of(state["family"])
    pitches = family.pitches
    return {
        "format": EXPORT_FORMAT,
        "name": name,
        "family": state["family"],
        "sizes": state["sizes"],
        "pitches": [pitches.low, pitches.high],
        "merged": family.merged,
        "sampling": family.sampling,
        "styles": state["styles"],
        "schedule": state["schedule"],
        "window_beats": int(state["settings"]["beats"]),
        "corpora": state["corpora"],
        "densities": state.get("densities", []),
        "trained_steps": state["progress"]["step"],
        "trained_minutes": round(state["progress"]["elapsed_s"] / 60, 1),
        "valid_loss": state["progress"]["valid"],
        "seed": state["settings"]["seed"],
        "retouched": "retouch" in state,
    }


def export(
    path: Path, out: Path, name: str | None = None, harmony: Path | None = None
) -> dict[str, object]:
    """Write `out` from a checkpoint, or anew from an export of any format; returns its metadata.

    An export keeps its weights, metadata and, unless `name` says otherwise, its name; it gets
    this version's loop. harmony: a checkpoint whose network draws the plans, or an export that has
    such a network. Raises CheckpointError or ModelError.
    """
    planner = None if harmony is None else _planner_in(harmony)
    if is_export(path):
        sampler, metadata = rebuilt(path)
        metadata |= {"format": EXPORT_FORMAT} | ({"name": name} if name else {})
    else:
        state = checkpoint.load(path)
        if checkpoint.family_of(str(state["family"])).music == "chorales":
            raise checkpoint.CheckpointError(
                f"{path} knows frames of a beat and cannot play; "
                "score it with `midi-diffuse bench jsb`"
            )
        if state["family"] == _PLANNER:
            raise checkpoint.CheckpointError(
                f"{path} draws harmony plans and cannot play alone; "
                "export a texture model with `--harmony` and this"
            )
        sampler, metadata = sampler_of(state), _metadata_of(state, name or out.stem)
    if planner is not None:
        if not metadata.get("sizes", {}).get("plan"):
            raise checkpoint.CheckpointError(f"{path} was not trained with a harmony plan")
        sampler.harmony, metadata["harmony"] = planner
    write_export(sampler, metadata, out)
    return metadata


def add_metadata(path: Path, facts: dict[str, object]) -> None:
    """Write an export anew with more in its metadata. Raises ModelError."""
    sampler, metadata = rebuilt(path)
    write_export(sampler, metadata | facts, path)


def is_export(path: Path) -> bool:
    """Return whether a file is one of ours with a program in it; weights alone are read
    otherwise."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(f"/extra/{_METADATA}") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def rebuilt(path: Path) -> tuple[Sampler, dict[str, Any]]:
    """Return an export's networks and prior in this version's Sampler, and its metadata."""
    scripted, metadata = _open(path, torch.device("cpu"))
    if not {"family", "sizes", "schedule", "pitches"} <= metadata.keys():
        raise ModelError(f"{path}: does not say which network it holds; export its run again")
    network = checkpoint.build(metadata["family"], metadata["sizes"])
    checkpoint.load_weights(network, _weights_under("network.", scripted))
    old: Any = scripted
    exact = checkpoint.cell_evidence_of(metadata["family"], _weights_under("exact.", scripted))
    low_pitch = int(metadata["pitches"][0])
    planner = None
    if planner_facts := metadata.get("harmony"):
        weights = _weights_under("harmony.network.", scripted)
        planner = _planner_of(
            planner_facts | {"family": _PLANNER, "averaged": weights, "prior": old.harmony.prior}
        )
    sampler = Sampler(
        network.eval(), old.prior, metadata["schedule"], low_pitch, exact, harmony=planner
    )
    return sampler, metadata


def _weights_under(place: str, scripted: nn.Module) -> dict[str, torch.Tensor]:
    found = scripted.state_dict().items()
    return {name.removeprefix(place): x for name, x in found if name.startswith(place)}


def weights_of(path: Path, family: str, sizes: dict[str, int]) -> dict[str, torch.Tensor]:
    """Return weights, float32, for such a network, from an export, a checkpoint or a run's folder.

    Raises ModelError or CheckpointError where there are none, or those of another network.
    """
    weights, state = _weights_and_facts(path)
    # Weights learned in all keys are a good beginning for a network that hears in one.
    alike = {name: sizes[name] for name in checkpoint.family_of(family).indifferent}
    theirs, ours = (
        checkpoint.options_of(*both)
        for both in ((state["family"], state["sizes"] | alike), (family, sizes))
    )
    if theirs != ours:
        raise checkpoint.CheckpointError(
            f"{path} holds the weights of `{theirs}`, and this run trains `{ours}`; "
            "to start from it train with the former"
        )
    return weights


def network_weights_of(path: Path) -> dict[str, torch.Tensor]:
    """Return weights of a network of the notes, of whatever sizes, from an export or a checkpoint.

    Raises ModelError or CheckpointError where there are none.
    """
    return _weights_and_facts(path)[0]


def _weights_and_facts(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    if path.is_dir() or (path.exists() and not is_export(path)):
        state: dict[str, Any] = checkpoint.load(path / "checkpoint.pt" if path.is_dir() else path)
        return dict(state["averaged"]), state
    scripted, facts = _open(path, torch.device("cpu"))
    return _weights_under("network.", scripted), facts


def planner_weights_of(path: Path) -> dict[str, torch.Tensor]:
    """Return float32 weights of a planner, from an export that has one, its run or its checkpoint.

    Raises ModelError or CheckpointError where there are none.
    """
    if path.is_dir() or not is_export(path):
        state: dict[str, Any] = checkpoint.load(path / "checkpoint.pt" if path.is_dir() else path)
        if state["family"] != "harmony":
            raise ModelError(f"{path}: a {state['family']} has no planner; name a harmony run")
        return dict(state["averaged"])
    found = _weights_under("harmony.network.", _open(path, torch.device("cpu"))[0])
    if not found:
        raise _no_planner(path)
    return found


def write_export(sampler: Sampler, metadata: dict[str, object], out: Path) -> None:
    """Script, halve, and write atomically.

    Raises ModelError where that is not possible, and leaves nothing then.
    """
    scripted = script(sampler)
    scripted.half()
    buffer = io.BytesIO()
    extra = {_METADATA: json.dumps(metadata)}
    with _quiet_jit():
        torch.jit.save(scripted, buffer, _extra_files=extra)
    checkpoint.make_folder(out.parent)
    try:
        with replacing(out) as temporary:
            temporary.write_bytes(buffer.getvalue())
    except OSError as err:
        raise ModelError(f"{out}: cannot be written: {err.strerror or err}") from None


def pick_device(device: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU; raises ModelError for one that is not there."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if there[name])
    if device not in there:
        raise ModelError(f"device {device!r}: want auto, cpu, cuda or mps")
    if not there[device]:
        raise ModelError(f"device {device} is not available here; use --device auto or cpu")
    return torch.device(device)


def _check_bytes(path: Path) -> None:
    """Compare checksums, which torch does not: ModelError for a file damaged on its way."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, EOFError, zipfile.BadZipFile) as err:
        damaged = str(err)
    if damaged:
        raise ModelError(f"{path}: damaged, or not a midi-diffuse export ({damaged})")


def load_export(path: Path, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """Return the scripted sampler and its metadata. Raises ModelError, one line, never a traceback.

    A TorchScript file is a program: load only files you trust (docs/architecture.md).
    """
    scripted, metadata = _open(path, device)
    if metadata.get("format", 0) < EXPORT_FORMAT:
        raise ModelError(
            f"{path}: made by an older midi-diffuse (format {metadata.get('format', 0)}, this one "
            f"reads {EXPORT_FORMAT}); convert it with `midi-diffuse export {path} -o NEW.pt`"
        )
    return scripted, metadata


def _open(path: Path, device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """Return the same for older formats too: their weights are good, their loop is called
    otherwise."""
    if not path.is_file():
        raise ModelError(f"{path}: no such model file; see `midi-diffuse presets`")
    extra = {_METADATA: ""}
    _check_bytes(path)
    try:
        with _quiet_jit():
            scripted = torch.jit.load(  # type: ignore[no-untyped-call]
                str(path), map_location=device, _extra_files=extra
            )
    except RuntimeError as err:
        reason = str(err).strip().splitlines()[0][:120]
        raise ModelError(f"{path}: damaged, or not a midi-diffuse export ({reason})") from None
    try:
        metadata: dict[str, Any] = checkpoint.with_all_sizes(json.loads(extra[_METADATA]))
    except ValueError:
        raise ModelError(f"{path}: a TorchScript file, but not a midi-diffuse export") from None
    if metadata.get("format", 0) > EXPORT_FORMAT:
        raise ModelError(
            f"{path}: made by a newer midi-diffuse (format {metadata['format']}, this one reads "
            f"{EXPORT_FORMAT}); upgrade with `pip install -U midi-diffuse`"
        )
    return scripted.float().eval(), metadata
