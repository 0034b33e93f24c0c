"""The UDP socket: datagrams in become Commands in time, OscOut goes out. Knows no music.

python-osc's own servers are not used: they sleep in the handler for bundles timed ahead.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from bridge.commands import Act, Address, Command, OscOut
from bridge.osc.peers import Peers
from bridge.osc.reading import OscProblem, hint, is_own_reply, parse_packet
from bridge.osc.schema import OUT_PREFIX, PREFIX
from bridge.osc.udp import SO_RXQ_OVFL, OscPortError, another, bind, is_this_machine
from bridge.osc.wire import MOST_PACKET_BYTES, encode_packet
from bridge.service_thread import TURN_S, Health, ServiceThread
from bridge.timebase import NS_PER_MS, NS_PER_S, Clock, SystemClock

MOST_PER_WINDOW = 200
_WINDOW_NS = 10 * NS_PER_MS
MOST_ERRORS_PER_WINDOW = 5
"""Looking for what was meant costs about a millisecond; a flood of nonsense must not."""
_MOST_WAITING = 256
"""Datagrams that wait to be parsed; what comes beyond them is dropped."""
_SLICE = 16
"""Datagrams parsed, some 2 ms, before the socket is emptied again."""
_URGENT = tuple(f"{PREFIX}{name}\0".encode() for name in ("panic", "stop"))
"""These are acted on before what came earlier, and beyond the limit of a flood."""
_MOST_URGENT_PER_WINDOW = 4
_MOST_HELD = 1024
"""Commands timed in the future that wait at once."""
MOST_SUBSCRIBERS = 16
SUBSCRIBED_S = 60
"""A subscription that is not renewed for so long ends: a patch that was closed asks for nothing."""
RENEW_S = 20
"""How often our own clients and patches renew theirs."""
MOST_PER_S = {"help": 2, "stats": 50, "keep": 4, "save": 4}
"""Actions with answers much longer than the question, or that write files: no more than so many
are acted on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OscCounts:
    """What the server has seen so far.

    received: datagrams. acted: commands passed on. dropped: messages over the limits. lost:
    datagrams that found the system's queue full (Linux).
    malformed: messages not understood. refused: datagrams of peers that may not talk to us.
    sent, unsent: datagrams out, and those that failed.
    """

    received: int = 0
    acted: int = 0
    dropped: int = 0
    lost: int = 0
    malformed: int = 0
    refused: int = 0
    sent: int = 0
    unsent: int = 0


class OscServer:
    """One UDP socket, bound when made; a thread reads it from `start` to `stop`.

    `inbox` is called on that thread and must only append and wake. `send` and `subscribe` are for
    one other thread, the outbox's. `counts`, `port` and `stop` are safe from any; `stop` may be
    called again and does not return before the thread has ended.
    """

    def __init__(
        self,
        host: str,
        port: int,
        reply_port: int | None,
        inbox: Callable[[Command], None],
        clock: Clock | None = None,
        peers: Peers | None = None,
    ) -> None:
        """Bind `host`:`port` (0 takes any free one) or raise OscPortError.

        Answers go to the host that asked, at `reply_port` (None: our port + 1), never to us.
        """
        self._socket = bind(host, port)
        self.host, self.port = self._socket.getsockname()
        self.reply_port = reply_port if reply_port is not None else self.port + 1
        if self.reply_port in (self.port, 65536):
            self._socket.close()
            raise OscPortError(
                f"answers cannot go to port {self.reply_port} while we listen on {self.port}; "
                f"name another with --reply-port, such as --reply-port {another(self.port)}"
            )
        self._inbox = inbox
        self._clock = clock or SystemClock()
        self._peers = peers or Peers()
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = ServiceThread("osc", self._turn)
        self._closed = False
        self._waiting: deque[tuple[bytes, int, Address]] = deque()
        self._subscribers: dict[Address, int] = {}  # until when, monotonic ns
        # One a thread, so that no count is lost: the reader's own, and what the outbox sent.
        self._in = OscCounts()
        self._out = OscCounts()
        self._held: list[tuple[int, int, Command]] = []
        self._order = itertools.count()
        self._window_start_ns = 0
        self._in_window = 0
        self._errors_in_window = 0
        self._urgent_in_window = 0
        self._second_start_ns = 0
        self._in_second: Counter[str] = Counter()

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Close the socket and end the thread; commands still held are forgotten."""
        if self._closed:
            return
        self._thread.halt()
        self._wake.send(b"\0")
        self._thread.join()
        self._closed = True
        for each in (self._selector, self._socket, self._wake, self._woken):
            each.close()

    @property
    def health(self) -> Health:
        """How its thread does."""
        return self._thread.health

    @property
    def counts(self) -> OscCounts:
        """A snapshot of the counters."""
        received, sent = self._in, self._out
        return replace(
            received, sent=received.sent + sent.sent, unsent=received.unsent + sent.unsent
        )

    @property
    def subscribers(self) -> frozenset[Address]:
        """Who gets every answer."""
        return frozenset(self._subscribers)

    def subscribe(self, peer: Address, on: bool, asker: Address | None = None) -> None:
        """Add `peer` for SUBSCRIBED_S, or remove it (or its reply address, if that subscribed).

        Where somebody asked for that, they and the peer are answered. Beyond MOST_SUBSCRIBERS a
        peer is not added, and that is the answer.
        """
        askers = {peer, self.reply_address(asker)} if asker else set()
        self._forget_expired()
        if not on:
            known = peer in self._subscribers
            self._subscribers.pop(peer if known else self.reply_address(peer), None)
            self._send_to(askers, OscOut(OUT_PREFIX + "done", ("unsubscribe",)))
        elif len(self._subscribers) < MOST_SUBSCRIBERS or peer in self._subscribers:
            self._subscribers[peer] = self._clock.now_ns() + SUBSCRIBED_S * NS_PER_S
            self._send_to(askers, OscOut(OUT_PREFIX + "done", ("subscribe",)))
        else:
            text = f"{MOST_SUBSCRIBERS} subscribers already; unsubscribe one first"
            self._send_to(
                {peer, *askers}, OscOut(OUT_PREFIX + "error", ("/diffuse/subscribe", text))
            )

    def _forget_expired(self) -> None:
        now_ns = self._clock.now_ns()
        for peer in [peer for peer, until in self._subscribers.items() if until <= now_ns]:
            del self._subscribers[peer]

    def reply_address(self, sender: Address) -> Address:
        """Return where answers to `sender` go: its host, at our reply port."""
        return sender[0], self.reply_port

    def send(self, message: OscOut) -> None:
        """Send to the asker, if there is one, and to every subscriber, once each."""
        self._forget_expired()
        peers = set(self._subscribers)
        # Who has subscribed with the very address it asks from gets it there.
        if message.to is not None and message.to not in peers:
            peers.add(self.reply_address(message.to))
        self._send_to(peers, message)

    def _send_to(self, peers: set[Address], message: OscOut) -> None:
        packet = encode_packet(message.address, message.arguments)
        for peer in sorted(peers):
            self._out = self._count_sent(self._out, packet, peer)

    def _count_sent(self, counts: OscCounts, packet: bytes, peer: Address) -> OscCounts:
        try:
            self._socket.sendto(packet, peer)
        except OSError as err:
            if not self._closed:
                _log.debug("nothing sent to %s:%d: %s", *peer, err)
            return replace(counts, unsent=counts.unsent + 1)
        return replace(counts, sent=counts.sent + 1)

    # -- the reading thread --------------------------------------------------------------------

    def _turn(self) -> None:
        if not self._waiting:
            self._selector.select(self._wait_s())
        self._deliver_held(self._clock.now_ns())
        self._empty_socket()
        for _ in range(min(_SLICE, len(self._waiting))):
            self._take(*self._waiting.popleft())

    def _wait_s(self) -> float:
        if not self._held:
            return TURN_S
        return min(max(self._held[0][0] - self._clock.now_ns(), 0) / NS_PER_S, TURN_S)

    def _empty_socket(self) -> None:
        """Take what has come, as far as there is room; what is urgent is acted on at once."""
        while not self._thread.halted.is_set():
            try:
                # One byte more than is allowed, so that a longer one shows.
                packet, sender = self._receive(MOST_PACKET_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:  # Windows reports here that an earlier answer was not wanted.
                continue
            self._in = replace(self._in, received=self._in.received + 1)
            now_ns = self._clock.now_ns()
            if not self._peers.may_ask(sender[0]):
                self._in = replace(self._in, refused=self._in.refused + 1)
            elif packet.startswith(_URGENT) and self._may_be_urgent(now_ns):
                self._act(packet, now_ns, sender)
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append((packet, now_ns, sender))
            else:
                self._drop(1)

    def _receive(self, most_bytes: int) -> tuple[bytes, Address]:
        if not sys.platform.startswith("linux"):
            return self._socket.recvfrom(most_bytes)
        packet, extra, _, sender = self._socket.recvmsg(most_bytes, socket.CMSG_SPACE(4))
        for level, kind, data in extra:
            if (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                self._in = replace(self._in, lost=int.from_bytes(data, sys.byteorder))
        return packet, sender

    def _may_be_urgent(self, now_ns: int) -> bool:
        self._begin_window(now_ns)
        self._urgent_in_window += 1
        return self._urgent_in_window <= _MOST_URGENT_PER_WINDOW

    def _begin_window(self, now_ns: int) -> None:
        if now_ns - self._window_start_ns >= _WINDOW_NS:
            self._window_start_ns = now_ns
            self._in_window = self._errors_in_window = self._urgent_in_window = 0

    def _take(self, packet: bytes, now_ns: int, sender: Address) -> None:
        """Act on one datagram within the limits."""
        self._begin_window(now_ns)
        if self._in_window >= MOST_PER_WINDOW:
            self._drop(1)
        else:
            self._in_window += self._act(packet, now_ns, sender)

    def _act(self, packet: bytes, now_ns: int, sender: Address) -> int:
        """Pass on what the datagram asks for; how many messages of it were looked at."""
        found = parse_packet(packet, now_ns, sender, time.time_ns())
        room = max(MOST_PER_WINDOW - self._in_window, 1)
        for each in found[:room]:
            if isinstance(each, OscProblem):
                self._refuse(each, sender)
            elif isinstance(each, Act) and (problem := self._misdirected(each, sender)):
                self._refuse(problem, sender)
            elif isinstance(each, Act) and self._too_often(each.name, now_ns):
                self._drop(1)
            elif each.at_ns > now_ns:
                self._hold(each)
            else:
                self._pass_on(each)
        self._drop(len(found) - len(found[:room]))
        return len(found[:room])

    def _misdirected(self, act: Act, sender: Address) -> OscProblem | None:
        """Return a subscription that would send our answers to somebody who did not ask for
        them."""
        if act.name not in ("subscribe", "unsubscribe") or len(act.arguments) < 2:
            return None
        host = str(act.arguments[0])
        if act.arguments[1] == self.port and is_this_machine(host):
            text = f"port {self.port} is where midi-diffuse itself listens; name your own"
            return OscProblem(PREFIX + act.name, text)
        if self._peers.may_direct(sender[0], host):
            return None
        text = f"answers go to who asks; to let them go to {host}, start with --allow {host}"
        return OscProblem(PREFIX + act.name, text)

    def _too_often(self, name: str, now_ns: int) -> bool:
        if name not in MOST_PER_S:
            return False
        if now_ns - self._second_start_ns >= NS_PER_S:
            self._second_start_ns = now_ns
            self._in_second.clear()
        self._in_second[name] += 1
        return self._in_second[name] > MOST_PER_S[name]

    def _drop(self, count: int) -> None:
        self._in = replace(self._in, dropped=self._in.dropped + count)

    def _pass_on(self, command: Command) -> None:
        self._in = replace(self._in, acted=self._in.acted + 1)
        self._inbox(command)

    def _hold(self, command: Command) -> None:
        if len(self._held) >= _MOST_HELD:
            self._drop(1)
        else:
            heapq.heappush(self._held, (command.at_ns, next(self._order), command))

    def _deliver_held(self, now_ns: int) -> None:
        while self._held and self._held[0][0] <= now_ns:
            self._pass_on(heapq.heappop(self._held)[2])

    def _refuse(self, problem: OscProblem, sender: Address) -> None:
        self._in = replace(self._in, malformed=self._in.malformed + 1)
        if is_own_reply(problem) or self._errors_in_window >= MOST_ERRORS_PER_WINDOW:
            return
        self._errors_in_window += 1
        packet = encode_packet(OUT_PREFIX + "error", (problem.address or "?", hint(problem)))
        self._in = self._count_sent(self._in, packet, self.reply_address(sender))
