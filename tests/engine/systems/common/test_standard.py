from __future__ import annotations

import pytest
import torch

from engine.systems.common.draws import alone
from engine.systems.common.standard import Standard


def test_moments_of_each_feature_are_taken_off_and_put_back() -> None:
    standard = Standard(2)
    x = torch.tensor([[[1.0, 3.0], [10.0, 10.0]]])
    assert torch.equal(standard(x), x)
    standard.note(x, 1.0, alone)
    assert standard.mean.tolist() == [2.0, 10.0]
    assert standard.spread.tolist() == pytest.approx([2**0.5, 1e-3])
    assert standard(x)[0, 0].tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5])
    assert torch.allclose(standard.back(standard(x)), x)


def test_a_share_of_the_moments_is_replaced() -> None:
    standard = Standard(1)
    standard.note(torch.tensor([[0.0], [2.0]]), 0.25, alone)
    assert standard.mean.tolist() == [0.25]
    assert standard.spread.tolist() == pytest.approx([0.75 + 0.25 * 2**0.5])
