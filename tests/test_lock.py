"""requirements.lock: every dependency, at the pinned version, with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text()
BLOCKS = [block for block in re.split(r"\n(?=\S)", LOCK) if not block.startswith("#")]
LOCKED = [(*re.split(r"==| ", block, maxsplit=2),) for block in BLOCKS]


def test_every_dependency_is_locked_and_every_lock_has_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[>=<\[;]", each)[0] for each in project["dependencies"]}
    assert wanted <= {name for name, _, _ in LOCKED}, "run: scripts/lock"
    for name, _, rest in LOCKED:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


def test_locked_versions_are_the_pinned_ones() -> None:
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    locked = {name: version for name, version, _ in LOCKED}
    assert "torch" in pins
    for name in pins.keys() & locked.keys():
        assert locked[name] == pins[name], "run: scripts/lock"
