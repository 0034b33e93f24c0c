"""How a model is loaded, by `serve` and the file commands: a core is left to others."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import os, sys
from bridge.cli.file_job import load_engine
from bridge.settings.presets import load
assert "torch" not in sys.modules
load_engine(load("default"), "cpu")
import torch
print(os.environ["OMP_WAIT_POLICY"], torch.get_num_threads())
"""


def test_file_commands_take_no_core_that_others_need_and_spin_on_none() -> None:
    free = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=free, capture_output=True, text=True, check=True
    )
    policy, threads = done.stdout.split()
    assert policy == "PASSIVE"
    assert int(threads) <= max(1, (os.cpu_count() or 1) - 1)
