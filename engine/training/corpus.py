"""MIDI folders to one packed file of notes: what `midi-diffuse train` reads, here or on a GPU.

The packed file is a plain .npz (a few megabytes per thousand pieces) that numpy alone can open,
so a bare GPU machine needs no MIDI files. Bad files are skipped and listed.
"""

from __future__ import annotations

import csv
import difflib
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from engine.atomic_file import replacing
from engine.scores.midi_file import MidiFileError, parse
from engine.training.corpus_table import CORPORA
from engine.training.dataset import FEWEST_NOTES, PACK_FORMAT

SPLITS = ("train", "valid")
_LEAD_VOICE, _OTHER_VOICE, _SKYLINE_VOICE = 0, 1, 2
"""A pack's note voices; `skyline` marks the top notes of a piece with no named melody."""
LARGEST_PIECE_BYTES = 8_000_000
"""Of one file. Scores take a hundredth; far larger ones are no music, and take minutes to read."""
_MANIFEST_COLUMNS = ("corpus", "file", "split", "melody_track")


class CorpusError(ValueError):
    """Data that cannot be used; the message says what to do."""


@dataclass(slots=True)
class _Columns:
    """Growing columns of the pack."""

    onset: list[NDArray[np.int32]] = field(default_factory=list)
    length: list[NDArray[np.uint16]] = field(default_factory=list)
    pitch: list[NDArray[np.uint8]] = field(default_factory=list)
    voice: list[NDArray[np.uint8]] = field(default_factory=list)
    meters: list[tuple[int, int, int]] = field(default_factory=list)  # piece, start, bar steps
    pieces: list[tuple[int, int, int]] = field(default_factory=list)  # corpus, split, notes


def read_piece(data: bytes, melody_track: str) -> tuple[NDArray[np.int64], list[tuple[int, int]]]:
    """Return notes int64[note, (onset, length, pitch, voice)] sorted by onset, and (start, bar)
    steps.

    Raises CorpusError where the file cannot be read or holds hardly any notes.
    """
    try:
        score = parse(data)
    except MidiFileError as err:
        raise CorpusError(str(err)) from None
    rows = []
    for track in score.pitched:
        voice = _LEAD_VOICE if melody_track and track.name == melody_track else _OTHER_VOICE
        for note in track.notes:
            start, end = score.step_at(note.onset_tick), score.step_at(note.end_tick)
            rows.append((start, max(end - start, 1), note.pitch, voice))
    if not rows:
        raise CorpusError("holds drums only")
    if len(rows) < FEWEST_NOTES:
        raise CorpusError(f"holds only {len(rows)} notes; want {FEWEST_NOTES} at least")
    notes = np.array(sorted(rows), np.int64)
    if not melody_track:
        _mark_skyline(notes)
    return notes, [(score.step_at(tick), meter.bar_steps) for tick, meter in score.meters]


def _mark_skyline(notes: NDArray[np.int64]) -> None:
    """Give the highest note of each onset the skyline voice, unless a higher one still sounds."""
    top_pitch, top_end = -1, -1
    index = 0
    while index < len(notes):
        onset = notes[index, 0]
        stop = index
        while stop < len(notes) and notes[stop, 0] == onset:
            stop += 1
        best = index + int(np.argmax(notes[index:stop, 2]))
        if notes[best, 2] >= top_pitch or top_end <= onset:
            notes[best, 3] = _SKYLINE_VOICE
            top_pitch, top_end = int(notes[best, 2]), int(notes[best, 0] + notes[best, 1])
        index = stop


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a corpus on its way into the pack; `trouble`: why its bytes are not here."""

    corpus: str
    split: str
    name: str
    melody_track: str
    data: bytes
    trouble: str = ""


def manifest_pieces(folder: Path, corpora: Collection[str] = ()) -> Iterator[Piece]:
    """Pieces of a data folder with manifest.csv and one zip (or folder) per corpus.

    Without `corpora`: those that have a share in the shipped weights, or all where there is none
    of those. Rows of another split than train or valid stay out. Raises CorpusError.
    """
    rows = _manifest_rows(folder / "manifest.csv")
    there = list(dict.fromkeys(row["corpus"] for row in rows))
    for name in corpora:
        if name not in there:
            near = "".join(
                f"did you mean {x!r}? " for x in difflib.get_close_matches(name, there)[:1]
            )
            raise CorpusError(
                f"no corpus {name!r} in the manifest; {near}there are: {', '.join(there)}"
            )
    shared = [name for name in there if CORPORA.get(name, ("", 0.0))[1] > 0]
    wanted = set(corpora or shared or there)
    with ExitStack() as stack:
        archives: dict[str, zipfile.ZipFile] = {}
        for row in rows:
            if row["corpus"] in wanted and row["split"] in SPLITS:
                data, trouble = b"", ""
                try:
                    data = _read_row(folder, row, archives, stack)
                except CorpusError as err:
                    trouble = str(err)
                yield Piece(
                    row["corpus"],
                    row["split"],
                    _shown(row["file"]),
                    row["melody_track"],
                    data,
                    trouble,
                )


def _manifest_rows(path: Path) -> list[dict[str, str]]:
    wanted = ", ".join(_MANIFEST_COLUMNS)
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise CorpusError(f"{path}: cannot be read as CSV in UTF-8: {err}") from None
    if any(row.get(name) is None for row in rows for name in _MANIFEST_COLUMNS) or not rows:
        raise CorpusError(f"{path}: every row wants the columns {wanted}")
    return rows


def _read_row(
    folder: Path, row: dict[str, str], archives: dict[str, zipfile.ZipFile], stack: ExitStack
) -> bytes:
    """Return a manifest row's file, from the folder or from its corpus's zip; or CorpusError."""
    path, corpus = folder / row["file"], row["corpus"]
    if not (_is_inside(path, folder) and _is_inside(folder / f"{corpus}.zip", folder)):
        raise CorpusError("names a file outside the folder")
    if path.is_file():
        return _read_file(path)
    try:
        if corpus not in archives:
            archives[corpus] = stack.enter_context(zipfile.ZipFile(folder / f"{corpus}.zip"))
        if archives[corpus].getinfo(row["file"]).file_size > LARGEST_PIECE_BYTES:
            raise CorpusError(_too_large())
        return archives[corpus].read(row["file"])
    except (OSError, zipfile.BadZipFile, zlib.error) as err:
        raise CorpusError(f"is not there, and {corpus}.zip cannot be read: {err}") from None
    except KeyError:
        raise CorpusError(f"is neither there nor in {corpus}.zip") from None


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # too long, or with a NUL in it
        return False


def folder_pieces(folder: Path) -> Iterator[Piece]:
    """Yield every MIDI file under a user's folder, in the order of names; `pack` holds some out.

    Links to files are followed, links to folders are not, so that a circle of them does no harm.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if not files:
        raise CorpusError(f"no .mid files under {folder}")
    corpus = _shown(folder.resolve().name) or "music"
    for path in files:
        data, trouble = b"", ""
        try:
            data = _read_file(path)
        except CorpusError as err:
            trouble = str(err)
        yield Piece(corpus, "", _shown(str(path.relative_to(folder))), "", data, trouble)


def _read_file(path: Path) -> bytes:
    """Return a file's bytes, or CorpusError: a pipe would block, a folder or a link to nothing
    fail."""
    try:
        if not path.is_file():
            raise CorpusError("is not a file, or a link that leads nowhere")
        if path.stat().st_size > LARGEST_PIECE_BYTES:
            raise CorpusError(_too_large())
        return path.read_bytes()
    except OSError as err:
        raise CorpusError(f"cannot be read: {err.strerror or err}") from None


def _too_large() -> str:
    return f"is larger than {LARGEST_PIECE_BYTES // 1_000_000} MB"


def _shown(name: str) -> str:
    """Return a file's name as any terminal and UTF-8 file can show it, on one line."""
    text = name.encode("utf-8", "replace").decode("utf-8")
    return "".join(c if c.isprintable() else "?" for c in text)


def write_pack(pieces: Iterable[Piece], path: Path) -> tuple[int, list[str]]:
    """Write the packed file; returns how many pieces it holds and the skipped ones' reasons.

    Of pieces without a split each tenth is held out, and the last one where there are fewer.
    Raises CorpusError where no piece is left to train on, or none to validate on.
    """
    columns, corpora, skipped = _Columns(), list[str](), list[str]()
    for piece in pieces:
        try:
            if piece.trouble:
                raise CorpusError(piece.trouble)
            notes, meters = read_piece(piece.data, piece.melody_track)
        except CorpusError as err:
            skipped.append(f"{piece.name}: {err}")
            continue
        if piece.corpus not in corpora:
            corpora.append(piece.corpus)
        split = piece.split or ("valid" if len(columns.pieces) % 10 == 9 else "train")
        _append(columns, corpora.index(piece.corpus), SPLITS.index(split), notes, meters)
    if len(columns.pieces) < 2:
        found = "no usable piece" if not columns.pieces else "only one usable piece"
        reasons = "; ".join(skipped[:3]) or "nothing skipped"
        raise CorpusError(f"{found} in the data: want two at least ({reasons})")
    if all(SPLITS[split] == "train" for _, split, _ in columns.pieces):
        corpus, _, notes_in_it = columns.pieces[-1]
        columns.pieces[-1] = (corpus, SPLITS.index("valid"), notes_in_it)
    try:
        with replacing(path) as temporary, temporary.open("wb") as file:
            _write(columns, corpora, file)
    except OSError as err:
        raise CorpusError(f"{path}: cannot be written: {err.strerror or err}") from None
    return len(columns.pieces), skipped


def _append(
    columns: _Columns,
    corpus: int,
    split: int,
    notes: NDArray[np.int64],
    meters: list[tuple[int, int]],
) -> None:
    piece = len(columns.pieces)
    columns.onset.append(notes[:, 0].astype(np.int32))
    columns.length.append(np.minimum(notes[:, 1], 65535).astype(np.uint16))
    columns.pitch.append(notes[:, 2].astype(np.uint8))
    columns.voice.append(notes[:, 3].astype(np.uint8))
    columns.meters += [(piece, start, bar) for start, bar in meters]
    columns.pieces.append((corpus, split, len(notes)))


def _write(columns: _Columns, corpora: list[str], file: IO[bytes]) -> None:
    # Onset differences compress far better than onsets; each piece starts from its own zero.
    np.savez_compressed(
        file,
        format=PACK_FORMAT,
        corpora=np.array(corpora),
        onset_step=np.concatenate([np.diff(o, prepend=0) for o in columns.onset]).astype(np.int32),
        length_steps=np.concatenate(columns.length),
        pitch=np.concatenate(columns.pitch),
        voice=np.concatenate(columns.voice),
        meters=np.array(columns.meters, np.int32),
        pieces=np.array(columns.pieces, np.int32),
    )
