"""Rolls that a format can hold, drawn by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from engine.music.grid import ACCOMPANIMENT, PIANO
from engine.music.roll import Note, PianoRoll, notes_to_roll

STEPS = 96


@st.composite
def one_voice(draw: st.DrawFn, grid: int = 1, steps: int = STEPS, most: int = 12) -> PianoRoll:
    """Notes of the accompaniment on a grid, none overlapping another of its pitch."""
    places = steps // grid
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, places - 1),
                st.integers(PIANO.low, PIANO.high),
                st.integers(1, places),
            ),
            max_size=most,
        )
    )
    kept: list[Note] = []
    until: dict[int, int] = {}
    for place, pitch, length in sorted(rows):
        onset, end = place * grid, min(place + length, places) * grid
        if until.get(pitch, 0) <= onset:
            kept.append(Note(onset, pitch, end - onset, ACCOMPANIMENT))
            until[pitch] = end
    return notes_to_roll(kept, 0, steps)
