"""Whether a model named on the command line may be loaded: asked wherever one is."""

from __future__ import annotations

import zipfile
from pathlib import Path


def trusted(model: Path) -> Path:
    """Return the same path. Raises TrustError for a program that neither was shipped nor is
    trusted.

    A checkpoint of training is read as data, and so is whatever is not an archive of TorchScript.
    """
    if is_program(model):
        from bridge.settings import model_trust
        from bridge.settings.presets import shared_dir

        model_trust.check(model, shared_dir("presets"))
    return model


def is_program(model: Path) -> bool:
    """Say whether the file holds code that loading it would run."""
    if not model.is_file():
        return False
    try:
        with zipfile.ZipFile(model) as archive:
            return any("/code/" in f"/{name}" for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
