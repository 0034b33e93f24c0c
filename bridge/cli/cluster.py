"""`midi-diffuse engine-server` and `bench cluster`. What they run is imported when they are run."""

from __future__ import annotations

import json
from pathlib import Path

import click
import platformdirs

_FILE = click.Path(dir_okay=False, path_type=Path)


class _Range(click.ParamType):  # type: ignore[type-arg]
    """`2` or `1-4`."""

    name = "N or N-M"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        if isinstance(value, tuple):
            return value
        low, _, high = str(value).partition("-")
        if not low.isdecimal() or not (high or low).isdecimal():
            self.fail(f"wants a number such as 2, or a range such as 1-4, not {value!r}")
        least, most = int(low), int(high or low)
        if not 1 <= least <= most <= 64:
            self.fail("wants 1 to 64, the smaller number first")
        return least, most


def split_address(text: str) -> tuple[str, int]:
    """Read `HOST:PORT`; the port may be left out."""
    from bridge.engine_link.address import DEFAULT_PORT

    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(DEFAULT_PORT)
    if not port.isdecimal() or int(port) > 65535 or not host:
        raise click.UsageError(f"--listen wants HOST:PORT, such as 0.0.0.0:8443, not {text!r}")
    return host.strip("[]"), int(port)


@click.command("engine-server", short_help="Run the engine for many players")
@click.option(
    "--listen",
    default="127.0.0.1:8443",
    show_default=True,
    metavar="HOST:PORT",
    help="Where players connect; 0.0.0.0:8443 lets other machines in.",
)
@click.option(
    "--preset",
    "preset_names",
    multiple=True,
    default=("default",),
    show_default=True,
    help="Whose model to serve; may be given several times.",
)
@click.option(
    "--replicas",
    type=_Range(),
    default="1",
    show_default=True,
    help="Copies of each model, or a range to scale within.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 256),
    default=None,
    help="Most players in one batch.  [32 on a GPU, 2 without]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
@click.option(
    "--threads",
    type=click.IntRange(0, 256),
    default=0,
    show_default="chosen",
    help="Bound on each copy's threads.",
)
@click.option(
    "--cpus",
    type=click.IntRange(1, 256),
    default=2,
    show_default=True,
    help="Cores that Ray counts with.",
)
@click.option(
    "--players",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    help="Most players at once.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Another name or address of this machine, for the certificate.",
)
@click.option("--token-file", type=_FILE, help="Your own token.  [made]")
@click.option("--certificate", type=_FILE, help="Your own certificate, PEM.  [made]")
@click.option("--key", type=_FILE, help="Its key, PEM.  [made]")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where token and certificate are made.  [your state folder]",
)
@click.option(
    "--delay-ms",
    type=click.FloatRange(0, 60_000),
    default=0.0,
    help="Time a batch takes, preset fixture only.",
)
def engine_server(
    listen: str,
    preset_names: tuple[str, ...],
    replicas: tuple[int, int],
    batch: int | None,
    device: str,
    threads: int,
    cpus: int,
    players: int,
    names: tuple[str, ...],
    token_file: Path | None,
    certificate: Path | None,
    key: Path | None,
    folder: Path | None,
    delay_ms: float,
) -> None:
    """Answer many players' requests on this machine, for `midi-diffuse serve --engine`.

    Needs `pip install 'midi-diffuse[cluster]'`. Players need the token and the certificate that are
    made at the first start; nothing else is open to the network. See docs/scale.md.
    """
    from bridge.engine_server.cluster import Fleet, require_ray

    require_ray()
    from bridge.engine_server.credentials import Credentials
    from bridge.engine_server.run import ServerConfig, run_server

    own = (token_file, certificate, key)
    if any(own) and not all(own):
        raise click.UsageError("--token-file, --certificate and --key go together")
    host, port = split_address(listen)
    config = ServerConfig(
        folder=folder or platformdirs.user_state_path("midi-diffuse", appauthor=False) / "server",
        host=host,
        port=port,
        presets=preset_names,
        device=device,
        threads=threads,
        delay_ms=delay_ms,
        players=players,
        fleet=Fleet(replicas[0], replicas[1], batch or 0, cpus),
        credentials=Credentials(token_file, certificate, key)
        if token_file and certificate and key
        else None,
        names=names,
    )
    run_server(config, lambda text: click.echo(text))


class _Counts(click.ParamType):  # type: ignore[type-arg]
    """`1,8,32`."""

    name = "N,N,..."

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        words = str(value).split(",")
        if not all(word.isdecimal() and 1 <= int(word) <= 1000 for word in words):
            self.fail(f"wants counts such as 1,8,32, not {value!r}")
        return tuple(map(int, words))


@click.command("cluster", short_help="Simulated players on one engine server")
@click.option(
    "--players",
    type=_Counts(),
    default="1,8,32,64",
    show_default=True,
    help="How many at once, one run for each.",
)
@click.option("--bars", type=click.IntRange(4, 100_000), default=16, show_default=True)
@click.option("--bpm", type=click.FloatRange(20, 400), default=120.0, show_default=True)
@click.option("--preset", default="default", show_default=True, help="Whose model to serve.")
@click.option(
    "--batch",
    type=click.IntRange(1, 256),
    default=8,
    show_default=True,
    help="Most players in one batch.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of melodies and of the network.",
)
@click.option("--replicas", default="1", show_default=True, help="As engine-server has it.")
@click.option(
    "--delay-ms",
    type=click.FloatRange(0, 60_000),
    default=0.0,
    help="Time a batch takes, preset fixture only.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object.")
def bench_cluster(
    players: tuple[int, ...],
    bars: int,
    bpm: float,
    preset: str,
    batch: int,
    seed: int,
    replicas: str,
    delay_ms: float,
    as_json: bool,
) -> None:
    """Start an engine server here and play to it: how many players it bears, and what bad
    networks and a dying replica do to them.

    First the rate when eight ask without a pause, in batches and one by one, and from it the
    capacity; then a run for each count and one at 0.8 of the capacity; then that one with 50 ms
    delay each way, with stalls, with the network cut for 5 s and with a replica killed. Players
    whose server does not answer in time are served by a stand-in for their laptop's own engine.
    """
    from bridge.engine_server.cluster import require_ray

    require_ray()
    from bridge.bench.cluster import ClusterPlan, run_cluster, table

    server = ("--replicas", replicas, "--delay-ms", str(delay_ms), "--players", "1000")
    plan = ClusterPlan(players, bars, bpm, preset, batch, seed, server)
    result = run_cluster(plan, lambda text: click.echo(text, err=True))
    click.echo(json.dumps(result, indent=2) if as_json else table(result))
