"""What the engine commands share: their options, and music as one packed file.

Needs torch, numpy and click alone for a packed file; mido only to make one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

_TOLD = 5
"""Skipped files named on the screen."""
_DEVICES = click.Choice(["auto", "cpu", "cuda", "mps"])
PATH = click.Path(path_type=Path)
device_option = click.option(
    "--device", type=_DEVICES, default="auto", show_default=True, help="Where the model runs."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Decides every random choice.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON on stdout.")


def prepare(
    data: Path, pack: Path, corpora: tuple[str, ...], skipped_list: Path | None = None
) -> None:
    """Write the packed file from a folder of MIDI files; bad ones are skipped and listed.

    The first few are shown; `skipped_list` is where all of them are written, if there are any.
    """
    from engine.training.corpus import CorpusError, folder_pieces, manifest_pieces, write_pack

    if not data.is_dir():
        raise CorpusError(f"{data}: no such file or folder")
    if (data / "manifest.csv").is_file():
        pieces = manifest_pieces(data, corpora)
    elif corpora:
        raise CorpusError(f"--corpus chooses from {data / 'manifest.csv'}, and that is not there")
    else:
        pieces = folder_pieces(data)
    count, skipped = write_pack(pieces, pack)
    click.echo(f"packed {count} pieces into {pack} ({pack.stat().st_size / 1e6:.1f} MB)", err=True)
    for line in skipped[:_TOLD]:
        click.echo(f"  skipped {line}", err=True)
    if skipped and skipped_list is not None:
        skipped_list.write_text("".join(f"{line}\n" for line in skipped), encoding="utf-8")
        click.echo(f"  skipped files: {len(skipped)}, all listed in {skipped_list}", err=True)
    elif len(skipped) > _TOLD:
        click.echo(f"  and {len(skipped) - _TOLD} more", err=True)


@contextmanager
def packed(data: Path, corpora: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give `data` itself if it is a packed file, else one made of the folder, while needed."""
    import tempfile

    if data.is_file():
        yield data
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(data, Path(folder) / "data.npz", corpora)
        yield Path(folder) / "data.npz"


def checkpoint_in(path: Path) -> Path:
    """Return the checkpoint that a run's folder stands for, or the file as it is."""
    return path / "checkpoint.pt" if path.is_dir() else path
