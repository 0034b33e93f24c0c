"""The user's own lists are left alone by tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.settings import model_trust


@pytest.fixture(autouse=True)
def no_trusted_models(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty list of trusted models, in a folder of its own."""
    path = tmp_path_factory.mktemp("config") / "trusted-models"
    monkeypatch.setattr(model_trust, "list_file", lambda: path)
    return path
