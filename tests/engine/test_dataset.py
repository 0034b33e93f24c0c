"""Windows, masks and the packed file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.corpus import CorpusError, Piece, folder_pieces, pack, read_piece
from engine.dataset import (
    PackError,
    Windows,
    density_bucket,
    draw,
    draw_mask,
    load_pack,
    merged_batch,
)
from engine.grid import ACCOMPANIMENT, LEAD, ONSET, PAPER, PIANO, STEPS_PER_BEAT
from engine.merged import merge
from engine.roll import Note, notes_to_roll

any_notes = st.lists(
    st.builds(
        Note,
        st.integers(-60, 110),
        st.integers(15, 115),
        st.integers(1, 80),
        st.integers(0, 1),
    ),
    max_size=30,
    unique_by=lambda n: (n.pitch, n.voice),
)


@settings(deadline=None)
@given(windows=st.lists(any_notes, min_size=1, max_size=3))
def test_draw_is_notes_to_roll(windows: list[list[Note]]) -> None:
    rows = [
        (index, n.onset_step, n.end_step, n.pitch, n.voice)
        for index, notes in enumerate(windows)
        for n in notes
    ]
    cells = draw(np.array(rows, np.int64).reshape(-1, 5), len(windows), 96)
    for found, notes in zip(cells, windows, strict=True):
        assert (found == notes_to_roll(notes, 0, 96).cells).all()


def windows_of(path: Path, seed: int = 0, split: int = 0) -> Windows:
    return Windows(load_pack(path), split, {}, {"made": "hymn"}, np.random.default_rng(seed))


def test_pack_round_trip(midi_folder: Path, made_pack: Path) -> None:
    packed = load_pack(made_pack)
    assert packed.corpora == ("made",)
    assert packed.piece_split.tolist() == [0] * 8 + [1] * 2
    assert set(packed.piece_beats.tolist()) == {32}
    for piece in range(10):
        notes, meters = read_piece((midi_folder / f"piece-{piece}.mid").read_bytes(), "melody")
        part = slice(packed.first_note[piece], packed.first_note[piece + 1])
        assert packed.onset[part].tolist() == notes[:, 0].tolist()
        assert (packed.end - packed.onset)[part].tolist() == notes[:, 1].tolist()
        assert packed.pitch[part].tolist() == notes[:, 2].tolist()
        assert packed.voice[part].tolist() == notes[:, 3].tolist()
        assert [list(row) for row in zip(*packed.meters[piece], strict=True)] == [
            list(meter) for meter in meters
        ]


def test_a_folder_with_bad_files(midi_folder: Path, tmp_path: Path) -> None:
    count, skipped = pack(folder_pieces(midi_folder), tmp_path / "p.npz")
    assert count == 10
    assert sorted(line.split(":")[0] for line in skipped) == ["broken.mid", "empty.mid"]
    assert load_pack(tmp_path / "p.npz").piece_split.tolist() == [0] * 9 + [1]


def test_few_files_hold_out_the_last(midi_folder: Path, tmp_path: Path) -> None:
    pieces = list(folder_pieces(midi_folder))
    usable = [p for p in pieces if p.name.startswith("piece")]
    pack(usable[:3], tmp_path / "p.npz")
    assert load_pack(tmp_path / "p.npz").piece_split.tolist() == [0, 0, 1]


@pytest.mark.parametrize("usable", [0, 1])
def test_too_little_data_says_so(midi_folder: Path, tmp_path: Path, usable: int) -> None:
    pieces = [Piece("x", "", f"{i}.mid", "", b"no") for i in range(2)]
    good = [p for p in folder_pieces(midi_folder) if p.name.startswith("piece")][:usable]
    with pytest.raises(CorpusError, match=r"usable piece.*0\.mid"):
        pack([*pieces, *good], tmp_path / "p.npz")
    assert not (tmp_path / "p.npz").exists()


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no \.mid files"):
        list(folder_pieces(tmp_path))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"MThd", bytes(200)])
def test_a_damaged_pack_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(PackError, match=r"bad\.npz.*not a packed corpus"):
        load_pack(path)


def test_a_pack_of_something_else_a_missing_and_a_newer_one(
    tmp_path: Path, made_pack: Path
) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(PackError, match="not a packed corpus"):
        load_pack(tmp_path / "other.npz")
    with pytest.raises(PackError, match="no such file"):
        load_pack(tmp_path / "nothing.npz")
    with np.load(made_pack) as data:
        np.savez(tmp_path / "newer.npz", **{**dict(data), "format": 99})
    with pytest.raises(PackError, match="newer"):
        load_pack(tmp_path / "newer.npz")


def test_every_task_is_drawn_and_something_is_always_free() -> None:
    rng = np.random.default_rng(0)
    kinds = set()
    for _ in range(400):
        mask = draw_mask(rng, 384)
        assert not mask.all()
        changes = np.flatnonzero(np.diff(mask.astype(int), axis=1).any(axis=0)) + 1
        assert (changes % 6 == 0).all()
        kinds.add((bool(mask[LEAD].all()), bool(mask[ACCOMPANIMENT].any()), bool(mask.any())))
    assert (True, False, True) in kinds  # harmonize
    assert (True, True, True) in kinds  # with a past, or a gap in the accompaniment
    assert (False, True, True) in kinds  # anticipate, continue, infill
    assert (False, False, False) in kinds  # generate


def test_a_batch(made_pack: Path) -> None:
    batch = windows_of(made_pack).batch(12, 4)
    assert batch.target.shape == batch.context.shape == (12, 2, 2, 88, 96)
    assert batch.mask.shape == (12, 2, 96)
    assert batch.phase.shape == batch.bar.shape == (12, 16)
    assert (batch.bar == 96).all()
    assert (batch.phase % 24 == np.arange(0, 96, 6) % 24).all()  # windows start on beats
    assert set(batch.style.tolist()) <= {0, 1}
    assert ((batch.density >= 0) & (batch.density <= 12)).all()


def test_untouched_windows_are_excerpts(made_pack: Path) -> None:
    batch = windows_of(made_pack, 3).batch(8, 4, augment=0.0)
    assert (batch.target == batch.context).all()
    rows = np.flatnonzero(batch.target[:, LEAD, ONSET].any(axis=(0, 2))) + PIANO.low
    assert set(rows.tolist()) <= {72, 74, 76, 77, 79}


def test_transposition_reaches_half_an_octave_each_way(made_pack: Path) -> None:
    batch = windows_of(made_pack, 4).batch(60, 4)
    rows = np.flatnonzero(batch.target[:, LEAD, ONSET].any(axis=(0, 2))) + PIANO.low
    assert rows.min() < 70
    assert rows.max() > 81


def test_the_same_seed_draws_the_same_windows(made_pack: Path) -> None:
    first, again = (windows_of(made_pack, 9).batch(4, 4) for _ in range(2))
    assert (first.target == again.target).all()
    assert (first.mask == again.mask).all()


def test_density_is_that_of_the_free_accompaniment(made_pack: Path) -> None:
    batch = windows_of(made_pack, 5).batch(40, 8, augment=0.0)
    for i in np.flatnonzero(batch.density):
        free = ~batch.mask[i, ACCOMPANIMENT]
        onsets = batch.target[i, ACCOMPANIMENT, ONSET][:, free].sum()
        beats = max(free.sum() / STEPS_PER_BEAT, 0.25)
        assert batch.density[i] == density_bucket(onsets / beats)


def test_density_buckets_rise() -> None:
    buckets = [density_bucket(d) for d in np.linspace(0, 20, 200)]
    assert buckets == sorted(buckets)
    assert (buckets[0], buckets[-1]) == (1, 12)


def test_a_split_without_pieces_says_so(midi_folder: Path, tmp_path: Path) -> None:
    data = (midi_folder / "piece-0.mid").read_bytes()
    pack([Piece("x", "valid", str(i), "", data) for i in range(2)], tmp_path / "p.npz")
    with pytest.raises(PackError, match="no piece in this split"):
        windows_of(tmp_path / "p.npz")


def test_merged_batch_is_the_papers_roll(made_pack: Path) -> None:
    batch = windows_of(made_pack).batch(3, 4)
    merged = merged_batch(batch, PAPER)
    assert merged.target.shape == (3, 1, 1, 56, 96)
    for cells, found in zip(batch.target, merged.target, strict=True):
        rows = slice(PAPER.low - PIANO.low, PAPER.high + 1 - PIANO.low)
        assert (merge(cells[:, :, rows]) == found).all()
    assert not merged.mask.any()
    assert not merged.style.any()
