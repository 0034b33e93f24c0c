"""Words for people: lists of choices, and a guess at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

Say = Callable[[str], None]
"""Takes a line for people."""


def one_of(choices: Iterable[str]) -> str:
    """Return the choices as `a, b or c`."""
    *head, last = list(choices)
    return f"{', '.join(head)} or {last}" if head else last


def printable(text: str) -> str:
    """Return the text without what moves a terminal's cursor or colours it; lines stay lines."""
    return "".join(
        each if each.isprintable() or each == "\n" else f"\\x{ord(each):02x}" for each in text
    )


def one_line(text: str) -> str:
    """Return the text as one printable line: foreign names in it may hold anything."""
    return printable(" ".join(text.split()))


def shorten(text: str, most: int = 80) -> str:
    """Return the text, or its beginning and `...`."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """` (did you mean X?)` or nothing."""
    close = difflib.get_close_matches(word, list(choices), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
