from __future__ import annotations

import pytest

from bridge.bench.live import (
    LEAD_IN_NS,
    BenchError,
    BenchPlan,
    check_reply,
    clock_score,
    merge_messages,
    table,
    tune,
    tune_score,
)
from bridge.client.peers import PlayedNote, played_notes

BPM = 120.0
BEAT_NS = 500_000_000
DELAY_NS = 16_000_000


def note(beat: float, length: float = 0.9) -> PlayedNote:
    on_ns = round(beat * BEAT_NS) + DELAY_NS
    return PlayedNote(on_ns, on_ns + round(length * BEAT_NS), 0, 60, 80)


def test_notes_are_paired_and_what_never_ends_shows() -> None:
    received = [
        (1, (0xF8,)),
        (2, (0x90, 60, 90)),
        (3, (0x91, 60, 80)),
        (4, (0x90, 60, 0)),  # velocity 0 ends
        (5, (0x90, 62, 70)),
        (6, (0x90, 62, 71)),  # struck again without an off
        (7, (0x80, 62, 0)),
        (8, (0x80, 99, 0)),
        (9, (0xB0, 123, 0)),
    ]
    assert played_notes(received) == [
        PlayedNote(2, 4, 0, 60, 90),
        PlayedNote(3, None, 1, 60, 80),
        PlayedNote(5, 6, 0, 62, 70),
        PlayedNote(6, 7, 0, 62, 71),
    ]


def test_a_reply_on_sixteenths_and_triplets_is_on_the_grid_however_long_its_way() -> None:
    replies = [note(beat) for beat in (0, 1, 1 + 1 / 3, 1.5, 1 + 2 / 3, 2.25, 3.75)]
    found = check_reply(replies, 0, BPM, 8)
    assert found["off_grid"] == 0
    assert found["way_through_ports_ms"] == pytest.approx(16, abs=0.01)
    assert found["beats_heard"] == 4


def test_a_note_between_the_places_is_off_the_grid() -> None:
    replies = [*(note(beat) for beat in range(6)), note(6.12)]  # 60 ms late
    assert check_reply(replies, 0, BPM, 8)["off_grid"] == 1


def test_a_long_note_is_heard_on_every_beat_it_spans() -> None:
    assert check_reply([note(1, 2.9)], 0, BPM, 8)["beats_heard"] == 3
    assert check_reply([], 0, BPM, 8)["beats_heard"] == 0


def test_the_clock_is_start_pulses_stop() -> None:
    score = clock_score(2, BPM)
    assert [data for _, data in score] == [(0xFA,), *[(0xF8,)] * 48, (0xFC,)]
    assert score[1][0] == LEAD_IN_NS
    assert score[-1][0] == LEAD_IN_NS + 2 * BEAT_NS
    assert [data for _, data in clock_score(1, BPM, from_beat=40)][:2] == [
        (0xF2, 160 & 127, 1),
        (0xFB,),
    ]


def test_a_note_goes_out_ahead_of_the_clock_of_its_beat() -> None:
    """As a DAW's do."""
    score = merge_messages(tune_score([(0.0, 1.0, 60)], BPM), clock_score(1, BPM))
    assert [data[0] for _, data in score[:3]] == [0xFA, 0x90, 0xF8]


def test_tunes_fill_their_bars_and_know_their_mode() -> None:
    whole = tune(8)
    assert sum(length for _, length, _ in whole) == 32
    assert whole == tune(8)
    loop = tune(8, "loop")
    assert [(b + 16, n, p) for b, n, p in loop if b < 16] == [x for x in loop if x[0] >= 16]
    assert {int(beat // 4) for beat, _, _ in tune(8, "continue")} == {0, 1, 4, 5}


def test_an_unknown_mode_names_the_modes() -> None:
    with pytest.raises(BenchError, match=r"live, next-bar, loop or continue.*did you mean 'loop'"):
        BenchPlan(mode="lop").arguments()


def test_the_table_shows_every_figure() -> None:
    text = table({"fresh": 3, "lateness_ms": {"p50": 0.1}})
    assert text.splitlines() == ["fresh            3", "lateness ms p50  0.1"]
