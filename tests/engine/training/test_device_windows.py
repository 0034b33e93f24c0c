"""Windows drawn on a device are those that the CPU draws: music, bars, tasks and corruptions."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from engine.music.grid import ACCOMPANIMENT, LEAD, PIANO, STEPS_PER_BEAT
from engine.music.merged import alone as merged_alone
from engine.training.dataset import Pack, PackError, cells_of_rows, load_pack
from engine.training.device_windows import (
    DevicePack,
    Notes,
    alone,
    corrupted,
    mask_bank,
    roll_of,
    stuck,
    with_voices,
)

CPU = torch.device("cpu")
note_rows = st.lists(
    st.tuples(
        st.integers(0, 2),  # window
        st.integers(-60, 110),
        st.integers(1, 80),  # length
        st.integers(15, 115),
        st.integers(0, 1),
    ),
    max_size=40,
)


def notes_of(rows: NDArray[np.int64]) -> Notes:
    return Notes(*(torch.from_numpy(column.copy()) for column in rows.T))


def rows_of(notes: Notes) -> NDArray[np.int64]:
    columns = (notes.window, notes.onset, notes.end, notes.pitch, notes.voice)
    return torch.stack(columns, dim=1).numpy()


def meters_of(pack: Pack, piece: int, beat: int) -> tuple[int, int]:
    """Phase and bar length of a beat, walking from bar to bar."""
    starts, lengths = pack.meters[piece]
    step = beat * STEPS_PER_BEAT
    for (start, length), following in pairwise(
        [*zip(starts.tolist(), lengths.tolist(), strict=True), (10**9, 0)]
    ):
        if start <= step < following[0]:
            return (step - start) % length, length
    raise AssertionError("a piece begins with a meter")


@pytest.fixture
def pack(made_pack: Path) -> Pack:
    """The made pack, with a change of meter in the second piece."""
    made = load_pack(made_pack)
    changed = (np.array([0, 7 * STEPS_PER_BEAT]), np.array([4, 3]) * STEPS_PER_BEAT)
    return replace(made, meters=(made.meters[0], changed, *made.meters[2:]))


@settings(deadline=None)
@given(note_rows)
def test_a_roll_is_the_one_the_cpu_draws(found: list[tuple[int, int, int, int, int]]) -> None:
    rows = np.array([(w, on, on + n, p, v) for w, on, n, p, v in found], np.int64).reshape(-1, 5)
    wanted = cells_of_rows(rows, 3, STEPS_PER_BEAT * 4)
    assert (roll_of(notes_of(rows), 3, STEPS_PER_BEAT * 4).numpy() == wanted).all()


def test_the_notes_of_a_window_are_all_that_sound_in_it(pack: Pack) -> None:
    device = DevicePack(pack, 0, CPU)
    windows = device.random(60, 8, torch.Generator().manual_seed(0))
    found = rows_of(device.notes(windows))
    assert len(set(windows.piece.tolist())) > 4
    for index, (piece, beat) in enumerate(
        zip(windows.piece.tolist(), windows.first_beat.tolist(), strict=True)
    ):
        assert pack.piece_split[piece] == 0
        part = slice(pack.first_note[piece], pack.first_note[piece + 1])
        start, end = beat * STEPS_PER_BEAT, (beat + 8) * STEPS_PER_BEAT
        there = (pack.end[part] > start) & (pack.onset[part] < end)
        wanted = np.column_stack(
            [pack.onset[part] - start, pack.end[part] - start, pack.pitch[part], pack.voice[part]]
        )[there]
        assert found[found[:, 0] == index, 1:].tolist() == wanted.tolist()
        told = zip(windows.phase[index].tolist(), windows.bar[index].tolist(), strict=True)
        last = int(pack.piece_beats[piece]) + 63
        assert list(told) == [meters_of(pack, piece, min(beat + i, last)) for i in range(8)]


def test_a_dry_run_draws_of_few_pieces(pack: Pack) -> None:
    few = DevicePack(pack, 0, CPU, most_pieces=3)
    assert len(few.pieces) == 3
    drawn = few.random(60, 4, torch.Generator().manual_seed(1)).piece
    assert set(drawn.tolist()) == set(few.pieces.tolist())
    assert len(DevicePack(pack, 1, CPU, most_pieces=50).pieces) == 2


def test_a_split_without_pieces_says_so(pack: Pack) -> None:
    with pytest.raises(PackError, match="no piece in this split"):
        DevicePack(replace(pack, piece_split=np.zeros_like(pack.piece_split)), 1, CPU)


def test_voices_by_window() -> None:
    rows = [(w, 0, 24, 60 + v, v) for w in range(3) for v in range(3)]
    yes, no = torch.tensor([True, False, True]), torch.tensor([False, False, True])
    found = with_voices(notes_of(np.array(rows)), yes, no)
    assert found.voice.view(3, 3).tolist() == [[0, 1, 0], [0, 1, 1], [1, 1, 1]]


def test_flaws_leave_the_lead_its_notes_and_take_few_of_ours() -> None:
    size, per = 400, 20
    window = np.repeat(np.arange(size), 2 * per)
    onset = np.tile(np.repeat(np.arange(per) * 12, 2), size)
    voice = np.tile([LEAD, ACCOMPANIMENT], size * per)
    rows = np.column_stack([window, onset, onset + 12, np.full(len(window), 60), voice])
    given_rows = rows.copy()
    heard = rows_of(corrupted(notes_of(rows), size, 240, torch.Generator().manual_seed(2)))
    assert (rows == given_rows).all()
    lead, was = heard[heard[:, 4] == LEAD], rows[rows[:, 4] == LEAD]
    assert len(lead) == len(was)
    moved = lead[:, 1] - was[:, 1]
    assert set(moved.tolist()) == {-1, 0, 1}
    assert (lead[:, 2] - lead[:, 1] == 12).all()
    by_window = np.abs(moved).reshape(size, per).any(axis=1).mean()
    assert by_window == pytest.approx(0.20, abs=0.06)
    ours = heard[heard[:, 4] == ACCOMPANIMENT]
    kept = np.bincount(ours[:, 0], minlength=size) / per
    assert (kept < 1).mean() == pytest.approx(0.31, abs=0.08)
    assert set(np.unique(ours[:, 3] - 60).tolist()) == {-2, -1, 0, 1, 2}


def random_roll(seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    rows = np.column_stack(
        [
            np.repeat(np.arange(4), 40),
            onset := rng.integers(-20, 90, 160),
            onset + rng.integers(1, 40, 160),
            rng.integers(PIANO.low, PIANO.high + 1, 160),
            rng.integers(0, 2, 160),
        ]
    )
    return roll_of(notes_of(rows), 4, 96)


@pytest.mark.parametrize("seed", range(3))
def test_music_alone_is_that_of_the_merged_roll(seed: int) -> None:
    roll = random_roll(seed)
    wanted = np.stack([merged_alone(cells) for cells in roll.numpy().astype(bool)])
    assert (alone(roll).numpy() == wanted).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_stuck_chord_is_one_that_sounds_and_comes_back(seed: int) -> None:
    roll = random_roll(seed)
    chosen = torch.tensor([True, False, True, True])
    found = stuck(roll, chosen, torch.Generator().manual_seed(seed))
    assert torch.equal(found[:, LEAD], roll[:, LEAD])
    assert torch.equal(found[1], roll[1])
    for window in (0, 2, 3):
        onset, sustain = found[window, ACCOMPANIMENT].bool()
        if torch.equal(found[window], roll[window]):  # nothing sounded at the place drawn
            continue
        chord = onset[:, 0]
        before = roll[window, ACCOMPANIMENT].amax(dim=0).bool()
        assert any(torch.equal(chord, before[:, step]) for step in range(96))
        times = onset.any(dim=0).nonzero()[:, 0]
        assert times.tolist() in [list(range(0, 96, every)) for every in (24, 48, 96)]
        assert torch.equal(onset | sustain, chord[:, None].expand(-1, 96))


def test_tasks_to_draw_from_leave_something_free() -> None:
    bank = mask_bank(8, seed=0)
    assert bank.shape == (8192, 2, 32)
    assert not bank.all(axis=(1, 2)).any()
    harmonize = bank[:, LEAD].all(axis=1) & ~bank[:, ACCOMPANIMENT].any(axis=1)
    assert harmonize.mean() == pytest.approx(0.25, abs=0.03)
