"""Every command that README and docs show is one that there is, and a newcomer's runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bridge.cli.main import LazyGroup, main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NEWCOMER = ("harmonize", "continue", "infill", "vary", "generate", "render", "presets", "ports")
"""What needs nothing but the checkout and a tune; the rest is parsed as the program would."""
SHEET = "| C | F | G7 | C |\n"


def blocks(text: str) -> list[str]:
    """Lines of fenced blocks, continued ones joined."""
    found = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
    lines = "".join([*found, *indented]).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines]


def commands() -> list[tuple[str, str]]:
    """(page, command line) of every `midi-diffuse ...` line."""
    return [
        (page.name, line)
        for page in PAGES
        for line in blocks(page.read_text(encoding="utf-8"))
        if re.match(r"midi-diffuse [a-z]", line)
    ]


def words_of(line: str) -> list[str]:
    words = shlex.split(re.split(r" +#| > | \| (?!C)", line)[0])[1:]
    return [word.replace("MINE.toml", "fixture") for word in words]


ALL = commands()


def test_there_are_commands_to_look_at() -> None:
    assert len(ALL) > 30
    assert {"README.md", "training.md", "evaluation.md"} <= {page for page, _ in ALL}


@pytest.mark.parametrize(("page", "line"), ALL, ids=[f"{page}: {line[:50]}" for page, line in ALL])
def test_options_are_those_that_the_command_has(page: str, line: str) -> None:
    group: click.Command = main
    words, ctx = words_of(line), click.Context(main)
    while isinstance(group, LazyGroup):
        found = group.get_command(ctx, words[0])
        assert found is not None, f"{page}: no command {words[0]!r}"
        group, words = found, words[1:]
    options = {name for each in group.params for name in (*each.opts, *each.secondary_opts)}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-?[\d.]+", word):
            assert word.partition("=")[0] in options | {"--help", "-h"}, f"{page}: {line}"


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page, line in ALL if words_of(line)[0] in NEWCOMER],
    ids=lambda each: each[:60],
)
def test_a_newcomers_commands_run(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the fixture for a model, and a tune under each name that the pages use."""
    monkeypatch.chdir(tmp_path)
    words = words_of(line)
    tune = (ROOT / "presets/melodies/ode-to-joy.mid").read_bytes()
    for word in words[1:]:
        if word.endswith(".txt"):
            Path(word).write_text(SHEET)
        elif word.endswith(".mid") and (words[words.index(word) - 1] not in ("-o", "--output")):
            Path(word).parent.mkdir(parents=True, exist_ok=True)
            Path(word).write_bytes(tune)
    if words[0] not in ("render", "presets", "ports"):
        words += ["--preset", "fixture"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, f"{page}: {line}\n{result.output}"
