"""The UDP socket itself: bound, or why not. Knows nothing of OSC."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path

_RECEIVE_BYTES = 1 << 20
"""Asked of the system, which may give less: what comes while another thread runs waits there."""
SO_RXQ_OVFL = 40
"""Linux: how many datagrams found the socket full comes along with the next one."""


class OscPortError(OSError):
    """The UDP port cannot be had; the message says why and what to do."""


def is_this_machine(host: str) -> bool:
    """Say whether a datagram to `host` comes to this machine: only its own addresses bind."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


def another(port: int) -> int:
    """Return a port to propose instead of `port`."""
    return port + 1 if port < 65000 else 9001


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that does not block, with room for a burst. Raises OscPortError."""
    if not host.strip():  # the system takes it for every address there is
        raise OscPortError("--host wants an address of this machine, such as 127.0.0.1")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        udp.bind((host, port))
        udp.setblocking(False)
        with contextlib.suppress(OSError):
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        if sys.platform.startswith("linux"):
            udp.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
    except (OSError, OverflowError) as err:
        udp.close()
        raise OscPortError(_explain(host, port, err)) from None
    return udp


def _explain(host: str, port: int, err: OSError | OverflowError) -> str:
    if getattr(err, "errno", None) == errno.EADDRINUSE:
        return (
            f"UDP port {port} is in use by {_holder(port)}; "
            f"choose another with --port, such as --port {port + 2 if port < 65000 else 9000}"
        )
    if isinstance(err, PermissionError):
        return f"UDP port {port} needs more rights; choose one above 1023, such as --port 9000"
    if isinstance(err, OverflowError):
        return f"UDP port {port}: want 1 to 65535, such as --port 9000"
    return f"cannot listen on {host} port {port}: {err}; --host wants an address of this machine"


def _holder(port: int) -> str:
    """Return the program that holds a UDP port, where the system lets us see it (Linux)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
            inodes = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}")}
            for link in Path("/proc").glob("[0-9]*/fd/*"):
                with contextlib.suppress(OSError):
                    if str(link.readlink()) in inodes:
                        pid = link.parts[2]
                        name = Path(f"/proc/{pid}/comm").read_text().strip()
                        return f"{name!r} (process {pid})"
    return "another program"
