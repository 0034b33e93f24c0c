"""Tiny networks and a tiny made-up corpus, so that the engine's tests take seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.diffusion.cell_evidence import CellEvidence
from engine.diffusion.sampler import Sampler
from engine.model import checkpoint
from engine.model.generator import Generator
from engine.music.grid import ACCOMPANIMENT, LEAD, PAPER, PIANO, STEPS_PER_BEAT, MeterMap
from engine.music.roll import Note
from engine.requests.request import STYLES
from engine.scores.midi_write import NewTrack, new_file
from engine.training.corpus import Piece, write_pack

TINY_PLANNER = {"width": 16, "layers": 1, "heads": 2, "condition_width": 8}
TINY = TINY_PLANNER | {"beat_layers": 1, "beat_width": 16, "beat_heads": 2}


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_sizes() -> dict[str, int]:
    """Of a network of the notes."""
    return dict(TINY)


@pytest.fixture(scope="session")
def tiny_planner_sizes() -> dict[str, int]:
    return dict(TINY_PLANNER)


@pytest.fixture
def tiny_sampler() -> Sampler:
    """An untrained default network that says something: a few percent of the cells."""
    torch.manual_seed(3)
    network = checkpoint.build("frame-transformer", TINY).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    prior = torch.tensor([[0.01, 0.03], [0.02, 0.06]])[..., None, None]
    return Sampler(network, prior, "cosine", PIANO.low, CellEvidence(1.0))


def metadata(window_beats: int = 4, **more: Any) -> dict[str, Any]:
    return {
        "format": 3,
        "name": "tiny",
        "pitches": [PIANO.low, PIANO.high],
        "styles": list(STYLES),
        "window_beats": window_beats,
        **more,
    }


@pytest.fixture
def tiny_generator(tiny_sampler: Sampler) -> Generator:
    return Generator(tiny_sampler, metadata(sizes={**TINY, "in_key": 1}), torch.device("cpu"))


@pytest.fixture
def paper_generator() -> Generator:
    torch.manual_seed(4)
    sizes = {"full": 4, "half": 4, "quarter": 8, "eighth": 8}
    network = checkpoint.build("paper-unet", sizes).eval()
    sampler = Sampler(network, torch.full((1, 1, 1, 1), 0.05), "linear", PAPER.low)
    told = metadata(merged=True) | {"pitches": [PAPER.low, PAPER.high]}
    return Generator(sampler, told, torch.device("cpu"))


def made_piece(seed: int, beats: int = 32) -> list[Note]:
    """A melody in quarter notes over a triad on every second beat."""
    rng = np.random.default_rng(seed)
    notes = []
    for beat in range(beats):
        pitch = 72 + int(rng.choice([0, 2, 4, 5, 7]))
        notes.append(Note(beat * STEPS_PER_BEAT, pitch, STEPS_PER_BEAT, LEAD))
        if beat % 2 == 0:
            root = 48 + int(rng.choice([0, 5, 7]))
            notes += [
                Note(beat * STEPS_PER_BEAT, root + tone, 2 * STEPS_PER_BEAT, ACCOMPANIMENT)
                for tone in (0, 4, 7)
            ]
    return notes


def as_midi(notes: list[Note]) -> bytes:
    """A file with the tracks "melody" and "left"."""
    names = {LEAD: "melody", ACCOMPANIMENT: "left"}
    tracks = [
        NewTrack(name, [n for n in notes if n.voice == voice], channels={voice: voice})
        for voice, name in names.items()
    ]
    return new_file(tracks, 120.0, MeterMap())


@pytest.fixture(scope="session")
def midi_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten MIDI files of `made_piece` and two that cannot be read."""
    folder = tmp_path_factory.mktemp("corpus")
    for seed in range(10):
        (folder / f"piece-{seed}.mid").write_bytes(as_midi(made_piece(seed)))
    (folder / "broken.mid").write_bytes(b"MThd and no more")
    (folder / "empty.mid").write_bytes(b"")
    return folder


@pytest.fixture(scope="session")
def made_pack(midi_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "made.npz"
    pieces = [
        Piece(
            "made",
            "valid" if seed > 7 else "train",
            f"{seed}",
            "melody",
            (midi_folder / f"piece-{seed}.mid").read_bytes(),
        )
        for seed in range(10)
    ]
    write_pack(pieces, path)
    return path


@pytest.fixture
def eager_recorder() -> Callable[[torch.nn.Module], list[torch.Tensor]]:
    """Record the noisy cells of every call of a network."""

    def record(network: torch.nn.Module) -> list[torch.Tensor]:
        seen: list[torch.Tensor] = []
        plain: Any = network.denoise

        def denoise(noisy: torch.Tensor, *rest: Any) -> Any:
            seen.append(noisy.clone())
            return plain(noisy, *rest)

        network.denoise = denoise  # type: ignore[assignment]
        return seen

    return record
