"""Whatever a command raises is one line; text of others moves no cursor."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.cli.main import main
from bridge.midi.systems import PortNames
from bridge.osc.wire import encode_packet
from bridge.settings import presets
from bridge.text import printable


def test_an_unforeseen_error_is_one_line_and_verbose_shows_where(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gap() -> None:
        raise RecursionError("deep\n\x1b[31m" + "x" * 999)

    monkeypatch.setattr("bridge.cli.presets.list_presets", gap)
    result = CliRunner().invoke(main, ["presets"])
    assert result.exit_code == 70
    assert result.output.startswith("midi-diffuse presets: unforeseen: RecursionError: deep")
    assert result.output.count("\n") == 1
    assert "\x1b" not in result.output
    assert len(result.output) < 400
    shown = CliRunner().invoke(main, ["--verbose", "presets"])
    assert isinstance(shown.exception, RecursionError)


def test_control_characters_are_shown_not_sent() -> None:
    assert printable("a\x1b[2Jb\x07\u202ec\nd é 音") == "a\\x1b[2Jb\\x07\\x202ec\nd é 音"


def test_a_presets_description_is_printed_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.toml").write_text('description = "\\u001b[2Jgone"\nmodel = "fixture"')
    monkeypatch.setattr(presets, "user_dir", lambda: tmp_path)
    result = CliRunner().invoke(main, ["presets"])
    assert "\\x1b[2Jgone" in result.output
    assert "\x1b" not in result.output


def test_the_name_of_a_port_is_printed_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("evil\x1b]0;title\x07", "synth")
    found = [PortNames("jack", inputs=names, outputs=names[:1])]
    monkeypatch.setattr("bridge.midi.systems.list_ports", lambda api: found)
    result = CliRunner().invoke(main, ["ports"])
    assert result.output.count("    evil\\x1b]0;title\\x07\n") == 2
    assert not {"\x1b", "\x07"} & set(result.output)


def test_status_takes_any_answer() -> None:
    """Whoever listens on that port may say anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)

        def answer() -> None:
            _, sender = peer.recvfrom(9000)
            peer.sendto(encode_packet("/diffuse/out/state", ("\x1b[31mred",)), sender)
            for name, value in (("fresh", "many"), ("late", "\x1b[2J"), ("end", 1.0)):
                peer.sendto(encode_packet("/diffuse/out/stats", (name, value)), sender)

        thread = threading.Thread(target=answer)
        thread.start()
        result = CliRunner().invoke(main, ["status", "--port", str(peer.getsockname()[1])])
        thread.join()
    assert result.exit_code == 0
    assert "beats     fresh 0" in result.output
    assert "\x1b" not in result.output
