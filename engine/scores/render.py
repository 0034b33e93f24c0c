"""Piano-roll pictures as PNG: melody and reply in two colours, on bars and beats.

Shapes are drawn three times as large and scaled down, which is how Pillow gets smooth edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from engine.music.roll import Note
from engine.scores import midi_write
from engine.scores.picture import BACKING, MELODY, OTHER, REPLY, Picture

Colour = tuple[int, int, int]

_PAPER, _INK, _FAINT_INK = (252, 251, 248), (52, 49, 45), (140, 134, 125)
WHITE_ROW, BLACK_ROW = (255, 255, 255), (245, 243, 239)
_BEAT_LINE, _BAR_LINE, _OCTAVE_LINE = (234, 231, 224), (172, 166, 156), (212, 207, 198)
_WHITE_KEY, _BLACK_KEY, _KEY_EDGE = (255, 255, 255), (66, 62, 58), (206, 201, 192)
COLOURS: dict[str, Colour] = {
    MELODY: (234, 88, 40),
    REPLY: (38, 106, 200),
    OTHER: (172, 166, 157),
    BACKING: (38, 106, 200),
}
"""Orange and blue stay apart for every kind of colour vision, and in print."""

_SCALE = 3
_WIDTH = 1600
MARGIN, KEYS_WIDTH = 44, 58
HEADER, STRIP, _CHORDS, _GAP = 104, 24, 24, 26
ROW, _SMALL_ROW = 12, 8
_MANY_ROWS = 52
_BLACK_PITCHES = frozenset({1, 3, 6, 8, 10})


@dataclass(frozen=True, slots=True)
class _System:
    """One line of bars on its own enlarged canvas: steps and pitches to pixels of it."""

    picture: Picture
    first: int
    end: int
    per_step: float
    row: int
    low: int
    high: int

    @property
    def steps(self) -> tuple[int, int]:
        return self.picture.lines[self.first], self.picture.lines[self.end]

    @property
    def width(self) -> int:
        start, end = self.steps
        return round(KEYS_WIDTH + (end - start) * self.per_step) + 1

    @property
    def height(self) -> int:
        return (self.high - self.low + 1) * self.row

    def x(self, step: float) -> float:
        return (KEYS_WIDTH + (step - self.steps[0]) * self.per_step) * _SCALE

    def y(self, pitch: int) -> float:
        """Return the upper edge of a pitch's row."""
        return (self.high - pitch) * self.row * _SCALE


def draw(picture: Picture) -> Image.Image:
    """Return the picture as an RGB image, 1600 pixels wide and as high as it needs."""
    low, high = picture.pitches
    row = ROW if high - low < _MANY_ROWS else _SMALL_ROW
    bars = picture.systems()
    longest = max(picture.lines[end] - picture.lines[first] for first, end in bars)
    per_step = (_WIDTH - 2 * MARGIN - KEYS_WIDTH) / longest
    systems = [_System(picture, *span, per_step, row, low, high) for span in bars]
    strip = STRIP + (_CHORDS if picture.chords else 0)
    height = HEADER + sum(strip + system.height + _GAP for system in systems) + MARGIN - _GAP
    image = Image.new("RGB", (_WIDTH, height), _PAPER)
    _draw_header(image, picture)
    top = HEADER
    for system in systems:
        image.paste(_draw_system(system), (MARGIN, top + strip))
        _label_system(ImageDraw.Draw(image), system, top + strip)
        top += strip + system.height + _GAP
    return image


def _png(image: Image.Image) -> bytes:
    """Return the bytes of a PNG file."""
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def save_png(image: Image.Image, path: Path) -> None:
    """Write a PNG as one piece. Raises MidiFileError when the disk says no."""
    midi_write.write(_png(image), path)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font, so that every machine draws the same picture."""
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _mix(colour: Colour, other: Colour, share: float) -> Colour:
    """`colour` with that share of `other`."""
    r, g, b = (round(a + (z - a) * share) for a, z in zip(colour, other, strict=True))
    return r, g, b


def _draw_header(image: Image.Image, picture: Picture) -> None:
    pen = ImageDraw.Draw(image)
    names = [layer.name for layer in reversed(picture.layers)]
    right = _WIDTH - MARGIN
    for name in reversed(names):
        right -= round(pen.textlength(name, _font(18)))
        pen.text((right, 62), name, _INK, _font(18), anchor="lm")
        right -= 36
        _swatch(image, (right, 55), COLOURS[name])
        right -= 28
    title = picture.title
    while len(title) > 4 and pen.textlength(title, _font(32)) > _WIDTH - 2 * MARGIN - 260:
        title = title[:-2].rstrip() + "…" if not title.endswith("…") else title[:-2] + "…"
    pen.text((MARGIN, 38), title, _INK, _font(32), anchor="lm")
    pen.text((MARGIN, 74), picture.subtitle, _FAINT_INK, _font(17), anchor="lm")


def _swatch(image: Image.Image, at: tuple[int, int], colour: Colour) -> None:
    width, height = 26, 14
    big = Image.new("RGB", (width * _SCALE, height * _SCALE), _PAPER)
    box = (0, 0, width * _SCALE - 1, height * _SCALE - 1)
    ImageDraw.Draw(big).rounded_rectangle(
        box, radius=4 * _SCALE, fill=colour, outline=_mix(colour, _INK, 0.3), width=_SCALE
    )
    image.paste(big.reduce(_SCALE), at)


def _draw_system(system: _System) -> Image.Image:
    """Return rows, lines, keys and notes of one system; text comes later, at its own size."""
    big = Image.new("RGB", (system.width * _SCALE, system.height * _SCALE), WHITE_ROW)
    pen = ImageDraw.Draw(big)
    _draw_rows(pen, system)
    _draw_lines(pen, system)
    for layer in system.picture.layers:
        for note in layer.notes:
            _draw_note(pen, system, note, COLOURS[layer.name])
    _draw_keys(pen, system)
    pen.rectangle((0, 0, big.width - 1, big.height - 1), outline=_BAR_LINE, width=_SCALE)
    return big.reduce(_SCALE)


def _draw_rows(pen: ImageDraw.ImageDraw, system: _System) -> None:
    start, end = system.steps
    shaded = system.picture.generated or (0, 0)
    tint_from, tint_to = max(shaded[0], start), min(shaded[1], end)
    for pitch in range(system.low, system.high + 1):
        colour = BLACK_ROW if pitch % 12 in _BLACK_PITCHES else WHITE_ROW
        top, bottom = system.y(pitch), system.y(pitch - 1)
        pen.rectangle((0, top, system.x(end), bottom), colour)
        if tint_from < tint_to:
            tint = _mix(colour, COLOURS[REPLY], 0.1)
            pen.rectangle((system.x(tint_from), top, system.x(tint_to), bottom), tint)


def _draw_lines(pen: ImageDraw.ImageDraw, system: _System) -> None:
    start, end = system.steps
    bottom = system.height * _SCALE
    for pitch in range(system.low, system.high + 1):
        if pitch % 12 == 0:
            y = system.y(pitch - 1)
            pen.line((0, y, system.x(end), y), _OCTAVE_LINE, _SCALE)
    for beat in system.picture.beats:
        if start < beat < end and system.per_step * 24 > 9:
            pen.line((system.x(beat), 0, system.x(beat), bottom), _BEAT_LINE, _SCALE)
    for line in system.picture.lines[system.first : system.end + 1]:
        pen.line((system.x(line), 0, system.x(line), bottom), _BAR_LINE, _SCALE)


def _draw_note(pen: ImageDraw.ImageDraw, system: _System, note: Note, colour: Colour) -> None:
    """Draw a rounded bar, paler when soft; a hair of space keeps repeated notes apart."""
    start, end = system.steps
    if note.end_step <= start or note.onset_step >= end:
        return
    left = system.x(max(note.onset_step, start)) + _SCALE
    right = max(system.x(min(note.end_step, end)) - _SCALE, left + 2 * _SCALE)
    top, bottom = system.y(note.pitch) + _SCALE, system.y(note.pitch - 1) - _SCALE
    fill = _mix(colour, WHITE_ROW, 0.32 * (1 - min(note.velocity, 110) / 110))
    radius = min(4 * _SCALE, (right - left) / 2, (bottom - top) / 2)
    pen.rounded_rectangle(
        (left, top, right, bottom), radius, fill, outline=_mix(colour, _INK, 0.3), width=_SCALE
    )


def _draw_keys(pen: ImageDraw.ImageDraw, system: _System) -> None:
    """Draw a keyboard on its side: black keys two thirds long, white ones behind them."""
    width, reach = KEYS_WIDTH * _SCALE, 0.6 * KEYS_WIDTH * _SCALE
    pen.rectangle((0, 0, width, system.height * _SCALE), _WHITE_KEY)
    for pitch in range(system.low, system.high + 1):
        top, bottom = system.y(pitch), system.y(pitch - 1)
        if pitch % 12 in (4, 11):
            pen.line((0, top, width, top), _KEY_EDGE, _SCALE)
        if pitch % 12 in _BLACK_PITCHES:
            middle = (top + bottom) / 2
            pen.line((reach, middle, width, middle), _KEY_EDGE, _SCALE)
            pen.rounded_rectangle(
                (-9 * _SCALE, top + _SCALE / 2, reach, bottom - _SCALE / 2), 2 * _SCALE, _BLACK_KEY
            )
    pen.line((width, 0, width, system.height * _SCALE), _BAR_LINE, _SCALE)


def _label_system(pen: ImageDraw.ImageDraw, system: _System, top: int) -> None:
    """Label bars and chords above, C names on the keys, and mark the generated bars."""
    over = top - (_CHORDS if system.picture.chords else 0)
    _label_chords(pen, system, top)
    lines = system.picture.lines[system.first : system.end + 1]
    room = system.per_step * min(b - a for a, b in pairwise(lines))
    every = next(n for n in (1, 2, 4, 5, 10, 20, 50, 100) if n * room > 26 or n == 100)
    for offset, line in enumerate(lines[:-1]):
        number = system.picture.first_bar + system.first + offset
        if offset == 0 or number % every == 0:
            x = MARGIN + system.x(line) / _SCALE
            pen.text((x + 1, over - 5), str(number), _FAINT_INK, _font(14), anchor="ls")
    for pitch in range(system.low, system.high + 1):
        if pitch % 12 == 0:
            y = top + system.y(pitch) / _SCALE + system.row / 2
            name = f"C{pitch // 12 - 1}"
            pen.text((MARGIN + KEYS_WIDTH - 4, y), name, _INK, _font(11), anchor="rm")
    _mark_generated(pen, system, top)


def _label_chords(pen: ImageDraw.ImageDraw, system: _System, top: int) -> None:
    """Write each chord where it begins, or the system does; none that runs into the next."""
    start, end = system.steps
    chords = system.picture.chords
    under_way = [(start, name) for step, name in chords if step < start][-1:]
    shown = [*under_way, *(each for each in chords if start <= each[0] < end)]
    if len(shown) > 1 and shown[0][0] == shown[1][0]:
        shown = shown[1:]
    for index, (step, name) in enumerate(shown):
        x = MARGIN + system.x(step) / _SCALE + 1
        last = index + 1 == len(shown)
        room = MARGIN + system.x(end if last else shown[index + 1][0]) / _SCALE - x
        fitting = [f for f in map(_font, (17, 14, 11)) if pen.textlength(name, f) + 5 < room]
        for font in fitting[:1]:
            pen.text((x, top - 6), name, _INK, font, anchor="ls")


def _mark_generated(pen: ImageDraw.ImageDraw, system: _System, top: int) -> None:
    if system.picture.generated is None:
        return
    start, end = system.steps
    left, right = max(system.picture.generated[0], start), min(system.picture.generated[1], end)
    if left >= right:
        return
    x, x_end = (MARGIN + system.x(step) / _SCALE for step in (left, right))
    pen.line((x, top - 1, x_end, top - 1), COLOURS[REPLY], 3)
    if x_end - x > 110:
        y = top - 5 - (_CHORDS if system.picture.chords else 0)
        pen.text((x_end - 2, y), "generated", COLOURS[REPLY], _font(14), anchor="rs")
