"""Windows of music: the piano's rows a model has, the paper's one plane, density by buckets."""

from __future__ import annotations

import numpy as np
import pytest

from engine.diffusion.batch import Batch, density_bucket, merged_batch, within
from engine.music.grid import ACCOMPANIMENT, LEAD, ONSET, PIANO, SUSTAIN, PitchRange
from engine.requests.request import DENSITY_BUCKETS

MIDDLE = PitchRange(40, 60)


def windows(*cells: tuple[int, int, int, int]) -> Batch:
    """One window of two sixteenths; cells: (voice, plane, MIDI pitch, step)."""
    target = np.zeros((1, 2, 2, PIANO.size, 12), np.bool_)
    for voice, plane, pitch, step in cells:
        target[0, voice, plane, pitch - PIANO.low, step] = True
    tokens, ones = np.zeros((1, 2), np.int64), np.ones(1, np.int64)
    return Batch(target, target, np.ones((1, 2, 12), np.bool_), tokens, tokens + 96, ones, ones)


EDGES = tuple((LEAD, ONSET, pitch, 0) for pitch in (39, 40, 60, 61))


def test_notes_outside_a_models_pitches_are_left_out() -> None:
    batch = windows(*EDGES)
    found = within(batch, MIDDLE)
    assert np.argwhere(found.target).tolist() == [[0, 0, 0, pitch - 21, 0] for pitch in (40, 60)]
    assert found.context is found.target
    assert found.mask is batch.mask


def test_the_papers_windows_have_one_plane_and_know_nothing() -> None:
    one = (ACCOMPANIMENT, SUSTAIN, 41, 3)
    found = merged_batch(windows(*EDGES, one), MIDDLE)
    assert found.target.shape == (1, 1, 1, 21, 12)
    assert np.argwhere(found.target)[:, 3:].tolist() == [[0, 0], [1, 3], [20, 0]]
    assert not found.mask.any()
    assert found.mask.shape == (1, 1, 12)
    assert (found.style.tolist(), found.density.tolist()) == ([0], [0])


@pytest.mark.parametrize(
    ("per_beat", "bucket"),
    [(-1, 1), (0, 1), (0.12, 1), (0.13, 2), (0.5, 3), (1, 4), (3, 7), (7, 10), (12, 12), (99, 12)],
)
def test_density_is_finer_where_it_is_thin(per_beat: float, bucket: int) -> None:
    assert density_bucket(per_beat) == bucket <= DENSITY_BUCKETS
