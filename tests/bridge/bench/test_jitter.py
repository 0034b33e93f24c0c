from __future__ import annotations

import pytest

from bridge.bench.jitter import figures, play, play_plainly, scale, table
from bridge.bench.stalls import StallMeter
from bridge.engine_host.main import warm_up_request
from engine.requests.request import SampleSettings


def never(from_ns: int, to_ns: int) -> bool:
    return False


def test_figures_are_the_percentiles_in_ms() -> None:
    sent = [(number * 1_000_000, number * 10_000) for number in range(1000)]
    shares = {"p50": 5.0, "p99": 9.9, "p99.9": 9.99, "max": 9.99}
    assert figures(sent, never) == {
        "messages": 1000,
        **shares,
        "p99 running": 9.9,
        "running": 1000,
    }
    assert figures([], never) == {
        "messages": 0,
        **dict.fromkeys(shares, 0.0),
        "p99 running": 0.0,
        "running": 0,
    }


def test_what_was_under_way_while_the_machine_stood_still_is_left_out_of_one() -> None:
    sent = [(number * 1_000_000, 10_000 + 9_000_000 * (number == 50)) for number in range(100)]
    meter = StallMeter()
    meter.take("52000000 8000000")
    row = figures(sent, meter.stood_still)
    assert (row["p99"], row["p99 running"]) == (9.01, 0.01)
    assert row["running"] == 100 - 10, "the late one, and those due meanwhile"


def test_the_part_has_a_note_on_every_second_step() -> None:
    request = warm_up_request(SampleSettings())
    onsets = [note.onset_step for note in scale(request).notes]
    assert onsets == list(range(request.first_step, request.end_step, 2))


@pytest.mark.real_time
@pytest.mark.real_time
def test_both_ways_play_the_same_messages() -> None:
    sent, shots = play(0.8, "none")
    assert len(shots) > 10
    assert [due_ns for due_ns, _ in sent] == [due_ns for due_ns, _ in shots]
    assert min(late_ns for _, late_ns in sent) >= 0
    ons = [data for _, data in shots if data[0] & 0xF0 == 0x90]
    offs = [data for _, data in shots if data[0] & 0xF0 == 0x80]
    assert len(ons) == len(offs)
    assert len(play_plainly(shots, "none")) == len(shots)


def test_the_table_has_a_line_for_each_load_and_way() -> None:
    row = figures([(0, 1_000_000)], never)
    text = table(
        {
            "late_ms": {"idle": {"midi-diffuse": row, "sleep loop": row}},
            "stalls_ms": {"idle": {"count": 2, "longest": 7.5}},
            "midi": "none",
            "priority": "normal",
            "machine": {"cpu": "x", "cores": 2, "load": 0.1},
        }
    )
    lines = text.splitlines()
    assert lines[0].split() == [
        "ms",
        "late",
        "played",
        "by",
        "p50",
        "p99",
        "p99.9",
        "max",
        "p99",
        "running",
    ]
    assert lines[1].split() == ["idle", "midi-diffuse", *["1.000"] * 5]
    assert lines[2].split() == ["idle", "sleep", "loop", *["1.000"] * 5]
    assert lines[3] == "idle: the machine itself stood still 2 times, 7.5 ms at most"
