from __future__ import annotations

import threading
import time

import pytest
import rtmidi

from bridge.client.rig import wait_for
from bridge.commands import MidiIn
from bridge.midi.ports import open_ports

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]


def test_ports_close_while_messages_pour_in(jack: str) -> None:
    """python-rtmidi by itself hangs or crashes here within a few dozen closings."""
    source = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-flood")
    source.open_virtual_port("flood")
    stop = threading.Event()

    def flood() -> None:
        while not stop.wait(0.0005):
            source.send_message((0xF8,))

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for _ in range(25):
            heard: list[MidiIn] = []
            ports = open_ports(heard.append, in_name="flood", api="jack")
            wait_for(lambda heard=heard: len(heard) > 5, 5, "clocks")  # type: ignore[misc]
            ports.close()
            count = len(heard)
            time.sleep(0.01)  # some twenty clocks
            assert {message.data for message in heard} == {(0xF8,)}
            assert len(heard) == count
    finally:
        stop.set()
        thread.join()
        source.delete()


def test_a_message_is_stamped_and_handed_over_unchanged(jack: str) -> None:
    heard: list[MidiIn] = []
    ports = open_ports(heard.append, api="jack")
    sender = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name="test-sender")
    index = next(i for i, name in enumerate(sender.get_ports()) if "midi-diffuse in" in name)
    sender.open_port(index)
    sent = [(0xFA,), (0xF8,), (0x90, 60, 90), (0xF2, 4, 1), (0xB0, 64, 127), (0x80, 60, 0)]
    for data in sent:
        sender.send_message(data)
    wait_for(lambda: len(heard) == len(sent), 5, "every message")
    assert [message.data for message in heard] == sent
    assert sorted(message.at_ns for message in heard) == [message.at_ns for message in heard]
    ports.close()
    sender.delete()
