"""How work that takes long says how far it is."""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[str], None]
"""Takes a line for people."""
