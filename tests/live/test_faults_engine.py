"""The engine misbehaves in the middle of a bar: the music goes on, and the cause is told once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.bench_live import clock_score, merge, tune, tune_score
from bridge.bench_rig import DaemonProcess, MidiPeer, OscPeer, wait_for
from tests.live.conftest import Band

# Left to `make stage` until the one failure seen on a quiet machine (of two runs) is understood.
pytestmark = [pytest.mark.live, pytest.mark.stage, pytest.mark.timeout(90)]

BPM = 240.0
BARS = 6
PROGRAM = str(Path(__file__).with_name("faulty_daemon.py"))

TOLD = {
    "raise": "the model broke",
    "die": "the engine died",
    "babble": "makes no sense",
    "hang": "did not answer",
    "late": "",
    "nan": "the engine died",
    "garbage": "makes no sense",
}


@pytest.mark.parametrize("fault", sorted(TOLD))
def test_music_goes_on_when_the_engine_fails(
    jack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    orders = tmp_path / "orders"
    monkeypatch.setenv("FAULTY_ENGINE_ORDERS", str(orders))
    osc = OscPeer()
    with DaemonProcess(
        *("--midi-api", "jack", "--preset", "fixture", "--no-log"),
        reply_port=osc.port,
        program=(PROGRAM,),
    ) as daemon:
        osc.to_port = daemon.osc_port
        played = Band(daemon, MidiPeer(), osc)
        score = merge(tune_score(tune(BARS), BPM), clock_score(4 * BARS, BPM))
        played.start_ns = time.perf_counter_ns() + 50_000_000
        with ThreadPoolExecutor(1) as pool:
            played.midi.play_aside(score, played.start_ns, pool)
            wait_for(lambda: len(played.notes) >= 12, 20, "a bar of the reply")
            orders.write_text(fault)
            wait_for(lambda: not orders.exists(), 20, "the fault")
            before = len(played.notes)
        time.sleep(0.2)
        figures = osc.stats()
        assert len(played.notes) > before + 12  # four beats or more after the fault
        assert played.sounding() == []
        assert figures["late"] == 0
        assert figures["faults"] == 0
        if TOLD[fault]:
            assert daemon.errors.count(TOLD[fault]) == 1, daemon.errors
        restarts = 0 if fault in ("raise", "late") else 1
        assert figures["engine_restarts"] == restarts
        played.midi.close()
        assert daemon.end() == 0
        assert "Traceback" not in daemon.errors or fault == "nan"
    osc.close()
