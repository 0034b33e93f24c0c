from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from bridge.engine_server.open_ports import Listening, family, is_loopback, listening, supported
from tests.processes import running

linux = pytest.mark.skipif(not supported(), reason="reads /proc")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("0100007F", True),
        ("0200007F", True),
        ("00000000", False),
        ("050200C0", False),
        ("00000000000000000000000001000000", True),
        ("00000000000000000000000000000000", False),
        ("0000000000000000FFFF00000100007F", True),
        ("0000000000000000FFFF0000050200C0", False),
    ],
)
def test_loopback_is_told_from_the_network(address: str, local: bool) -> None:
    assert is_loopback(address) is local


@linux
@pytest.mark.parametrize(
    ("kind", "host", "local"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
    ],
)
def test_a_socket_is_found_with_who_reaches_it(kind: int, host: str, local: bool) -> None:
    with socket.socket(kind) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip("no such address family here")
        server.listen()
        port = server.getsockname()[1]
        assert Listening(os.getpid(), port, local) in listening([os.getpid()])


@linux
def test_the_family_holds_children_of_children() -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    with running([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        while len(found := family(os.getpid())) < 3:
            pass
        assert child.pid in found
        child.communicate("\n")
