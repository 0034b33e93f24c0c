from __future__ import annotations

import pytest

from bridge.midi.port_names import PortError, match_port
from bridge.midi.ports import NullPorts, open_ports
from bridge.midi.systems import list_ports

ALSA = ["Midi Through:Midi Through Port-0 14:0", "USB Keys:USB Keys MIDI 1 20:0"]
JACK = ["ardour:MIDI Clock out", "ardour:Melody/midi_out 1", "system:midi_capture_1"]


@pytest.mark.parametrize(
    ("wanted", "names", "meant"),
    [
        ("USB Keys:USB Keys MIDI 1 20:0", ALSA, ALSA[1]),
        ("USB Keys:USB Keys MIDI 1", ALSA, ALSA[1]),
        ("usb keys midi 1", ALSA, ALSA[1]),
        ("through", ALSA, ALSA[0]),
        ("midi_capture_1", JACK, JACK[2]),
        ("Melody", JACK, JACK[1]),
        # The whole of one name, though a part of another.
        ("keys", ["keys", "keys 2"], "keys"),
        ("app:in", ["app:in", "app:in 2"], "app:in"),
    ],
)
def test_a_port_is_found_by_what_a_person_would_write(
    wanted: str, names: list[str], meant: str
) -> None:
    assert match_port(wanted, names) == meant


def test_two_that_fit_are_both_named() -> None:
    with pytest.raises(PortError, match=r"'ardour' could be '.*Clock out' or '.*midi_out 1'"):
        match_port("ardour", JACK)


def test_none_that_fits_names_the_choices_and_the_nearest() -> None:
    with pytest.raises(PortError) as told:
        match_port("system:midi_captrue_1", JACK, "input")
    assert "no input port" in str(told.value)
    assert "did you mean 'system:midi_capture_1'" in str(told.value)
    assert all(name in str(told.value) for name in JACK)
    with pytest.raises(PortError, match="there are: none"):
        match_port("x", [])


def test_an_unknown_api_is_told() -> None:
    with pytest.raises(PortError, match="did you mean 'alsa'"):
        list_ports("alas")


@pytest.fixture
def no_jack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "there-is-no-such-server")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")


def test_without_a_server_there_are_null_ports_with_advice(
    no_jack: None, capfd: pytest.CaptureFixture[str]
) -> None:
    ports = open_ports(lambda _: None, api="jack")
    assert isinstance(ports, NullPorts)
    assert ports.advice
    ports.send((0x90, 60, 90))
    ports.close()
    assert list_ports("jack") == []
    # What JACK's library has to say about it is not for the musician.
    assert capfd.readouterr() == ("", "")


def test_a_port_asked_for_by_name_is_an_error_without_a_server(no_jack: None) -> None:
    with pytest.raises(PortError, match=r"no MIDI system here, so no port 'Keys'"):
        open_ports(lambda _: None, in_name="Keys", api="jack")
