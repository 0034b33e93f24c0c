"""The monitor's server for the tests."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from bridge.client.rig import wait_for
from bridge.monitor.app import make_app
from bridge.monitor.relay import Relay
from tests.monitor_rig import FakeDaemon, Site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        tcp.bind(("127.0.0.1", 0))
        app = make_app(Relay(udp.getsockname()), ["studio.local"], tmp_path)
        config = uvicorn.Config(app, loop="asyncio", ws="websockets-sansio", log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [tcp]}, daemon=True)
        thread.start()
        daemon = FakeDaemon(udp)
        daemon.hear("/diffuse/subscribe")
        wait_for(lambda: server.started, 5, "the server")
        yield Site(daemon, tcp.getsockname()[1])
        server.should_exit = True
        thread.join(timeout=10)
        assert not thread.is_alive()
