"""What is trusted is what is loaded."""

from __future__ import annotations

import hashlib
import os
import signal
from pathlib import Path

import pytest

from bridge.engine_host.main import EngineSpec
from bridge.engine_host.supervisor import EngineSupervisor
from bridge.engine_host.verified import ModelChangedError, verified
from bridge.settings.presets import load
from tests.bridge.engine_host.test_supervisor import Reports


def test_the_bytes_that_were_compared_are_those_loaded(tmp_path: Path) -> None:
    model = tmp_path / "my.pt"
    model.write_bytes(b"weights")
    with verified(model, hashlib.sha256(b"weights").hexdigest()) as copy:
        model.write_bytes(b"swapped while it was loaded")
        assert copy.read_bytes() == b"weights"
        assert copy.name == "my.pt"
    assert not copy.exists()
    with verified(model, "") as same:
        assert same == model


def test_a_file_that_was_swapped_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "my.pt"
    model.write_bytes(b"swapped")
    with (
        pytest.raises(ModelChangedError, match=r"my\.pt has changed since it was trusted"),
        verified(model, hashlib.sha256(b"weights").hexdigest()),
    ):
        pytest.fail("it was given")


def test_a_restarted_engine_does_not_load_a_file_swapped_meanwhile(tmp_path: Path) -> None:
    default = load("default")
    assert default.model is not None
    model = tmp_path / "model.pt"
    model.write_bytes(default.model.read_bytes())
    reports = Reports()
    supervisor = EngineSupervisor(reports.append)
    try:
        supervisor.start(EngineSpec(str(model), "cpu", "mine", sha256=default.sha256))
        reports.wait(lambda: "ready" in reports.states(), 120)
        model.write_bytes(model.read_bytes() + b" ")
        os.kill(supervisor.pids[0], signal.SIGKILL)
        reports.wait(lambda: bool(supervisor.refused), 120)
        assert "has changed since it was trusted" in supervisor.refused
    finally:
        supervisor.stop()
