"""Write daw/ from scripts/daw/: `python -m scripts.make_daw`. DAWs want each script as one file.

A line `--@ NAME` stands for the file NAME, indented as the line is.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER, SOURCES = ROOT / "daw", ROOT / "scripts" / "daw"
SCRIPTS = {
    "ardour/midi-diffuse.lua": "ardour.lua",
    "ardour/midi-diffuse-setup.lua": "ardour-setup.lua",
    "reaper/midi-diffuse.lua": "reaper.lua",
}


def make() -> dict[str, str]:
    """Every script, by its name in daw/."""
    return {name: _whole(SOURCES / source) for name, source in SCRIPTS.items()}


def _whole(path: Path) -> str:
    return re.sub(r"^([ \t]*)--@ (\S+)\n", _included, path.read_text(encoding="utf-8"), flags=re.M)


def _included(line: re.Match[str]) -> str:
    indent, name = line.groups()
    text = (SOURCES / name).read_text(encoding="utf-8")
    return re.sub(r"^(?=.)", indent, text, flags=re.M)


def main() -> None:
    """Write them."""
    for name, text in make().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"wrote daw/{name}")


if __name__ == "__main__":
    main()
