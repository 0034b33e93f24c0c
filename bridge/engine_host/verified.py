"""A model file as it was when it was trusted: the bytes that were compared are those loaded."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.bounded_file import read_bounded

_MOST_BYTES = 1 << 30


class ModelChangedError(ValueError):
    """The file is another than the one that was trusted; the message is one line."""


@contextmanager
def verified(model: Path, sha256: str) -> Iterator[Path]:
    """Copy the file to a folder that only this user can write to, while it is loaded.

    sha256: of the trusted bytes, in hex; empty takes the file as it is. Raises ModelChangedError,
    or OSError.
    """
    if not sha256:
        yield model
        return
    content = read_bounded(model, _MOST_BYTES)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelChangedError(f"{model} has changed since it was trusted; it is not loaded")
    with tempfile.TemporaryDirectory(prefix="midi-diffuse-") as folder:
        copy = Path(folder) / model.name
        copy.write_bytes(content)
        yield copy
