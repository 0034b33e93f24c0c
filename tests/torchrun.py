"""A program on several processes that torchrun starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[1]


def run_on(count: int, program: str, given: Any, folder: Path) -> list[Any]:
    """What each of `count` processes writes as JSON to the file that it is told.

    program: Python; its arguments are `given` as JSON, and the path up to the process's number.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    (folder / "program.py").write_text(program)
    out = folder / "found"
    words = [*torchrun, "--nproc-per-node", str(count), str(folder / "program.py")]
    environment = {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        [*words, json.dumps(given), str(out)],
        cwd=TOP,
        env=environment,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    return [json.loads(Path(f"{out}-{rank}").read_text()) for rank in range(count)]
