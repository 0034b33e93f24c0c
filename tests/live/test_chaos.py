"""Every kind of trouble in turn, into a pipe that nobody reads: the receiver hears every beat.

In CI some seconds of three kinds; `make stage` 200 bars, or MIDI_DIFFUSE_CHAOS_MINUTES minutes.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence

import pytest

from bridge.bench.stalls import StallMeter
from bridge.client.peers import MidiPeer, OscPeer, PlayedNote
from bridge.client.rig import wait_for
from tests.live import chaos
from tests.live.chaos import BEAT_NS, TROUBLES, Scene, daemon_without_a_reader, heard, port_of
from tests.live.conftest import HELD_UP_MS
from tests.live.test_faults_ports import server_pid
from tests.stage_figures import figure

pytestmark = pytest.mark.live
MINUTES = float(os.environ.get("MIDI_DIFFUSE_CHAOS_MINUTES", "6.7"))


@pytest.fixture
def scene(jack: str) -> Iterator[Scene]:
    """A daemon that plays by its own clock, all lines of which go nowhere."""
    osc = OscPeer()
    options = ("--preset", "fixture", "--clock", "internal", "--tempo", str(chaos.BPM))
    with daemon_without_a_reader(*options, reply_port=osc.port) as daemon:
        osc.to_port = port_of(daemon.pid)
        osc.subscribe()
        wait_for(lambda: osc.stats()["engine_pid"] > 0, 30, "the engine")
        midi = MidiPeer()
        yield Scene(daemon.pid, server_pid(jack), osc, midi)
        midi.close()
        osc.close()


def suffer(
    scene: Scene, meter: StallMeter, seconds: float, kinds: Sequence[str], pause_s: float
) -> tuple[chaos.Heard, int]:
    """Play through trouble; gives what was heard, and how often the machine stood still."""
    scene.osc.send("/diffuse/start")
    scene.play(2.0)
    wait_for(lambda: len(scene.notes()) > 3, 20, "the reply")
    since_ns, before = scene.notes()[0].on_ns, scene.osc.stats()
    chaos.trouble(scene, random.Random(11), seconds, kinds, pause_s)
    scene.osc.send("/diffuse/stop")
    wait_for(lambda: all(note.off_ns for note in scene.notes()), 5, "every note off")
    figures = scene.osc.stats()
    assert figures["faults"] == figures["thread_faults"] == 0, figures
    # From the reply's first notes on; before them the engine may be too late for a beat.
    assert figures["rest"] == before["rest"], figures
    assert figures["silent"] == 0, figures
    return heard(scene.notes(), scene.stalls), len(meter.longer_than(HELD_UP_MS, since_ns))


def test_a_little_of_the_worst(scene: Scene, meter: StallMeter) -> None:
    kinds = ("stall_jack", "kill", "nonsense")
    found, stood_still = suffer(scene, meter, 9.0, kinds, 2.0)
    assert set(scene.blows) == set(kinds)
    assert found.beats > 8
    assert len(found.missing) <= stood_still, found
    assert len(found.late_ms) <= 3 * stood_still, found


@pytest.mark.stage
@pytest.mark.timeout(int(MINUTES * 60) + 300)
def test_chaos_for_long(scene: Scene, meter: StallMeter) -> None:
    found, stood_still = suffer(scene, meter, MINUTES * 60, sorted(TROUBLES), 4.0)
    quarter = len(scene.memory_mb) // 4
    second, last = scene.rss_mb[quarter : 2 * quarter], scene.rss_mb[-quarter:]
    grown = max(last) / max(second) - 1
    place = f"{MINUTES:g} min of chaos"
    figure(f"{place}: blows", ", ".join(f"{n} {c}" for n, c in sorted(scene.blows.items())), "")
    figure(
        f"{place}: beats heard, missing, notes late at the receiver",
        f"{found.beats}, {len(found.missing)}, {len(found.late_ms)}",
        "0, 0",
    )
    parts = [scene.memory_mb[i * quarter // 2] for i in range(8)]
    figure(f"{place}: the daemon's own memory", ", ".join(f"{mb:.1f}" for mb in parts), "MB")
    figure(f"{place}: growth of the daemon's resident memory", f"{100 * grown:.2f} %", "< 1 %")
    assert set(scene.blows) == set(TROUBLES)
    assert len(found.missing) <= stood_still, found
    assert len(found.late_ms) <= 3 * stood_still, found
    assert grown < 0.01, scene.rss_mb


def beat(number: float, late_ms: float = 0.0) -> PlayedNote:
    at_ns = 5_000_000_000 + round(number * BEAT_NS + late_ms * 1e6)
    return PlayedNote(at_ns, at_ns + 1, 0, 60, 90)


def test_what_was_missed_or_late_is_seen_and_a_stall_excuses() -> None:
    whole = [beat(number) for number in range(20)]
    assert heard(whole, []) == chaos.Heard(19, [], [])
    spoilt = [*whole[:5], *whole[6:9], beat(9, 80.0), *whole[10:]]
    assert heard(spoilt, []) == chaos.Heard(19, [5], [80.0])
    at_ns = whole[5].on_ns
    assert heard(spoilt, [(at_ns - 1000, at_ns + 1000)]).missing == []
    assert heard(spoilt, [(at_ns - 1000, at_ns + 1000)]).late_ms == [80.0]
