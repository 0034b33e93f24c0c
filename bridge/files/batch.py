"""One file or many: where each result goes, and going on when one of them is bad.

Knows nothing of what is done with a file.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from engine.music.grid import GridError
from engine.scores.midi_file import MidiFileError

MIDI_SUFFIXES = (".mid", ".midi")
_INPUT_SUFFIXES = (*MIDI_SUFFIXES, ".rmi")
AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])
BatchReport = dict[str, Any]
"""What was done with one file, as `--json` prints it; `text` is for people, `warnings` a list."""


@dataclass(frozen=True, slots=True)
class Where:
    """What the command line says about files."""

    inputs: tuple[Path, ...]
    output: Path | None
    out_dir: Path | None
    as_json: bool

    @property
    def single(self) -> bool:
        """One file and its result: what is wrong with it is wrong with the command."""
        return self.output is not None or (self.out_dir is None and len(self.inputs) == 1)


@dataclass(frozen=True, slots=True)
class FilePair:
    """A file and where its result goes."""

    source: Path
    target: Path


def file_options(suffixes: Sequence[str]) -> Callable[[AnyFunction], AnyFunction]:
    """IN..., -o, --out-dir and --json."""
    out = click.Path(path_type=Path)
    decorators = (
        click.argument("inputs", nargs=-1, required=True, type=out, metavar="IN.mid..."),
        click.option(
            "-o", "--output", type=out, metavar=f"OUT{suffixes[0]}", help="Result of one file."
        ),
        click.option(
            "--out-dir",
            type=out,
            metavar="DIR",
            help="Results of many files and folders; sub-folders are kept.",
        ),
        click.option(
            "--json", "as_json", is_flag=True, help="For programs: one JSON object a file."
        ),
    )

    def decorate(function: AnyFunction) -> AnyFunction:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def pairs(where: Where, suffixes: Sequence[str], *, beside: bool = False) -> list[FilePair]:
    """Return every input with its own target. Raises click.UsageError when there is no sense in it.

    suffixes: what a result's name may end in. Results keep a fitting ending, else get the first.
    beside: where the command line says nothing, each file's result goes beside it.
    """
    nowhere = where.output is None and where.out_dir is None
    if beside and nowhere and not any(path.is_dir() for path in where.inputs):
        return _beside(where.inputs, suffixes)
    if (where.output is None) == (where.out_dir is None):
        raise click.UsageError(
            f"say where the result goes: -o OUT{suffixes[0]} for one file, "
            "or --out-dir DIR for files and folders"
        )
    if where.output is not None:
        return [_single(where.inputs, where.output, suffixes)]
    assert where.out_dir is not None
    return _many(where.inputs, where.out_dir, suffixes)


def check_output(path: Path, suffixes: Sequence[str]) -> Path:
    """`path` if it can be a result's name; raises click.UsageError."""
    if path.suffix.lower() not in suffixes:
        raise click.UsageError(f"-o {path}: the name has to end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise click.UsageError(f"-o {path}: that is a folder")
    return path


def _single(inputs: Sequence[Path], output: Path, suffixes: Sequence[str]) -> FilePair:
    if len(inputs) > 1 or inputs[0].is_dir():
        raise click.UsageError("-o takes one file; for more use --out-dir DIR")
    check_output(output, suffixes)
    check_writable(output.parent, f"-o {output}")
    if output.resolve() == inputs[0].resolve():
        raise click.UsageError(f"-o {output}: that is the input itself; choose another name")
    return FilePair(inputs[0], output)


def _beside(inputs: Sequence[Path], suffixes: Sequence[str]) -> list[FilePair]:
    sources = {path.resolve(): path for path in inputs}
    taken: set[str] = set()
    found = []
    for source in sources.values():
        target = _free_name(source.with_suffix(suffixes[0]), taken)
        if target.resolve() in sources:
            raise click.UsageError(f"{target} is one of the inputs; say where with -o or --out-dir")
        found.append(FilePair(source, target))
    return found


def _many(inputs: Sequence[Path], out_dir: Path, suffixes: Sequence[str]) -> list[FilePair]:
    if out_dir.exists() and not out_dir.is_dir():
        raise click.UsageError(f"--out-dir {out_dir}: that is a file, not a folder")
    check_writable(out_dir, f"--out-dir {out_dir}")
    sources = dict(_sources(inputs, out_dir))
    if not sources:
        raise click.UsageError(f"no MIDI files ({', '.join(_INPUT_SUFFIXES)}) in the folders given")
    taken: set[str] = set()
    found = []
    for source, relative in sources.items():
        target = _free_name(out_dir / _with_suffix(relative, suffixes), taken)
        if target.resolve() in sources:
            raise click.UsageError(
                f"--out-dir {out_dir}: {target} is one of the inputs; choose another folder"
            )
        found.append(FilePair(source, target))
    return found


def _sources(inputs: Sequence[Path], out_dir: Path) -> Iterator[tuple[Path, Path]]:
    """Yield (resolved file, place under the output folder), but no results of earlier runs."""
    for path in inputs:
        if not path.is_dir():
            yield path.resolve(), Path(path.name)
            continue
        for file in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
            mine = (
                out_dir.resolve() != path.resolve() and out_dir.resolve() in file.resolve().parents
            )
            if file.suffix.lower() in _INPUT_SUFFIXES and file.is_file() and not (hidden or mine):
                yield file.resolve(), file.relative_to(path)


def _with_suffix(path: Path, suffixes: Sequence[str]) -> Path:
    return path if path.suffix.lower() in suffixes else path.with_suffix(suffixes[0])


def _free_name(path: Path, taken: set[str]) -> Path:
    """`path`, or `path-2` and so on when another input already goes there."""
    candidate, number = path, 1
    # Some file systems do not tell A.mid from a.mid.
    while str(candidate).casefold() in taken:
        number += 1
        candidate = path.with_stem(f"{path.stem}-{number}")
    taken.add(str(candidate).casefold())
    return candidate


@contextmanager
def window_bar() -> Iterator[Callable[[int, int], None]]:
    """On a terminal a bar of windows done, with the time left; gives what to call after each."""
    from tqdm import tqdm

    with tqdm(unit="window", leave=False, disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def check_writable(folder: Path, option: str) -> None:
    """Raise click.UsageError where nothing can be put in `folder`, which need not exist yet."""
    there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
    try:  # what the system says of rights is not true of every file system
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError:
        text = f"{option}: {there} is not a folder that can be written to"
        raise click.UsageError(text) from None


def run_batch(
    where: Where, jobs: Sequence[FilePair], work: Callable[[FilePair], BatchReport]
) -> None:
    """Do `work` for every file and tell how it went.

    A single file: its MidiFileError goes up. Many: the bad ones are reported, the rest go on, and
    the program ends with 1 if any was bad.
    """
    from tqdm import tqdm

    failed = 0
    with tqdm(jobs, unit="file", disable=None if len(jobs) > 1 else True) as progress:
        for pair in progress:
            started = time.perf_counter()
            try:
                report = work(pair)
            except (MidiFileError, GridError) as err:
                failed += 1
                _tell(where, {"input": str(pair.source), "error": str(err)})
                if where.single:
                    raise
                continue
            report["seconds"] = round(time.perf_counter() - started, 3)
            _tell(where, report)
    if failed:
        if not where.as_json:
            click.echo(f"{failed} of {len(jobs)} files failed", err=True)
        click.get_current_context().exit(1)


def _tell(where: Where, report: BatchReport) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():  # so that lines do not run into the progress bar
        if where.as_json:
            shown = {key: value for key, value in report.items() if key != "text"}
            click.echo(json.dumps(shown))
            return
        if "error" in report:
            if not where.single:
                click.echo(f"failed: {report['error']}", err=True)
            return
        click.echo(f"{report['text']} ({report['seconds']:.1f} s)")
        for warning in report.get("warnings", ()):
            click.echo(f"  note: {warning}", err=True)
