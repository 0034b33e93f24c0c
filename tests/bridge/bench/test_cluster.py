from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bridge.bench.cluster import batch_sizes, line, mean_batch, row, saturated, stats, table
from bridge.bench.players import PlayerResult
from bridge.cli.main import main
from tests.gateway_rig import gateway

MS = 1_000_000


def test_a_row_tells_of_all_players_together() -> None:
    beats = {"fresh": 9, "stale": 1, "rest": 0, "late": 0, "silent": 0}
    one = PlayerResult(Counter(beats), [10 * MS, 20 * MS], 2, 2, 0, 0, 0, [MS], ["a"])
    two = PlayerResult(
        Counter(beats | {"fresh": 10, "stale": 0}), [30 * MS], 2, 1, 1, 3, 2, [3 * MS], []
    )
    found = row([one, two], 2, "fine")
    assert found["fresh_percent"] == 95.0
    assert (found["requests"], found["answered"]) == (4, 3)
    assert (found["p50_ms"], found["p95_ms"]) == (20.0, 30.0)
    assert (found["late_notes"], found["stuck"], found["told_a_player"]) == (1, 2, 0.5)
    assert found["opening_rests"] == 3
    full = found | {"batch_mean": 1.5, "cpu_s_a_player_minute": 2.0}
    assert line(full).startswith(
        "players 2, weather fine, fresh % 95.0, from the server % 100.0, late 1, stuck 2"
    )
    result = {
        "plans_a_second": {"batched": 9.0, "one_by_one": 8.0},
        "batch": 8,
        "capacity_players": 4.5,
        "bpm": 120.0,
        "runs": [full],
    }
    assert table(result).splitlines()[0] == (
        "saturated: 9.0 plans a second in batches of at most 8, 8.0 one by one; "
        "4.5 players at 120 bpm"
    )


def test_batches_are_counted_by_size() -> None:
    sizes = batch_sizes({"players": 2, "batch 1": 5, "batch 4": 8}, {"batch 1": 3})
    assert sizes == {"1": 2, "4": 8}
    assert mean_batch(sizes) == 2.5  # 10 plans in 4 batches
    assert mean_batch({}) == 0.0


def test_who_asks_without_a_pause_measures_the_rate(tmp_path: Path) -> None:
    with gateway(tmp_path) as server:
        assert saturated(server.address, "fixture", 2, 0.5) > 2
        assert stats(server.address)["asked"] >= 1


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["bench", "cluster", "--players", "1,x"], "wants counts such as 1,8,32"),
        (["engine-server", "--replicas", "0-2"], "wants 1 to 64"),
        (["engine-server", "--replicas", "many"], "such as 2, or a range such as 1-4"),
        (["engine-server", "--listen", "box:port"], "--listen wants HOST:PORT"),
        (["engine-server", "--key", "key.pem"], "go together"),
        (["serve", "--engine", "ws://box"], "--engine wants wss://HOST:PORT"),
        (["serve", "--engine", "wss://box"], "--engine-token-file"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(arguments: list[str], what: str) -> None:
    result: Result = CliRunner().invoke(main, arguments, prog_name="midi-diffuse")
    assert (result.exit_code, result.stdout) == (2, "")
    assert what in result.stderr
    assert result.stderr.count("\n") == 1
