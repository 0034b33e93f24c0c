"""A disk that fills up while saving: the old file stays whole, nothing half is left behind.

The kernel's own limit on a file's size stands for the disk: writing fails in the middle.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMITED = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
{imports}
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    {save}
except {error} as err:
    print(err)
else:
    print("saved?")
"""

SAVES = {
    "midi": (
        "from engine.scores.midi_events import MidiFileError\n"
        "from engine.scores.midi_write import write",
        "write(bytes(100_000), path)",
        "MidiFileError",
    ),
    "checkpoint": (
        "import torch\nfrom engine.model.checkpoint import CheckpointError, save_atomically",
        "save_atomically({'x': torch.zeros(100_000)}, path)",
        "CheckpointError",
    ),
    "export": (
        "import torch\nfrom engine.model import export\n"
        "from engine.model.export import ModelError\n"
        "export.script = lambda layer: torch.jit.trace(layer, torch.zeros(1, 100))",
        "export.write_export(torch.nn.Linear(100, 100), {}, path)",
        "ModelError",
    ),
    "trusted": (
        "from bridge.settings import model_trust\n"
        "from bridge.settings.model_trust import TrustError\n"
        "model_trust.list_file = lambda: path\nmodel_trust.checksum = lambda _: 'f' * 9000",
        "model_trust.trust(Path(sys.executable))",
        "TrustError",
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of a file there")
@pytest.mark.parametrize("kind", SAVES)
def test_what_was_saved_before_stays_whole(kind: str, tmp_path: Path) -> None:
    imports, save, error = SAVES[kind]
    path = tmp_path / "kept"
    path.write_bytes(b"old")
    code = LIMITED.format(imports=imports, save=save, error=error)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["kept"]


LOG = """
import logging, resource, signal, sys, time
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from bridge.event_log import writer as log_writer
from bridge.event_log.outcomes import Recorded
from bridge.commands import Act, Tick
from bridge.live.session import Session
logging.basicConfig(level=logging.INFO)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
box = log_writer.EventLog(Path(sys.argv[1]), {})
box.start()
session = Recorded(Session({}), box.note)
for number in range(30_000):
    session.step(Tick(number * 100_123_457))
time.sleep(1)
assert session.step(Act(1, "panic"))
box.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of a file there")
def test_an_event_log_that_cannot_grow_ends_and_replays_as_far_as_it_goes(tmp_path: Path) -> None:
    from bridge.event_log.replay import replay
    from bridge.event_log.writer import parts_of, read_lines

    done = subprocess.run(
        [sys.executable, "-c", LOG, str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the event log ends here") == 1
    found = replay(read_lines(parts_of(tmp_path)))
    assert found.exact
    assert 1000 < found.stepped < 30_000
