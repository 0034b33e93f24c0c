"""Network namespaces: other machines, as far as a program in one can tell. Linux, as root."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import pytest

T = TypeVar("T")
CLONE_NEWNET = 0x40000000


@dataclass(frozen=True, slots=True)
class Namespace:
    """One, wired to this one by a cable of its own. near: our end of it; far: its own."""

    name: str
    near: str
    far: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a program in it."""
        return ("ip", "netns", "exec", self.name)

    def inside(self, make: Callable[[], T]) -> T:
        """What `make` gives in there; sockets that it makes stay there."""
        found: list[T] = []

        def enter() -> None:
            with open(f"/run/netns/{self.name}") as file:
                libc = ctypes.CDLL(None, use_errno=True)
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            found.append(make())

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return found[0]


def near_address(number: int) -> str:
    """Our end of the cable to namespace `number`."""
    return f"10.213.{number}.1"


@contextlib.contextmanager
def namespace(number: int) -> Iterator[Namespace]:
    """Make one; skips the test where that is not possible."""
    if sys.platform != "linux" or os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces want Linux, root and iproute2")
    name, cable = f"midi-diffuse-{os.getpid()}-{number}", f"md{os.getpid() % 100000}-{number}"
    near, far = near_address(number), f"10.213.{number}.2"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        ends = ("name", f"{cable}a", "type", "veth", "peer", "name", f"{cable}b", "netns", name)
        _ip("link", "add", *ends)
        _ip("addr", "add", f"{near}/30", "dev", f"{cable}a")
        _ip("link", "set", f"{cable}a", "up")
        for words in (
            ("addr", "add", f"{far}/30", "dev", f"{cable}b"),
            ("link", "set", f"{cable}b", "up"),
            ("link", "set", "lo", "up"),
        ):
            _ip("-n", name, *words)
        yield Namespace(name, near, far)
    finally:
        # The namespace's end would take the cable with it, but only some time later.
        subprocess.run(["ip", "link", "del", f"{cable}a"], capture_output=True)
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
