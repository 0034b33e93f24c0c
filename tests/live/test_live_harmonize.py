from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.client.peers import PlayedNote
from bridge.settings.presets import usable_names
from tests.live.conftest import Band, StartBand

pytestmark = [pytest.mark.live, pytest.mark.timeout(60)]

BPM = 180.0
BEAT_MS = 60_000 / BPM
TUNE = [72, 74, 76, 77, 79, 77, 76, 74, 72, 76, 79, 84, 83, 79, 77, 74]
"""One note a beat; high enough for the fixture's triads to need no folding."""
WITHOUT_LEAD = (60, 64, 67)
"""The fixture's chord where it knows of no lead."""


def quarters(first_beat: int = 0) -> list[tuple[float, float, int]]:
    return [(float(first_beat + i), 1.0, pitch) for i, pitch in enumerate(TUNE)]


def triad(lead: int) -> tuple[int, ...]:
    return lead - 12, lead - 8, lead - 5


def chords(band: Band) -> dict[int, tuple[int, ...]]:
    """Pitches that began on each beat, having checked that all began on a beat."""
    places = band.beats(BPM)
    delay = statistics.median(place - round(place) for place in places)
    # The way there and back: two to four periods of 10.7 ms, and none of it before the beat.
    assert -5 < delay * BEAT_MS < 50
    off = max(abs(place - delay - round(place - delay)) for place in places)
    assert off * BEAT_MS < 30 + band.longest_stall_ms()
    found: dict[int, list[PlayedNote]] = {}
    for place, note in zip(places, band.notes, strict=True):
        found.setdefault(round(place - delay), []).append(note)
    return {beat: tuple(sorted(n.pitch for n in notes)) for beat, notes in found.items()}


def no_faults(band: Band) -> None:
    figures = band.osc.stats()
    assert band.sounding() == []
    assert (figures["faults"], figures["unsent"]) == (0, 0)
    assert figures["late"] <= band.stalls(), figures
    assert band.daemon.end() == 0
    assert [x for x in band.daemon.errors.splitlines() if "engine starting" not in x] == []


def test_live_harmony_sounds_with_the_melody(band: StartBand) -> None:
    played = band()
    played.play(quarters(), 16, BPM)
    found = chords(played)
    assert set(range(1, 16)) <= set(found)
    assert all(len(chord) == 3 for chord in found.values())
    figures = played.osc.stats()
    assert figures["rest"] == 0
    assert figures["fresh"] >= 13
    no_faults(played)


def test_next_bar_answers_each_bar_one_bar_later(band: StartBand) -> None:
    played = band("--reply", "next-bar")
    played.play(quarters(), 16, BPM)
    found = chords(played)
    # The first beat may be committed before its bar was heard to the end, the rest not.
    expected = {beat + 4: triad(TUNE[beat]) for beat in range(12)}
    assert min(found) == 4
    assert {beat: chord for beat, chord in found.items() if beat % 4} == {
        beat: chord for beat, chord in expected.items() if beat % 4
    }
    no_faults(played)


def test_loop_is_silent_once_and_then_harmonises_each_bar_in_its_place(band: StartBand) -> None:
    played = band("--reply", "loop", "--loop-bars", "2")
    melody = [(float(beat), 1.0, TUNE[beat % 8]) for beat in range(24)]
    played.play(melody, 24, BPM)
    found = chords(played)
    assert min(found) >= 8
    assert {beat: found[beat] for beat in range(9, 24)} == {
        beat: triad(TUNE[beat % 8]) for beat in range(9, 24)
    }
    no_faults(played)


def test_continue_answers_when_the_melody_has_ended(band: StartBand) -> None:
    played = band(
        *("--mode", "continue", "--listen-bars", "2", "--reply-bars", "2"), "--no-wait-for-phrase"
    )
    played.play(quarters()[:8], 20, BPM)
    found = chords(played)
    assert set(found) == set(range(8, 16))
    no_faults(played)


def test_notes_and_a_clock_by_osc_alone(band: StartBand) -> None:
    played = band("--tempo", str(BPM), "--clock", "internal")
    played.osc.send("/diffuse/start")
    played.osc.send("/diffuse/note", 72, 90)
    played.osc.subscribe()
    pitch, velocity, beat, length = played.osc.wait("/diffuse/out/note")
    assert 0 < pitch < 128
    assert 0 < velocity < 128
    assert beat >= 0
    assert length > 0
    played.wait_sounding()
    played.osc.send("/diffuse/stop")
    played.wait_silent()
    no_faults(played)


def test_given_chords_are_played_and_told_ahead(band: StartBand, tmp_path: Path) -> None:
    sheet = tmp_path / "tune.txt"
    sheet.write_text("2: | F | G7/B |")
    played = band("--chords", str(sheet), "--high", "100")
    played.osc.subscribe()
    said: dict[str, list[tuple[object, ...]]] = {}

    def listen() -> None:  # meanwhile: a socket that is not read drops what is sent to it
        while message := played.osc.receive(2.0):
            name = message.address.removeprefix("/diffuse/out/")
            said.setdefault(name, []).append(message.arguments)

    with ThreadPoolExecutor(1) as pool:
        listening = pool.submit(listen)
        played.play(quarters(), 16, BPM)
        listening.result()
    found = chords(played)
    classes = {beat: {pitch % 12 for pitch in chord} for beat, chord in found.items()}
    assert all(classes[beat] == {5, 9, 0} for beat in range(5, 8))
    assert all(classes[beat] == {7, 11, 2, 5} for beat in range(9, 12))
    told: dict[tuple[int, float], str] = {}
    for name, bass, bar, beat in said["chord"]:
        told[int(str(bar)), float(str(beat))] = str(name)
        assert name != "G7/B" or bass == "B"
    assert {told[3, beat] for beat in (1.0, 2.0, 3.0, 4.0)} == {"G7/B"}
    assert ("G7/B",) in said["chord_now"]
    # UDP on a busy machine may lose one or two of some 300.
    assert len([words for words in said["played"] if words[3]]) >= len(TUNE) - 2
    places = [words[1:3] for words in said["horizon"]]
    assert places == sorted(places)
    every = [(bar, float(beat)) for bar in (1, 2, 3) for beat in (1, 2, 3, 4)]
    assert len(set(every) - set(places)) <= 2
    assert all(words[5] == "midi" for words in said["horizon"])
    # The first guesses rest on a few notes, which a busy machine may hear one more or less of.
    assert said["key"][-1] == ("C major",)
    no_faults(played)


def test_a_program_change_takes_a_preset(band: StartBand) -> None:
    played = band()
    number = usable_names().index("fixture")
    played.osc.subscribe()
    played.osc.send("/diffuse/voices", 2)
    played.osc.wait("/diffuse/out/param/voices")
    played.midi.send(0xCF, number)
    while played.osc.wait("/diffuse/out/param/voices") != (4,):
        pass  # the preset's own, again


def test_a_restart_goes_on_with_settings_and_learned_controllers(
    band: StartBand, tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    first = band("--state", str(state), "--voices", "3")
    first.osc.subscribe()
    first.osc.send("/diffuse/learn", "tempo")
    assert first.osc.wait("/diffuse/out/learning") == ("tempo",)
    first.midi.send(0xB2, 21, 127)
    assert first.osc.wait("/diffuse/out/learned") == ("tempo", 3, 21)
    assert first.osc.wait("/diffuse/out/param/tempo") == (400.0,)
    first.osc.send("/diffuse/tempo", 93.5)
    while first.osc.wait("/diffuse/out/param/tempo") != (93.5,):
        pass
    assert first.daemon.end() == 0
    second = band("--state", str(state), "--humanize", "0.5")
    second.osc.subscribe()
    for name, value in (("tempo", 93.5), ("voices", 3), ("humanize", 0.5)):
        second.osc.send(f"/diffuse/{name}")
        assert second.osc.wait(f"/diffuse/out/param/{name}") == (value,)
    second.midi.send(0xB2, 21, 0)
    assert second.osc.wait("/diffuse/out/param/tempo") == (20.0,)


def test_settings_become_a_preset_that_can_be_chosen(
    band: StartBand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    played = band("--voices", "2")
    played.osc.subscribe()
    played.osc.send("/diffuse/save", "mine")
    assert played.osc.wait("/diffuse/out/saved") == ("mine",)
    played.osc.send("/diffuse/voices", 5)
    played.osc.send("/diffuse/preset", "mine")
    while played.osc.wait("/diffuse/out/param/voices") != (2,):
        pass
    played.osc.send("/diffuse/save", "hymn")
    assert "came with midi-diffuse" in str(played.osc.wait("/diffuse/out/error")[1])
