"""A program is asked about wherever it is named; what training wrote is data."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from bridge.cli.trusted import is_program, trusted
from bridge.settings import model_trust
from bridge.settings.model_trust import TrustError
from bridge.settings.presets import load


def program(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/code/__torch__.py", "print('run')")
    return path


def test_a_program_of_unknown_origin_is_refused_until_it_is_trusted(tmp_path: Path) -> None:
    found = program(tmp_path / "model.pt")
    with pytest.raises(TrustError, match="presets --trust"):
        trusted(found)
    model_trust.trust(found)
    assert trusted(found) == found


def test_shipped_models_and_data_are_not_asked_about(tmp_path: Path) -> None:
    default = load("default").model
    assert default is not None
    assert is_program(default)
    assert trusted(default) == default
    data = tmp_path / "checkpoint.pt"
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("archive/data.pkl", "weights")
    for path in (data, tmp_path / "none.pt", tmp_path):
        assert not is_program(path)
        assert trusted(path) == path
