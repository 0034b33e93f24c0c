"""Presets: named TOML files of a model and settings, shipped or the user's own.

description = "Four voices, hymn-like"
model = "default.pt"          # beside the preset, or "fixture" for chords without a network

[settings]                    # any row of bridge/settings/parameters.py
voices = 4
"""

from __future__ import annotations

import json
import sysconfig
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from bridge.commands import Value
from bridge.settings import model_trust
from bridge.settings.parameters import BY_NAME, PARAMETERS
from bridge.settings.rows import ParameterError
from bridge.settings.values import check_value
from bridge.text import did_you_mean, one_line, one_of, shorten
from engine.bounded_file import read_bounded

FIXTURE = "fixture"
"""The model name that stands for `engine.requests.fixture`: no file, no network."""

_KEYS = ("description", "model", "settings")
_MOST_BYTES = 64 * 1024
_MOST_NAME = 200


class PresetError(ValueError):
    """An unknown preset, or one with mistakes in it; the message names all of them, on one line."""

    def __init__(self, text: str) -> None:
        super().__init__(one_line(text))


@dataclass(frozen=True, slots=True)
class Preset:
    """A model and the settings it starts with. `model` is None for the fixture engine.

    sha256: of the model as it was trusted; whoever loads it compares.

    `settings` holds checked values, only of the parameters that the file names.
    """

    name: str
    description: str
    model: Path | None
    settings: dict[str, Value] = field(default_factory=dict)
    sha256: str = ""

    def complete(self) -> dict[str, Value]:
        """Return the settings, with the default of every other row a preset is in charge of.

        For switching while playing, so that nothing of the preset before stays behind.
        """
        return {**{row.name: row.default for row in PARAMETERS if row.in_preset}, **self.settings}


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the list of presets. `preset` is None where `error` says what is wrong."""

    name: str
    path: Path
    origin: str
    preset: Preset | None
    error: str = ""


def shared_dir(name: str) -> Path:
    """Return where the shipped folder `name` (`presets`, `max_patches`) lies.

    In a checkout it is beside `bridge`; an installed wheel puts it under `share/midi-diffuse`.
    """
    top = Path(__file__).resolve().parents[2]
    if (top / "pyproject.toml").is_file() and (top / name).is_dir():
        return top / name
    # `pip install --user` puts data elsewhere than the environment's own scheme.
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")):
        shared = Path(sysconfig.get_path("data", scheme)) / "share" / "midi-diffuse" / name
        if shared.is_dir():
            return shared
    raise PresetError(f"the folder {name!r} that came with midi-diffuse is gone; install it again")


def user_dir() -> Path:
    """Return where the user's own presets lie; it need not exist."""
    return platformdirs.user_config_path("midi-diffuse", appauthor=False) / "presets"


def load(name_or_path: str | Path) -> Preset:
    """Return the preset of that name (the user's own wins), or in that .toml file.

    Raises PresetError: no such preset, no such model file, or every mistake in the file at once.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or set(text) & set("/\\"):
        return _read(Path(name_or_path))
    found = {path.stem: path for _, path in _files()}
    if text not in found:
        hint = did_you_mean(text, found)
        raise PresetError(f"no preset {text!r}{hint}; there are: {', '.join(sorted(found))}")
    return _read(found[text])


def list_presets() -> list[Listed]:
    """Return every preset by name; broken ones with their error. The user's own replaces a shipped
    one."""
    listed: dict[str, Listed] = {}
    for origin, path in _files():
        try:
            listed[path.stem] = Listed(path.stem, path, origin, _read(path))
        except PresetError as err:
            listed[path.stem] = Listed(path.stem, path, origin, None, str(err))
    return sorted(listed.values(), key=lambda each: (each.name != "default", each.name))


def usable_names() -> list[str]:
    """Return the presets that can be used, in order: program change 0 is the first."""
    return [each.name for each in list_presets() if each.preset is not None]


def save_preset(name: str, base: Preset, settings: Mapping[str, Value]) -> Path:
    """Write a preset of the user's own: the model of `base`, the settings that are no defaults.

    One of the same name is replaced; its file is whole, old or new, whatever happens. Raises
    PresetError.
    """
    if (shared_dir("presets") / f"{name}.toml").exists():
        raise PresetError(f"preset {name!r} came with midi-diffuse; choose another name")
    path = user_dir() / f"{name}.toml"
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(_as_toml(base, settings), encoding="utf-8")
        temporary.replace(path)
    except OSError as err:
        raise PresetError(f"preset {path}: cannot be written: {err.strerror or err}") from None
    return path


def _as_toml(base: Preset, settings: Mapping[str, Value]) -> str:
    """JSON's numbers, switches and (ASCII) strings are TOML's."""
    model = FIXTURE
    if base.model is not None:
        shipped = base.model.parent == shared_dir("presets").resolve()
        model = base.model.name if shipped else str(base.model)
    changed = [(n, v) for n, v in settings.items() if v != BY_NAME[n].default]
    description = json.dumps(f"Saved from {base.name}")
    lines = [f"description = {description}", f"model = {json.dumps(model)}"]
    lines += ["", "[settings]", *(f"{n} = {json.dumps(v)}" for n, v in changed), ""]
    return "\n".join(lines)


def _files() -> Iterator[tuple[str, Path]]:
    """Shipped presets, then the user's own, as (origin, path)."""
    for origin, folder in (("shipped", shared_dir("presets")), ("own", user_dir())):
        for path in sorted(folder.glob("*.toml")):
            yield origin, path


def _read(path: Path) -> Preset:
    try:
        return _checked(path, tomllib.loads(read_bounded(path, _MOST_BYTES).decode()))
    except PresetError:
        raise
    except OSError as err:
        raise PresetError(f"preset {path}: {err.strerror or err}") from None
    except RecursionError:
        raise PresetError(f"preset {path}: not TOML: nested too deeply") from None
    except ValueError as err:  # of tomllib, of UTF-8, or of a number with too many digits
        raise PresetError(f"preset {path}: not TOML: {shorten(str(err))}") from None


def _checked(path: Path, document: dict[str, Any]) -> Preset:
    mistakes: list[str] = []
    for key in document:
        if key in BY_NAME:
            mistakes.append(f"{key!r} belongs under [settings]")
        elif key not in _KEYS:
            mistakes.append(f"no key {key!r}{did_you_mean(key, _KEYS)}; want {one_of(_KEYS)}")
    description = document.get("description", "")
    if not isinstance(description, str):
        mistakes.append("description wants text")
    model, sha256 = _model(path, document.get("model"), mistakes)
    settings = _settings(document.get("settings", {}), mistakes)
    if mistakes:
        raise PresetError(f"preset {path}: {'; '.join(mistakes)}")
    return Preset(path.stem, description, model, settings, sha256)


def _model(path: Path, value: object, mistakes: list[str]) -> tuple[Path | None, str]:
    """Return the model's file and its checksum."""
    if value == FIXTURE:
        return None, ""
    if not isinstance(value, str) or not value:
        mistakes.append(f"model wants a file name such as 'default.pt', or {FIXTURE!r}")
    elif len(value) > _MOST_NAME or "\0" in value:
        mistakes.append(f"model wants a file name of at most {_MOST_NAME} characters")
    else:
        beside, shipped = path.parent / _at_home(value), shared_dir("presets") / value
        for candidate in (beside, shipped):
            if candidate.is_file():
                return _trusted(candidate.resolve(), mistakes)
        mistakes.append(f"no model file {beside}")
    return None, ""


def _at_home(name: str) -> Path:
    """Return the path with `~` for the user's folder; a user whom nobody knows stays a name."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def _trusted(model: Path, mistakes: list[str]) -> tuple[Path | None, str]:
    try:
        return model, model_trust.check(model, shared_dir("presets"))
    except model_trust.TrustError as err:
        mistakes.append(str(err))
        return None, ""


def _settings(value: object, mistakes: list[str]) -> dict[str, Value]:
    if not isinstance(value, dict):
        mistakes.append("settings wants a table: [settings]")
        return {}
    settings: dict[str, Value] = {}
    for name, wished in value.items():
        if name == "preset":
            mistakes.append("a preset cannot name another preset")
        elif name not in BY_NAME:
            mistakes.append(f"no parameter {name!r}{did_you_mean(name, BY_NAME)}")
        else:
            try:
                settings[name] = check_value(name, wished)
            except ParameterError as err:
                mistakes.append(str(err))
    if settings.get("low", 0) > settings.get("high", 127):  # type: ignore[operator]
        mistakes.append(f"low {settings['low']} is above high {settings['high']}")
    return settings
