"""The monitor's server, with a socket that stands in for the daemon."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from bridge.monitor.app import WEB
from bridge.monitor.guard import Guard
from bridge.monitor.relay import MOST_WAITING_MESSAGES, Page
from bridge.settings.parameters import PARAMETERS
from tests.monitor_rig import Site


@dataclass
class Reader:
    """A page's messages, which come several at once."""

    socket: ClientConnection
    waiting: list[list[Any]] = field(default_factory=list)

    def until(self, found: Callable[[list[Any]], bool]) -> list[Any]:
        """The next message that is looked for; those before it are passed over."""
        while True:
            while self.waiting:
                message = self.waiting.pop(0)
                if found(message):
                    return message
            self.waiting += json.loads(self.socket.recv(timeout=5))

    def named(self, name: str) -> list[Any]:
        return self.until(lambda message: message[0] == name)


def test_the_page_and_its_parts_are_served_with_headers_and_weigh_little(site: Site) -> None:
    status, headers, text = site.browse("/")
    assert (status, headers["x-content-type-options"]) == (200, "nosniff")
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "<canvas" in text
    for file in WEB.iterdir():
        assert site.get(f"/web/{file.name}")[0] == 200
    assert sum(file.stat().st_size for file in WEB.iterdir()) < 300_000
    assert site.get("/web/../app.py")[0] == 404
    assert site.get("/web/%2e%2e/app.py")[0] == 404
    table = json.loads(site.get("/table.json")[2])
    assert set(table["parameters"]) == {row.name for row in PARAMETERS}
    assert len(table["essential"]) == 8
    assert sorted(n for _, names in table["groups"] for n in names) == sorted(table["parameters"])


def test_what_the_daemon_says_reaches_every_page_and_pages_that_come_later(site: Site) -> None:
    with site.page() as socket:
        page = Reader(socket)
        (_, found) = page.named("hello")
        assert (found["online"], found["played"]) == (False, [])
        site.daemon.say("param/tempo", 96.0)
        assert page.named("online")[2] is True
        assert page.named("param/tempo")[2] == 96.0
        assert site.daemon.hear("/diffuse/mode") == ()
        site.daemon.say("note", 60, 80, 4.0, 1.0)
        assert page.named("note")[2:] == [60, 80, 4.0, 1.0]
    with site.page() as later:
        (_, found) = json.loads(later.recv(timeout=5))[0]
        assert (found["parameters"], found["reply"]) == ({"tempo": 96.0}, [[60, 80, 4.0, 1.0]])


def test_a_page_sets_what_the_table_allows_and_nothing_else(site: Site) -> None:
    with site.page() as page:
        reader = Reader(page)
        page.send(json.dumps(["temperature", 0.9]))
        assert site.daemon.hear("/diffuse/temperature") == (pytest.approx(0.9),)
        page.send(json.dumps(["start"]))
        assert site.daemon.hear("/diffuse/start") == ()
        page.send(json.dumps(["chord_at", 3, 1, "Am7"]))
        assert site.daemon.hear("/diffuse/chord_at") == (3, 1, "Am7")
        for words, text in (
            (["temperature", 9], "temperature wants 0.1 to 2"),
            (["mode", "sing"], "mode wants"),
            (["preset", "../x"], "preset wants a name"),
            (["subscribe", "10.0.0.1", 9], "a page cannot do that"),
            (["nonsense"], "a page cannot do that"),
            ([], "not understood"),
            ([["start"]], "not understood"),
            (["note", 60, 1e999], "note"),
        ):
            page.send(json.dumps(words))
            assert text in reader.named("error")[3]
        page.send("[" * 4001)
        assert reader.named("error")[3] == "not understood"
        page.send(json.dumps(["ping", 12.5]))
        assert reader.named("pong")[2] == 12.5


def test_other_hosts_and_origins_are_refused(site: Site) -> None:
    here = f"127.0.0.1:{site.port}"
    assert site.browse("/", Host=f"localhost:{site.port}")[0] == 200
    assert site.browse("/", Host=f"studio.local:{site.port}")[0] == 200
    status, _, text = site.browse("/", Host="evil.example")
    assert (status, text.count("\n")) == (403, 1)
    assert "--allow-host" in text
    assert site.browse("/", Origin="http://evil.example")[0] == 403
    assert site.browse("/", Origin=f"http://{here}")[0] == 200
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{site.port + 1}"):
        with pytest.raises(InvalidStatus) as err, site.page(origin=origin):
            pass
        assert err.value.response.status_code == 403
    with site.page(origin=f"http://{here}") as page:
        assert json.loads(page.recv(timeout=5))[0][0] == "hello"


def test_hosts_in_brackets() -> None:
    guard = Guard(lambda *_: None, [])  # type: ignore[arg-type]
    assert guard.problem({b"host": b"[::1]:9080"}) == ""
    assert guard.problem({b"host": b"[::1]"}) == ""
    assert guard.problem({b"host": b"[::2]:9080"}) != ""
    assert guard.problem({}) != ""


def test_a_page_that_does_not_take_what_waits_loses_the_oldest() -> None:
    async def fill() -> tuple[int, list[list[Any]]]:
        page = Page()
        for number in range(MOST_WAITING_MESSAGES + 10):
            page.put([number])
        return page.dropped, await page.take()

    dropped, messages = asyncio.run(fill())
    assert (dropped, len(messages), messages[0]) == (10, MOST_WAITING_MESSAGES, [10])


def test_kept_files_are_served_and_nothing_else(site: Site, tmp_path: Path) -> None:
    assert json.loads(site.get("/takes.json")[2]) == []
    (tmp_path / "2026-01-02-120005-bars-1-8.mid").write_text("MThd")
    (tmp_path / "secret.txt").write_text("no")
    assert json.loads(site.get("/takes.json")[2]) == ["2026-01-02-120005-bars-1-8.mid"]
    status, headers, text = site.get("/takes/2026-01-02-120005-bars-1-8.mid")
    assert (status, headers["content-type"], text) == (200, "audio/midi", "MThd")
    for path in ("secret.txt", "..%2fsecret.txt", "%2e%2e/x.mid", "no.mid"):
        assert site.get(f"/takes/{path}")[0] == 404
