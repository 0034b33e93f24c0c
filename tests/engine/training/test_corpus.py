"""Folders of MIDI files, good and bad, and manifests: packed, or told why not."""

from __future__ import annotations

import os
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from engine.training.corpus import (
    LARGEST_PIECE_BYTES,
    CorpusError,
    Piece,
    folder_pieces,
    manifest_pieces,
    read_piece,
    write_pack,
)
from engine.training.dataset import Windows, load_pack
from engine.training.feed import make_windows


def test_a_folder_with_bad_files(midi_folder: Path, tmp_path: Path) -> None:
    count, skipped = write_pack(folder_pieces(midi_folder), tmp_path / "p.npz")
    assert count == 10
    assert sorted(line.split(":")[0] for line in skipped) == ["broken.mid", "empty.mid"]
    assert load_pack(tmp_path / "p.npz").piece_split.tolist() == [0] * 9 + [1]


def test_few_files_hold_out_the_last(midi_folder: Path, tmp_path: Path) -> None:
    pieces = list(folder_pieces(midi_folder))
    usable = [p for p in pieces if p.name.startswith("piece")]
    write_pack(usable[:3], tmp_path / "p.npz")
    assert load_pack(tmp_path / "p.npz").piece_split.tolist() == [0, 0, 1]


@pytest.mark.parametrize("usable", [0, 1])
def test_too_little_data_says_so(midi_folder: Path, tmp_path: Path, usable: int) -> None:
    pieces = [Piece("x", "", f"{i}.mid", "", b"no") for i in range(2)]
    good = [p for p in folder_pieces(midi_folder) if p.name.startswith("piece")][:usable]
    with pytest.raises(CorpusError, match=r"usable piece.*0\.mid"):
        write_pack([*pieces, *good], tmp_path / "p.npz")
    assert not (tmp_path / "p.npz").exists()


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no \.mid files"):
        list(folder_pieces(tmp_path))


# -- What lies about in real folders ---------------------------------------------------------------


def midi(track: bytes, kind: int = 1, division: int = 480, tracks: int = 1) -> bytes:
    chunk = b"MTrk" + struct.pack(">L", len(track)) + track
    return b"MThd" + struct.pack(">LHHH", 6, kind, tracks, division) + tracks * chunk


END = b"\x00\xff\x2f\x00"


def notes(count: int, channel: int = 0, ticks: bytes = b"\x60") -> bytes:
    """`count` notes one after another; `ticks` is the length of each, 96 unless told."""
    on, off = 0x90 | channel, 0x80 | channel
    return b"".join(
        bytes([0, on, 60 + i, 80]) + ticks + bytes([off, 60 + i, 0]) for i in range(count)
    )


BAD = {
    "empty.mid": (b"", "is empty"),
    "cut.mid": (midi(notes(8) + END)[:60], "is cut off"),
    "pdf.MID": (b"%PDF-1.7\n" + bytes(300), "is not a MIDI file"),
    "zeros.mid": (bytes(200), "is not a MIDI file"),
    "silent.mid": (midi(END), "holds no notes"),
    "drums.mid": (midi(notes(8, channel=9) + END), "holds drums only"),
    "few.mid": (midi(notes(3) + END), "holds only 3 notes"),
    "type2.mid": (midi(notes(8) + END, kind=2, tracks=2), "is of type 2"),
    "smpte.mid": (midi(notes(8) + END, division=0xE728), "SMPTE"),
    "tempo.mid": (midi(b"\x00\xff\x51\x03\x00\x00\x01" + notes(8) + END), "absurd tempo"),
    "long.mid": (
        midi(notes(8) + b"\xff\xff\xff\x7f\x90\x40\x50" + notes(1) + END),
        "absurdly long",
    ),
}
GOOD = {
    "type0.mid": midi(notes(8) + notes(4, 9) + END, kind=0),
    "at-once.midi": midi(notes(8, ticks=b"\x00") + END),  # no note has a length
    "5-4.mid": midi(b"\x00\xff\x58\x04\x05\x02\x18\x08" + notes(8) + END),
    "meter.mid": midi(b"\x00\xff\x58\x04\xff\x09\x18\x08" + notes(8) + END),  # none: 4/4
}


def test_a_real_folder_is_packed_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "my music"
    (folder / "deeper").mkdir(parents=True)
    for name, (data, _) in BAD.items():
        (folder / "deeper" / name).write_bytes(data)
    for name, data in GOOD.items():
        (folder / name).write_bytes(data)
    with (folder / "huge.mid").open("wb") as file:
        file.truncate(100_000_000)
    count, skipped = write_pack(folder_pieces(folder), tmp_path / "p.npz")
    reasons = dict(line.split(": ", 1) for line in skipped)
    assert count == len(GOOD)
    assert reasons.keys() == {f"deeper/{name}" for name in BAD} | {"huge.mid"}
    for name, (_, reason) in BAD.items():
        assert reason in reasons[f"deeper/{name}"]
    assert reasons["huge.mid"] == f"is larger than {LARGEST_PIECE_BYTES // 1_000_000} MB"
    packed = load_pack(tmp_path / "p.npz")
    assert packed.corpora == ("my music",)
    assert [lengths.tolist() for _, lengths in packed.meters] == [[120], [96], [96], [96]]
    assert len(packed.onset) == 32  # drums are left out
    assert (packed.end > packed.onset).all()
    assert make_windows(packed, 0, 0).batch(4, 4).target.any()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_links_pipes_folders_and_names_that_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "music"
    (folder / "album.mid").mkdir(parents=True)
    (folder / "album.mid" / "one.mid").write_bytes(midi(notes(8) + END))
    (folder / "two.mid").symlink_to("album.mid/one.mid")
    (folder / "again").symlink_to(folder)  # a circle of folders
    (folder / "self.mid").symlink_to("self.mid")
    (folder / "gone.mid").symlink_to("nowhere.mid")
    os.mkfifo(folder / "pipe.mid")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9\n.mid")).write_bytes(b"no")
    count, skipped = write_pack(folder_pieces(folder), tmp_path / "p.npz")
    assert count == 2
    assert skipped == [
        "album.mid: is not a file, or a link that leads nowhere",
        "caf??.mid: is not a MIDI file",
        "gone.mid: is not a file, or a link that leads nowhere",
        "pipe.mid: is not a file, or a link that leads nowhere",
        "self.mid: is not a file, or a link that leads nowhere",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(midi_folder: Path, tmp_path: Path) -> None:
    for name in ("a.mid", "b.mid", "locked.mid"):
        (tmp_path / name).write_bytes((midi_folder / "piece-0.mid").read_bytes())
    (tmp_path / "locked.mid").chmod(0)
    count, skipped = write_pack(folder_pieces(tmp_path), tmp_path / "p.npz")
    assert (count, skipped) == (2, ["locked.mid: cannot be read: Permission denied"])


def test_the_top_line_is_marked_where_no_melody_is_named(midi_folder: Path) -> None:
    found, meters = read_piece((midi_folder / "piece-0.mid").read_bytes(), "")
    assert meters == [(0, 96)]
    top = found[found[:, 3] == 2]
    assert len(top) == 32  # the melody has a note on each beat, above all chords
    assert (top[:, 2] >= 72).all()
    assert set(found[found[:, 2] < 72, 3].tolist()) == {1}


# -- Folders with a manifest -----------------------------------------------------------------------

HEADER = "corpus,file,split,melody_track\n"


@pytest.fixture
def shelf(midi_folder: Path, tmp_path: Path) -> Path:
    """Corpora `pop` (a zip), `openewld-pd` (files) and `sealed` (another split)."""
    data = (midi_folder / "piece-0.mid").read_bytes()
    rows = [
        f"{corpus},{corpus}/{number}.mid,{split},melody"
        for corpus in ("pop", "openewld-pd")
        for number, split in enumerate(["train", "train", "valid"])
    ]
    rows += ["pop,pop/sealed.mid,test,melody", "pop,pop/lost.mid,train,", "gone,gone/1.mid,train,"]
    (tmp_path / "manifest.csv").write_text(HEADER + "\n".join(rows), encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "pop.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"pop/{number}.mid", data)
    (tmp_path / "openewld-pd").mkdir()
    for number in range(3):
        (tmp_path / "openewld-pd" / f"{number}.mid").write_bytes(data)
    return tmp_path


def test_a_manifest_says_what_is_what(shelf: Path) -> None:
    count, skipped = write_pack(manifest_pieces(shelf), shelf / "p.npz")
    packed = load_pack(shelf / "p.npz")
    assert count == 6  # none of them has a share in the shipped weights: so all are taken
    assert packed.corpora == ("pop", "openewld-pd")
    assert packed.piece_split.tolist() == [0, 0, 1, 0, 0, 1]
    assert set(packed.voice.tolist()) == {0, 1}  # the melody is named
    assert skipped[0] == "pop/lost.mid: is neither there nor in pop.zip"
    assert skipped[1].startswith("gone/1.mid: is not there, and gone.zip cannot be read")
    assert len(skipped) == 2


def test_a_corpus_without_a_share_weighs_one_when_asked_for(shelf: Path) -> None:
    write_pack(manifest_pieces(shelf, ("openewld-pd",)), shelf / "p.npz")
    windows = make_windows(load_pack(shelf / "p.npz"), 0, 0)
    assert isinstance(windows, Windows)
    assert windows.share.tolist() == [0.5, 1.0, 1.0]


def test_a_corpus_with_a_share_is_taken_before_the_others(shelf: Path) -> None:
    with (shelf / "manifest.csv").open("a", encoding="utf-8") as manifest:
        manifest.write("\nopenhymnal,openewld-pd/0.mid,train,\nopenhymnal,openewld-pd/1.mid,valid,")
    write_pack(manifest_pieces(shelf), shelf / "p.npz")
    assert load_pack(shelf / "p.npz").corpora == ("openhymnal",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "every row wants the columns corpus, file, split, melody_track"),
        ("title,midi_filename\nx,y.mid\n", "every row wants the columns corpus"),
        (HEADER + "pop,1.mid\n", "every row wants the columns corpus"),
        ("corpus\xe9", "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_manifest_of_something_else_says_so(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(CorpusError, match=said):
        list(manifest_pieces(tmp_path))


def test_a_corpus_that_is_not_there_says_what_is(shelf: Path) -> None:
    with pytest.raises(CorpusError, match=r"no corpus 'popp'.*did you mean 'pop'.*openewld-pd"):
        list(manifest_pieces(shelf, ("popp",)))


def test_a_damaged_archive_skips_its_files(shelf: Path) -> None:
    (shelf / "pop.zip").write_bytes(b"no zip")
    pieces = list(manifest_pieces(shelf, ("pop",)))
    assert [piece.trouble[:36] for piece in pieces] == 4 * ["is not there, and pop.zip cannot be "]
