"""Under the manual clock, at every step of a bar: what is changed while notes sound.

After each: no note sticks, music goes on at the next bar, the cause is told once.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

import pytest

from bridge.commands import Act, Command, MidiIn, SetParameter, Value
from engine.music.grid import STEPS_PER_BEAT
from tests.session_rig import MS, Rig, S, clock, play, rig

BAR = 4 * STEPS_PER_BEAT
STEP_NS = 60 * S // 240 // STEPS_PER_BEAT
"""At 240 bpm."""
INTERNAL: dict[str, Value] = {
    "clock": "internal",
    "tempo": 240.0,
    "listen_bars": 0,
    "loop_bars": 1,
}

CHANGES: dict[str, tuple[Value, ...]] = {
    "mode": ("continue", "harmonize", "vary", "harmonize", "infill", "harmonize"),
    "reply": ("next-bar", "live", "loop", "live"),
    "preset": ("other", "default"),
    "meter": ("3/4", "7/8", "4/4"),
    "key": ("D", "F#", "C"),
    "bypass": (True, False),
    "out_channel": (2, 1),
}
SILENT_BARS: dict[tuple[str, Value], int] = {
    ("mode", "continue"): 2,  # listens as long as one plays
    ("mode", "vary"): 2,  # waits for its trigger
    ("mode", "infill"): 2,
    ("bypass", True): 2,
}
"""Bars without a note after the one in which it was set, of the two before the next change."""


def notes_over(steps: int) -> list[Command]:
    """Two overlapping notes in every beat."""
    found: list[Command] = []
    for step in range(0, steps, STEPS_PER_BEAT // 2):
        pitch = 60 + step // 12 * 5 % 19
        found += play(pitch, step * STEP_NS, 20 * STEP_NS)
    return found


def finish(live: Rig, stop: Command | None = None) -> None:
    """Stop. Every note that began has ended, once; nothing was sent or dropped late."""
    live.add([stop or Act(live.now_ns, "stop")]).run(live.now_ns + S)
    assert live.stuck == {}
    assert live.session.stage.performer.scheduler.sounding == frozenset()
    assert live.session.stage.performer.scheduler.late == 0
    assert live.counts.get("late", 0) == 0
    late = [now - due for now, due, data in live.sent if data[0] < 0xB0]
    assert max(late) <= 2000  # the rig's own grain


def notes_by_bar(live: Rig) -> list[tuple[float, int]]:
    """(begin in s, notes that begin in it) of every whole bar played."""
    lines = [when for when, _ in live.osc("out/bar")]
    onsets = sorted(when + 1e-4 for when, _ in live.ons)
    places = [bisect_left(onsets, line) for line in lines]
    return [
        (line, end - start) for line, (start, end) in zip(lines, pairwise(places), strict=False)
    ]


def bars_after(bars: list[tuple[float, int]], at_ns: int) -> list[int]:
    """The notes of each of the bars that begin after `at_ns`."""
    return [notes for begin, notes in bars if begin > at_ns / S + 1e-6]


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_at_any_step_of_a_bar_is_told_once_and_the_next_bar_plays(name: str) -> None:
    """One change in every second bar, each a step later in it than the one before."""
    places = range(BAR, BAR + BAR * (2 * BAR + 1), 2 * BAR + 1)
    values = [CHANGES[name][number % len(CHANGES[name])] for number in range(BAR)]
    live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(places[-1] + 4 * BAR))
    before = live.session.knobs.value(name)
    live.add(
        SetParameter(place * STEP_NS, name, value)
        for place, value in zip(places, values, strict=True)
    )
    live.run((places[-1] + 4 * BAR) * STEP_NS)
    bars = notes_by_bar(live)
    for place, value in zip(places, values, strict=True):
        silent = SILENT_BARS.get((name, value), 0)
        first, second = bars_after(bars, place * STEP_NS)[:2]
        assert (first > 0) == (silent < 1), (place, value)
        assert (second > 0) or silent == 2, (place, value)
    changed = [(new,) for old, new in pairwise([before, *values]) if new != old]
    assert [arguments for _, arguments in live.osc(f"out/param/{name}")] == changed
    assert live.osc("out/error") == []
    finish(live)
    assert len({place % BAR for place in places}) == BAR


def test_a_song_position_jump_at_any_step_is_told_once_and_the_next_bar_plays() -> None:
    """To a bar line, and into the middle of a bar."""
    for place in range(BAR):
        at_ns = (BAR + place) * STEP_NS + STEP_NS // 2
        live = rig({"listen_bars": 0}).add(clock(17, bpm=240.0)).add(notes_over(3 * BAR))
        live.add([MidiIn(at_ns, (0xF2, (64, 70)[place % 2], 0))])
        live.run(17 * STEPS_PER_BEAT * STEP_NS)
        told = [bar for when, (bar,) in live.osc("out/bar") if when > at_ns / S]
        assert told == list(range(5, 5 + len(told))), place
        assert bars_after(notes_by_bar(live), at_ns + STEP_NS)[0] > 0, place
        finish(live, MidiIn(live.now_ns, (0xFC,)))


@pytest.mark.parametrize("step", range(0, BAR, 7))
def test_stop_and_panic_at_any_step_end_every_note(step: int) -> None:
    at_ns = (2 * BAR + step) * STEP_NS
    for action in ("stop", "panic"):
        # A note after Stop would start the internal clock anew.
        live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(2 * BAR))
        live.add([Act(at_ns, action)]).run(at_ns + MS)
        assert action == "panic" or not live.session.stage.performer.scheduler.sounding
        live.run(at_ns + 2 * S)
        assert any(seconds > at_ns / S for seconds, _ in live.ons) == (action == "panic")
        finish(live)


@pytest.mark.parametrize(("first_bpm", "last_bpm"), [(60.0, 240.0), (240.0, 60.0)])
def test_a_tempo_ramp_keeps_every_note_on_its_step(first_bpm: float, last_bpm: float) -> None:
    """A MIDI clock that goes from one to the other in 16 beats, then stays a bar."""
    at_ns, commands = 0.0, [MidiIn(0, (0xFA,))]
    pulses = 16 * STEPS_PER_BEAT
    for index in range(pulses + BAR):
        commands.append(MidiIn(round(at_ns), (0xF8,)))
        share = min(1.0, index / pulses)
        bpm = first_bpm + share * (last_bpm - first_bpm)
        at_ns += 60 * S / bpm / STEPS_PER_BEAT
    live = rig({"listen_bars": 0}).add(commands)
    live.add(play(72, 10 * MS, round(at_ns)))
    live.run(round(at_ns) - 5 * MS)
    finish(live, MidiIn(live.now_ns, (0xFC,)))
    beats = live.osc("out/note")
    sounded = sorted({round(float(arguments[2]), 3) for _, arguments in beats})
    assert sounded == list(range(int(sounded[0]), 20))
    assert sounded[0] <= 4


@pytest.mark.parametrize("bpm", [60.0, 120.0, 240.0])
def test_internal_tempo_ramps_under_notes(bpm: float) -> None:
    """A new tempo at every step of a bar."""
    live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(3 * BAR))
    live.add(
        SetParameter((BAR + step) * STEP_NS, "tempo", 60 + (bpm + 37 * step) % 181)
        for step in range(BAR)
    )
    live.run(6 * BAR * STEP_NS)
    assert len(live.osc("out/param/tempo")) == BAR
    assert all(bars_after(notes_by_bar(live), BAR * STEP_NS))
    finish(live)
