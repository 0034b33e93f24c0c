"""What a check found: fine, worth knowing, or in the way."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "fail"
_LEVELS = (OK, WARN, FAIL)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. level: one of _LEVELS. fix: what to do about it; empty where there is nothing."""

    name: str
    level: str
    text: str
    fix: str = ""


def worst(findings: list[Finding]) -> str:
    """Return the gravest level among them."""
    return max((finding.level for finding in findings), key=_LEVELS.index, default=OK)
