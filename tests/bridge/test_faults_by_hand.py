"""Under the manual clock, at every step of a bar: what is changed while notes sound."""

from __future__ import annotations

import pytest

from bridge.commands import Act, Command, MidiIn, SendMidi, SetParameter, Value
from engine.grid import STEPS_PER_BEAT
from tests.session_rig import MS, Rig, S, clock, play, rig

BAR = 4 * STEPS_PER_BEAT
STEP_NS = 60 * S // 240 // STEPS_PER_BEAT
"""At 240 bpm."""
INTERNAL: dict[str, Value] = {"clock": "internal", "tempo": 240.0, "listen_bars": 0}

CHANGES: dict[str, tuple[Value, ...]] = {
    "mode": ("continue", "harmonize", "vary", "harmonize"),
    "reply": ("next-bar", "live", "loop", "live"),
    "preset": ("other", "default"),
    "meter": ("3/4", "7/8", "4/4"),
    "key": ("D", "F#", "C"),
    "bypass": (True, False),
    "out_channel": (2, 1),
}


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
    assert live.session.conductor.performer.scheduler.sounding == frozenset()
    assert live.session.conductor.performer.scheduler.late == 0
    assert live.tally.get("late", 0) == 0
    late = [now - due for now, due, data in live.sent if data[0] < 0xB0]
    assert max(late) <= 2000  # the rig's own grain


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_a_change_at_any_step_of_a_bar_leaves_the_ledger_balanced(name: str) -> None:
    """One change in every bar, each a step later in it than the one before."""
    values, places = CHANGES[name], range(BAR, BAR + BAR * (BAR + 1), BAR + 1)
    live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(places[-1] + BAR))
    live.add(
        SetParameter(place * STEP_NS, name, values[number % len(values)])
        for number, place in enumerate(places)
    )
    live.run((places[-1] + BAR) * STEP_NS)
    assert len(live.ons) > 50
    finish(live)
    assert len({place % BAR for place in places}) == BAR


@pytest.mark.parametrize("place", range(0, BAR, 7))
def test_a_song_position_jump_at_any_step_leaves_the_ledger_balanced(place: int) -> None:
    at_ns = (BAR + place) * STEP_NS + STEP_NS // 2
    live = rig({"listen_bars": 0}).add(clock(16, bpm=240.0)).add(notes_over(3 * BAR))
    live.add([MidiIn(at_ns, (0xF2, 64, 0))])
    live.run(16 * STEPS_PER_BEAT * STEP_NS)
    finish(live, MidiIn(live.now_ns, (0xFC,)))
    assert any(seconds > at_ns / S + 0.25 for seconds, _ in live.ons)


@pytest.mark.parametrize("step", range(0, BAR, 7))
def test_stop_and_panic_at_any_step_end_every_note(step: int) -> None:
    at_ns = (2 * BAR + step) * STEP_NS
    for action in ("stop", "panic"):
        # A note after Stop would start the internal clock anew.
        live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(2 * BAR))
        live.add([Act(at_ns, action)]).run(at_ns + MS)
        assert action == "panic" or not live.session.conductor.performer.scheduler.sounding
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
    live.run(round(at_ns))
    finish(live, MidiIn(live.now_ns, (0xFC,)))
    beats = live.osc("out/note")
    assert {round(float(arguments[2]), 3) % 1 for _, arguments in beats} == {0.0}
    assert len({arguments[2] for _, arguments in beats}) >= 15


@pytest.mark.parametrize("bpm", [60.0, 120.0, 240.0])
def test_internal_tempo_ramps_under_notes(bpm: float) -> None:
    """A new tempo at every step of a bar."""
    live = rig(INTERNAL).add([Act(0, "start")]).add(notes_over(3 * BAR))
    live.add(
        SetParameter((BAR + step) * STEP_NS, "tempo", 60 + (bpm + 37 * step) % 181)
        for step in range(BAR)
    )
    live.run(6 * BAR * STEP_NS)
    finish(live)
    assert any(isinstance(effect, SendMidi) for _, effect in live.effects)
