"""How soon what happens shows in the monitor's page, and what that costs the notes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median

import pytest
from websockets.sync.client import connect

from bridge.bench.live import clock_score, merge_messages, tune_score
from bridge.client.rig import wait_for
from bridge.settings.presets import load
from tests.browser import Browser, program
from tests.live.conftest import Band, StartBand, need
from tests.live.test_monitor import BPM, TUNE, url

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
SCORE = merge_messages(tune_score(TUNE, BPM), clock_score(16, BPM))
MOVES = 5
SOON_MS, NOTE_MS, PAINT_MS = 100.0, 50.0, 1000.0
"""A knob moved anywhere is to show everywhere, a note in the page, the page itself, so soon."""
FRAME_MS, FEWEST_FRAMES = 8.0, 20
"""The 95th percentile of a frame's work, of so many frames in two seconds on a busy machine."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if program() is None:
        need("chromium")
    with closing(Browser(tmp_path_factory.mktemp("browser"))) as found:
        yield found


@pytest.fixture
def shown(band: StartBand, browser: Browser, tmp_path: Path) -> Band:
    """A daemon and its page, which stamps when a control shows a value."""
    found = band("--monitor", "--monitor-port", "0", "--takes", str(tmp_path))
    wait_for(partial(serves, found), 20, "the page")
    browser.open(url(found))
    browser.wait_for("monitor.controls.values.temperature !== undefined")
    browser.value(
        "(() => { globalThis.stamps = []; const show = monitor.controls.show;"
        " monitor.controls.show = function (name, value) { show.call(this, name, value);"
        " stamps.push([name, value, Date.now()]); }; })()"
    )
    found.osc.subscribe()
    return found


def serves(found: Band) -> bool:
    """Does the monitor say where its page is?"""
    return any(line.startswith("MONITOR") for line in found.daemon.out)


def now_ms() -> float:
    """As the page's Date.now()."""
    return time.time() * 1000


def stamp_ms(browser: Browser, name: str, value: float, since_ms: float) -> float:
    """When the page showed that, after `since_ms`."""
    found = (
        f"stamps.find(([n, v, at]) => n === '{name}' && Math.abs(v - {value}) < 1e-4"
        f" && at >= {since_ms - 2})"
    )
    browser.wait_for(found)
    return float(browser.value(f"{found}[2]"))


def test_a_knob_moved_anywhere_shows_everywhere_within_a_tenth_of_a_second(
    shown: Band, browser: Browser
) -> None:
    took: dict[str, list[float]] = {"osc": [], "cc": [], "preset": [], "page": []}
    own = load("fixture").complete()["voices"]
    knob = "document.querySelector('#essential [data-parameter=temperature] input')"
    for move in range(MOVES):
        begun = now_ms()
        shown.osc.send("/diffuse/voices", 2 + move % 2)
        took["osc"].append(stamp_ms(browser, "voices", 2 + move % 2, begun) - begun)
        begun = now_ms()
        shown.midi.send(0xBF, 28, 127 * (move % 2))  # of voices
        took["cc"].append(stamp_ms(browser, "voices", (1, 8)[move % 2], begun) - begun)
        begun = now_ms()
        shown.osc.send("/diffuse/preset", "fixture")
        took["preset"].append(stamp_ms(browser, "voices", float(own), begun) - begun)
        value = 0.5 + move / 10
        begun = browser.value(
            f"(() => {{ {knob}.value = {value}; {knob}.dispatchEvent(new Event('input'));"
            " return Date.now(); })()"
        )
        while shown.osc.wait("/diffuse/out/param/temperature") != (pytest.approx(value),):
            pass
        took["page"].append(now_ms() - begun)
    assert {way: ms for way, times in took.items() if (ms := median(times)) > SOON_MS} == {}


def test_the_page_is_there_within_a_second(shown: Band, browser: Browser) -> None:
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    browser.open(url(shown))
    browser.wait_for(paint)
    assert browser.value(paint) <= PAINT_MS


def test_notes_are_in_the_page_soon_after_they_sound(shown: Band, browser: Browser) -> None:
    browser.value(
        "(() => { globalThis.lags = []; monitor.link.socket.addEventListener('message', (e) => {"
        " for (const [name, at] of JSON.parse(e.data)) if (name === 'note')"
        " requestAnimationFrame(() => lags.push(monitor.link.now() - at)); }); })()"
    )
    shown.perform(SCORE)
    browser.wait_for("lags.length >= 12")
    lags = sorted(float(lag) for lag in browser.value("lags"))
    assert -5 < median(lags) <= NOTE_MS


def test_frames_are_drawn_in_time_with_ten_minutes_of_history(
    shown: Band, browser: Browser
) -> None:
    browser.value(
        "(() => { const s = monitor.song; for (let i = 0; i < 12000; i++)"
        " s.add(i % 3 ? s.reply : s.played, {pitch: 40 + (i * 7) % 40, velocity: 80,"
        " from: i / 10, to: i / 10 + 0.8});"
        " s.horizon([1198, 300, 3, 120, 1199, 'midi'], monitor.link.now());"
        " s.rolling = true; })()"
    )
    frames = browser.frames_ms(2.0)
    assert len(frames) > FEWEST_FRAMES
    assert frames[len(frames) * 95 // 100] <= FRAME_MS


@pytest.mark.stage
def test_the_monitor_costs_the_notes_nothing(band: StartBand, tmp_path: Path) -> None:
    late_ms: dict[bool, list[float]] = {False: [], True: []}
    for watched in (True, False) * 3:
        words = ("--monitor", "--monitor-port", "0", "--takes", str(tmp_path)) if watched else ()
        found = band(*words)
        with ExitStack() as stack:
            if watched:
                wait_for(partial(serves, found), 20, "the page")
                address = url(found).replace("http", "ws") + "socket"
                socket = stack.enter_context(connect(address))
                pool = stack.enter_context(ThreadPoolExecutor(1))
                stack.callback(socket.close)
                pool.submit(lambda s: [json.loads(text) for text in s], socket)
            found.perform(SCORE)
            late_ms[watched].append(found.osc.stats()["send_late_p99_ms"])
        found.daemon.end()
    assert median(late_ms[True]) <= median(late_ms[False]) + 1
