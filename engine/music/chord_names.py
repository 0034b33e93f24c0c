"""Chords and what musicians call them: `Am7`, `C/E`, `F#m7b5` to pitch classes and back.

A pitch class is 0..11, C is 0. Knows nothing of time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
MIXED = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
"""Names of the pitch classes: in sharp keys, in flat keys, and where no key is known."""

_NO_CHORD = "N.C."
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = re.compile(r"([A-G])([#b]?)")
_QUALITY = re.compile(
    r"(?P<triad>maj|m|dim|aug|\+)?(?P<major>maj)?(?P<number>6/9|69|13|11|2|5|6|7|9)?"
    r"(?P<more>(?:sus[24]?|alt|add(?:2|4|6|9|11|13)|[b#](?:5|9|11|13))*)"
)
_MORE = re.compile(r"sus[24]?|alt|add\d+|[b#]\d+")
_SPELLINGS = (
    ("♯", "#"),
    ("♭", "b"),
    ("ø7", "m7b5"),
    ("ø", "m7b5"),
    ("Δ7", "maj7"),
    ("Δ", "maj7"),
    ("°", "dim"),
    ("º", "dim"),
    ("o7", "dim7"),
    ("−", "-"),
    ("Maj", "maj"),
    ("min", "m"),
)
"""Other ways to write the same; longer ones first."""
_STACKS: dict[str, tuple[int, ...]] = {
    "": (),
    "2": (2,),
    "6": (9,),
    "69": (9, 2),
    "6/9": (9, 2),
    "7": (),
    "9": (2,),
    "11": (2, 5),
    "13": (2, 9),
}
"""What a number adds, besides the seventh that comes with 7 and above."""
_ADDED = {"2": 2, "4": 5, "6": 9, "9": 2, "11": 5, "13": 9}


class ChordError(ValueError):
    """A text that names no chord; the message says what would."""


@dataclass(frozen=True, slots=True)
class Chord:
    """Pitch classes that sound, and the class of the lowest note, or None where that is open.

    No classes: nothing sounds. root: of the symbol it was read from.
    """

    classes: frozenset[int]
    bass: int | None = None
    root: int | None = None

    @classmethod
    def parse(cls, text: str) -> Chord:
        """Read `Am7`, `F#`, `C6/9`, `C/E`, `N.C.`, or note names `C E G` (whose bass is open).

        A plain symbol has its root in the bass. Raises ChordError.
        """
        words = text.replace(",", " ").split()
        if len(words) == 1:
            return _symbol(words[0], text)
        notes = [pitch_class(word) for word in words]
        if notes and None not in notes:
            return cls(frozenset(note for note in notes if note is not None))
        raise _refused(text)

    def name(self, names: tuple[str, ...] = MIXED) -> str:
        """Return the symbol nearest to what sounds, such as `Am7/C`; one class alone is `(C)`."""
        return _name(self.classes, self.bass, names)

    def bass_name(self, names: tuple[str, ...] = MIXED) -> str:
        """Return the lowest note's name, or nothing where it is open."""
        return "" if self.bass is None else names[self.bass]


def pitch_class(text: str) -> int | None:
    """0..11 of a note's name such as `F#`, `Bb` or `B♭`; None for anything else."""
    found = _NOTE.fullmatch(text.replace("♯", "#").replace("♭", "b"))
    if found is None:
        return None
    return (_LETTERS[found[1]] + {"#": 1, "b": -1}.get(found[2], 0)) % 12


def _refused(text: str) -> ChordError:
    return ChordError(
        f"chord {text!r}: want a chord such as Am7, F#, Bbmaj7 or C/E, or notes such as C E G"
    )


def _symbol(word: str, text: str) -> Chord:
    if word.upper().replace(".", "") == "NC":
        return Chord(frozenset())
    alone = pitch_class(word[1:-1]) if word.startswith("(") and word.endswith(")") else None
    if alone is not None:
        return Chord(frozenset({alone}), alone, alone)
    for old, new in _SPELLINGS:
        word = word.replace(old, new)
    above, slash, below = word.rpartition("/")
    bass = pitch_class(below) if slash else None
    root = _NOTE.match(word)
    if root is None:
        raise _refused(text)
    tonic = pitch_class(root[0])
    assert tonic is not None
    tones = _tones((word if bass is None else above)[root.end() :])
    if tones is None:
        raise _refused(text)
    below_all = tonic if bass is None else bass
    classes = frozenset({below_all, *((tonic + tone) % 12 for tone in tones)})
    return Chord(classes, below_all, tonic)


def _tones(quality: str) -> set[int] | None:
    """Return semitones above the root of `m7b5`, `maj9`, `7sus4`, ...; None where it means
    nothing."""
    plain = quality.replace("(", "").replace(")", "")
    plain = re.sub(r"^-", "m", plain)
    plain = re.sub(r"^(m?)(M|ma)(?=7|9|11|13|6|$)", r"\1maj", plain)
    plain = re.sub(r"^mi(?=\d|$)", "m", plain)
    found = _QUALITY.fullmatch(plain)
    if found is None:
        return None
    triad, number = found["triad"] or "", found["number"] or ""
    if number == "5" and not triad and not found["more"]:
        return {0, 7}
    if number == "5" or (found["major"] and triad != "m"):
        return None
    third, fifth = (3 if triad in ("m", "dim") else 4), {"dim": 6, "aug": 8, "+": 8}.get(triad, 7)
    added = set(_STACKS[number])
    if number in ("7", "9", "11", "13"):
        raised = triad == "maj" or found["major"]
        added.add(11 if raised else 9 if triad == "dim" else 10)
    thirds, fifths = ({third} if number != "11" or third == 3 else set()), {fifth}
    for change in _MORE.findall(found["more"]):
        if change.startswith("sus"):
            thirds = {2} if change == "sus2" else {5}
        elif change == "alt":
            fifths, added = set(), {10, 1, 3, 6, 8}
        elif change.startswith("add"):
            added.add(_ADDED[change[3:]])
        elif change[1:] == "5":
            fifths = {6 if change[0] == "b" else 8}
        else:
            added.discard(_ADDED[change[1:]])
            added.add((_ADDED[change[1:]] + (1 if change[0] == "#" else -1)) % 12)
    return {0, *thirds, *fifths, *added}


_NAMED = (
    "",
    "m",
    "7",
    "m7",
    "maj7",
    "dim",
    "sus4",
    "5",
    "6",
    "m7b5",
    "dim7",
    "aug",
    "m6",
    "sus2",
    "add9",
    "7sus4",
    "9",
    "m9",
    "maj9",
    "7b9",
    "madd9",
    "69",
    "mmaj7",
    "13",
)
"""Qualities that are given as names, the commoner first."""
_TEMPLATES = tuple((quality, frozenset(_tones(quality) or ())) for quality in _NAMED)
_MISSING, _EXTRA, _INVERTED, _RARER = 2.0, 1.5, 0.6, 0.02
"""What it costs a name that a tone of it does not sound, that another does, that its root is not
the bass, and that it comes later in the list."""


@lru_cache(maxsize=4096)
def _name(classes: frozenset[int], bass: int | None, names: tuple[str, ...]) -> str:
    if not classes:
        return _NO_CHORD
    if len(classes) == 1:
        return f"({names[next(iter(classes))]})"
    _, root, quality = min(_costs(classes, bass))
    symbol = names[root] + _NAMED[quality]
    return symbol if bass in (None, root) else f"{symbol}/{names[bass or 0]}"


def _costs(classes: frozenset[int], bass: int | None) -> Iterable[tuple[float, int, int]]:
    """(cost, root, number in `_NAMED`) of every name whose root sounds."""
    for root in sorted(classes):
        sounding = frozenset((each - root) % 12 for each in classes)
        inverted = _INVERTED if bass not in (None, root) else 0.0
        for rank, (_, tones) in enumerate(_TEMPLATES):
            cost = _MISSING * len(tones - sounding) + _EXTRA * len(sounding - tones)
            yield cost + inverted + _RARER * rank, root, rank
