from __future__ import annotations

from bridge.bench_jitter import figures, play, play_plainly, scale, table
from bridge.engine_process import warm_up_request
from engine.request import SampleSettings


def test_figures_are_the_percentiles_in_ms() -> None:
    late_ns = [number * 10_000 for number in range(1000)]
    assert figures(late_ns) == {
        "messages": 1000,
        "p50": 5.0,
        "p99": 9.9,
        "p99.9": 9.99,
        "max": 9.99,
    }
    assert figures([]) == {"messages": 0, "p50": 0.0, "p99": 0.0, "p99.9": 0.0, "max": 0.0}


def test_the_part_has_a_note_on_every_second_step() -> None:
    request = warm_up_request(SampleSettings())
    onsets = [note.onset_step for note in scale(request).notes]
    assert onsets == list(range(request.first_step, request.end_step, 2))


def test_both_ways_play_the_same_messages() -> None:
    late_ns, shots = play(0.8, "none")
    assert len(shots) > 10
    assert len(late_ns) >= len(shots)
    assert min(late_ns) >= 0
    ons = [data for _, data in shots if data[0] & 0xF0 == 0x90]
    offs = [data for _, data in shots if data[0] & 0xF0 == 0x80]
    assert len(ons) == len(offs)
    assert len(play_plainly(shots, "none")) == len(shots)


def test_the_table_has_a_line_for_each_load_and_way() -> None:
    row = figures([1_000_000])
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
    assert lines[0].split() == ["ms", "late", "played", "by", "p50", "p99", "p99.9", "max"]
    assert lines[1].split() == ["idle", "midi-diffuse", *["1.000"] * 4]
    assert lines[2].split() == ["idle", "sleep", "loop", *["1.000"] * 4]
    assert lines[3] == "idle: the machine itself stood still 2 times, 7.5 ms at most"
