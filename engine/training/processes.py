"""One training run on several processes: `torchrun`, torch's own distributed training.

Every process draws the same whole batch and its noise and works on its own rows of it, so that the
run is that of one process whatever their number. The first one alone writes and reports.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from engine.model.checkpoint import CheckpointError


@dataclass(frozen=True, slots=True)
class Processes:
    """Which of how many this one is. local: among those on this machine."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @classmethod
    def from_environment(cls) -> Processes:
        """Join as torchrun says; alone without it."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        return cls(
            *(
                int(os.environ.get(name, alone))
                for name, alone in zip(names, (0, 1, 0), strict=True)
            )
        )

    @property
    def first(self) -> bool:
        """Is this the one that writes and reports?"""
        return self.rank == 0

    def device(self, wanted: str) -> str:
        """Give each its own GPU."""
        return f"cuda:{self.local}" if wanted == "cuda" and self.count > 1 else wanted

    def rows(self, size: int) -> slice:
        """Its rows of a batch of `size`; of uneven shares the first ones are larger."""
        share, more = divmod(size, self.count)
        start = self.rank * share + min(self.rank, more)
        return slice(start, start + share + (self.rank < more))

    def parallel(self, network: nn.Module) -> Any:
        """Return the network, its gradients averaged over all processes in each backward pass."""
        if self.count == 1:
            return network
        return nn.parallel.DistributedDataParallel(network)

    def require_windows(self, batch: int) -> None:
        """Raise CheckpointError where a batch has no window for some of us."""
        if batch < self.count:
            raise CheckpointError(
                f"batches of {batch} leave some of {self.count} processes without a window; "
                f"give --batch {self.count} or more"
            )

    def together(self, numbers: Tensor) -> Tensor:
        """Return a tensor summed over all processes."""
        if self.count > 1:
            dist.all_reduce(numbers)
        return numbers

    def sum_gradients(self, network: nn.Module) -> None:
        """Sum each gradient over all processes: for networks that are not called as a whole, which
        DistributedDataParallel would want."""
        if self.count > 1:
            found = [each.grad for each in network.parameters() if each.grad is not None]
            flat = torch.cat([each.flatten() for each in found])
            dist.all_reduce(flat)
            for each, summed in zip(
                found, torch.split(flat, [g.numel() for g in found]), strict=True
            ):
                each.copy_(summed.view_as(each))

    def sums(self, *numbers: Tensor | float, device: torch.device) -> list[float]:
        """Return each number summed over all processes."""
        if self.count == 1:
            return [float(number) for number in numbers]
        own = torch.tensor([float(number) for number in numbers], dtype=torch.float64)
        own = own.to(device)
        dist.all_reduce(own)
        return [float(number) for number in own.tolist()]

    def wait(self) -> None:
        """Wait until all are here."""
        if self.count > 1:
            dist.barrier()


@contextlib.contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Join this process to the others, for as long as the context lasts."""
    found = Processes.from_environment()
    if found.count == 1:
        yield found
        return
    if device == "cuda":
        torch.cuda.set_device(found.local)
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield found
    finally:
        dist.destroy_process_group()
