"""`midi-diffuse`: finds the command, and tells every expected error in one line.

Commands live in modules that are imported only when they are run, so that `midi-diffuse ports`
does not wait for torch.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from bridge.text import did_you_mean, one_line, shorten

USER_ERRORS = (
    ("bridge.settings.rows", "ParameterError"),
    ("bridge.settings.presets", "PresetError"),
    ("bridge.settings.model_trust", "TrustError"),
    ("bridge.osc.peers", "PeerError"),
    ("bridge.event_log.outcomes", "LogError"),
    ("bridge.midi.port_names", "PortError"),
    ("bridge.osc.udp", "OscPortError"),
    ("bridge.demo.show", "DemoError"),
    ("bridge.takes.ableton", "AbletonError"),
    ("bridge.engine_link.address", "LinkError"),
    ("bridge.engine_server.cluster", "ClusterError"),
    ("bridge.engine_server.credentials", "CredentialError"),
    ("bridge.client.rig", "RigError"),
    ("bridge.engine_host.verified", "ModelChangedError"),
    ("engine.music.grid", "GridError"),
    ("engine.scores.midi_file", "MidiFileError"),
    ("engine.requests.abilities", "AbilityError"),
    ("engine.model.export", "ModelError"),
    ("engine.model.checkpoint", "CheckpointError"),
    ("engine.training.dataset", "PackError"),
    ("engine.training.corpus", "CorpusError"),
)
"""Errors that are the user's to mend: shown in one line with exit code 2, without a traceback."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a command is: `module.attribute`. `help` is its line in the list of commands."""

    module: str
    attribute: str
    help: str

    def load(self) -> click.Command:
        """Import the module and take the command."""
        command = getattr(importlib.import_module(self.module), self.attribute)
        assert isinstance(command, click.Command)
        return command


class OneLineError(click.ClickException):
    """An error that is shown in one line: `midi-diffuse serve: what was wrong`."""

    exit_code = 2

    def __init__(self, place: str, text: str) -> None:
        super().__init__(one_line(f"{place}: {text}"))

    def show(self, file: Any = None) -> None:
        """Print it on stderr."""
        click.echo(self.message, file=file or sys.stderr)


class LazyGroup(click.Group):
    """A group whose commands are imported when asked for by name."""

    def __init__(
        self, sources: dict[str, Source], aliases: Mapping[str, str] | None = None, **settings: Any
    ) -> None:
        """Take the commands by name, as listed; aliases: other names for them, not listed."""
        super().__init__(**settings)
        self._sources, self._aliases = sources, aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the table's order."""
        return list(self._sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None."""
        source = self._sources.get(self._aliases.get(cmd_name, cmd_name))
        return source.load() if source else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve as click does, but name what there is in the error of an unknown command."""
        known = {*self._sources, *self._aliases}
        if args and args[0] not in known and not args[0].startswith("-"):
            hint = did_you_mean(args[0], self._sources)
            raise click.UsageError(
                f"no command {args[0]!r}{hint}; there are: {', '.join(self._sources)}", ctx
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.help) for name, source in self._sources.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as click does, with errors in one line."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as err:
            raise _in_one_line(err, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors in one line."""
        try:
            return super().invoke(ctx)
        except click.UsageError as err:
            raise _in_one_line(err, ctx) from None
        except _user_errors() as err:
            place = f"{ctx.command_path} {ctx.invoked_subcommand or ''}"
            raise OneLineError(place.strip(), str(err)) from None
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as err:
            if ctx.find_root().params.get("verbose"):
                raise
            place = f"{ctx.command_path} {ctx.invoked_subcommand or ''}"
            raise UnforeseenError(place.strip(), err) from None


class UnforeseenError(OneLineError):
    """A fault of ours, or of a file that nobody thought of."""

    exit_code = 70

    def __init__(self, place: str, err: Exception) -> None:
        text = f"unforeseen: {type(err).__name__}: {shorten(str(err), 200)}"
        super().__init__(place, f"{text} (midi-diffuse --verbose ... shows where)")


def _user_errors() -> tuple[type[BaseException], ...]:
    # An error can only have been raised by a module that is imported; importing none here keeps
    # torch out.
    modules = ((sys.modules.get(module), name) for module, name in USER_ERRORS)
    return tuple(getattr(module, name) for module, name in modules if hasattr(module, name))


def _in_one_line(err: click.UsageError, ctx: click.Context) -> click.ClickException:
    # `midi-diffuse` alone shows the whole help, not one line.
    if type(err).__name__ == "NoArgsIsHelpError":
        return err
    return OneLineError((err.ctx or ctx).command_path, err.format_message())


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"midi-diffuse {version('midi-diffuse')}")
        ctx.exit()


_VERSION = click.Option(
    ["--version"],
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Say which version this is.",
)

_VERBOSE = click.Option(["--verbose"], is_flag=True, help="Show where an unforeseen error arose.")

_BENCH = LazyGroup(
    {
        "live": Source(
            "bridge.cli.bench_live", "bench_live", "Play bars through real ports; count beats"
        ),
        "jitter": Source(
            "bridge.cli.bench_live", "bench_jitter", "How late notes leave, idle and under load"
        ),
        "cluster": Source(
            "bridge.cli.cluster", "bench_cluster", "Simulated players on one engine server"
        ),
        "engine": Source("bridge.cli.engine", "bench_engine", "Time the model, and the paper's"),
        "jsb": Source("bridge.cli.jsb", "bench_jsb", "Score a model of chorales: nats a frame"),
        "systems": Source("bridge.cli.systems", "bench_systems", "Compare whole diffusion systems"),
        "cadences": Source(
            "bridge.cli.cadences", "bench_cadences", "Count V-I at the end of known melodies"
        ),
        "samplers": Source("bridge.cli.study", "bench_samplers", "Compare samplers and calls"),
    },
    name="bench",
    help="Measure this machine.",
)

COMMANDS: dict[str, Source] = {
    "serve": Source("bridge.cli.live", "serve", "Play along: MIDI ports and OSC"),
    "engine-server": Source(
        "bridge.cli.cluster", "engine_server", "Run the engine for many players"
    ),
    "monitor": Source("bridge.cli.monitor", "monitor", "See and steer a daemon in a browser"),
    "doctor": Source("bridge.cli.doctor", "doctor", "Check this machine; say what to mend"),
    "demo": Source("bridge.cli.demo", "demo", "Hear and see a melody answered, in a minute"),
    "harmonize": Source("bridge.cli.files", "harmonize", "Add harmony to a MIDI file's melody"),
    "continue": Source("bridge.cli.files", "continue_", "Go on where a MIDI file ends"),
    "infill": Source("bridge.cli.files", "infill", "Fill bars of a MIDI file anew"),
    "vary": Source("bridge.cli.files", "vary", "Play a MIDI file's music differently"),
    "generate": Source("bridge.cli.files", "generate", "Make music from nothing"),
    "render": Source("bridge.cli.files", "render", "Draw a MIDI file as a piano-roll PNG"),
    "push": Source("bridge.cli.push", "push", "Put a kept take into clips of Ableton Live"),
    "ports": Source("bridge.cli.live", "ports", "List the MIDI ports of this machine"),
    "status": Source("bridge.cli.status", "status", "Ask a running midi-diffuse how it goes"),
    "replay": Source("bridge.cli.replay", "replay_command", "Play an event log again, exactly"),
    "presets": Source("bridge.cli.presets", "presets", "List the presets"),
    "bench": Source("bridge.cli.main", "_BENCH", "Measure this machine"),
    "train": Source("bridge.cli.engine", "train", "Train a model"),
    "refine": Source("bridge.cli.engine", "refine", "Better likelihood for a finished run"),
    "export": Source("bridge.cli.engine", "export", "Make one TorchScript file of a checkpoint"),
    "evaluate": Source("bridge.cli.engine", "evaluate", "Score a model against baselines"),
    "inspect": Source("bridge.cli.systems", "inspect", "Draw what a network's filters look for"),
    "reconstruct": Source("bridge.cli.systems", "reconstruct", "Hear what a code loses of a file"),
}

main = LazyGroup(
    COMMANDS,
    {"retouch": "refine"},
    name="midi-diffuse",
    params=[_VERSION, _VERBOSE],
    callback=lambda verbose: None,
    help="A diffusion model as a bandmate: harmony and continuation, live, in time with your DAW.",
    epilog="Every command explains itself with --help. Start with: midi-diffuse demo",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit with its code."""
    main.main(None if arguments is None else list(arguments), prog_name="midi-diffuse")


if __name__ == "__main__":
    run()
