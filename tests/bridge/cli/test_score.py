"""`bridge.cli.score`: what long measurements say meanwhile."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest

from bridge.cli import score as cli_score


class Terminal:
    """A stderr that somebody looks at."""

    def __init__(self) -> None:
        self.shown = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.shown += text
        return len(text)

    def flush(self) -> None:
        pass


def test_a_terminal_sees_one_line_that_overwrites_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    report = cli_score.progress()
    report("way 1 of 2")
    report("way 2 of 2")
    assert terminal.shown == "\r\x1b[Kway 1 of 2\r\x1b[Kway 2 of 2"


def test_a_log_gets_a_line_each_half_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    report = cli_score.progress()
    for now_s in (129.9, 130.0, 131.0, 159.9, 160.5):
        report(f"at {now_s}")
    told = capsys.readouterr()
    assert told.err == "at 130.0\nat 160.5\n"
    assert told.out == ""


def test_a_density_is_asked_for_or_left_to_the_model() -> None:
    player = SimpleNamespace(metadata={"sampling": None})
    for asked in (None, 0.0, 2.5):
        wanted = dict.fromkeys(("steps", "sampler", "temperature")) | {"density": asked}
        settings = cli_score.as_played(player, wanted, 7)  # type: ignore[arg-type]
        assert (settings.density, settings.seed, settings.voices) == (asked, 7, 88)
