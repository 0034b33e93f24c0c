"""Write max_patches/ from the parameter table: `python -m scripts.make_patches`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts import max_device, max_patch, osc_reference, pd_patch

FOLDER = Path(__file__).resolve().parent.parent / "max_patches"


def make() -> dict[str, bytes]:
    """Every file of max_patches/, by name."""
    texts = {
        "midi-diffuse.maxpat": _one_line_each(max_patch.build()),
        "midi-diffuse.maxhelp": _one_line_each(max_patch.help_patch()),
        "midi-diffuse.pd": pd_patch.build(),
        "OSC.md": osc_reference.build(),
    }
    device = max_device.container(_one_line_each(max_device.build()).encode())
    return {**{name: text.encode() for name, text in texts.items()}, "midi-diffuse.amxd": device}


def _one_line_each(document: dict[str, Any]) -> str:
    """JSON with one box or cable a line, so that a change shows as one line."""
    patcher = document["patcher"]
    lines = []
    for key, value in patcher.items():
        if key in ("boxes", "lines"):
            items = ",\n".join("\t\t\t" + json.dumps(item) for item in value)
            lines.append(f'\t\t"{key}": [\n{items}\n\t\t]')
        else:
            lines.append(f'\t\t"{key}": {json.dumps(value)}')
    return '{\n\t"patcher": {\n' + ",\n".join(lines) + "\n\t}\n}\n"


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in make().items():
        (FOLDER / name).write_bytes(content)
        print(f"wrote {FOLDER.name}/{name}")


if __name__ == "__main__":
    main()
