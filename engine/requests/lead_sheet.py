"""A lead sheet as text: chord symbols over bars, to the chords a request gives.

    # a comment
    | C      | Am     | F   G  | C    |
    | C . G7 | %      |        | N.C. |
    17: | F | C |

Bars lie between `|`. The chords of a bar share it equally; `.` holds the chord before for one
share more. `%` is the bar before once more, an empty bar is left to the model, `N.C.` is silence.
`17:` says which bar a line begins with; else lines follow each other. A plain symbol has its root
in the bass where it begins and leaves the bass open after; `C/E` keeps its bass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.music.chord_names import Chord, ChordError
from engine.music.grid import STEPS_PER_BEAT, GridError, Meter
from engine.requests.request import ChordCell

_MOST_BARS = 2000
_MOST_CHARACTERS = 200_000
_HELD = "."
_NUMBER = re.compile(r"\s*(\d{1,6})\s*:(?!\|)")
_COMMENT = re.compile(r"(^|\s)#(?![A-G]).*$")


class LeadSheetError(GridError):
    """A lead sheet that cannot be read; the message begins with the line's number."""


@dataclass(frozen=True, slots=True)
class SheetBar:
    """One written bar: its number from 1, the line it stands in, and its shares.

    A share is a chord's symbol, or `.`: the one before is held.
    """

    number: int
    line: int
    shares: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """The chord `symbol` from `offset_steps` into bar `bar` (from 1) to the next, or the bar's end.

    held: it goes on from before, so that its bass is open where the symbol did not say one.
    """

    bar: int
    offset_steps: int
    symbol: str
    held: bool = False

    @property
    def chord(self) -> Chord:
        """What the symbol means."""
        return Chord.parse(self.symbol)


def read_sheet(text: str) -> list[SheetBar]:
    """Return the bars that are written, empty ones left out. Raises LeadSheetError."""
    if len(text) > _MOST_CHARACTERS:
        raise LeadSheetError(f"a lead sheet of {len(text)} characters; at most {_MOST_CHARACTERS}")
    bars: dict[int, SheetBar] = {}
    number, before = 1, tuple[str, ...]()
    for line, content in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        content = _COMMENT.sub("", content)
        given = _NUMBER.match(content)
        if given:
            number, content = int(given[1]), content[given.end() :]
        for words in _bars(content, line):
            if number in bars:
                raise LeadSheetError(
                    f"line {line}: bar {number} is written already, on line {bars[number].line}"
                )
            if not 1 <= number <= _MOST_BARS:
                raise LeadSheetError(f"line {line}: bar {number}; want 1 to {_MOST_BARS}")
            shares = before if words == ["%"] else tuple(_share(word, line) for word in words)
            if words == ["%"] and not shares:
                raise LeadSheetError(f"line {line}: % has no bar before it to repeat")
            if shares:
                bars[number] = SheetBar(number, line, shares)
            number, before = number + 1, shares
    if not bars:
        raise LeadSheetError("no chords in it; want bars such as | C | F G7 | C |")
    return [bars[each] for each in sorted(bars)]


def place(bars: Sequence[SheetBar], meter_of: Callable[[int], Meter]) -> list[Placed]:
    """Return where each chord begins; `meter_of` a bar's number. Raises LeadSheetError."""
    placed: list[Placed] = []
    sounding: tuple[int, str] | None = None
    for bar in bars:
        meter = meter_of(bar.number)
        length = _share_steps(bar, meter)
        for index, symbol in enumerate(bar.shares):
            held = symbol == _HELD
            if held:
                symbol = _held(sounding, bar)
            placed.append(Placed(bar.number, index * length, symbol, held))
            sounding = bar.number, symbol
    return _joined(placed)


def chord_cells(placed: Sequence[Placed], lines: Sequence[int]) -> list[ChordCell]:
    """Return the chords as a request has them. lines: bar lines in steps, bar 1 first, and the end.

    What lies beyond is left out.
    """
    cells: list[ChordCell] = []
    for index, each in enumerate(placed):
        if each.bar >= len(lines):
            break
        start, end = lines[each.bar - 1] + each.offset_steps, lines[each.bar]
        if index + 1 < len(placed) and placed[index + 1].bar == each.bar:
            end = lines[each.bar - 1] + placed[index + 1].offset_steps
        cells += cells_of_chord(each.chord, start, end, held=each.held)
    return cells


def cells_of_chord(
    chord: Chord, start: int, end: int, *, held: bool = False
) -> Iterator[ChordCell]:
    """Yield a chord over [start, end): a bass that is its root is asked for in the first beat
    only."""
    first = min(start + STEPS_PER_BEAT, end)
    open_bass = None if chord.bass == chord.root else chord.bass
    if not held:
        yield ChordCell(start, first, chord.classes, chord.bass)
    begin = start if held else first
    if begin < end:
        yield ChordCell(begin, end, chord.classes, open_bass)


def _bars(content: str, line: int) -> Iterator[list[str]]:
    """Yield the words of each bar of a line."""
    content = content.strip().replace("||", "|")
    if not content:
        return
    if "|:" in content or ":|" in content:
        raise LeadSheetError(f"line {line}: repeats (|: :|) are not read; write the bars out")
    for part in content.removeprefix("|").removesuffix("|").split("|"):
        yield part.split()


def _share(word: str, line: int) -> str:
    """Return the word, if it is a share. Raises LeadSheetError."""
    if word == _HELD:
        return word
    try:
        Chord.parse(word)
        return word
    except ChordError as err:
        text = "% stands alone in its bar" if word == "%" else str(err)
        raise LeadSheetError(f"line {line}: {text}") from None


def _held(sounding: tuple[int, str] | None, bar: SheetBar) -> str:
    if sounding is None or sounding[0] < bar.number - 1:
        raise LeadSheetError(f"line {bar.line}: bar {bar.number} holds a chord, but none is before")
    return sounding[1]


def _share_steps(bar: SheetBar, meter: Meter) -> int:
    """Return steps of a share: the bar parted equally, in whole beats of its meter."""
    count = len(bar.shares)
    if count == 1:
        return meter.bar_steps
    if meter.beats % count:
        fitting = [str(n) for n in range(1, meter.beats + 1) if meter.beats % n == 0]
        want = f"{', '.join(fitting[:-1])} or {fitting[-1]}" if len(fitting) > 1 else "1"
        raise LeadSheetError(
            f"line {bar.line}: bar {bar.number} has {count} chords in {meter}; "
            f"want {want} (. holds the chord before)"
        )
    return meter.bar_steps // count


def _joined(placed: Sequence[Placed]) -> list[Placed]:
    """Drop the shares of a bar that only hold on."""
    found: list[Placed] = []
    for each in placed:
        last = found[-1] if found else None
        if last and each.held and last.bar == each.bar and last.symbol == each.symbol:
            continue
        found.append(replace(each))
    return found
