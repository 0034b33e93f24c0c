"""A reply by parts: bass, chords, lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, LEAD
from engine.music.roll import Note
from engine.scores.parts import by_part, is_reply

NOTES = st.builds(
    Note, st.integers(0, 96), st.integers(40, 80), st.integers(1, 48), st.sampled_from([0, 1])
)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("midi-diffuse", True),
        ("midi-diffuse 2", True),
        ("midi-diffuse bass", True),
        ("midi-diffuser", False),
        ("Lead", False),
    ],
)
def test_names_of_our_tracks(name: str, ours: bool) -> None:
    assert is_reply(name) is ours


def test_bass_has_nothing_below_it_where_it_begins() -> None:
    held = Note(0, 48, 96, ACCOMPANIMENT)
    third, above = Note(0, 64, 24, ACCOMPANIMENT), Note(24, 50, 24, ACCOMPANIMENT)
    alone = Note(96, 60, 24, ACCOMPANIMENT)  # the held note is over
    tune = Note(0, 30, 96, LEAD)  # a melody is no bass, however low, and takes none its place
    assert by_part([alone, above, third, held, tune]) == {
        "bass": [held, alone],
        "chords": [third, above],
        "lead": [tune],
    }


def test_parts_without_notes_are_left_out() -> None:
    assert by_part([]) == {}
    assert list(by_part([Note(0, 60, 24, LEAD)])) == ["lead"]


@given(st.lists(NOTES, max_size=12, unique=True))
def test_every_note_is_in_one_part(notes: list[Note]) -> None:
    parts = by_part(notes)
    assert sorted(n for part in parts.values() for n in part) == sorted(notes)
    other = [n for n in notes if n.voice == ACCOMPANIMENT]
    for note in parts.get("bass", []):
        assert not any(
            n.pitch < note.pitch and n.onset_step <= note.onset_step < n.end_step for n in other
        )
