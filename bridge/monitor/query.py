"""OSCQuery beside the page: the namespace over HTTP, changed values over a WebSocket.

At `/` a browser, which asks for HTML, gets the page; everybody else gets the namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.monitor import namespace
from bridge.monitor.relay import Page, Relay
from bridge.osc.schema import PREFIX
from bridge.osc.wire import encode_packet

_MOST_TEXT = 1_000
_PARAM = "param/"


class QueryListener:
    """One client's WebSocket: which addresses it listens to."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._paths: set[str] = set()

    def hear(self, text: str) -> None:
        """LISTEN or IGNORE; anything else is passed over, as the proposal wants."""
        try:
            wish = json.loads(text) if len(text) <= _MOST_TEXT else None
        except (ValueError, RecursionError):
            return
        if not isinstance(wish, dict) or not isinstance(path := wish.get("DATA"), str):
            return
        if wish.get("COMMAND") == "LISTEN" and namespace.is_parameter(path):
            self._paths.add(path)
        elif wish.get("COMMAND") == "IGNORE":
            self._paths.discard(path)

    async def pass_on(self, page: Page) -> None:
        """Send each changed value that is listened to, as an OSC message."""
        while True:
            for name, _, *words in await page.take():
                path = PREFIX + name.removeprefix(_PARAM)
                if name.startswith(_PARAM) and path in self._paths:
                    await self._websocket.send_bytes(encode_packet(path, words))


def routes(relay: Relay, index: FileResponse, most_clients: int) -> list[BaseRoute]:
    """`/` for pages and programs, and every address below it. index: the page."""

    def answer(request: Request) -> Response:
        if request.url.path == "/" and not request.url.query and _wants_html(request):
            return index
        return _query(request, relay)

    async def socket(websocket: WebSocket) -> None:
        if len(relay.pages) >= most_clients:
            await websocket.close(1013, f"{most_clients} pages are open already")
            return
        await _serve(websocket, relay)

    paths = ("/", "/diffuse", "/diffuse/{rest:path}")
    return [*(Route(path, answer) for path in paths), WebSocketRoute("/", socket)]


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _query(request: Request, relay: Relay) -> Response:
    """Return a node, one of its attributes, or HOST_INFO."""
    attribute = request.url.query
    if attribute == namespace.HOST_INFO:
        web = request.url.hostname or "", request.url.port or 80
        return JSONResponse(namespace.host_info(relay.daemon, web))
    found = namespace.node(request.url.path, relay.memory.parameters)
    if found is None:
        return Response("no such address\n", 404)
    if not attribute:
        return JSONResponse(found)
    if attribute not in namespace.ATTRIBUTES:
        return Response("no such attribute\n", 400)
    written_only = found["ACCESS"] == namespace.WRITE and attribute == "VALUE"
    if attribute not in found or written_only:
        return Response(status_code=204)
    return JSONResponse({attribute: found[attribute]})


async def _serve(websocket: WebSocket, relay: Relay) -> None:
    """One client, from its first message to its last."""
    await websocket.accept()
    page, listener = Page(), QueryListener(websocket)
    relay.pages.add(page)
    sending = asyncio.create_task(listener.pass_on(page))
    try:
        while True:
            message: dict[str, Any] = dict(await websocket.receive())
            if message["type"] == "websocket.disconnect":
                break
            listener.hear(message.get("text") or "")
    except WebSocketDisconnect:
        pass
    finally:
        relay.pages.discard(page)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await sending
