from __future__ import annotations

import socket

import pytest

from bridge.engine_link.wire import FIXTURE_DIGEST, digest_of
from bridge.engine_server.cluster import ClusterError, last_line
from bridge.engine_server.run import ServerConfig, check_address, spec_of


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"cannot listen on 127.0.0.1 port {port}: Address"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)


def test_nothing_is_open_to_others_unless_asked_for() -> None:
    assert ServerConfig.__dataclass_fields__["host"].default == "127.0.0.1"


def test_a_preset_says_which_model_is_served_and_how_it_warms_up(tmp_path: object) -> None:
    spec = spec_of("fixture", ServerConfig(folder=tmp_path, delay_ms=5.0))  # type: ignore[arg-type]
    assert digest_of(spec.model) == FIXTURE_DIGEST
    assert (spec.preset, spec.delay_ms, spec.warm_up.steps) == ("fixture", 5.0, 1)


def test_an_error_from_far_away_comes_down_to_its_last_line() -> None:
    assert (
        last_line("Traceback:\n  File x\nValueError: not the file\n\n")
        == "ValueError: not the file"
    )
    assert last_line("  ") == "failed"
