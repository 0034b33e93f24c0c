from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from bridge.bench.live import clock_score, merge_messages, tune, tune_score
from bridge.client.peers import MidiPeer, OscPeer, played_notes
from bridge.client.rig import DaemonProcess, wait_for
from tests.jack_transport import JackTransport
from tests.live.conftest import Band, MidiListener, StartBand, need
from tests.processes import running

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

BPM = 180.0


def subscribed(band: Band) -> None:
    """Have the daemon tell us everything."""
    band.osc.subscribe()
    band.osc.send("/diffuse/ping")
    band.osc.wait("/diffuse/out/pong")


def without_stop(beats: float) -> list[tuple[int, tuple[int, ...]]]:
    score = merge_messages(tune_score(tune(int(beats // 4)), BPM), clock_score(beats, BPM))
    return [event for event in score if event[1] != (0xFC,)]


def test_stop_ends_every_note(band: StartBand) -> None:
    played = band()
    played.perform(without_stop(8.5))
    played.wait_sounding()
    played.midi.send(0xFC)
    played.wait_silent()
    before = len(played.notes)
    time.sleep(0.5)  # longer than a beat: nothing more may come, though plans reach further
    assert len(played.notes) == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_daemon_with_every_note_off(
    band: StartBand, number: signal.Signals
) -> None:
    played = band()
    played.perform(without_stop(8.5))
    played.wait_sounding()
    assert played.daemon.end(number) == 0
    wait_for(lambda: not played.sounding(), 2, "every note off")
    assert played.notes
    assert "Traceback" not in played.daemon.errors


def test_a_second_ctrl_c_ends_a_daemon_that_hangs_with_every_note_off(jack: str) -> None:
    osc = OscPeer()
    hanging = (
        "import time\n"
        "from bridge.cli import main as cli\n"
        "from bridge.engine_host import supervisor as supervisor\n"
        "def stop(self): print('STOPPING', flush=True); time.sleep(60)\n"
        "supervisor.EngineSupervisor.stop = stop\n"
        "if __name__ == '__main__': cli.run(['serve', '--port', '0', '--preset', 'fixture',"
        f" '--midi-api', 'jack', '--reply-port', '{osc.port}'])\n"
    )
    with running([sys.executable, "-c", hanging], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        while not daemon.stdout.readline().startswith("READY"):
            assert daemon.poll() is None
        midi = MidiPeer()
        midi.play(without_stop(6), time.perf_counter_ns())
        wait_for(lambda: any(n.off_ns is None for n in played_notes(midi.received)), 5, "a note")
        daemon.send_signal(signal.SIGINT)
        assert daemon.stdout.readline() == "STOPPING\n"
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(timeout=10) == 130
    wait_for(lambda: all(note.off_ns for note in played_notes(midi.received)), 2, "every note off")
    midi.close()
    osc.close()


def test_after_a_kill_the_next_start_ends_what_hangs(jack: str) -> None:
    """Into a port that outlives the daemon, such as a synthesizer's."""
    synth = MidiListener("md-synth")
    try:
        first = DaemonProcess(
            *("--preset", "fixture", "--midi-api", "jack", "--out", "md-synth"),
            *("--clock", "internal", "--tempo", "60"),
            reply_port=9,
        )
        with first:
            osc = OscPeer()
            osc.to_port = first.osc_port
            osc.send("/diffuse/start")
            osc.send("/diffuse/note", 72, 90)
            osc.close()
            wait_for(lambda: len(synth.sounding()) == 3, 10, "a chord")
            first.end(signal.SIGKILL)
        assert len(synth.sounding()) == 3
        with DaemonProcess(
            "--preset", "fixture", "--midi-api", "jack", "--out", "md-synth", reply_port=9
        ):
            wait_for(lambda: not synth.sounding(), 2, "every note off")
    finally:
        synth.close()


def test_panic_ends_every_note_and_the_music_goes_on(band: StartBand) -> None:
    played = band("--clock", "internal", "--tempo", str(BPM))
    played.osc.send("/diffuse/start")
    played.osc.send("/diffuse/note", 72, 90)
    played.wait_sounding()
    played.osc.send("/diffuse/panic")
    wait_for(lambda: (0xB0, 123, 0) in [data for _, data in played.midi.received], 2, "CC123")
    before = len(played.notes)
    wait_for(lambda: len(played.notes) > before + 3, 5, "music after the panic")


def test_stop_seek_and_continue(band: StartBand) -> None:
    played = band()
    subscribed(played)
    played.perform(clock_score(6, BPM))
    assert played.osc.wait("/diffuse/out/bar") == (1,)
    assert played.osc.wait("/diffuse/out/bar") == (2,)
    played.perform(clock_score(8, BPM, from_beat=16))
    assert played.osc.wait("/diffuse/out/bar") == (5,)
    assert played.osc.wait("/diffuse/out/bar") == (6,)
    played.wait_silent()


def test_a_clock_without_start_is_followed_in_silence(band: StartBand) -> None:
    """The daemon was launched while the song ran: what bar it is nobody can know."""
    played = band()
    subscribed(played)
    clock = [event for event in clock_score(8, BPM) if event[1] not in ((0xFA,), (0xFC,))]
    melody = [(1 + beat, length, pitch) for beat, length, pitch in tune(1)]
    played.perform(merge_messages(clock, tune_score(melody, BPM)))
    assert played.notes == []
    played.osc.send("/diffuse/downbeat")  # by hand it can be told
    assert played.osc.wait("/diffuse/out/bar") == (1,)


def test_a_clock_that_stops_coming_does_not_stop_the_music(band: StartBand) -> None:
    played = band()
    played.perform(without_stop(8))
    before = len(played.notes)
    time.sleep(1.5)  # the dropout is noticed after half a second
    assert len(played.notes) > before + 6
    assert "clock" in played.daemon.errors
    played.midi.send(0xFC)
    played.wait_silent()


@pytest.fixture
def transport(jack: str) -> Iterator[JackTransport]:
    transport = JackTransport(120.0)
    yield transport
    transport.close()


def test_jack_midi_clock_is_followed(band: StartBand, transport: JackTransport) -> None:
    """A clock that we did not write: start, stop, locate, song position."""
    for program in ("jack_midi_clock", "jack_connect"):
        need(program)
    played = band("--listen-bars", "0")
    subscribed(played)
    command = ["jack_midi_clock", "-d", "0.2", "midi-diffuse-in:midi-diffuse in"]
    with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as clock:
        try:
            time.sleep(0.5)  # it connects its port
            transport.locate(0)
            transport.start()
            assert played.osc.wait("/diffuse/out/bar", 10) == (1,)
            played.midi.send(0x90, 72, 90)
            played.wait_sounding()
            assert played.osc.wait("/diffuse/out/bar", 10) == (2,)
            transport.stop()
            played.wait_silent()
            transport.locate(32)
            transport.start()
            # Its Continue comes a while after the transport rolls, somewhere in this bar or later.
            assert played.osc.wait("/diffuse/out/bar", 10)[0] in range(9, 14)
            transport.stop()
        finally:
            clock.terminate()
    assert "Traceback" not in played.daemon.errors
