"""The monitor as an ASGI app: a page, its table, a WebSocket that carries everything else, and
OSCQuery for programs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from bridge.monitor.guard import Guard
from bridge.monitor.query import routes
from bridge.monitor.relay import Page, Relay, now_ms
from bridge.monitor.table import table_for_page

Announce = Callable[[], AbstractAsyncContextManager[None]]
WEB = Path(__file__).parent / "web"
_MOST_PAGES = 16
_MOST_TAKES = 50
_MOST_TEXT = 4_000
"""Characters that a page may send at once."""
_HEADERS = {
    "content-security-policy": "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' "
    "data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class _Headers:
    """Adds _HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


def make_app(
    relay: Relay,
    hosts: Iterable[str] = (),
    takes: Path | None = None,
    announce: Announce = contextlib.nullcontext,
) -> Starlette:
    """Yield the app around a relay, which lives as long as the app does. hosts: names besides
    local.

    takes: the folder of kept files, where it is on this machine. announce: is entered meanwhile.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await relay.start()
        async with announce():
            yield
        await relay.stop()

    def show_table(_: Request) -> Response:
        return JSONResponse(table_for_page())

    def list_takes(_: Request) -> Response:
        return JSONResponse(_names(takes)[:_MOST_TAKES])

    def show_take(request: Request) -> Response:
        name = request.path_params["name"]
        if takes is None or name not in _names(takes):  # so that no path leads elsewhere
            return Response("no such take\n", 404)
        return FileResponse(takes / name, media_type="audio/midi", filename=name)

    async def socket(websocket: WebSocket) -> None:
        await _serve(websocket, relay)

    return Starlette(
        routes=[
            *routes(relay, FileResponse(WEB / "index.html"), _MOST_PAGES),
            Route("/table.json", show_table),
            Route("/takes.json", list_takes),
            Route("/takes/{name}", show_take),
            WebSocketRoute("/socket", socket),
            Mount("/web", StaticFiles(directory=WEB)),
        ],
        middleware=[Middleware(_Headers), Middleware(Guard, hosts=hosts)],
        lifespan=lifespan,
    )


def _names(folder: Path | None) -> list[str]:
    """Return the kept files, latest first."""
    if folder is None or not folder.is_dir():
        return []
    return sorted((path.name for path in folder.glob("*.mid") if path.is_file()), reverse=True)


async def _serve(websocket: WebSocket, relay: Relay) -> None:
    """One page, from its first message to its last."""
    if len(relay.pages) >= _MOST_PAGES:
        await websocket.close(1013, f"{_MOST_PAGES} pages are open already")
        return
    await websocket.accept()
    page = Page()
    relay.pages.add(page)
    sending = asyncio.create_task(_send_all(websocket, page, relay))
    try:
        while True:
            text = await websocket.receive_text()
            for answer in _act(text, relay):
                page.put(answer)
    except WebSocketDisconnect:
        pass
    finally:
        relay.pages.discard(page)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await sending


async def _send_all(websocket: WebSocket, page: Page, relay: Relay) -> None:
    hello = {**relay.memory.snapshot(), "online": relay.online, "now": now_ms()}
    await websocket.send_text(json.dumps([["hello", hello]]))
    while True:
        messages = await page.take()
        if page.dropped:
            messages.append(["dropped", now_ms(), page.dropped])
        await websocket.send_text(json.dumps(messages))


def _act(text: str, relay: Relay) -> list[list[Any]]:
    """Return what a page sent: `["ping", its ms]`, or a name and its arguments."""
    words = _words(text)
    if not words:
        return [["error", now_ms(), "monitor", "not understood"]]
    if words[0] == "ping":
        return [["pong", now_ms(), *words[1:2]]]
    try:
        problem = relay.command(words)
    except (ValueError, OverflowError) as err:
        problem = f"{words[0]}: {err}"
    return [["error", now_ms(), words[0], problem]] if problem else []


def _words(text: str) -> list[Any]:
    """Return the plain values that a page sent, a name first; none where it is anything else."""
    try:
        words = json.loads(text) if len(text) <= _MOST_TEXT else None
    except (ValueError, RecursionError):
        return []
    if not isinstance(words, list) or not words or not isinstance(words[0], str):
        return []
    return words if all(isinstance(each, str | int | float) for each in words) else []
