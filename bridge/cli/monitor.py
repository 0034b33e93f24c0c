"""`midi-diffuse monitor`: see and steer a daemon in a browser."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--daemon",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Machine of the daemon.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=9000,
    show_default=True,
    help="The daemon's OSC port.",
)
@click.option(
    "--web-host",
    default="127.0.0.1",
    show_default=True,
    help="Address to serve the page at; 0.0.0.0 lets phones and tablets in.",
)
@click.option(
    "--web-port",
    type=click.IntRange(0, 65535),
    default=9080,
    show_default=True,
    help="TCP port of the page; 0 takes any free one.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="A further name or address that this machine is called by in browsers.",
)
@click.option(
    "--takes",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where the daemon writes what is kept, if on this machine.  [your data folder]",
)
@click.option("--open", "show", is_flag=True, help="Open the page in your browser.")
def monitor(
    daemon: str,
    port: int,
    web_host: str,
    web_port: int,
    hosts: tuple[str, ...],
    takes: Path | None,
    show: bool,
) -> None:
    """Show what a daemon hears, plays and plans, live in a browser, and steer it from there.

    A process of its own and an OSC client like any other: close it and the music goes on.
    """
    from bridge.monitor.main import MonitorError, run
    from bridge.takes.keeper import takes_folder

    folder = takes or takes_folder()
    try:
        run((daemon, port), (web_host, web_port), hosts, folder, click.echo, show=show)
    except MonitorError as err:
        raise click.UsageError(str(err)) from None
