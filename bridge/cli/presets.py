"""`midi-diffuse presets`: what there is, shipped and the user's own."""

from __future__ import annotations

import json
from pathlib import Path

import click

from bridge.settings import model_trust
from bridge.settings.presets import Listed, list_presets, user_dir
from bridge.text import printable


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list.")
@click.option(
    "--trust",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="MODEL",
    help="Let presets load this model file from now on.",
)
def presets(as_json: bool, trust: Path | None) -> None:
    """List the presets, shipped and your own.

    A preset's model can do whatever a program can: one that did not come with midi-diffuse is
    loaded only after --trust, and is asked about again when it has changed.
    """
    if trust is not None:
        digest = model_trust.trust(trust)
        click.echo(f"trusted: {trust} (sha256 {digest}), in {model_trust.list_file()}")
        return
    listed = list_presets()
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in listed], indent=2))
        return
    width = max(len(each.name) for each in listed)
    usable = [each.name for each in listed if each.preset]
    numbers = {name: str(number) for number, name in enumerate(usable, 1)}
    for each in listed:
        mark = " (own)" if each.origin == "own" else ""
        text = each.preset.description if each.preset else f"cannot be used: {each.error}"
        click.echo(printable(f"{numbers.get(each.name, ''):>3}  {each.name:{width}}  {text}{mark}"))
    click.echo("\nThe number is the program change on channel 16 that takes it.")
    click.echo(f"Your own go into {user_dir()} as NAME.toml.")


def _as_json(listed: Listed) -> dict[str, object]:
    found = listed.preset
    return {
        "name": listed.name,
        "origin": listed.origin,
        "path": str(listed.path),
        "description": found.description if found else "",
        "model": str(found.model) if found and found.model else None,
        "settings": found.settings if found else {},
        "error": listed.error,
    }
