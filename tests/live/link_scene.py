"""An Ableton Link session on a network of its own: a peer, the daemon, and what each saw.

Run as a program where nothing but loopback is there; prints one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from aalink import Link

from bridge.client.peers import OscPeer
from bridge.client.rig import DaemonProcess, RigError
from bridge.link.client import look
from bridge.timebase import NS_PER_S

QUANTUM = 4
BARS = 4
PATIENCE_S = 30.0


@dataclass
class Seen:
    """What the scene saw. Errors: how late each bar message came against the peer's bar line."""

    alone: dict[str, float] = field(default_factory=dict)
    joined: dict[str, float] = field(default_factory=dict)
    waiting: str = ""
    errors_ms: dict[str, list[float]] = field(default_factory=dict)
    bars: dict[str, list[int]] = field(default_factory=dict)
    bpm: dict[str, float] = field(default_factory=dict)
    note: int = 0
    stopped: str = ""
    peer_tempos: list[float] = field(default_factory=list)
    peer_played: list[bool] = field(default_factory=list)
    peers_after: int = -1
    exit_code: int = -1
    told: str = ""


class Peer:
    """The other side: a musician's own Link program, and an OSC client of the daemon."""

    def __init__(self, osc: OscPeer) -> None:
        self.osc = osc
        self.tempos: list[float] = []
        self.played: list[bool] = []
        self.link: Any = None
        self.messages: list[tuple[int, float, str, tuple[Any, ...]]] = []

    def begin(self, bpm: float) -> None:
        """Open a session."""
        self.link = Link(bpm)
        self.link.quantum = QUANTUM
        self.link.start_stop_sync_enabled = True
        self.link.enabled = True

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Look around until `holds`; RigError naming `what` when it never does."""
        end_s = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > end_s:
                raise RigError(f"waited {PATIENCE_S:g} s in vain for {what}")
            await self.look_around()

    async def look_around(self) -> None:
        """Note what is heard and what our session has come to."""
        message = self.osc.receive(0.001)
        if message is not None:
            now_ns = time.perf_counter_ns()
            beat = self.beat_at(now_ns) if self.link is not None else 0.0
            self.messages.append((now_ns, beat, message.address, message.arguments))
        if self.link is not None:
            _add(self.tempos, round(self.link.tempo, 6))
            _add(self.played, self.link.playing)
        await asyncio.sleep(0)

    def beat_at(self, now_ns: int) -> float:
        """The session's beat at an instant near now."""
        seen = look(self.link)
        return seen.beat + (now_ns - seen.at_ns) * seen.bpm / 60 / NS_PER_S

    def last(self, address: str) -> Any:
        """The first argument of the newest message at `address`."""
        found = [m[3][0] for m in self.messages if m[2] == address]
        return found[-1] if found else None

    async def ask(self) -> dict[str, float]:
        """The daemon's figures."""
        self.messages.clear()
        self.osc.send("/diffuse/stats")
        await self.until("stats", lambda: any(m[3][:1] == ("end",) for m in self.messages))
        rows = [m[3] for m in self.messages if m[2] == "/diffuse/out/stats"]
        return {str(name): float(value) for name, value in rows}

    async def bars(self) -> tuple[list[int], list[float]]:
        """Numbers of some bars to come, and how late in ms each was told."""
        self.messages.clear()
        address = "/diffuse/out/bar"
        await self.until("bars", lambda: sum(m[2] == address for m in self.messages) >= BARS)
        rows = [(beat, words[0]) for _, beat, name, words in self.messages if name == address]
        beat_ms = 60_000 / self.link.tempo
        late = [(beat + QUANTUM / 2) % QUANTUM - QUANTUM / 2 for beat, _ in rows]
        return [int(number) for _, number in rows], [round(beats * beat_ms, 3) for beats in late]


def _add(kept: list[Any], value: Any) -> None:
    if not kept or kept[-1] != value:
        kept.append(value)


@contextlib.asynccontextmanager
async def meeting() -> AsyncIterator[tuple[Peer, DaemonProcess]]:
    """A daemon with `--clock link` and nobody to meet yet."""
    osc = OscPeer()
    with DaemonProcess(
        *("--preset", "fixture", "--clock", "link", "--tempo", "120"), reply_port=osc.port
    ) as daemon:
        osc.to_port = daemon.osc_port
        osc.subscribe()
        yield Peer(osc), daemon
    osc.close()


async def scene() -> Seen:
    """Alone; a peer comes at 90 bpm, starts, goes to 133, stops; the daemon ends."""
    seen = Seen()
    async with meeting() as (peer, daemon):
        seen.alone = await peer.ask()
        peer.begin(90.0)
        await peer.until("a peer", lambda: peer.link.num_peers == 1)
        while not (seen.joined or {}).get("link_peers"):
            seen.joined = await peer.ask()
        seen.waiting = peer.last("/diffuse/out/state")
        peer.link.playing = True
        await peer.until("bar 1", lambda: peer.last("/diffuse/out/bar") == 1)
        for bpm in (90.0, 133.0):
            peer.link.tempo = bpm
            await peer.until("the tempo", lambda bpm=bpm: peer.tempos[-1] == bpm)  # type: ignore[misc]
            seen.bars[str(bpm)], seen.errors_ms[str(bpm)] = await peer.bars()
            seen.bpm[str(bpm)] = (await peer.ask())["bpm"]
        peer.osc.send("/diffuse/note", 72, 90)
        await peer.until("a note", lambda: peer.last("/diffuse/out/note"))
        seen.note = peer.last("/diffuse/out/note")
        peer.link.playing = False
        await peer.until("a stop", lambda: peer.last("/diffuse/out/state") == "waiting")
        seen.stopped = peer.last("/diffuse/out/state")
        seen.exit_code = daemon.end()
        await peer.until("the daemon to leave", lambda: peer.link.num_peers == 0)
        seen.peers_after = peer.link.num_peers
        seen.peer_tempos, seen.peer_played = peer.tempos, peer.played
        seen.told = daemon.errors
        peer.link.enabled = False
    return seen


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(scene()))))
