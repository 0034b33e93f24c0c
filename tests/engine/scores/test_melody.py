"""Finding the melody: by name, by height, by request, and the top line of a polyphonic part."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.scores.melody import MelodyError, find_melody, skyline
from engine.scores.score import Score, TickNote, Track


def part(name: str, *pitches: int, channel: int = 0, chunk: int = 0) -> Track:
    """One quarter note after the other."""
    notes = tuple(TickNote(i * 24, p, 24, channel, 80) for i, p in enumerate(pitches))
    return Track(name, channel, 0, notes, chunk)


def chords(name: str, *chords: tuple[int, ...], chunk: int = 0) -> Track:
    notes = tuple(
        TickNote(i * 24, pitch, 24, 0, 80) for i, chord in enumerate(chords) for pitch in chord
    )
    return Track(name, 0, 0, tuple(sorted(notes)), chunk)


def score(*tracks: Track) -> Score:
    return Score(24, tracks)


@pytest.mark.parametrize(
    "name",
    [
        "Melody",
        "MELODY",
        "lead",
        "Lead Vocal",
        "Voice",
        "voice_1",
        "Soprano",
        "S. Sopran",
        "Vocals",
        "Canto",
        "Mélodie",
        "Melodie 1",
        "Solo Violin",
        "Vox",
        "Stimme",
    ],
)
def test_a_melody_by_name_wins_over_a_higher_part(name: str) -> None:
    melody = find_melody(score(part("Flute", 90, 92, chunk=0), part(name, 60, 62, chunk=1)))
    assert melody.track.name == name
    assert melody.certain
    assert [note.pitch for note in melody.lead] == [60, 62]
    assert {note.voice for note in melody.lead} == {LEAD}
    assert [(note.pitch, note.voice) for note in melody.rest] == [
        (90, ACCOMPANIMENT),
        (92, ACCOMPANIMENT),
    ]


def test_the_best_name_wins_and_backing_vocals_are_no_melody() -> None:
    found = find_melody(
        score(
            part("Backing Vocals", 70, 71, chunk=0),
            part("Voice Bass", 40, 41, chunk=1),
            part("Voice", 60, 61, chunk=2),
            part("Melody", 50, 51, chunk=3),
        )
    )
    assert found.track.name == "Melody"
    found = find_melody(
        score(part("Backing Vocals", 70, 71, chunk=0), part("Voice", 60, 61, chunk=1))
    )
    assert found.track.name == "Voice"


def test_without_a_name_the_highest_part_that_is_one_note_at_a_time() -> None:
    found = find_melody(
        score(
            part("Bass", 40, 43, 40, 43, chunk=0),
            part("Flute", 72, 74, 76, 74, chunk=1),
            chords("Piano", (60, 64, 84), (62, 65, 84), (60, 64, 84), (59, 62, 84), chunk=2),
        )
    )
    assert found.track.name == "Flute"
    assert found.reason == "the highest part"


def test_a_few_high_notes_and_an_earlier_reply_are_no_melody() -> None:
    found = find_melody(
        score(
            part("Bells", 108, chunk=0),
            part("Fiddle", *([67, 69, 71, 72] * 4), chunk=1),
            part("midi-diffuse", *([96] * 16), chunk=2),
        )
    )
    assert found.track.name == "Fiddle"


def test_drums_are_never_the_melody() -> None:
    drums = part("Lead drums", 36, 36, channel=9, chunk=0)
    assert find_melody(score(drums, part("", 60, 62, chunk=1))).track.chunk == 1
    with pytest.raises(MelodyError, match="drums only"):
        find_melody(score(drums))


def test_channels_of_a_type_0_file_share_a_name_that_says_nothing() -> None:
    found = find_melody(score(part("Melody", 48, 50, channel=0), part("Melody", 72, 74, channel=1)))
    assert found.track.channel == 1


def test_the_top_of_one_polyphonic_part_is_an_uncertain_melody() -> None:
    piano = score(chords("Piano", (48, 55, 72), (50, 57, 74)))
    found = find_melody(piano)
    assert [note.pitch for note in found.lead] == [72, 74]
    assert [note.pitch for note in found.rest] == [48, 55, 50, 57]
    assert (found.certain, found.below) == (False, 4)
    assert found.describe() == "track 1 'Piano', the only part, its top line"
    assert find_melody(piano, "piano").certain


def test_a_track_can_be_asked_for_by_name_or_number() -> None:
    song = score(part("Tune", 60, chunk=0), part("Pad", 72, chunk=1), part("2", 50, chunk=2))
    assert find_melody(song, "pad").track.name == "Pad"
    assert find_melody(song, "1").track.name == "Tune"
    assert find_melody(song, "2").track.name == "2"  # a name wins over a number
    with pytest.raises(MelodyError) as caught:
        find_melody(song, "Tine")
    assert str(caught.value) == (
        "no melody track 'Tine' (did you mean 'Tune'?); tracks with notes: 1 Tune, 2 Pad, 3 2"
    )
    for wanted in ("0", "4", "-1", "²"):
        with pytest.raises(MelodyError, match="no melody track"):
            find_melody(song, wanted)


# -- Skyline ---------------------------------------------------------------------------------------


def test_legato_is_shortened_but_a_held_note_is_not_cut_by_a_lower_one() -> None:
    top, below = skyline(
        [
            Note(0, 72, 26, LEAD),
            Note(24, 71, 24, LEAD),  # two steps of overlap: legato
            Note(48, 79, 48, LEAD),
            Note(72, 60, 24, LEAD),  # under a held note
            Note(90, 84, 6, LEAD),  # above: takes over
        ]
    )
    assert [(n.onset_step, n.pitch, n.length_steps) for n in top] == [
        (0, 72, 24),
        (24, 71, 24),
        (48, 79, 42),
        (90, 84, 6),
    ]
    assert [n.pitch for n in below] == [60]


notes = st.builds(
    Note,
    onset_step=st.integers(0, 200),
    pitch=st.integers(40, 90),
    length_steps=st.integers(1, 60),
    voice=st.just(LEAD),
)


@given(st.lists(notes, min_size=1, max_size=40))
def test_a_skyline_is_one_note_at_a_time_and_loses_none(given_notes: list[Note]) -> None:
    top, below = skyline(given_notes)
    assert len(top) + len(below) == len(given_notes)
    assert top
    for first, second in pairwise(top):
        assert first.end_step <= second.onset_step
    highest_first = max(
        (n for n in given_notes if n.onset_step == min(m.onset_step for m in given_notes)),
        key=lambda n: n.pitch,
    )
    assert (top[0].onset_step, top[0].pitch) == (highest_first.onset_step, highest_first.pitch)


@given(st.lists(st.integers(40, 90), min_size=1, max_size=40))
def test_a_monophonic_line_is_its_own_skyline(pitches: list[int]) -> None:
    line = [Note(24 * i, pitch, 24, LEAD) for i, pitch in enumerate(pitches)]
    assert skyline(line) == (line, [])


@pytest.mark.parametrize("name", ["Voice Oohs", "Voice Aahs", "Vocal Pads", "Lead Choirs"])
def test_sounds_named_after_voices_are_no_melody(name: str) -> None:
    found = find_melody(score(part("Flute", 72, 74, 76, chunk=0), part(name, 60, 62, 64, chunk=1)))
    assert found.track.name == "Flute"


def test_a_solo_of_one_note_is_no_melody_but_a_short_melody_is() -> None:
    long = part("Fiddle", *([67, 69, 71, 72] * 20), chunk=0)
    assert find_melody(score(long, part("Solo", 60, chunk=1))).track.name == "Fiddle"
    short = part("Melody", *([60, 62] * 4), chunk=1)
    assert find_melody(score(long, short)).track.name == "Melody"


def test_a_track_of_several_channels_takes_no_name_from_the_others() -> None:
    shared = [part("Lead", 72, 74, channel=c, chunk=0) for c in (1, 2)]
    assert find_melody(score(*shared, part("Tune", 60, 62, chunk=1))).track.name == "Tune"
