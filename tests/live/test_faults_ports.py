"""Ports go and come back, the JACK server too, and a DAW dies with a key down."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rtmidi

from bridge.client.peers import OscPeer, PlayedNote, played_notes
from bridge.client.rig import DaemonProcess, wait_for
from tests.live.conftest import Band, MidiListener, StartBand, need
from tests.processes import running

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ON_ITS_OWN = ("--clock", "internal", "--tempo", "240", "--no-log")


@pytest.fixture
def osc() -> Iterator[OscPeer]:
    osc = OscPeer()
    yield osc
    osc.close()


def begin(osc: OscPeer, daemon: DaemonProcess) -> None:
    """The music plays by itself from here on."""
    osc.to_port = daemon.osc_port
    osc.subscribe()
    osc.send("/diffuse/start")
    osc.send("/diffuse/note", 72, 90)


def told(osc: OscPeer) -> str:
    """The next thing said about the ports."""
    while True:
        source, text = osc.wait("/diffuse/out/error", 20)
        if source == "midi":
            return str(text)


def test_an_output_that_comes_back_under_its_name_is_played_to_again(
    jack: str, osc: OscPeer
) -> None:
    synth = MidiListener("md-synth")
    arguments = ("--midi-api", "jack", "--preset", "fixture", "--out", "md-synth", *ON_ITS_OWN)
    with DaemonProcess(*arguments, reply_port=osc.port) as daemon:
        begin(osc, daemon)
        wait_for(lambda: len(synth.received) > 12, 20, "some notes")
        synth.close()  # with notes sounding
        assert "has gone" in told(osc)
        time.sleep(0.5)  # two beats
        synth = MidiListener("md-synth")
        assert "is back" in told(osc)
        wait_for(lambda: len(played_notes(synth.received)) > 12, 10, "music")
        osc.send("/diffuse/stop")
        wait_for(lambda: not synth.sounding(), 5, "every note off")
        assert daemon.end() == 0
    assert daemon.errors.count("has gone") == 1
    assert daemon.errors.count("is back") == 1
    assert "does not take notes" not in daemon.errors
    assert "Traceback" not in daemon.errors
    synth.close()


class JackAlone:
    """A JACK server in a process of its own (jack_alone.py); a context manager that ends it.

    This process has no client of it: libjack's threads may take along who has.
    """

    def __init__(self, name: str) -> None:
        command = [sys.executable, "-m", "tests.live.jack_alone", name]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._read() == "up"

    def __enter__(self) -> JackAlone:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=20)

    def ask(self, command: str) -> list[PlayedNote]:
        """`listen` to the daemon, or `notes`: what was heard so far."""
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return [PlayedNote(*note) for note in json.loads(self._read())]

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def test_a_jack_server_that_stops_and_starts_again(
    osc: OscPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("jackd")
    name = f"midi-diffuse-restart-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    with JackAlone(name):
        daemon = DaemonProcess(
            *("--midi-api", "jack", "--preset", "fixture", *ON_ITS_OWN), reply_port=osc.port
        )
    with daemon:
        assert "has stopped" in told_of_start(osc, daemon)
        assert daemon.process.poll() is None
        time.sleep(0.5)  # two beats
        with JackAlone(name) as server:
            text = told(osc)
            if "has stopped" in text:  # else it was told before anybody listened
                text = told(osc)
            assert "is back" in text
            server.ask("listen")
            wait_for(lambda: len(server.ask("notes")) > 12, 10, "music")
            osc.send("/diffuse/stop")
            wait_for(lambda: all(note.off_ns for note in server.ask("notes")), 5, "every note off")
            assert osc.stats()["faults"] == 0
            assert daemon.end() == 0
    assert daemon.errors.count("has stopped") == 1
    assert daemon.errors.count("is back") == 1
    assert "Traceback" not in daemon.errors


def told_of_start(osc: OscPeer, daemon: DaemonProcess) -> str:
    """What the daemon says of a server that stopped before anybody listened is in its log."""
    begin(osc, daemon)
    wait_for(lambda: "has stopped" in daemon.errors, 10, "the daemon to notice")
    return daemon.errors


def server_pid(name: str) -> int:
    """Of the JACK server of that name (Linux)."""
    for words in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found = words.read_bytes().split(b"\0")
            if found[0].endswith(b"jackd") and name.encode() in found:
                return int(words.parent.name)
    raise AssertionError(name)


def test_a_jack_server_that_stands_still_plays_no_heap_of_old_notes(
    osc: OscPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("jackd")
    name = f"midi-diffuse-still-{os.getpid()}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    words = ("--midi-api", "jack", "--preset", "fixture", *ON_ITS_OWN)
    with JackAlone(name) as server, DaemonProcess(*words, reply_port=osc.port) as daemon:
        osc.to_port = daemon.osc_port
        server.ask("listen")
        osc.send("/diffuse/start")
        osc.send("/diffuse/note", 72, 90)
        wait_for(lambda: len(server.ask("notes")) > 6, 10, "music")
        pid = server_pid(name)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3.0)
        resumed_ns = time.perf_counter_ns()
        os.kill(pid, signal.SIGCONT)
        before = len(server.ask("notes"))
        wait_for(lambda: len(server.ask("notes")) > before + 12, 10, "the music to go on")
        after_ns = [note.on_ns - resumed_ns for note in server.ask("notes")]
        heap = [late_ns for late_ns in after_ns if 0 <= late_ns < 100_000_000]
        # One chord may have been on its way, and one fall due just then; 36 were due meanwhile.
        assert len(heap) <= 2 * 4, heap
        figures = osc.stats()
        assert figures["stalled_notes"] > 18
        assert figures["faults"] == figures["thread_faults"] == 0
        osc.send("/diffuse/stop")
        wait_for(lambda: all(note.off_ns for note in server.ask("notes")), 5, "every note off")


DAW = """
import sys, time, rtmidi
out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-daw")
index = next(i for i, name in enumerate(out.get_ports()) if "midi-diffuse in" in name)
out.open_port(index)
out.send_message((0x90, 72, 90))
print("sent", flush=True)
time.sleep(60)
"""


def sounding_pitches(band: Band) -> set[int]:
    return {note.pitch for note in band.sounding()}


def test_a_daw_that_dies_with_a_key_down_leaves_nothing_sounding(band: StartBand) -> None:
    played = band("--thru", "--clock", "internal", "--no-log")
    with running([sys.executable, "-c", DAW], stdout=subprocess.PIPE) as daw:
        assert daw.stdout is not None
        assert daw.stdout.readline() == "sent\n"
        wait_for(lambda: 72 in sounding_pitches(played), 10, "the key, let through")
        time.sleep(0.3)
        daw.send_signal(signal.SIGKILL)
    wait_for(lambda: 72 not in sounding_pitches(played), 10, "its end")
    before = len(played.notes)
    wait_for(lambda: len(played.notes) > before + 6, 10, "the music to go on")
    played.osc.send("/diffuse/stop")
    played.wait_silent()


def test_an_input_that_comes_back_under_its_name_is_heard_again(jack: str, osc: OscPeer) -> None:
    keys = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-keys")
    keys.open_virtual_port("md-keys")
    arguments = ("--midi-api", "jack", "--preset", "fixture", "--in", "md-keys", *ON_ITS_OWN)
    with DaemonProcess(*arguments, reply_port=osc.port) as daemon:
        osc.to_port = daemon.osc_port
        osc.subscribe()
        osc.send("/diffuse/ping")
        osc.wait("/diffuse/out/pong")
        keys.delete()
        assert "input port" in told(osc)
        keys = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-keys")
        keys.open_virtual_port("md-keys")
        assert "is back" in told(osc)
        keys.send_message((0x90, 72, 90))  # a first note starts the internal clock
        assert osc.wait("/diffuse/out/bar", 5) == (1,)
        keys.send_message((0x80, 72, 0))
        assert daemon.end() == 0
    keys.delete()
