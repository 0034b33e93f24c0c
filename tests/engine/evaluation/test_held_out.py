"""Held-out windows, and what is told of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.evaluation.held_out import (
    EvaluateSettings,
    bar_lines_of,
    draw_held_out,
    draw_windows,
    meters_of,
    task_mask,
)
from engine.music.grid import LEAD, ONSET, Meter, MeterMap
from engine.requests.request import STYLES
from engine.training.dataset import Pack, PackError, load_pack

SMALL = EvaluateSettings(windows=6, beats=4)


@pytest.fixture
def packed(made_pack: Path) -> Pack:
    return load_pack(made_pack)


def test_masks() -> None:
    assert task_mask("harmonize", 96).any(axis=1).tolist() == [True, False]
    assert task_mask("live", 96).sum(axis=1).tolist() == [48, 72]
    assert task_mask("continue", 96).sum(axis=1).tolist() == [48, 48]
    assert task_mask("infill", 96).sum(axis=1).tolist() == [48, 48]
    assert task_mask("infill", 96)[:, 0].all()
    assert not task_mask("generate", 96).any()


def test_windows_have_both_voices_and_no_hints(packed: Pack) -> None:
    batch = draw_windows(packed, SMALL, 1, 20)
    assert batch.target.shape == (20, 2, 2, 88, 96)
    assert batch.target[:, :, ONSET].any(axis=(2, 3)).all()
    assert not batch.style.any()
    assert not batch.density.any()
    assert (batch.target == batch.context).all()
    assert batch.mask[:, LEAD].all()


def test_every_task_has_the_same_windows(packed: Pack) -> None:
    ours, theirs = (
        draw_windows(packed, EvaluateSettings(task=task, beats=4), 1, 8)
        for task in ("harmonize", "infill")
    )
    assert (ours.target == theirs.target).all()
    assert (ours.mask != theirs.mask).any()


def test_a_split_without_a_lead_is_told(packed: Pack) -> None:
    packed.voice[:] = 1
    with pytest.raises(PackError, match="only 0 of 3 windows of 4 beats"):
        draw_windows(packed, SMALL, 1, 3)


def test_meters_are_read_back_from_tokens() -> None:
    truth = MeterMap(((-30, Meter(3, 4)), (186, Meter(7, 8))))
    tokens = np.arange(0, 384, 6)
    found = meters_of(*truth.phase(tokens))
    for wanted, got in zip(truth.phase(tokens), found.phase(tokens), strict=True):
        assert wanted.tolist() == got.tolist()


def styled(pack: Pack) -> Pack:
    """The pieces in turn hymns and songs."""
    corpus = np.arange(len(pack.piece_corpus)) % 2
    return replace(pack, corpora=("openhymnal", "openscore-lieder"), piece_corpus=corpus)


def test_a_style_draws_its_corpora_alone_and_is_given(packed: Pack) -> None:
    pack = styled(packed)
    for style, corpus in (("hymn", 0), ("song", 1)):
        drawn = draw_held_out(pack, replace(SMALL, style=style), 1, 8)
        assert set(pack.piece_corpus[drawn.pieces]) == {corpus}
        assert (pack.piece_split[drawn.pieces] == 1).all()
        assert set(drawn.batch.style) == {STYLES.index(style)}


def test_a_style_that_is_not_packed_is_told(packed: Pack) -> None:
    with pytest.raises(PackError, match="no piece of the style piano; it has: openhymnal"):
        draw_held_out(styled(packed), replace(SMALL, style="piano"), 1, 8)


def test_bar_lines_count_from_the_step_that_is_said(packed: Pack) -> None:
    batch = draw_windows(packed, SMALL, 1, 8)
    for index, (lines, later) in enumerate(
        zip(bar_lines_of(batch), bar_lines_of(batch, 24), strict=True)
    ):
        assert lines[0] == -int(batch.phase[index, 0])
        assert lines[0] <= 0 < lines[1]
        assert lines[-1] >= 96
        assert later == [line - 24 for line in lines]
