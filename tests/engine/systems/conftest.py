"""Every system small and untrained, behind the generator's interface."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from engine.systems.player import SystemPlayer
from engine.systems.registry import SYSTEMS
from tests.engine.systems.small import FACTS, SMALL


@pytest.fixture
def small_player() -> Callable[[str], SystemPlayer]:
    def make(family: str) -> SystemPlayer:
        torch.manual_seed(5)
        system = SYSTEMS[family]
        network = system.build(system.config(**SMALL[family])).eval()
        told = {"name": "small", "family": family, "facts": FACTS}
        return SystemPlayer(network, told, torch.device("cpu"))

    return make
