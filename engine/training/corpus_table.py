"""Which corpora the shipped weights learn from, and how much of each. Plain values."""

from __future__ import annotations

CORPORA: dict[str, tuple[str, float]] = {
    # corpus: (style it teaches, its share of the training windows)
    "openhymnal": ("hymn", 0.10),
    "polish-choral-chamber": ("hymn", 0.14),
    "openscore-lieder": ("song", 0.32),
    "polish-voice-keyboard": ("song", 0.14),
    "openewld-pd": ("song", 0.0),
    "polish-keyboard": ("piano", 0.10),
    "chopin-first-editions": ("piano", 0.05),
    "openscore-quartets": ("quartet", 0.15),
}
"""Style and weight. Only corpora whose licence allows shipping weights have a share; one without is
packed only when asked for by name, and weighs 1 then."""
