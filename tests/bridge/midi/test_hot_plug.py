"""What is told of ports that go and come, and what is done about it; with stand-ins for rtmidi."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from bridge.commands import MidiIn
from bridge.midi import ports as midi_ports
from bridge.midi import systems as midi_systems
from bridge.midi.hot_plug import RtMidiWatcher
from bridge.midi.port_names import same_port
from bridge.midi.ports import PortAwayError, RtMidiPorts

KEYS, SYNTH = "Keys:Keys MIDI 1 20:0", "Synth:Synth MIDI 1 24:0"


class Device:
    """An rtmidi input or output among `there`, which all of them share."""

    there: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.sent: list[tuple[int, ...]] = []
        self.deleted = False

    def get_ports(self) -> list[str]:
        return list(self.there)

    def open_port(self, index: int, name: str) -> None:
        assert self.there[index]

    def send_message(self, data: tuple[int, ...]) -> None:
        self.sent.append(tuple(data))

    def ignore_types(self, **_: bool) -> None: ...

    def set_callback(self, function: object) -> None: ...

    def cancel_callback(self) -> None: ...

    def close_port(self) -> None: ...

    def delete(self) -> None:
        self.deleted = True


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[Device]:
    made: list[Device] = []

    def make(direction: str, key: str) -> Device:
        made.append(Device())
        return made[-1]

    monkeypatch.setattr(midi_systems, "try_device", make)
    monkeypatch.setattr(midi_ports, "SETTLE_S", 0.0)
    monkeypatch.setattr(Device, "there", [KEYS, SYNTH])
    return made


class Rig:
    def __init__(self) -> None:
        self.heard: list[MidiIn] = []
        self.told: list[str] = []
        opened = {
            "in": midi_systems.open_existing("in", KEYS, ["alsa"]),
            "out": midi_systems.open_existing("out", SYNTH, ["alsa"]),
        }
        self.ports = RtMidiPorts(opened["in"], opened["out"], self.heard.append)
        self.watcher = RtMidiWatcher(self.ports, {"in": KEYS, "out": SYNTH}, self.told.append)

    @property
    def out(self) -> Any:
        return self.ports.opened["out"].device


def test_an_output_that_went_takes_no_notes_and_is_told_once(devices: list[Device]) -> None:
    rig = Rig()
    rig.watcher.look()
    assert rig.told == []
    Device.there.remove(SYNTH)
    for _ in range(3):
        rig.watcher.look()
    assert rig.told == [f"output port {SYNTH!r} has gone; waiting for its return"]
    with pytest.raises(PortAwayError):
        rig.ports.send((0x90, 60, 90))


def test_an_output_that_came_back_is_opened_anew_and_its_old_notes_end(
    devices: list[Device],
) -> None:
    rig = Rig()
    rig.ports.send((0x92, 60, 90))
    old = rig.out
    Device.there.remove(SYNTH)
    rig.watcher.look()
    Device.there.append("Synth:Synth MIDI 1 28:0")  # ALSA gives it another number
    rig.watcher.look()
    assert rig.told[1:] == [f"output port {SYNTH!r} is back"]
    assert rig.out is not old
    assert old.deleted
    assert rig.out.sent == [(0x82, pitch, 0) for pitch in range(128)]
    rig.ports.send((0x92, 60, 90))
    assert rig.out.sent[-1] == (0x92, 60, 90)


def test_an_input_that_went_lets_go_of_every_key(devices: list[Device]) -> None:
    rig = Rig()
    Device.there.remove(KEYS)
    rig.watcher.look()
    assert [event.data for event in rig.heard] == [(0xB0 | ch, 123, 0) for ch in range(16)]
    old = rig.ports.opened["in"].device
    Device.there.append(KEYS)
    rig.watcher.look()
    rig.watcher.look()
    assert len(rig.told) == 2
    assert rig.ports.opened["in"].device is not old


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([KEYS, "Keys:Keys MIDI 1 21:0"], KEYS),
        (["Keys:Keys MIDI 1 21:0"], "Keys:Keys MIDI 1 21:0"),
        (["Keys:Keys MIDI 1 21:0", "Keys:Keys MIDI 1 22:0"], None),
        (["Keys:Keys MIDI 10 20:0", "Keys:Keys MIDI 2 20:0"], None),
        ([], None),
    ],
)
def test_the_same_port_is_known_by_its_exact_name_or_all_but_its_number(
    names: list[str], found: str | None
) -> None:
    assert same_port(KEYS, names) == found
