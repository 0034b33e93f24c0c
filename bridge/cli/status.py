"""`midi-diffuse status`: asks a running daemon over OSC and prints what it says."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from dataclasses import dataclass, field

import click

from bridge.osc.wire import OscMessage, decode_packet, encode_packet
from bridge.text import printable

WAIT_S = 2.0
ASKED = ("preset", "mode", "reply", "tempo", "meter")
"""Parameters shown beside the figures."""


@dataclass(slots=True)
class Status:
    """What the daemon said. figures: those of /diffuse/stats. settings: of ASKED."""

    state: str = ""
    figures: dict[str, float] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    help="Its UDP port for OSC.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The machine it runs on.")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def status(port: int, host: str, as_json: bool) -> None:
    """Ask a running `midi-diffuse serve` how it goes: beats, lateness, engine, what was dropped."""
    found = ask(host, port)
    if as_json:
        click.echo(
            json.dumps(
                {"state": found.state, "settings": found.settings, "figures": found.figures},
                indent=2,
            )
        )
        return
    for line in lines(found):
        click.echo(printable(line))


def ask(host: str, port: int) -> Status:
    """Return the daemon's state and figures. Raises click.UsageError when nothing answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        try:
            peer.connect((host, port))
        except OSError as err:
            raise click.UsageError(f"{host}: {err.strerror or err}") from None
        own_host, own_port = peer.getsockname()
        # Its reply port may be another program's: have the answers come here as well.
        peer.send(encode_packet("/diffuse/subscribe", (own_host, own_port)))
        try:
            for name in ASKED:
                peer.send(encode_packet(f"/diffuse/{name}", ()))
            peer.send(encode_packet("/diffuse/stats", ()))
            return _listen(peer)
        except OSError:  # nobody listens there: the system says so, or nothing comes
            raise click.UsageError(
                f"no midi-diffuse answers at {host} port {port}; start it with "
                "`midi-diffuse serve`, or name its port with --port"
            ) from None
        finally:
            peer.send(encode_packet("/diffuse/unsubscribe", (own_host, own_port)))


def _listen(peer: socket.socket) -> Status:
    found, end_s = Status(), time.monotonic() + WAIT_S
    while True:
        peer.settimeout(max(end_s - time.monotonic(), 1e-3))
        for message in decode_packet(peer.recv(65536)):
            if isinstance(message, OscMessage) and _take(message, found):
                return found
        if time.monotonic() > end_s:
            raise TimeoutError


def _take(message: OscMessage, found: Status) -> bool:
    """Note one answer; True for the last."""
    name, *values = (message.address.removeprefix("/diffuse/out/"), *message.arguments)
    parameter = str(name).removeprefix("param/")
    if name == "state" and values:
        found.state = str(values[0])
    elif parameter in ASKED and values:
        found.settings[parameter] = values[0]
    elif name == "stats" and len(values) == 2:
        if values[0] == "end":
            return True
        with contextlib.suppress(TypeError, ValueError):  # whoever answers there may say anything
            found.figures[str(values[0])] = float(values[1] or 0)
    return False


def lines(found: Status) -> list[str]:
    """Return it for people: what matters on stage first."""
    figures = found.figures
    beats = " ".join(
        f"{name} {figures.get(name, 0):.0f}"
        for name in ("fresh", "stale", "rest", "late", "silent")
    )
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items())

    def ms(name: str) -> str:
        return f"{figures.get(name, 0):.2f} ms"

    def count(name: str) -> str:
        return f"{figures.get(name, 0):.0f}"

    faults = figures.get("faults", 0) + figures.get("thread_faults", 0)
    return [
        f"state     {found.state}   ({settings})",
        f"beats     {beats}",
        f"notes     {count('sent_notes')} sent, {count('late_notes')} dropped as too late, "
        f"{count('stale_notes')} as too old, {count('stalled_notes')} while the MIDI system stood "
        f"still, {count('unsent')} not taken by the port",
        f"lateness  p50 {ms('send_late_p50_ms')}, p99 {ms('send_late_p99_ms')}, "
        f"most {ms('send_late_max_ms')}; input looked at p99 {ms('input_late_p99_ms')}, "
        f"most {ms('input_late_max_ms')} after it came",
        f"engine    {count('plans')} plans, p50 {ms('plan_p50_ms')}, p95 {ms('plan_p95_ms')}, "
        f"{count('engine_restarts')} restarts",
        f"OSC       {count('osc_dropped')} dropped, {count('osc_lost')} lost, "
        f"{count('osc_malformed')} malformed, {count('osc_refused')} refused",
        f"faults    {faults:.0f}, steps missing from the log {count('log_lost')}",
    ]
