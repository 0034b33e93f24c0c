"""A peer in an Ableton Link session that follows and never leads.

On a thread of its own, since aalink wants an event loop: it looks at the session and puts what is
new into the inbox. It sets neither tempo nor beat nor start/stop, opens no session, and joins one
only when another peer has announced itself (`bridge.link.neighbours`). aalink is GPL: it is an
optional extra and is imported when the clock is first set to `link`.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import Callable
from typing import Any

from bridge.commands import Command, FollowLink, LinkHeard
from bridge.link.neighbours import Neighbours
from bridge.service_thread import Health, ServiceThread
from bridge.timebase import NS_PER_MS, NS_PER_S

_POLL_S = 0.01
_READS = 3
SETTLE_NS = NS_PER_S
"""From hearing a peer to joining. Link holds sessions that are less than half a second apart to be
of one age, and takes either's tempo."""
LONELY_NS = 5 * NS_PER_S
"""Joined for so long without meeting anyone: the peer that was there has gone."""
_ALIVE_NS = 100 * NS_PER_MS
"""Told at least this often while joined, so that silence means that the session is lost."""
_DRIFT_BEATS = 2e-4
"""0.1 ms at 120 bpm: reported at once when the beat is so far off what was reported before."""
_SECONDS_TO_STOP = 2.0

NO_AALINK = "clock link: aalink is not installed; pip install 'midi-diffuse[link]' (it is GPL)"


def link_is_installed() -> bool:
    """Say whether a Link session can be joined at all; imports nothing."""
    return importlib.util.find_spec("aalink") is not None


def is_news(reported: LinkHeard | None, seen: LinkHeard) -> bool:
    """Say whether `seen` holds anything that does not follow from what was reported."""
    if reported is None or seen.at_ns - reported.at_ns >= _ALIVE_NS:
        return True
    if (reported.peers, reported.bpm, reported.rolling, reported.quantum_beats) != (
        seen.peers,
        seen.bpm,
        seen.rolling,
        seen.quantum_beats,
    ):
        return True
    expected = reported.beat + (seen.at_ns - reported.at_ns) * reported.bpm / 60 / NS_PER_S
    return abs(seen.beat - expected) > _DRIFT_BEATS


def look(link: Any) -> LinkHeard:
    """Return the session now. Of a few reads of the beat the one that took least time is kept."""
    reads = []
    for _ in range(_READS):
        before_ns = time.perf_counter_ns()
        beat = link.beat
        after_ns = time.perf_counter_ns()
        reads.append((after_ns - before_ns, (before_ns + after_ns) // 2, beat))
    _, at_ns, beat = min(reads)
    return LinkHeard(at_ns, link.num_peers, beat, link.tempo, link.playing, link.quantum)


class LinkClient:
    """Joins and leaves as asked. `follow` may be called from any thread and never blocks.

    put: takes LinkHeard. tell: takes a line for the terminal and a logging level.
    """

    def __init__(self, put: Callable[[Command], None], tell: Callable[[int, str], None]) -> None:
        self.peers = 0
        self._put, self._tell = put, tell
        self._quantum_beats: float | None = None
        self._thread = ServiceThread("link", self._run)
        self._begun = False
        self._told: LinkHeard | None = None

    def follow(self, wanted: FollowLink) -> None:
        """Be in a session, counted in bars of so many beats, or (None) in none."""
        self._quantum_beats = wanted.quantum_beats
        if not self._begun and wanted.quantum_beats is not None:
            self._begun = True
            self._thread.start()

    @property
    def health(self) -> Health | None:
        """How its thread does; None where it was never asked for, or has nothing to follow with."""
        health = self._thread.health
        return health if self._begun and not self._thread.halted.is_set() else None

    def stop(self) -> None:
        """Leave, and end the thread."""
        self._thread.halt()
        self._thread.join(_SECONDS_TO_STOP)

    # -- On the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            from aalink import Link
        except ImportError as err:
            self._tell(logging.ERROR, NO_AALINK if not link_is_installed() else f"aalink: {err}")
            self._thread.halt()
            return
        asyncio.run(self._attend(Link))

    async def _attend(self, make_link: Callable[[float], Any]) -> None:
        while not self._thread.halted.is_set():
            if self._wanted() and await self._meet():
                link = make_link(120.0)  # the session's tempo takes its place
                link.start_stop_sync_enabled = True
                link.enabled = True
                try:
                    await self._listen(link)
                finally:
                    link.enabled = False
                    self._leave()
            await self._pause()

    async def _pause(self) -> None:
        self._thread.tick()
        await asyncio.sleep(_POLL_S)

    def _wanted(self) -> bool:
        return self._quantum_beats is not None and not self._thread.halted.is_set()

    async def _meet(self) -> bool:
        """Wait until a peer is there and its session old enough; False when not wanted any more."""
        try:
            neighbours = Neighbours()
        except OSError as err:
            self._tell(logging.WARNING, f"Ableton Link: cannot listen for peers ({err}); joining")
            return True
        self._tell(logging.INFO, "Ableton Link: waiting for a peer")
        announced_ns: int | None = None
        try:
            while self._wanted():
                if neighbours.announced() and announced_ns is None:
                    announced_ns = time.perf_counter_ns()
                if announced_ns is not None and time.perf_counter_ns() - announced_ns > SETTLE_NS:
                    return True
                await self._pause()
        finally:
            neighbours.close()
        return False

    async def _listen(self, link: Any) -> None:
        """Tell what is new until it is not wanted any more or everybody else has gone."""
        begun_ns, met = time.perf_counter_ns(), False
        while self._wanted():
            link.quantum = self._quantum_beats
            seen = look(link)
            if seen.peers:
                self._meet_told(seen, met)
                met = True
            elif met or seen.at_ns - begun_ns > LONELY_NS:
                return
            await self._pause()

    def _meet_told(self, seen: LinkHeard, met: bool) -> None:
        if not met:
            self._tell(logging.INFO, f"Ableton Link: joined at {seen.bpm:.1f} bpm")
        self.peers = seen.peers
        if is_news(self._told, seen):
            self._told = seen
            self._put(seen)

    def _leave(self) -> None:
        if self.peers:
            self._put(LinkHeard(time.perf_counter_ns(), 0, 0.0, 0.0, False, 0.0))
        self.peers, self._told = 0, None
