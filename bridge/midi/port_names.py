"""Which port a name means. Knows nothing of MIDI systems or of opening ports."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bridge.text import did_you_mean, one_of

_NUMBER = re.compile(r" \d+:\d+$")
"""What ALSA writes behind a name; another after each plugging in."""


class PortError(ValueError):
    """A port that cannot be had; the message is one line and names the choices."""


def match_port(wanted: str, names: Sequence[str], direction: str = "MIDI") -> str:
    """Return the one name that is meant: equal, else equal but for client and number, else
    containing.

    ALSA writes `Client:Port 128:0`, JACK `client:port`. Raises PortError that names the choices.
    """
    if wanted in names:
        return wanted
    low = wanted.casefold()
    alike = [name for name in names if low in _short_names(name)]
    containing = [name for name in names if low in name.casefold()]
    for found in (alike, containing):
        if len(found) == 1:
            return found[0]
        if found:
            raise PortError(f"{direction} port {wanted!r} could be {one_of(map(repr, found))}")
    choices = ", ".join(map(repr, names)) if names else "none"
    hint = did_you_mean(wanted, names)
    raise PortError(f"no {direction} port {wanted!r}{hint}; there are: {choices}")


def same_port(wanted: str, names: Sequence[str]) -> str | None:
    """Return the port that was called `wanted` when it went: exactly, else but for ALSA's
    numbers."""
    if wanted in names:
        return wanted
    alike = [name for name in names if _NUMBER.sub("", name) == _NUMBER.sub("", wanted)]
    return alike[0] if len(alike) == 1 else None


def _short_names(name: str) -> tuple[str, ...]:
    bare = _NUMBER.sub("", name.casefold())
    return (name.casefold(), bare, bare.partition(":")[2])
