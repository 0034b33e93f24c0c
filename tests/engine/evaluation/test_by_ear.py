"""Each measure on bars written by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.evaluation import by_ear
from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO
from engine.music.roll import Note, notes_to_roll

BEAT, BAR = 24, 96
C_MAJOR = np.isin(np.arange(12), (0, 2, 4, 5, 7, 9, 11))
C, F, G = (48, 52, 55), (41, 57, 60), (43, 59, 62)


def ours(step: int, length: int, *pitches: int) -> list[Note]:
    return [Note(step, pitch, length, ACCOMPANIMENT) for pitch in pitches]


def beats(*chords: Sequence[int]) -> list[Note]:
    """A chord a beat."""
    return [note for i, chord in enumerate(chords) for note in ours(i * BEAT, BEAT, *chord)]


def sums(
    name: str, notes: Sequence[Note], steps: int = 2 * BAR, bars: Sequence[int] = (0, BAR, 2 * BAR)
) -> list[float]:
    """(part, whole) of one measure in one window."""
    cells = notes_to_roll(notes, 0, steps).cells
    pairs = [(cells[LEAD], cells[ACCOMPANIMENT])]
    found: list[float] = by_ear.count_by_ear(pairs, [C_MAJOR], [bars], PIANO.low)[name][0].tolist()
    return found


def struck(*steps: int) -> list[Note]:
    return [note for step in steps for note in ours(step, 6, 48)]


def test_rhythm_likeness_is_the_jaccard_index_of_neighbouring_bars() -> None:
    assert sums("rhythm_likeness", struck(0, 24, 96, 120)) == [1, 1]
    assert sums("rhythm_likeness", struck(0, 24, 96, 132)) == [pytest.approx(1 / 3), 1]
    assert sums("rhythm_likeness", struck(0, 96 + 5)) == [1, 1]  # the same sixteenth
    assert sums("rhythm_likeness", struck(0, 96 + 6)) == [0, 1]
    assert sums("rhythm_likeness", struck(0)) == [0, 1]
    three = struck(0, 24, 96, 120, 192)
    assert sums("rhythm_likeness", three, 3 * BAR, range(0, 300, BAR)) == [1.5, 2]


def test_bars_count_when_whole_of_one_length_and_not_both_silent() -> None:
    assert sums("rhythm_likeness", struck(0, 96), bars=(-48, 48, 144, 240)) == [0, 0]
    assert sums("rhythm_likeness", struck(0, 96), bars=(0, 72, 168)) == [0, 0]
    assert sums("rhythm_likeness", []) == [0, 0]


def test_the_bass_goes_on_while_it_sounds_within_an_octave() -> None:
    line = [*ours(0, 24, 48), *ours(24, 24, 36), *ours(48, 24, 60), *ours(96, 24, 48)]
    # 48-36 goes on, 36-60 and 60-rest do not, rest-48 is nothing's end, 48-rest does not.
    assert sums("bass_continuity", line) == [1, 4]
    # 48-36 and 36-60 move, both by more than a fifth.
    assert sums("bass_leaps", line) == [2, 2]
    assert sums("bass_leaps", beats((48,), (48,), (55,), (43,))) == [1, 2]


def test_a_pitch_counts_from_a_quarter_of_a_beat_on() -> None:
    assert sums("bass_leaps", [*ours(0, 48, 60), *ours(24, 6, 40)]) == [1, 1]
    assert sums("bass_leaps", [*ours(0, 48, 60), *ours(24, 5, 40)]) == [0, 0]


def test_closes_under_long_notes() -> None:
    lead = [Note(i * BEAT, 67 + i, BEAT, LEAD) for i in range(6)]
    lead.append(Note(6 * BEAT, 72, 2 * BEAT, LEAD))
    assert sums("v_i", [*lead, *beats(C, F, C, F, C, G, C, C)]) == [1, 1]
    assert sums("v_i", [*lead, *beats(C, F, C, F, C, F, C, C)]) == [0, 1]
    # with the note, or while it lasts; the bass may leave the root then
    assert sums("v_i", [*lead, *beats(C, F, C, F, C, F, G, C)]) == [1, 1]
    assert sums("v_i", [*lead, *beats(C, F, C, F, C, G, C, (52, 55, 60))]) == [1, 1]
    assert sums("v_i", [*lead[:-1], *beats(C, F, C, F, C, G, C, C)]) == [0, 0]
    assert sums("half_closes", [*lead, *beats(C, F, C, F, C, C, G, G)]) == [1, 1]
    assert sums("half_closes", [*lead, *beats(C, F, C, F, C, G, C, C)]) == [0, 1]


def test_beats_that_keep_the_chord() -> None:
    assert sums("chord_kept", beats(C, C, F, F, G)) == [2, 4]
    assert sums("chord_kept", [*beats(C), *ours(48, 24, *C)]) == [0, 0]  # silence between


def test_voice_leading_is_the_way_to_the_nearest_note() -> None:
    # C E G to B D G: 1, 2 and 0 each way.
    assert sums("voice_leading", beats((48, 52, 55), (47, 50, 55))) == [pytest.approx(1.0), 1]
    # F A C under C E G: 7, 5, 5 down; up from 48 52 55 the nearest is 48: 0, 4, 7 ...
    assert by_ear.voice_leading(np.array([0]), np.array([4, 7])) == pytest.approx((4 + 4 + 7) / 3)
    assert sums("voice_leading", beats(C, C)) == [0, 0]


def test_restrikes_and_holes() -> None:
    again = [*ours(0, 24, 48), *ours(24, 24, 48)]
    assert sums("restrikes", again) == [1, 2]
    assert sums("holes", again) == [0, 2]
    for rest, hole in ((1, 1), (19, 1), (20, 0)):
        notes = [*ours(0, 24, 48), *ours(24 + rest, 24, 48)]
        assert sums("holes", notes) == [hole, 2]
        assert sums("restrikes", notes) == [0, 2]
    assert sums("holes", [*ours(0, 24, 48), *ours(30, 24, 49)]) == [0, 2]


def test_a_note_that_came_into_the_window_can_be_struck_again() -> None:
    cells = notes_to_roll([*ours(-24, 30, 48), *ours(6, 24, 48)], 0, BAR).cells
    pairs = [(cells[LEAD], cells[ACCOMPANIMENT])]
    found = by_ear.count_by_ear(pairs, [C_MAJOR], [(0, BAR)], PIANO.low)
    assert found["restrikes"].tolist() == [[1, 1]]


def test_steps_of_the_melody_in_the_chord() -> None:
    lead = [Note(0, 72, 12, LEAD), Note(12, 74, 12, LEAD), Note(24, 74, 24, LEAD)]
    assert sums("note_in_chord", [*lead, *beats(C)]) == [12, 24]
    assert sums("note_in_chord", [*lead, *beats(C, G)]) == [36, 48]


def test_nothing_depends_on_the_key() -> None:
    lead = [Note(0, 67, 72, LEAD), Note(72, 72, 24, LEAD), Note(96, 72, 96, LEAD)]
    music = [*lead, *beats(C, F, C, G, C, (50, 53, 57), C, C)]
    moved = [Note(n.onset_step, n.pitch + 5, n.length_steps, n.voice) for n in music]

    def counted(notes: Sequence[Note], scale: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> str:
        cells = notes_to_roll(notes, 0, 2 * BAR).cells
        pairs = [(cells[LEAD], cells[ACCOMPANIMENT])]
        bars = [(0, BAR, 2 * BAR)]
        return str(
            {k: v.tolist() for k, v in by_ear.count_by_ear(pairs, [scale], bars, PIANO.low).items()}
        )

    assert counted(music, C_MAJOR) == counted(moved, np.roll(C_MAJOR, 5))
