"""Pictures: layout in steps and systems, and pixels where notes are and are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.music.grid import ACCOMPANIMENT, LEAD, Meter, MeterMap
from engine.music.roll import Note
from engine.scores import midi_write, render
from engine.scores.midi_events import MidiFileError
from engine.scores.midi_file import parse
from engine.scores.parts import REPLY_NAME
from engine.scores.picture import BACKING, MELODY, OTHER, REPLY, picture, picture_of
from engine.scores.score import Score, TickNote, Track

FOUR = MeterMap()
TUNE = [Note(24 * i, 72 + i % 5, 24, LEAD, 110) for i in range(64)]
CHORDS = [Note(96 * i, 55, 96, ACCOMPANIMENT, 110) for i in range(16)]


def near(found: tuple[int, ...], wanted: tuple[int, int, int], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(found, wanted, strict=True))


def pixel(image: Image.Image, x: float, y: float) -> tuple[int, ...]:
    found = image.getpixel((round(x), round(y)))
    assert isinstance(found, tuple)
    return found


def test_notes_are_where_their_pitch_and_time_say() -> None:
    shown = picture("A tune", TUNE, CHORDS, FOUR)
    image = render.draw(shown)
    assert image.width == 1600
    assert shown.systems() == [(0, 8), (8, 16)]
    low, high = shown.pitches
    assert (low, high) == (53, 78)
    top = render.HEADER + render.STRIP
    left = render.MARGIN + render.KEYS_WIDTH
    per_step = (1600 - left - render.MARGIN) / (8 * 96)

    def at(step: float, pitch: int) -> tuple[int, ...]:
        return pixel(image, left + step * per_step, top + (high - pitch + 0.5) * render.ROW)

    for note in TUNE[:32]:
        assert near(at(note.onset_step + 12, note.pitch), render.COLOURS[MELODY])
    for note in CHORDS[:8]:
        assert near(at(note.onset_step + 48, note.pitch), render.COLOURS[REPLY])
    assert at(36, 60) == render.WHITE_ROW
    assert at(36, 61) == render.BLACK_ROW


def test_soft_notes_are_paler() -> None:
    shown = picture("x", [Note(0, 60, 96, LEAD, 110), Note(96, 60, 96, LEAD, 20)], [], FOUR)
    image = render.draw(shown)
    y = render.HEADER + render.STRIP + (shown.pitches[1] - 60 + 0.5) * render.ROW
    left, width = render.MARGIN + render.KEYS_WIDTH, 1600 - 2 * render.MARGIN - render.KEYS_WIDTH
    loud, soft = (pixel(image, left + width * share, y) for share in (0.25, 0.75))
    assert sum(soft) > sum(loud) + 60


def test_generated_bars_are_tinted() -> None:
    shown = picture("x", TUNE[:8], [Note(192, 60, 96)], FOUR, generated=(192, 288))
    image = render.draw(shown)
    y = render.HEADER + render.STRIP + (shown.pitches[1] - 64 + 0.5) * render.ROW
    left, width = render.MARGIN + render.KEYS_WIDTH, 1600 - 2 * render.MARGIN - render.KEYS_WIDTH
    given_bar, made_bar = (pixel(image, left + width * share, y) for share in (0.1, 0.9))
    assert given_bar == render.WHITE_ROW
    assert made_bar[2] > made_bar[0] + 10


@given(
    st.integers(1, 400), st.sampled_from(["4/4", "3/4", "7/8", "2/2", "5/16"]), st.integers(0, 95)
)
def test_systems_hold_every_bar_once_and_in_order(bars: int, meter: str, pickup: int) -> None:
    found = Meter.parse(meter)
    last = bars * found.bar_steps - 1
    shown = picture("x", [Note(-pickup, 60, 1), Note(last, 60, 1)], [], MeterMap(((0, found),)))
    systems = shown.systems()
    assert [first for first, _ in systems] == [0, *(end for _, end in systems[:-1])]
    assert systems[-1][1] == shown.bars
    assert all(first < end for first, end in systems)
    longest = max(end - first for first, end in systems)
    assert all(end - first == longest for first, end in systems[:-1])
    assert shown.lines.index(0) + shown.first_bar == 1


def test_beats_are_what_one_taps_to() -> None:
    note = [Note(0, 60, 1)]
    assert picture("x", note, [], MeterMap(((0, Meter(6, 8)),))).beats == (0, 36)
    assert picture("x", note, [], MeterMap(((0, Meter(3, 4)),))).beats == (0, 24, 48)
    assert picture("x", note, [], MeterMap(((0, Meter(2, 2)),))).beats == (0, 48)
    assert picture("x", note, [], MeterMap(((0, Meter(7, 8)),))).beats == tuple(range(0, 84, 12))


def test_very_long_pieces_are_cut_and_say_so() -> None:
    shown = picture("x", [Note(0, 60, 24), Note(19_000 * 24, 60, 24)], [], FOUR)
    assert shown.warnings == ("only the first 850 of 4751 bars are drawn",)
    assert shown.bars == 850
    assert render.draw(shown).height < 12_000


@pytest.mark.parametrize("pitches", [(0, 127), (127, 127), (0, 0), (60, 60)])
def test_extreme_pitches_are_drawn(pitches: tuple[int, int]) -> None:
    shown = picture("x", [Note(24 * i, p, 24) for i, p in enumerate(pitches)], [], FOUR)
    low, high = shown.pitches
    assert 0 <= low <= min(pitches)
    assert max(pitches) <= high <= 127
    assert render.draw(shown).height > 300


def test_nothing_to_draw_is_told() -> None:
    with pytest.raises(MidiFileError, match="no notes"):
        picture("x", [], [], FOUR)


def test_long_titles_are_cut_short() -> None:
    assert render.draw(picture("A very long title " * 20, TUNE, [], FOUR)).width == 1600


def part(name: str, chunk: int, *onsets_and_pitches: tuple[int, int]) -> Track:
    notes = tuple(TickNote(onset, pitch, 24, chunk, 80) for onset, pitch in onsets_and_pitches)
    return Track(name, chunk, 0, notes, chunk)


def test_a_file_with_a_reply_shades_only_bars_the_melody_does_not_share() -> None:
    melody = part("Melody", 0, *((24 * i, 72) for i in range(16)))
    inside = part("midi-diffuse", 1, (96, 60), (120, 62))
    piano = part("Piano", 2, (0, 48))
    shown = picture_of(Score(24, (melody, inside, piano)), "x")
    assert [layer.name for layer in shown.layers] == [OTHER, REPLY, MELODY]
    assert shown.generated == (96, 192)
    assert shown.subtitle == "4 bars  ·  4/4  ·  120 bpm"
    throughout = part("midi-diffuse", 1, (0, 60), (360, 62))
    assert picture_of(Score(24, (melody, throughout)), "x").generated is None
    from_bar_2 = part("midi-diffuse", 1, (96, 60), (360, 62))
    assert picture_of(Score(24, (melody, from_bar_2)), "x").generated == (96, 384)
    pickup = part("Melody", 0, *((24 * i, 72) for i in range(3, 16)))
    assert picture_of(Score(24, (pickup, from_bar_2)), "x").generated is None
    alone = picture_of(Score(24, (melody, piano)), "x")
    assert [layer.name for layer in alone.layers] == [BACKING, MELODY]


def test_the_png_can_be_opened(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.png"
    render.save_png(render.draw(picture("x", TUNE, CHORDS, FOUR)), path)
    with Image.open(path) as opened:
        assert (opened.format, opened.width) == ("PNG", 1600)


def test_chords_are_read_off_the_reply_or_from_markers() -> None:
    lead = midi_write.NewTrack("Melody", [Note(0, 76, 96, LEAD)])
    notes = [Note(0, p, 48) for p in (48, 52, 55)] + [Note(48, p, 48) for p in (47, 50, 55)]
    reply = midi_write.NewTrack(REPLY_NAME, notes)
    data = midi_write.new_file([lead, reply], 120, FOUR)
    assert picture_of(parse(data), "x").chords == ((0, "C"), (48, "G/B"))
    marked = midi_write.NewTrack(REPLY_NAME, notes, markers=[(0, "Am7"), (24, "verse")])
    data = midi_write.new_file([lead, marked], 120, FOUR)
    assert picture_of(parse(data), "x").chords == ((0, "Am7"),)


def test_chord_names_are_drawn_above_the_bars() -> None:
    plain = picture("x", TUNE, CHORDS, FOUR)
    named = replace(plain, chords=((0, "C"), (96, "Am7"), (98, "F")))
    without, drawn = render.draw(plain), render.draw(named)
    assert drawn.height == without.height + 24 * len(plain.systems())
    named_strip, plain_strip = drawn.crop((103, 128, 160, 146)), drawn.crop((300, 128, 360, 146))
    assert len(named_strip.getcolors() or []) > len(plain_strip.getcolors() or []) == 1
