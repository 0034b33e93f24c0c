"""How a decided note is played: part, velocity, humanize, strum, channel."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.live.clock.time_map import steps_in
from bridge.live.playing.touch import (
    BASS,
    CHORDS_PART,
    MELODY_PART,
    chance,
    dress,
    part_of,
    strum_steps,
)
from bridge.settings.knobs import Knobs
from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note

CHORD = [Note(24, pitch, 24, ACCOMPANIMENT) for pitch in (48, 55, 64)]
TUNE = Note(24, 40, 24, LEAD)


@given(st.integers(0, 2**31), st.integers(-5000, 5000), st.integers(0, 127))
def test_chance_is_a_function_of_its_arguments(seed: int, step: int, pitch: int) -> None:
    assert 0 <= chance(seed, step, pitch) < 1
    assert chance(seed, step, pitch) == chance(seed, step, pitch)
    assert chance(seed, step, pitch) != chance(seed + 1, step, pitch)


def test_the_lowest_of_the_accompaniment_is_the_bass() -> None:
    assert [part_of(note, [*CHORD, TUNE]) for note in [*CHORD, TUNE]] == [
        BASS, CHORDS_PART, CHORDS_PART, MELODY_PART,
    ]  # fmt: skip


@pytest.mark.parametrize(("strum", "later"), [(20.0, [0, 20, 40]), (-20.0, [40, 20, 0])])
def test_a_strum_rolls_the_chord_up_or_down_and_leaves_the_melody(
    strum: float, later: list[int]
) -> None:
    knobs = Knobs({"strum": strum})
    beside = [*CHORD, TUNE, Note(48, 30, 24, ACCOMPANIMENT)]
    found = [strum_steps(note, beside, knobs, 120) for note in CHORD]
    assert found == pytest.approx([steps_in(ms * 1_000_000, 120) for ms in later])
    assert strum_steps(TUNE, beside, knobs, 120) == 0


def test_a_strummed_note_still_sounds_for_half_its_length() -> None:
    knobs = Knobs({"strum": 60.0})
    short = [Note(0, 48 + i, 3, ACCOMPANIMENT) for i in range(8)]
    found = [dress(note, short, CHORDS_PART, 80, knobs, 240) for note in short]
    assert max(note.onset_step for note in found) == 1.5
    assert {note.end_step for note in found} == {3.0}


def test_humanize_of_a_part_is_its_own_or_that_of_all() -> None:
    at_rest = Knobs({"humanize": 1.0, "bass_humanize": 0.0})
    bass, chord = (dress(CHORD[0], CHORD, part, 100, at_rest, 120) for part in (BASS, CHORDS_PART))
    assert (bass.onset_step, bass.velocity) == (24.0, 80)
    assert chord.onset_step > 24.0
    like_all = Knobs({"humanize": 1.0})
    assert dress(CHORD[0], CHORD, BASS, 100, like_all, 120) == chord
    own = dress(TUNE, CHORD, MELODY_PART, 100, Knobs({"lead_humanize": 1.0}), 120)
    assert own.onset_step > 24.0


def test_channels_of_the_parts_and_the_velocity() -> None:
    knobs = Knobs({"out_channel": 3, "bass_channel": 5, "velocity": 77})
    found = [
        dress(CHORD[0], CHORD, part, 100, knobs, 120) for part in (BASS, CHORDS_PART, MELODY_PART)
    ]
    assert [note.channel for note in found] == [4, 2, 2]
    assert {note.velocity for note in found} == {77}
