"""What many files, or many windows, show of themselves."""

from __future__ import annotations

import io
import time

import pytest

from bridge.files.batch import window_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("screen", "shows"), [(Terminal(), True), (io.StringIO(), False)])
def test_windows_done_are_shown_on_a_terminal_only(
    screen: io.StringIO, shows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", screen)
    with window_bar() as show:
        for done in range(1, 5):
            time.sleep(0.11)  # the bar is drawn ten times a second
            show(done, 4)
    assert ("4/4" in screen.getvalue()) == shows
    assert ("<" in screen.getvalue()) == shows  # the time left
