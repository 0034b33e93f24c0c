from __future__ import annotations

import torch

from engine.systems.signorelli.network import CausalUnet, CausalUnetConfig


def test_the_full_size_has_some_twelve_million_parameters() -> None:
    network = CausalUnet(CausalUnetConfig())
    count = sum(p.numel() for p in network.parameters())
    assert 11_900_000 < count < 12_500_000


def test_no_output_hears_a_later_note() -> None:
    torch.manual_seed(0)
    network = CausalUnet(CausalUnetConfig(width=8, length=32)).eval()
    x, level = torch.randn(1, 3, 32), torch.tensor([0.5])
    before = network(x, level)
    for changed in range(1, 32):
        later = x.clone()
        later[..., changed:] += 1.0
        moved = (network(later, level) - before).abs().amax(dim=(0, 1))
        assert float(moved[:changed].detach().max()) < 1e-5
        assert float(moved[changed].detach()) > 1e-4


def test_only_the_length_is_halved() -> None:
    network = CausalUnet(CausalUnetConfig(width=8))
    lengths: list[int] = []
    for rung in network.down:
        rung[0].register_forward_hook(lambda m, i, out: lengths.append(out.shape[-1]))  # type: ignore[index]
    network(torch.zeros(1, 3, 128), torch.zeros(1))
    assert lengths == [128, 64, 32, 16]
