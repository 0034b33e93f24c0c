"""What a system's file refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.checkpoint import CheckpointError
from engine.systems.weights import export_any

PRESETS = Path(__file__).resolve().parents[3] / "presets"


def test_an_export_is_not_exported_again(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"signorelli\.pt: an export already"):
        export_any(PRESETS / "signorelli.pt", tmp_path / "out.pt", None, None)
    assert not (tmp_path / "out.pt").exists()
