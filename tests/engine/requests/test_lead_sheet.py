"""Lead sheets: what is written, where it lies, and what is wrong with it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.music.chord_names import Chord
from engine.music.grid import Meter
from engine.requests.lead_sheet import LeadSheetError, Placed, chord_cells, place, read_sheet
from engine.requests.request import ChordCell

C, F, G7 = (Chord.parse(text) for text in ("C", "F", "G7"))


def placed(text: str, meter: str = "4/4") -> list[Placed]:
    return place(read_sheet(text), lambda bar: Meter.parse(meter))


def test_bars_and_shares() -> None:
    assert placed("# a song\n| C | F G7 |\n\n| C |  # the end\n") == [
        Placed(1, 0, "C"),
        Placed(2, 0, "F"),
        Placed(2, 48, "G7"),
        Placed(3, 0, "C"),
    ]


def test_holding_repeating_leaving_open_and_numbers() -> None:
    assert placed("| C . . G7 | % | | F | . |\n17: | C |") == [
        Placed(1, 0, "C"),
        Placed(1, 72, "G7"),
        Placed(2, 0, "C"),
        Placed(2, 72, "G7"),
        Placed(4, 0, "F"),
        Placed(5, 0, "F", held=True),
        Placed(17, 0, "C"),
    ]


@pytest.mark.parametrize(
    ("text", "meter", "offsets"),
    [
        ("C . F", "3/4", [0, 48]),
        ("C F", "6/8", [0, 36]),
        ("C", "7/8", [0]),
        ("C F", "2/2", [0, 48]),
    ],
)
def test_other_meters(text: str, meter: str, offsets: list[int]) -> None:
    assert [each.offset_steps for each in placed(text, meter)] == offsets


@pytest.mark.parametrize(
    ("text", "meter", "message"),
    [
        ("", "4/4", "no chords in it"),
        ("| |", "4/4", "no chords in it"),
        ("| C |\n| Cfoo |", "4/4", "line 2: chord 'Cfoo': want a chord"),
        ("| % |", "4/4", "line 1: % has no bar before"),
        ("| C % |", "4/4", "line 1: % stands alone"),
        ("| . |", "4/4", "line 1: bar 1 holds a chord, but none is before"),
        ("| C | | . |", "4/4", "line 1: bar 3 holds a chord"),
        ("|: C :|", "4/4", "line 1: repeats"),
        ("C | F\n2: G", "4/4", "line 2: bar 2 is written already, on line 1"),
        ("0: C", "4/4", "line 1: bar 0; want 1 to 2000"),
        ("9999: C", "4/4", "line 1: bar 9999"),
        ("\n\n| C F G7 |", "4/4", "line 3: bar 1 has 3 chords in 4/4; want 1, 2 or 4"),
        ("C F", "3/4", "want 1 or 3"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, meter: str, message: str) -> None:
    with pytest.raises(LeadSheetError) as err:
        placed(text, meter)
    assert message in str(err.value)


def test_cells_ask_for_the_root_where_a_chord_begins() -> None:
    sheet = placed("| C | . | Am/C F |")
    am = Chord.parse("Am/C")
    assert chord_cells(sheet, [0, 96, 192, 288]) == [
        ChordCell(0, 24, C.classes, 0),
        ChordCell(24, 96, C.classes),
        ChordCell(96, 192, C.classes),
        ChordCell(192, 216, am.classes, 0),
        ChordCell(216, 240, am.classes, 0),
        ChordCell(240, 264, F.classes, 5),
        ChordCell(264, 288, F.classes),
    ]
    assert chord_cells(sheet, [0, 96]) == chord_cells(placed("C"), [0, 96])


@given(st.text(alphabet="CFGAm7|.% :\n#19", max_size=60))
def test_no_text_does_harm(text: str) -> None:
    try:
        found = placed(text)
    except LeadSheetError:
        return
    assert found == sorted(found, key=lambda each: (each.bar, each.offset_steps))
