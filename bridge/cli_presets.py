"""`midi-diffuse presets`: what there is, shipped and the user's own."""

from __future__ import annotations

import json

import click

from bridge.presets import Listed, list_presets, user_dir


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: a JSON list.")
def presets(as_json: bool) -> None:
    """List the presets, shipped and your own."""
    listed = list_presets()
    if as_json:
        click.echo(json.dumps([_as_json(each) for each in listed], indent=2))
        return
    width = max(len(each.name) for each in listed)
    for each in listed:
        mark = " (own)" if each.origin == "own" else ""
        text = each.preset.description if each.preset else f"cannot be used: {each.error}"
        click.echo(f"{each.name:{width}}  {text}{mark}")
    click.echo(f"\nYour own go into {user_dir()} as NAME.toml.")


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
