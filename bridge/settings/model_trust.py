"""Which model files may be loaded. A TorchScript file is a program, and presets are sent around.

A shipped model is the file whose checksum lies beside it; any other one is loaded only after its
owner has said so (`midi-diffuse presets --trust FILE`), and again when it has changed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import platformdirs

from bridge.text import one_line
from engine.atomic_file import replacing

SUMS = "SHA256SUMS"
"""Beside the shipped models, as `sha256sum` writes it."""
_CHUNK = 1 << 20


class TrustError(ValueError):
    """A model that must not be loaded; says why and what to do, in one line."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


def list_file() -> Path:
    """Checksums of the models that the user trusts; the file need not exist."""
    return platformdirs.user_config_path("midi-diffuse", appauthor=False) / "trusted-models"


def check(model: Path, shipped: Path) -> str:
    """Return the checksum of `model` as it may be loaded: as shipped in the folder `shipped`, or
    trusted.

    Raises TrustError for any other.
    """
    digest = checksum(model)
    if model.resolve().parent == shipped.resolve():
        if _read(shipped / SUMS).get(model.name) != digest and digest not in _trusted():
            raise TrustError(
                f"{model} is not the file that came with midi-diffuse (its sha256 is not the one "
                f"in {SUMS}); install it again, or if you made it yourself, run `make sums`"
            )
    elif digest not in _trusted():
        raise TrustError(
            f"{model} did not come with midi-diffuse, and a model can do what a program can; if "
            f"you trust its maker, run: midi-diffuse presets --trust {model}"
        )
    return digest


def trust(model: Path) -> str:
    """Trust this file from now on; return its checksum. Raises TrustError."""
    digest, path = checksum(model), list_file()
    if digest in _trusted():
        return digest
    try:
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        with replacing(path) as temporary:
            temporary.write_text(f"{before}{digest}  {model.name}\n", encoding="utf-8")
    except OSError as err:
        raise TrustError(f"{path}: cannot be written: {err.strerror or err}") from None
    return digest


def checksum(model: Path) -> str:
    """SHA-256 of a file, in hex. Raises TrustError."""
    try:
        state = model.stat()
        return _checksum(model, state.st_size, state.st_mtime_ns)
    except OSError as err:
        raise TrustError(f"{model}: cannot be read: {err.strerror or err}") from None


@lru_cache(maxsize=64)
def _checksum(model: Path, size: int, changed_ns: int) -> str:
    """Once for each state of a file: presets share one model, and lists read them all."""
    digest = hashlib.sha256()
    with model.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _trusted() -> frozenset[str]:
    return frozenset(_digests(list_file()))


def _read(sums: Path) -> dict[str, str]:
    """File name to checksum; what cannot be read vouches for nothing."""
    try:
        rows = [line.split(maxsplit=1) for line in sums.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    return {row[1].lstrip("*"): row[0] for row in rows if len(row) == 2}


def _digests(sums: Path) -> list[str]:
    try:
        lines = sums.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [line.split()[0] for line in lines if line.split()]
