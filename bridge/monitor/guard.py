"""Who may use the monitor: pages it served itself, under names that are its own.

A page of another site could otherwise reach it through the browser of whoever opened that page,
by its address (cross-origin) or by a name that the site makes point here (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Guard:
    """ASGI middleware: refuses requests by another host's name or from another origin."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = _LOCAL | set(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse with one line."""
        if scope["type"] == "lifespan" or (text := self.problem(dict(scope["headers"]))) == "":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": text})
        else:
            headers = [(b"content-type", b"text/plain; charset=utf-8")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": (text + "\n").encode()})

    def problem(self, headers: dict[bytes, bytes]) -> str:
        """Why a request with these headers is refused, or ""."""
        host = headers.get(b"host", b"").decode("latin-1")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in self._hosts:
            return f"not at {name[:80]!r}; start the monitor with --allow-host for other names"
        origin = headers.get(b"origin")
        # A browser tells where a page came from; other programs send none.
        if origin is not None and origin.decode("latin-1") not in (
            f"http://{host}",
            f"https://{host}",
        ):
            return "not from another site's page"
        return ""
