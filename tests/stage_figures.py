"""Figures that tests measure, for the table of `make stage`; without it they are printed only."""

from __future__ import annotations

import json
import os
from pathlib import Path


def figure(what: str, measured: str, promise: str) -> None:
    """Tell a measured figure. `scripts/stage` names the file they go to."""
    print(f"{what}: {measured} (promise: {promise})")
    if path := os.environ.get("MIDI_DIFFUSE_FIGURES"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps([what, measured, promise]) + "\n")
