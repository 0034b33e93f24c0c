"""The command line: every command is there, errors are one line with exit code 2."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from bridge.cli.main import COMMANDS, USER_ERRORS, LazyGroup, Source, main
from bridge.settings import presets
from bridge.settings.rows import ParameterError


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="midi-diffuse")


def one_line_error(*arguments: str) -> str:
    """stderr of a call that must fail with exit code 2, one line, and nothing on stdout."""
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    return result.stderr.rstrip("\n")


def commands() -> Iterator[tuple[str, ...]]:
    for name in COMMANDS:
        if name != "bench":
            yield (name,)
    yield ("bench", "live")
    yield ("bench", "jitter")
    yield ("bench", "engine")


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    result = invoke(*words, "--help")
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: midi-diffuse {' '.join(words)} ")
    assert "--help" in result.output


def test_help_lists_every_command_without_importing_any() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in COMMANDS)


def test_no_command_shows_the_help() -> None:
    assert "Commands:" in invoke().output


def test_version() -> None:
    assert invoke("--version").output.startswith("midi-diffuse 0.")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["sreve"], "midi-diffuse: no command 'sreve' (did you mean 'serve'?); there are: serve,"),
        (["bench", "enigne"], "midi-diffuse bench: no command 'enigne' (did you mean 'engine'?)"),
        (["--vresion"], "midi-diffuse: No such option '--vresion'"),
        (["presets", "--jsn"], "midi-diffuse presets: No such option '--jsn'"),
        (["presets", "more"], "midi-diffuse presets: Got unexpected extra argument"),
    ],
)
def test_wrong_words_are_told_in_one_line(arguments: list[str], text: str) -> None:
    assert one_line_error(*arguments).startswith(text)


@pytest.mark.parametrize(("module", "name"), USER_ERRORS)
def test_the_errors_that_are_told_exist(module: str, name: str) -> None:
    error = getattr(importlib.import_module(module), name)
    assert issubclass(error, Exception)


def failing_group(error: Exception, monkeypatch: pytest.MonkeyPatch) -> LazyGroup:
    @click.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(sys.modules[__name__], "fail", fail, raising=False)
    return LazyGroup({"fail": Source(__name__, "fail", "fails")}, name="group")


def test_expected_errors_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    group = failing_group(ParameterError("voices wants 1 to 8,\nnot 9"), monkeypatch)
    result = CliRunner().invoke(group, ["fail"], prog_name="group")
    assert result.exit_code == 2
    assert result.stderr == "group fail: voices wants 1 to 8, not 9\n"


def test_unexpected_errors_are_one_line_with_a_code_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = failing_group(KeyError("bug"), monkeypatch)
    result = CliRunner().invoke(group, ["fail"])
    assert result.exit_code == 70
    assert "unforeseen: KeyError: 'bug'" in result.output


def test_presets_lists_own_and_broken_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "user_dir", lambda: tmp_path)
    (tmp_path / "band.toml").write_text(
        'description = "mine"\nmodel = "fixture"\n[settings]\nvoices = 2'
    )
    (tmp_path / "odd.toml").write_text('model = "fixture"\n[settings]\nvoises = 2')
    result = invoke("presets")
    assert result.exit_code == 0
    assert "mine (own)" in result.output
    assert "no parameter 'voises' (did you mean 'voices'?)" in result.output
    rows = {row["name"]: row for row in json.loads(invoke("presets", "--json").output)}
    assert rows["band"]["settings"] == {"voices": 2}
    assert rows["band"]["error"] == ""
    assert rows["odd"]["error"]
    assert rows["fixture"]["model"] is None


def test_it_runs_as_a_module() -> None:
    out = subprocess.run(
        [sys.executable, "-m", "bridge", "nonsense"], capture_output=True, text=True, timeout=60
    )
    assert out.returncode == 2
    assert out.stderr.startswith("midi-diffuse: no command 'nonsense'")


def test_ports_loads_no_more_than_it_needs() -> None:
    """What a musician waits for: torch alone takes ten times as long to load as all the rest."""
    heavy = {"torch", "engine.model", "bridge.runtime", "tqdm", "PIL", "scipy"}
    code = (
        "import runpy, sys; sys.argv[1:] = ['ports', '--json']\n"
        "try: runpy.run_module('bridge', run_name='__main__')\n"
        f"finally: print(sorted({heavy!r} & {{*sys.modules}}))"
    )
    command = [sys.executable, "-c", code]
    out = subprocess.run(command, capture_output=True, text=True, timeout=60)
    *ports, loaded = out.stdout.splitlines()
    assert json.loads("\n".join(ports)) is not None, out.stderr
    assert loaded == "[]"
