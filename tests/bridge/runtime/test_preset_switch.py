"""Presets are read off the OSC thread, and nothing that came after one overtakes it."""

from __future__ import annotations

import threading
import time

from bridge.commands import Act, ChoosePreset, Command, SetParameter
from bridge.runtime.preset_switch import PresetSwitch

HYMN, SEED, PANIC = SetParameter(0, "preset", "hymn"), SetParameter(1, "seed", 4), Act(2, "panic")


def wait_for(items: list[Command], count: int) -> None:
    end_s = time.monotonic() + 5
    while len(items) < count:
        assert time.monotonic() < end_s
        time.sleep(0.001)


def test_what_comes_while_a_preset_is_read_waits_behind_it_but_panic_does_not() -> None:
    passed: list[Command] = []
    reading, go_on = threading.Event(), threading.Event()

    def switch(command: SetParameter) -> None:
        reading.set()
        go_on.wait(5)
        passed.append(command)

    desk = PresetSwitch(passed.append, switch)
    desk.start()
    desk.accept(SEED)
    assert passed == [SEED]
    desk.accept(HYMN)
    assert reading.wait(5)
    desk.accept(SEED)
    desk.accept(PANIC)
    assert passed == [SEED, PANIC]
    go_on.set()
    wait_for(passed, 4)
    assert passed == [SEED, PANIC, HYMN, SEED]
    desk.stop()
    assert not desk.health.alive


def test_a_preset_that_fails_unforeseen_does_not_hold_up_what_follows() -> None:
    passed: list[Command] = []

    def switch(command: SetParameter) -> None:
        raise RuntimeError("unforeseen")

    desk = PresetSwitch(passed.append, switch)
    desk.start()
    desk.accept(HYMN)
    desk.accept(SEED)
    wait_for(passed, 1)
    assert passed == [SEED]
    assert desk.health.faults == 1
    desk.stop()


def test_a_program_change_takes_the_preset_of_its_number() -> None:
    switched: list[Command] = []
    desk = PresetSwitch(switched.append, switched.append, lambda: ["default", "hymn"])
    desk.start()
    desk.choose(ChoosePreset(0, 7))
    desk.choose(ChoosePreset(0, 1))
    wait_for(switched, 1)
    desk.stop()
    assert switched == [HYMN]
