"""MIDI folders to one packed file of notes: what `midi-diffuse train` reads, here or on a GPU.

The packed file is a plain .npz (a few megabytes per thousand pieces) that numpy alone can open,
so a bare GPU machine needs neither mido nor the MIDI files. Bad files are skipped and listed.
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import mido
import numpy as np
from numpy.typing import NDArray

from engine.grid import STEPS_PER_BEAT, GridError, Meter

PACK_FORMAT = 1
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
        midi = mido.MidiFile(file=BytesIO(data), clip=True)
    except (OSError, EOFError, ValueError, IndexError, KeyError) as err:
        raise CorpusError(f"not a readable MIDI file: {err}") from None
    ticks = midi.ticks_per_beat / STEPS_PER_BEAT
    meters: dict[int, int] = {}
    rows: list[tuple[int, int, int, int]] = []
    for track in midi.tracks:
        voice = LEAD_VOICE if melody_track and track.name == melody_track else OTHER_VOICE
        now, sounding = 0, dict[tuple[int, int], int]()
        for message in track:
            now += message.time
            if message.type == "time_signature":
                meters[round(now / ticks)] = _bar_steps(message.numerator, message.denominator)
            elif message.type in ("note_on", "note_off") and message.channel != 9:
                key = (message.channel, message.note)
                begun = sounding.pop(key, None)
                if begun is not None:
                    start = round(begun / ticks)
                    rows.append((start, max(round(now / ticks) - start, 1), message.note, voice))
                if message.type == "note_on" and message.velocity:
                    sounding[key] = now
    if not rows:
        raise CorpusError("no notes")
    notes = np.array(sorted(rows), np.int64)
    if not melody_track:
        _mark_skyline(notes)
    return notes, sorted(meters.items()) or [(0, 4 * STEPS_PER_BEAT)]


def _bar_steps(beats: int, unit: int) -> int:
    try:
        return Meter(beats, unit).bar_steps
    except GridError:
        return max(1, beats * 4 * STEPS_PER_BEAT // unit)


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


def folder_pieces(folder: Path, valid_share: float = 0.1) -> Iterator[Piece]:
    """Every MIDI file under a user's folder; each tenth one (by name order) is held out."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if not files:
        raise CorpusError(f"no .mid files under {folder}")
    hold_out = max(2, round(1 / valid_share))
    for index, path in enumerate(files):
        split = "valid" if index % hold_out == hold_out - 1 else "train"
        yield Piece(folder.name, split, str(path.relative_to(folder)), "", path.read_bytes())


def pack(pieces: Iterable[Piece], path: Path) -> tuple[int, list[str]]:
    """Write the packed file; returns how many pieces it holds and the skipped ones' reasons."""
    columns, corpora, skipped = _Columns(), list[str](), list[str]()
    for piece in pieces:
        try:
            notes, meters = read_piece(piece.data, piece.melody_track)
        except CorpusError as err:
            skipped.append(f"{piece.name}: {err}")
            continue
        if piece.corpus not in corpora:
            corpora.append(piece.corpus)
        _append(columns, corpora.index(piece.corpus), SPLITS.index(piece.split), notes, meters)
    if not columns.pieces:
        raise CorpusError("no usable piece in the data" + "".join(f"\n  {s}" for s in skipped[:5]))
    # Onset differences compress far better than onsets; each piece starts from its own zero.
    np.savez_compressed(
        path,
        format=PACK_FORMAT,
        corpora=np.array(corpora),
        onset_step=np.concatenate([np.diff(o, prepend=0) for o in columns.onset]).astype(np.int32),
        length_steps=np.concatenate(columns.length),
        pitch=np.concatenate(columns.pitch),
        voice=np.concatenate(columns.voice),
        meters=np.array(columns.meters, np.int32),
        pieces=np.array(columns.pieces, np.int32),
    )
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
