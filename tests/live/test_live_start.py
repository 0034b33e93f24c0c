from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bridge.bench.live import tune
from bridge.client.peers import OscPeer
from bridge.client.rig import DaemonProcess, RigError, memory_mb, wait_for
from tests.live.conftest import StartBand, need
from tests.processes import running

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

BRIDGE = [sys.executable, "-m", "bridge"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BRIDGE, *arguments], capture_output=True, text=True, timeout=60)


@pytest.fixture
def no_midi_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "there-is-no-such-server")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    if "[]" not in run("ports", "--json").stdout:
        pytest.skip("this machine has a MIDI system besides JACK")


def test_without_any_midi_system_notes_work_over_osc(no_midi_system: None) -> None:
    osc = OscPeer()
    with DaemonProcess("--preset", "fixture", "--tempo", "240", reply_port=osc.port) as daemon:
        said = "\n".join(daemon.out)
        assert "no MIDI system" in said
        assert "jackd" in said or sys.platform != "linux"
        osc.to_port = daemon.osc_port
        osc.subscribe()
        osc.send("/diffuse/note", 72, 90)  # a first note starts the internal clock
        pitch, velocity, *_ = osc.wait("/diffuse/out/note")
        assert 0 < int(pitch) < 128
        assert 0 < int(velocity) < 128
        assert daemon.end() == 0
    osc.close()


def test_ports_are_listed_under_the_names_we_promise(band: StartBand) -> None:
    band()
    listed = json.loads(run("ports", "--json").stdout)
    names = next(each for each in listed if each["api"] == "JACK")
    # An output of ours is an input for others, and the other way round.
    assert "midi-diffuse-in:midi-diffuse in" in names["outputs"]
    assert "midi-diffuse-out:midi-diffuse out" in names["inputs"]


def test_an_existing_port_can_be_used_by_a_part_of_its_name(band: StartBand) -> None:
    first = band()
    out = ["--out", "midi-diffuse IN"]  # into the first daemon; case does not matter
    second = DaemonProcess(
        "--preset", "fixture", "--midi-api", "jack", *out, reply_port=first.osc.port
    )
    with second:
        assert any("midi-diffuse-in:midi-diffuse in" in line for line in second.out)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--preset", "defualt"], "did you mean 'default'"),
        (["--preset", "fixture", "--in", "nowhere"], "no input port 'nowhere'"),
        (["--preset", "fixture", "--tempo", "fast"], "tempo wants 20 to 400 bpm"),
        (["--preset", "fixture", "--reply", "liev"], "did you mean 'live'"),
        (["--preset", "fixture", "--set", "temprature=1"], "did you mean 'temperature'"),
        (["--preset", "fixture", "--set", "tempo"], "--set wants name=value"),
        (["--preset", "fixture", "--midi-api", "jakc"], "did you mean 'jack'"),
        (["--preset", "fixture", "--tune", "1"], "--tune"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(jack: str, arguments: list[str], told: str) -> None:
    ended = run("serve", "--port", "0", *arguments)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert re.fullmatch(r"(midi-diffuse starts: [^\n]*\n)?", ended.stdout)


def test_a_port_in_use_says_by_what_and_how_to_choose_another() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        ended = run("serve", "--preset", "fixture", "--port", str(holder.getsockname()[1]))
    assert ended.returncode == 2
    assert "in use by" in ended.stderr
    assert "--port" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_damaged_model_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "broken.pt").write_bytes(b"not a model")
    assert run("presets", "--trust", str(tmp_path / "broken.pt")).returncode == 0
    preset = tmp_path / "broken.toml"
    preset.write_text('model = "broken.pt"\n')
    ended = run("serve", "--port", "0", "--preset", str(preset))
    assert ended.returncode == 2
    assert "damaged" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_preset_is_switched_while_the_music_plays(band: StartBand) -> None:
    played = band("--clock", "internal", "--tempo", "180")
    played.osc.send("/diffuse/start")
    played.osc.send("/diffuse/note", 72, 90)
    played.wait_sounding()
    played.osc.send("/diffuse/preset", "nonesuch")
    address, text = played.osc.wait("/diffuse/out/error")
    assert address == "/diffuse/preset"
    assert "there are:" in str(text)
    played.osc.send("/diffuse/temperature", 1.5)
    assert played.osc.wait("/diffuse/out/param/temperature") == (1.5,)
    played.osc.send("/diffuse/preset", "fixture")  # as it is, but its settings come with it
    assert played.osc.wait("/diffuse/out/param/temperature") == (pytest.approx(0.7),)
    before = len(played.notes)
    wait_for(lambda: len(played.notes) > before + 6, 5, "the music to go on")


def test_oscsend_and_oscdump_are_understood(band: StartBand) -> None:
    need("oscsend")
    need("oscdump")
    played = band("--clock", "internal", "--tempo", "180")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])

    def send(*words: str) -> None:
        command = ["oscsend", "localhost", str(played.daemon.osc_port), *words]
        subprocess.run(command, check=True, timeout=10)

    with running(["oscdump", "-L", port], stdout=subprocess.PIPE, env={**os.environ}) as dump:
        try:
            time.sleep(0.3)  # it opens its socket
            send("/diffuse/subscribe", "si", "127.0.0.1", port)
            send("/diffuse/temperature", "f", "0.8")
            send("/diffuse/temperature")
            send("/diffuse/start")
            send("/diffuse/note", "iii", "72", "90", "1")
            assert dump.stdout is not None
            lines: list[str] = []
            while not any("/diffuse/out/note" in line for line in lines):
                lines.append(dump.stdout.readline())
        finally:
            dump.terminate()
    assert any("/diffuse/out/param/temperature f 0.8" in line for line in lines)


def test_starting_is_quick_and_small_without_a_network(band: StartBand) -> None:
    played = band()
    played.play(tune(2), 8, 180)
    pids = (played.daemon.process.pid, int(played.osc.stats()["engine_pid"]))
    assert played.daemon.ready_s < 10
    assert 0 < memory_mb(pids) < 250  # measured 80; torch alone would be 200 more


def test_the_rig_tells_why_a_daemon_did_not_start() -> None:
    with pytest.raises(RigError, match="no preset 'nonesuch'"):
        DaemonProcess("--preset", "nonesuch", reply_port=9)
