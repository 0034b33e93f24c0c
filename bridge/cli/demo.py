"""`midi-diffuse demo`: a result to see and hear in the first minute."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--melody",
    default="ode-to-joy",
    show_default=True,
    metavar="NAME|FILE.mid",
    help="A bundled melody (--list-melodies), or a MIDI file's.",
)
@click.option("--list-melodies", is_flag=True, help="Name the bundled melodies.")
@click.option("--preset", default="default", show_default=True, help="Model and settings.")
@click.option(
    "--mode",
    type=click.Choice(["harmonize", "continue"]),
    default="harmonize",
    show_default=True,
    help="Play with you, or go on after you.",
)
@click.option(
    "--reply",
    type=click.Choice(["live", "next-bar"]),
    default="live",
    show_default=True,
    help="Harmony now, or each bar one bar later.",
)
@click.option("--bars", type=click.IntRange(1, 64), help="Play only so many bars.")
@click.option(
    "--set", "assignments", multiple=True, metavar="NAME=VALUE", help="Set any parameter."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo.mid"),
    show_default=True,
    help="Where the MIDI file goes; the picture goes beside it.",
)
@click.option("--wav", is_flag=True, help="Make a recording too, with fluidsynth.")
@click.option(
    "--soundfont",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Sounds for --wav.  [one of this machine's]",
)
def demo(
    melody: str,
    list_melodies: bool,
    preset: str,
    mode: str,
    reply: str,
    bars: int | None,
    assignments: tuple[str, ...],
    output: Path,
    wav: bool,
    soundfont: Path | None,
) -> None:
    """Play a melody through midi-diffuse, in real time, and keep what comes back.

    Starts `midi-diffuse serve`, plays to it over real MIDI ports (or OSC where there are none), and
    leaves demo.mid and demo.png with melody and reply. Takes about a minute.
    """
    from bridge.demo import show
    from bridge.settings import presets
    from bridge.settings.rows import ParameterError
    from bridge.settings.values import check_value

    if list_melodies:
        click.echo("\n".join(show.tune_names()))
        return
    if output.suffix.lower() not in (".mid", ".midi"):
        raise click.UsageError(f"-o wants a name that ends in .mid, not {str(output)!r}")
    tune = show.load_tune(melody, bars or (8 if mode == "continue" else None))
    presets.load(preset)
    for text in assignments:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"--set wants name=value, such as voices=3, not {text!r}")
        check_value(name.strip(), value.strip())
    if wav:
        show.check_wav(soundfont)
    words = ["--preset", preset, "--set", f"mode={mode}", "--set", f"reply={reply}"]
    words += [word for text in assignments for word in ("--set", text)]
    click.echo(f"starting midi-diffuse serve with preset {preset}")
    extra_bars = 6 if mode == "continue" else int(reply == "next-bar")
    outcome = show.give(tune, words, extra_bars, click.echo)
    picture = output.with_suffix(".png")
    show.save_demo(tune, outcome, output, picture)
    if wav:
        show.make_wav(output, output.with_suffix(".wav"), soundfont)
    for line in show.summary(tune, outcome):
        click.echo(line)
    click.echo(f"wrote {output} and {picture}" + (f" and {output.with_suffix('.wav')}" * wav))
    if not wav and show.find_soundfont() is not None:
        click.echo("to hear it: open the MIDI file, or do it again with --wav")
    if not outcome.reply:
        click.echo("nothing came back; `midi-diffuse serve -v` may say why", err=True)
        sys.exit(1)
