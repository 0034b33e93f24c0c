"""MIDI folders to one packed file of notes: what `midi-diffuse train` reads, here or on a GPU.

The packed file is a plain .npz (a few megabytes per thousand pieces) that numpy alone can open,
so a bare GPU machine needs no MIDI files. Bad files are skipped and listed.
"""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from engine.dataset import PACK_FORMAT
from engine.midi_file import MidiFileError, parse

SPLITS = ("train", "valid")
LEAD_VOICE, OTHER_VOICE, SKYLINE_VOICE = 0, 1, 2
"""A pack's note voices; `skyline` marks the top notes of a piece with no named melody."""


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
    """Notes int64[note, (onset, length, pitch, voice)] sorted by onset, and (start, bar) steps.

    Raises CorpusError where the file cannot be read or holds no notes.
    """
    try:
        score = parse(data)
    except MidiFileError as err:
        raise CorpusError(str(err)) from None
    rows = []
    for track in score.pitched:
        voice = LEAD_VOICE if melody_track and track.name == melody_track else OTHER_VOICE
        for note in track.notes:
            start, end = score.step_at(note.onset_tick), score.step_at(note.end_tick)
            rows.append((start, max(end - start, 1), note.pitch, voice))
    if not rows:
        raise CorpusError("holds drums only")
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
        best = stop - 1  # sorted by onset, length, pitch: so look for the highest
        best = index + int(np.argmax(notes[index:stop, 2]))
        if notes[best, 2] >= top_pitch or top_end <= onset:
            notes[best, 3] = SKYLINE_VOICE
            top_pitch, top_end = int(notes[best, 2]), int(notes[best, 0] + notes[best, 1])
        index = stop


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a corpus on its way into the pack."""

    corpus: str
    split: str
    name: str
    melody_track: str
    data: bytes


def manifest_pieces(folder: Path, corpora: Iterable[str]) -> Iterator[Piece]:
    """Pieces of a data folder with manifest.csv and one zip (or folder) per corpus."""
    wanted = set(corpora)
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as handle:
        rows = [row for row in csv.DictReader(handle) if row["corpus"] in wanted]
    archives: dict[str, zipfile.ZipFile] = {}
    for row in rows:
        if row["split"] not in SPLITS:
            continue
        corpus, path = row["corpus"], folder / row["file"]
        if path.exists():
            data = path.read_bytes()
        else:
            if corpus not in archives:
                archives[corpus] = zipfile.ZipFile(folder / f"{corpus}.zip")
            data = archives[corpus].read(row["file"])
        yield Piece(corpus, row["split"], row["file"], row["melody_track"], data)


def folder_pieces(folder: Path) -> Iterator[Piece]:
    """Every MIDI file under a user's folder, in the order of names; `pack` holds some out."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if not files:
        raise CorpusError(f"no .mid files under {folder}")
    for path in files:
        yield Piece(folder.name, "", str(path.relative_to(folder)), "", path.read_bytes())


def pack(pieces: Iterable[Piece], path: Path) -> tuple[int, list[str]]:
    """Write the packed file; returns how many pieces it holds and the skipped ones' reasons.

    Of pieces without a split each tenth is held out, and the last one where there are fewer.
    Raises CorpusError where no piece is left to train on, or none to validate on.
    """
    columns, corpora, skipped = _Columns(), list[str](), list[str]()
    for piece in pieces:
        try:
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
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            _write(columns, corpora, file)
        os.replace(temporary, path)
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
