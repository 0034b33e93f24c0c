"""A process that stands by: when there is one, and when it is of use."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import Pipe
from unittest.mock import Mock

import pytest

from bridge.engine_host import standby
from bridge.engine_host.child import EngineChild
from bridge.engine_host.main import Cue, EngineSpec
from bridge.engine_host.standby import Standby
from bridge.timebase import NS_PER_S

CUE = Cue(EngineSpec("fixture", preset="fixture", standby=True))
PAUSE_NS = 10 * NS_PER_S


class Processes:
    """Stands in for `spawn` and `end`. ends: the other ends of the pipes, by process."""

    def __init__(self) -> None:
        self.begun: list[EngineChild] = []
        self.ended: list[EngineChild] = []
        self.room = True

    def spawn(self, cue: Cue | None) -> EngineChild:
        assert cue is None
        if not self.room:
            raise OSError("Too many open files")
        ours, theirs = Pipe()
        self.begun.append(EngineChild(None, Mock(theirs=theirs), ours, len(self.begun), None))
        return self.begun[-1]

    def heard(self, child: EngineChild) -> Cue:
        cue = child.process.theirs.recv()  # type: ignore[attr-defined]
        assert isinstance(cue, Cue)
        return cue


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    made = Processes()
    monkeypatch.setattr(standby, "spawn", made.spawn)
    monkeypatch.setattr(standby, "end", made.ended.append)
    yield made
    for child in made.begun:
        child.conn.close()
        child.process.theirs.close()  # type: ignore[attr-defined]


def test_there_is_one_until_it_is_called_up(processes: Processes) -> None:
    keeper = Standby()
    keeper.keep(0)
    keeper.keep(1)
    (child,) = processes.begun
    assert keeper.child is child
    assert keeper.call_up(CUE) is child
    assert processes.heard(child) == CUE
    assert child.spec == CUE.spec
    assert child.busy_ns is not None
    assert keeper.child is None
    assert keeper.call_up(CUE) is None
    keeper.keep(2)
    assert keeper.child is processes.begun[1]


def test_it_is_kept_where_the_cue_is_for_an_engine_without_one(processes: Processes) -> None:
    keeper = Standby()
    keeper.keep(0)
    assert keeper.call_up(Cue(EngineSpec("fixture"))) is None
    assert keeper.child is processes.begun[0]


def test_after_one_that_died_or_could_not_be_begun_there_is_a_pause(processes: Processes) -> None:
    keeper = Standby()
    keeper.keep(0)
    keeper.died(5)
    assert processes.ended == processes.begun
    assert keeper.child is None
    keeper.keep(5 + PAUSE_NS - 1)
    assert keeper.child is None
    processes.room = False
    keeper.keep(5 + PAUSE_NS)
    processes.room = True
    keeper.keep(5 + 2 * PAUSE_NS - 1)
    assert keeper.child is None
    keeper.keep(5 + 2 * PAUSE_NS)
    assert keeper.child is processes.begun[1]


def test_one_that_is_dead_when_its_cue_comes_is_of_no_use(processes: Processes) -> None:
    keeper = Standby()
    keeper.keep(0)
    (child,) = processes.begun
    child.process.theirs.close()  # type: ignore[attr-defined]
    assert keeper.call_up(CUE) is None
    assert processes.ended == [child]
    assert keeper.child is None
