"""Which ports of a process tree can be reached from other machines. Linux; elsewhere unknown."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"
_V4_LOOPBACK = "7F"
_V6_LOOPBACK = "00000000000000000000000001000000"
_MAPPED = "0000000000000000FFFF0000"


@dataclass(frozen=True, slots=True)
class Listening:
    """A socket of `pid` that listens on `port`. local: only this machine reaches it."""

    pid: int
    port: int
    local: bool


def supported() -> bool:
    """Return whether the system lets us look."""
    return sys.platform == "linux"


def listening(pids: Iterable[int]) -> list[Listening]:
    """Return the TCP sockets on which these processes listen, by pid and port."""
    owners = {inode: pid for pid in pids for inode in _sockets(pid)}
    return sorted(
        (
            Listening(owners[inode], port, local)
            for inode, port, local in _table()
            if inode in owners
        ),
        key=lambda row: (row.pid, row.port),
    )


def family(root: int) -> list[int]:
    """`root` and every process that it or its children have started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                children.setdefault(int(parent), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def is_loopback(address: str) -> bool:
    """Read an address as /proc/net writes it: hexadecimal, words in this machine's byte order."""
    if len(address) == 8:
        return address[6:] == _V4_LOOPBACK
    if address.startswith(_MAPPED):
        return address[-2:] == _V4_LOOPBACK
    return address == _V6_LOOPBACK


def _table() -> Iterator[tuple[str, int, bool]]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc/net", name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    address, _, port = fields[1].partition(":")
                    yield fields[9], int(port, 16), is_loopback(address)


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)
                if target.startswith("socket:["):
                    yield target[8:-1]
