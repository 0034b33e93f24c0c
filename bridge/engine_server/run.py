"""`midi-diffuse engine-server`: Ray and its replicas, then the gateway, until a signal comes."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bridge.engine_host.main import EngineSpec
from bridge.engine_link.address import DEFAULT_PORT, read_token
from bridge.engine_link.wire import Offer, digest_of
from bridge.engine_server import credentials
from bridge.engine_server.cluster import (
    ClusterError,
    Fleet,
    check_doors,
    local_ray,
    require_ray,
    start_model,
)
from bridge.engine_server.credentials import Credentials
from bridge.engine_server.gateway import AskEngine, Door, Gateway
from bridge.settings import presets
from bridge.settings.knobs import Knobs
from bridge.settings.presets import FIXTURE
from bridge.text import Say


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The configuration of an engine server. delay_ms: the fixture's time a batch. credentials:
    None for those in `folder`, made where missing; names: hosts to put into that certificate."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    presets: tuple[str, ...] = ("default",)
    device: str = "auto"
    threads: int = 0
    delay_ms: float = 0.0
    players: int = 256
    fleet: Fleet = field(default_factory=Fleet)
    credentials: Credentials | None = None
    names: tuple[str, ...] = ()


def run_server(config: ServerConfig, say: Say) -> None:
    """Serve until SIGINT or SIGTERM, then drain. Raises ClusterError and others in one line."""
    require_ray()
    found = config.credentials or credentials.make_missing(
        config.folder, [*credentials.own_names(config.host), *config.names]
    )
    door = Door(config.host, config.port, found.tls(), read_token(found.token), config.players)
    specs = [spec_of(name, config) for name in config.presets]
    check_address(config.host, config.port)
    signal.signal(signal.SIGTERM, _leave)
    with ExitStack() as stack:
        say("starting Ray and loading models ...")
        stack.enter_context(local_ray(config.fleet.cpus))
        offers, engines = _start_all(specs, config.fleet)
        check_doors()
        gateway = Gateway(door, engines, offers)
        asyncio.run(_serve(gateway, lambda port: _announce(config, found, offers, port, say)))
        say("drained; ending")


def check_address(host: str, port: int) -> None:
    """Say now, not when Ray has started, that nobody can listen there. Raises ClusterError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as err:
        raise ClusterError(f"cannot listen on {host} port {port}: {err.strerror or err}") from None


def _leave(number: int, frame: object) -> None:
    """Leave at a signal while all is being started: what has been is ended on the way out."""
    raise SystemExit(128 + number)


def spec_of(name: str, config: ServerConfig) -> EngineSpec:
    """Return the engine of a preset. Raises PresetError, also for a model that must not be
    loaded."""
    preset = presets.load(name)
    knobs = Knobs(preset.settings)
    return EngineSpec(
        model=FIXTURE if preset.model is None else str(preset.model),
        device=config.device,
        preset=preset.name,
        threads=config.threads,
        delay_ms=config.delay_ms,
        warm_up=knobs.sample_settings(knobs.integer("steps")),
    )


def _start_all(specs: list[EngineSpec], fleet: Fleet) -> tuple[list[Offer], dict[str, AskEngine]]:
    """Return each model once, however many presets play it. Raises ClusterError."""
    from bridge.engine_server.replica import PinnedModel

    offers: list[Offer] = []
    engines: dict[str, AskEngine] = {}
    for spec in specs:
        digest = digest_of(spec.model)
        if digest not in engines:
            offer, engines[digest] = start_model(PinnedModel(spec, digest), fleet)
            offers.append(offer)
    return offers, engines


async def _serve(gateway: Gateway, announce: Callable[[int], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        async with gateway.open() as port:
            announce(port)
            await ended.wait()
    except OSError as err:
        raise ClusterError(f"cannot listen: {err.strerror or err}") from None


def _announce(
    config: ServerConfig, found: Credentials, offers: list[Offer], port: int, say: Say
) -> None:
    for offer in offers:
        device = offer.metadata.get("device", "")
        say(f"model     {offer.name} {offer.digest[:12]} on {device}, {offer.plan_ns / 1e6:.0f} ms")
    say(f"token     {found.token}")
    say(f"certificate {found.certificate}")
    name = credentials.public_name(config.host)
    place = f"[{name}]" if ":" in name else name
    say(
        f"players   midi-diffuse serve --engine wss://{place}:{port} "
        "--engine-token-file token --engine-ca certificate.pem"
    )
    if config.host in ("127.0.0.1", "localhost", "::1"):
        say("          only from this machine; --listen 0.0.0.0 lets others in")
    say(f"READY on {config.host} port {port}; Ctrl-C drains and ends")
