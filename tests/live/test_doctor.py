"""The doctor on a machine with JACK: its ports, a clock, a loop."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import rtmidi

from bridge.doctor import midi_checks
from bridge.doctor.finding import OK, WARN
from bridge.midi.ports import Tap

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def test_jack_is_found_and_has_ports_of_our_own(jack: str) -> None:
    assert midi_checks.systems("jack").level == OK
    assert midi_checks.virtual_ports("jack").text == "can be made (JACK)"


def test_a_clock_is_heard_with_its_tempo(jack: str) -> None:
    daw = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-daw")
    daw.open_virtual_port("clock")
    try:
        assert midi_checks.clock("jack", 0.3).level == WARN

        def pulses() -> None:
            end_s = time.monotonic() + 1.6
            while time.monotonic() < end_s:
                daw.send_message((0xF8,))
                time.sleep(60 / 120 / 24)

        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(pulses)
            found = midi_checks.clock("jack", 1.0)
            sending.result()
    finally:
        daw.close_port()
        daw.delete()
    assert (found.level, "test-daw" in found.text) == (OK, True)
    # A sleeping loop is slower than it says.
    assert 60 < float(found.text.split()[1]) < 130


def test_an_echo_is_found_by_something_that_does_not_sound(jack: str) -> None:
    back = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-loop-back")
    back.open_virtual_port("back")
    there = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, name="test-loop-there")
    heard: list[tuple[int, ...]] = []

    def pass_on(event: tuple[list[int], float], _: object) -> None:
        heard.append(tuple(event[0]))
        back.send_message(event[0])

    there.open_virtual_port("there")
    tap = Tap(there, pass_on)
    there.ignore_types(sysex=False)
    try:
        found = midi_checks.echo("jack")
        looped = midi_checks.loop("there", "back", "jack")
    finally:
        tap.close()
        back.close_port()
        back.delete()
    assert found.level == WARN
    assert "there" in found.text
    assert "back" in found.text
    assert heard[0] == midi_checks.PROBE
    assert "there and back" in looped.text
