"""OSCQuery as programs see it: over HTTP, by an independent client, and by zeroconf."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from typing import Any

import pytest
from pythonoscquery.osc_query_client import OSCQueryClient
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin
from zeroconf import ServiceBrowser, ServiceInfo, ServiceListener, Zeroconf

from bridge.client.rig import wait_for
from bridge.monitor.announce import NAME, SERVICE, addresses, announced
from bridge.osc.schema import IN_ROWS, OUT_ROWS
from bridge.osc.wire import OscMessage, decode_packet
from bridge.settings.parameters import PARAMETERS
from tests.monitor_rig import Site


def asked(site: Site, path: str) -> Any:
    status, headers, text = site.get(path)
    assert (status, headers["content-type"]) == (200, "application/json")
    return json.loads(text)


def test_nodes_attributes_and_what_is_none(site: Site) -> None:
    site.daemon.say("param/temperature", 0.9)
    wait_for(lambda: asked(site, "/diffuse/temperature")["VALUE"][0] is not None, 5, "a value")
    assert asked(site, "/diffuse/temperature?VALUE") == {"VALUE": [pytest.approx(0.9)]}
    assert asked(site, "/diffuse/mode?RANGE")["RANGE"][0]["VALS"][0] == "harmonize"
    assert set(asked(site, "/")["CONTENTS"]["diffuse"]["CONTENTS"]) > {r.name for r in PARAMETERS}
    assert asked(site, "/diffuse/out?ACCESS") == {"ACCESS": 0}
    assert site.get("/diffuse/panic?VALUE")[0] == 204
    assert site.get("/diffuse/panic?NONSENSE")[0] == 400
    assert site.get("/diffuse/nothing")[0] == 404
    info = asked(site, "/?HOST_INFO")
    assert (info["OSC_PORT"], info["WS_PORT"]) == (site.daemon.udp.getsockname()[1], site.port)
    # A browser gets the page, but the answer to its question where it asks one.
    assert "<canvas" in site.browse("/")[2]
    assert site.browse("/?HOST_INFO")[1]["content-type"] == "application/json"


def test_the_same_trust_as_for_pages(site: Site) -> None:
    assert site.get("/", Host="evil.example")[0] == 403
    assert site.get("/diffuse/mode", Origin="http://evil.example")[0] == 403
    with (
        pytest.raises(InvalidStatus),
        connect(f"ws://127.0.0.1:{site.port}/", origin=Origin("null")),
    ):
        pass


def test_changed_values_come_over_the_websocket(site: Site) -> None:
    with connect(f"ws://127.0.0.1:{site.port}/") as client:
        for junk in ("", "[1]", "{", '{"COMMAND": "LISTEN", "DATA": 3}', "[" * 900, "x" * 2000):
            client.send(junk)
        client.send(b"\x00")
        client.send(json.dumps({"COMMAND": "LISTEN", "DATA": "/diffuse/tempo"}))
        client.send(json.dumps({"COMMAND": "LISTEN", "DATA": "/diffuse/voices"}))
        client.send(json.dumps({"COMMAND": "IGNORE", "DATA": "/diffuse/voices"}))
        client.send(json.dumps({"COMMAND": "LISTEN", "DATA": "/diffuse/out/note"}))
        time.sleep(0.3)  # what is not answered has no other sign that it was heard
        site.daemon.say("param/voices", 3)
        site.daemon.say("param/mode", "vary")
        site.daemon.say("param/tempo", 96.0)
        packet = client.recv(timeout=5)
    assert isinstance(packet, bytes)
    (message,) = decode_packet(packet)
    assert isinstance(message, OscMessage)
    assert (message.address, message.arguments) == ("/diffuse/tempo", (96.0,))


def test_an_independent_client_finds_every_address(site: Site) -> None:
    info = ServiceInfo(
        SERVICE, f"{NAME}.{SERVICE}", port=site.port, addresses=[socket.inet_aton("127.0.0.1")]
    )
    client = OSCQueryClient(info)
    site.daemon.say("param/voices", 3)
    wait_for(lambda: asked(site, "/diffuse/voices?VALUE")["VALUE"] == [3], 5, "a value")
    host = client.get_host_info()
    assert host is not None
    assert (host.name, host.osc_ip, host.osc_port) == (
        "midi-diffuse",
        "127.0.0.1",
        site.daemon.udp.getsockname()[1],
    )
    root = client.query_node()
    assert root is not None
    for row in (*IN_ROWS, *OUT_ROWS):
        found = root.find_subnode(row.address)
        assert found is not None, row.address
        assert found.description.startswith(row.doc)
    voices = client.query_node("/diffuse/voices")
    assert voices is not None
    assert voices.value == [3]
    assert client.query_node("/diffuse/nothing") is None


class Heard(ServiceListener):
    """Remembers the services that are announced and taken back."""

    def __init__(self) -> None:
        self.ports: dict[str, int] = {}

    def add_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        info = zc.get_service_info(type_, name)
        self.ports[name] = info.port or 0 if info else 0

    def remove_service(self, zc: Zeroconf, type_: str, name: str) -> None:
        self.ports.pop(name, None)

    def update_service(self, zc: Zeroconf, type_: str, name: str) -> None: ...


def test_it_is_announced_while_it_is_served() -> None:
    over, up = threading.Event(), threading.Event()

    async def serve() -> None:
        async with announced(43210, ["127.0.0.1"]):
            up.set()
            await asyncio.to_thread(over.wait, 20)

    heard = Heard()
    browser = Zeroconf(interfaces=["127.0.0.1"])
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    try:
        ServiceBrowser(browser, SERVICE, heard)
        thread.start()
        assert up.wait(10)
        wait_for(lambda: 43210 in heard.ports.values(), 10, "the service")
        over.set()
        thread.join(10)
        wait_for(lambda: 43210 not in heard.ports.values(), 10, "that it is gone")
    finally:
        over.set()
        thread.join(10)
        browser.close()


def test_where_it_is_announced() -> None:
    assert addresses("127.0.0.1", ["studio.local", "192.168.1.7"]) == ["127.0.0.1"]
    assert addresses("0.0.0.0", ["studio.local", "192.168.1.7"]) == ["192.168.1.7"]
    assert addresses("0.0.0.0", []) == []

    async def nothing() -> bool:
        async with announced(1, []):
            return True

    assert asyncio.run(nothing())
