"""Runs the monitor: a web server of its own, until it is ended."""

from __future__ import annotations

import contextlib
import socket
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

NO_MONITOR = (
    "the monitor needs starlette, uvicorn and websockets: pip install 'midi-diffuse[monitor]'"
)


class MonitorError(Exception):
    """The monitor cannot start; the message is one line."""


def is_installed() -> bool:
    """Say whether the libraries of the extra `monitor` are there."""
    return all(find_spec(name) for name in ("starlette", "uvicorn", "websockets"))


def run(
    daemon: tuple[str, int],
    web: tuple[str, int],
    hosts: Sequence[str],
    takes: Path,
    say: Callable[[str], None],
    *,
    show: bool = False,
) -> None:
    """Serve the page at `web` for the daemon's OSC port at `daemon`; takes: its folder of kept
    files. Raises MonitorError."""
    if not is_installed():
        raise MonitorError(NO_MONITOR)
    import uvicorn

    from bridge.monitor.announce import addresses, announced
    from bridge.monitor.app import make_app
    from bridge.monitor.relay import Relay

    listening = _bind(*web)
    host, port = listening.getsockname()[:2]
    own = () if host == "0.0.0.0" else (host,)
    at = addresses(host, hosts)
    app = make_app(Relay(daemon), (*hosts, *own), takes, partial(announced, port, at))
    config = uvicorn.Config(
        app, loop="asyncio", ws="websockets-sansio", log_level="warning", server_header=False
    )
    address = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}/"
    say(f"MONITOR   {address}   of the daemon at {daemon[0]} port {daemon[1]}; Ctrl-C ends")
    if show:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):  # which uvicorn hands on when it has ended
        uvicorn.Server(config).run(sockets=[listening])


def _bind(host: str, port: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen()  # who comes before the server is up waits, instead of being refused
    except (OSError, OverflowError) as err:
        found.close()
        text = getattr(err, "strerror", None) or str(err)
        raise MonitorError(
            f"cannot serve the page at {host} port {port} ({text}); choose another --web-port"
        ) from None
    return found
