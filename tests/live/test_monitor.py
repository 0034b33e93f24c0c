"""The monitor in a real browser, with a real daemon and real JACK notes."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.bench.live import clock_score, merge_messages, tune_score
from bridge.client.rig import wait_for
from engine.scores.midi_file import read
from tests.browser import Browser, program
from tests.live.conftest import Band, StartBand, need

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]
BPM = 120.0
TUNE = [(float(i), 0.9, pitch) for i, pitch in enumerate((72, 74, 76, 77, 79, 77, 76, 74) * 2)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if program() is None:
        need("chromium")
    found = Browser(tmp_path_factory.mktemp("browser"))
    found.size(1280, 860)
    yield found
    found.close()


@pytest.fixture
def takes(tmp_path: Path) -> Path:
    return tmp_path / "takes"


@pytest.fixture
def played(band: StartBand, takes: Path) -> Band:
    """A daemon that serves its monitor."""
    found = band("--monitor", "--monitor-port", "0", "--takes", str(takes))
    wait_for(lambda: any(line.startswith("MONITOR") for line in found.daemon.out), 20, "the page")
    return found


def url(found: Band) -> str:
    line = next(line for line in found.daemon.out if line.startswith("MONITOR"))
    return str(re.findall(r"http://\S+", line)[0])


def test_a_page_shows_and_steers_a_daemon(played: Band, browser: Browser, takes: Path) -> None:
    browser.open(url(played))
    browser.wait_for("document.querySelector('#state b').textContent === 'waiting'")
    with ThreadPoolExecutor(1) as pool:
        score = merge_messages(tune_score(TUNE, BPM), clock_score(16, BPM))
        playing = played.midi.play_aside(score, time.perf_counter_ns() + 50_000_000, pool)
        browser.wait_for("monitor.song.reply.length >= 12", 15)
        browser.wait_for("document.querySelector('#state b').textContent === 'playing'")
        browser.wait_for("/^[23]\\.[1-4]$/.test(document.getElementById('place').textContent)")
        assert browser.value("monitor.song.plan.length") > 0
        playing.result()
    browser.wait_for("!monitor.song.rolling")
    heard = browser.value("monitor.song.played.map((n) => [n.pitch, n.from, n.to - n.from])")
    played_at = {round(beat): pitch for pitch, beat, _ in heard}
    assert played_at.items() <= {round(beat): pitch for beat, _, pitch in TUNE}.items()
    assert len(played_at) >= len(TUNE) - 2  # UDP on a busy machine may lose one
    replied = browser.value("monitor.song.reply.map((n) => [n.from, n.pitch])")
    assert {round(place) for place, _ in replied} >= set(range(5, 15))
    assert "C" in browser.value("[...monitor.song.chords.values()].map((c) => c.name).join()")
    assert browser.value("document.getElementById('key').textContent") == "C major"
    assert browser.value("monitor.stats.fresh") > 0
    browser.value("document.getElementById('keep').click()")
    browser.wait_for("document.querySelector('#takes a')")
    kept = browser.value("document.querySelector('#takes a').textContent")
    assert re.fullmatch(r"[\d-]+-bars-\d+-\d+\.mid", kept)
    parts = [track.name for track in read(takes / kept).tracks]
    assert parts == ["Melody", "midi-diffuse"]
    assert browser.errors == []


def test_a_knob_moved_anywhere_shows_everywhere_soon(played: Band, browser: Browser) -> None:
    browser.open(url(played))
    browser.wait_for("monitor.controls.values.temperature !== undefined")
    played.osc.subscribe()
    knob = "document.querySelector('#essential [data-parameter=temperature] input')"
    browser.value(f"{knob}.value = 1.3; {knob}.dispatchEvent(new Event('input'))")
    while played.osc.wait("/diffuse/out/param/temperature") != (pytest.approx(1.3),):
        pass  # the monitor asks for every value when it begins
    begun_s = time.monotonic()
    played.osc.send("/diffuse/voices", 2)
    browser.wait_for("monitor.controls.values.voices === 2")
    assert time.monotonic() - begun_s < 1
    value = "document.querySelector('#essential [data-parameter=voices] output').textContent"
    assert browser.value(value) == "2"
    played.midi.send(0xBF, 14, 127)  # CC 14 on the control channel: mode
    browser.wait_for(
        "document.querySelector('[data-parameter=mode] input:checked').value === 'generate'"
    )
    assert not browser.value("document.getElementById('trigger-row').hidden")
    browser.value("monitor.link.send('temperature', 99)")
    browser.wait_for("document.getElementById('toast').textContent.includes('0.1 to 2')")


def test_a_controller_is_learned_on_the_page(played: Band, browser: Browser) -> None:
    browser.open(url(played))
    browser.wait_for("document.querySelector('#state b').textContent === 'waiting'")
    before = list(browser.errors)  # of another test's page, whose daemon is gone
    browser.value("document.getElementById('learn').click()")
    knob = "document.querySelector('#essential [data-parameter=temperature]')"
    browser.value(f"{knob}.click()")
    browser.wait_for(f"{knob}.classList.contains('waiting')")
    played.midi.send(0xB2, 21, 127)
    browser.wait_for(f"{knob}.dataset.learned === 'CC 21, channel 3'")
    browser.wait_for("monitor.controls.values.temperature === 2")
    assert not browser.value(f"{knob}.classList.contains('waiting')")
    browser.value("document.getElementById('panic').click()")  # learned, not done
    browser.wait_for("document.getElementById('panic').classList.contains('waiting')")
    played.midi.send(0xB2, 22, 127)
    browser.wait_for("document.getElementById('panic').dataset.learned === 'CC 22, channel 3'")
    browser.value(f"{knob}.click()")
    browser.wait_for(f"{knob}.classList.contains('waiting')")
    browser.value(f"{knob}.click()")  # again: forgotten
    browser.wait_for(f"{knob}.dataset.learned === undefined")
    browser.key("Escape")
    browser.wait_for("!document.body.classList.contains('learning')")
    browser.open(url(played))  # a page that comes later knows, too
    browser.wait_for("document.getElementById('panic').dataset.learned === 'CC 22, channel 3'")
    assert browser.errors == before


def test_keys_names_and_small_windows(played: Band, browser: Browser, tmp_path: Path) -> None:
    browser.open(url(played))
    browser.wait_for("document.querySelector('#state b').textContent === 'waiting'")
    browser.key(" ", " ")
    browser.wait_for("monitor.song.rolling")
    browser.key("Escape")
    browser.key(" ", " ")
    browser.wait_for("!monitor.song.rolling")
    unnamed = browser.value(
        "[...document.querySelectorAll('input,select,button,canvas')].filter((e) => !e.hidden &&"
        " !(e.labels && e.labels.length && [...e.labels].some((l) => l.textContent.trim())) &&"
        " !e.textContent.trim() && !e.getAttribute('aria-label')).map((e) => e.outerHTML)"
    )
    assert unnamed == []
    browser.size(390, 844, scale=2, mobile=True)
    try:
        wide = "document.documentElement.scrollWidth <= window.innerWidth"
        browser.wait_for(wide)
        small = browser.value(
            "[...document.querySelectorAll('button, select')].filter((e) => e.offsetHeight"
            " && e.offsetHeight < 30).length"
        )
        assert small == 0
        browser.scheme("dark")
        dark = browser.value("getComputedStyle(document.body.parentElement).backgroundColor")
        browser.scheme("light")
        light = browser.value("getComputedStyle(document.body.parentElement).backgroundColor")
        assert dark != light
    finally:
        browser.size(1280, 860)


def test_ten_minutes_of_history_are_drawn_in_time(played: Band, browser: Browser) -> None:
    browser.open(url(played))
    browser.wait_for("document.querySelector('#state b').textContent === 'waiting'")
    browser.value(
        "(() => { const s = monitor.song; for (let i = 0; i < 12000; i++)"
        " s.add(i % 3 ? s.reply : s.played, {pitch: 40 + (i * 7) % 40, velocity: 80,"
        " from: i / 10, to: i / 10 + 0.8});"
        " s.horizon([1198, 300, 3, 120, 1199, 'midi'], monitor.link.now());"
        " s.rolling = true; })()"
    )
    work = sorted(
        browser.value(
            "Array.from({length: 120}, () => { const begun = performance.now();"
            " monitor.roll.drawn = ''; monitor.roll.frame(); return performance.now() - begun; })"
        )
    )
    # What the page itself computes for a frame; how often frames come is the machine's affair.
    assert work[60] < 8
    shown = browser.value("monitor.roll.left(monitor.song.position(monitor.link.now()))")
    assert shown > 1150


def test_without_a_daemon_the_page_says_so_and_comes_back(
    band: StartBand, browser: Browser
) -> None:
    found = band()
    words = [sys.executable, "-m", "bridge", "monitor", "--web-port", "0", "--port"]
    process = subprocess.Popen(
        [*words, str(found.daemon.osc_port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = re.findall(r"http://\S+", process.stdout.readline())[0]
        browser.open(address)
        browser.wait_for("document.querySelector('#state b').textContent === 'waiting'")
        found.daemon.end()
        browser.wait_for("document.querySelector('#state b').textContent === 'offline'", 15)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        if process.stdout is not None:
            process.stdout.close()
