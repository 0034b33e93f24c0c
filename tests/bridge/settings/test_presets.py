"""Preset files: shipped, the user's own, and what is said of broken ones."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from bridge.commands import Value
from bridge.settings import model_trust, presets
from bridge.settings.parameters import DEFAULTS
from bridge.settings.presets import PresetError, list_presets, load, shared_dir
from bridge.settings.values import check_value

SHIPPED = sorted(path.stem for path in shared_dir("presets").glob("*.toml"))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of presets, empty."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(presets, "user_dir", lambda: folder)
    return folder


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's list of trusted models; not there yet."""
    path = tmp_path / "config" / "trusted-models"
    monkeypatch.setattr(model_trust, "list_file", lambda: path)
    return path


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def test_the_promised_presets_ship() -> None:
    assert {"default", "hymn", "song", "piano", "quartet", "fixture"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_hold_valid_settings(name: str) -> None:
    document = tomllib.loads((shared_dir("presets") / f"{name}.toml").read_text())
    assert document["description"]
    settings = document["settings"]
    assert {key: check_value(key, value) for key, value in settings.items()} == settings
    assert settings.get("low", 36) + 12 <= settings.get("high", 84)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_presets_have_their_models(name: str) -> None:
    loaded = load(name)
    assert loaded.name == name
    assert (loaded.model is None) == (name == "fixture")


def test_the_fixture_preset_needs_no_model() -> None:
    loaded = load("fixture")
    assert loaded.model is None
    assert loaded.settings["listen_bars"] == 0
    assert loaded.description.startswith("Is it connected?")


def test_a_preset_by_path_finds_a_model_beside_it(tmp_path: Path, trusted: Path) -> None:
    (tmp_path / "mine.pt").write_bytes(b"weights")
    model_trust.trust(tmp_path / "mine.pt")
    path = write(tmp_path, "mine", 'model = "mine.pt"\n[settings]\nvoices = 2\nbypass = true')
    for way in (path, str(path)):
        loaded = load(way)
        assert loaded.model == (tmp_path / "mine.pt").resolve()
        assert loaded.settings == {"voices": 2, "bypass": True}
        assert (loaded.name, loaded.description) == ("mine", "")


def test_own_presets_are_found_and_win(own: Path) -> None:
    write(own, "fixture", 'description = "mine"\nmodel = "fixture"')
    write(own, "band", 'model = "fixture"\n[settings]\nkey = "Eb"')
    assert load("fixture").description == "mine"
    assert load("band").settings == {"key": "Eb"}
    listed = {each.name: each for each in list_presets()}
    assert next(iter(listed)) == "default"
    assert (listed["band"].origin, listed["hymn"].origin) == ("own", "shipped")
    assert listed["fixture"].origin == "own"


def test_a_broken_preset_is_listed_with_its_error(own: Path) -> None:
    write(own, "broken", "model = ")
    (broken,) = (each for each in list_presets() if each.name == "broken")
    assert broken.preset is None
    assert "not TOML" in broken.error


def test_an_unknown_name_gets_a_suggestion_and_the_list(own: Path) -> None:
    with pytest.raises(PresetError, match=r"no preset 'himn' \(did you mean 'hymn'\?\); .*song"):
        load("himn")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "bad",
        """
        description = 3
        modell = "x"
        voices = 3
        model = "gone.pt"
        [settings]
        temprature = 1.0
        steps = 1000
        preset = "hymn"
        low = 80
        high = 40
        """,
    )
    with pytest.raises(PresetError) as caught:
        load(path)
    text = str(caught.value)
    assert "\n" not in text
    for part in (
        "description wants text",
        "no key 'modell' (did you mean 'model'?)",
        "'voices' belongs under [settings]",
        "no model file",
        "no parameter 'temprature' (did you mean 'temperature'?)",
        "steps wants 1 to 100, not 1000",
        "a preset cannot name another preset",
        "low 80 is above high 40",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (b"", "model wants a file name"),
        (b"model = 3", "model wants a file name"),
        (b'model = "fixture"\nsettings = 3', "settings wants a table"),
        (b"\xff\xfe", "not TOML"),
        (b"#" * 70_000, "longer than 65536 bytes"),
    ],
)
def test_odd_files_are_refused(tmp_path: Path, text: bytes, error: str) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(text)
    with pytest.raises(PresetError, match=error):
        load(path)


HOSTILE = {
    "meter": b'model = "fixture"\n[settings]\nmeter = "\xc2\xb2/4"',
    "digits-400": b'model = "fixture"\n[settings]\nseed = ' + b"9" * 400,
    "digits-5000": b'model = "fixture"\n[settings]\nseed = ' + b"9" * 5000,
    "float-400": b'model = "fixture"\n[settings]\ntempo = ' + b"9" * 400 + b".0",
    "nested": b"x = " + b"[" * 20_000 + b"]" * 20_000,
    "long-name": b'model = "' + b"m" * 5_000 + b'"',
    "nobody": b'model = "~nobody-of-this-name/x.pt"',
    "nul": b'model = "a\\u0000b"',
}


def test_hostile_presets_cost_a_line_each_and_the_others_are_listed(own: Path) -> None:
    for name, text in HOSTILE.items():
        (own / f"{name}.toml").write_bytes(text)
    os.mkfifo(own / "fifo.toml")
    (own / "zero.toml").symlink_to("/dev/zero")
    (own / "away.toml").symlink_to(own / "nowhere")
    listed = {each.name: each for each in list_presets()}
    assert set(SHIPPED) < set(listed)
    assert all(listed[name].preset is not None for name in SHIPPED)
    for name in (*HOSTILE, "fifo", "zero", "away"):
        error = listed[name].error
        assert error
        assert "\n" not in error
        assert len(error) < 400
    assert "not a regular file" in listed["fifo"].error
    assert "not a regular file" in listed["zero"].error
    assert "want two numbers" in listed["meter"].error
    assert "nested too deeply" in listed["nested"].error
    with pytest.raises(PresetError, match="not a regular file"):
        load("fifo")


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="No such file"):
        load(tmp_path / "none.toml")
    with pytest.raises(PresetError, match="Is a directory"):
        load(f"{tmp_path}/")


def test_switching_leaves_nothing_of_the_preset_before(tmp_path: Path) -> None:
    path = write(tmp_path, "two", 'model = "fixture"\n[settings]\nvoices = 2')
    complete = load(path).complete()
    assert complete["voices"] == 2
    assert complete["steps"] == DEFAULTS["steps"]
    assert complete["reply"] == DEFAULTS["reply"]
    assert not {"preset", "device", "tempo", "meter", "seed", "key", "in_channel"} & set(complete)


def test_a_saved_preset_is_read_again_with_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "user_dir", lambda: tmp_path / "presets")
    wished: dict[str, Value] = {
        "voices": 2,
        "temperature": 0.85,
        "endless": True,
        "chord": "C E\u266d",
    }
    path = presets.save_preset("mine", presets.load("hymn"), {"low": 36, **wished})
    again = presets.load("mine")
    assert again.model == presets.load("hymn").model
    assert again.settings == wished
    presets.save_preset("mine", again, {"voices": 3})
    assert (presets.load("mine").settings, path.name) == ({"voices": 3}, "mine.toml")
    with pytest.raises(presets.PresetError, match="came with midi-diffuse"):
        presets.save_preset("hymn", again, {})
    monkeypatch.setattr(presets, "user_dir", lambda: path)
    with pytest.raises(presets.PresetError, match="cannot be written"):
        presets.save_preset("other", again, {})
