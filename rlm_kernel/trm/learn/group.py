"""The processes that train one model together: one, or as many as torchrun has started."""

from __future__ import annotations

import atexit
import os

import torch
from torch import Tensor, distributed

from ...errors import ConfigError


class Group:
    """This process among those that train together.

    Each has its rows of every batch, and the gradients are summed: what is learned is what one
    process alone would learn, but for rounding.

    Args:
        wanted: the kind of device that it trains on.

    Raises:
        ConfigError: there are fewer GPUs than processes.
    """

    def __init__(self, wanted: str = "cpu") -> None:
        if "TORCHELASTIC_RUN_ID" in os.environ and not distributed.is_initialized():
            # What is on a CPU always goes by gloo: that doesn't wait for a device.
            if wanted == "cuda" and torch.cuda.is_available():
                local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
                if local >= gpus:
                    raise ConfigError(
                        f"This is process {local + 1} of this machine, which has {gpus} GPUs: "
                        f"give --nproc-per-node {gpus}."
                    )
                torch.cuda.set_device(local)
                distributed.init_process_group("cpu:gloo,cuda:nccl")
            else:
                distributed.init_process_group("gloo")
            atexit.register(distributed.destroy_process_group)
        self.several = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if self.several else 0
        self.size = distributed.get_world_size() if self.several else 1
        self.here = int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if self.several else 1

    def rows(self, batch: int) -> slice:
        """Say which rows of a batch are this process's.

        Raises:
            ConfigError: it can't be shared evenly.
        """
        if batch % self.size:
            raise ConfigError(f"{self.size} processes can't share a batch of {batch} evenly.")
        each = batch // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def device(self, wanted: str) -> str:
        """Give this process's own device, of a kind such as ``"cuda"``."""
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return f"cuda:{local}" if self.several and wanted == "cuda" else wanted

    def sum(self, tensor: Tensor) -> None:
        """Make a tensor the sum of what it is in all processes."""
        if self.several:
            distributed.all_reduce(tensor)

    def first(self, value: float) -> float:
        """Give what the first process has."""
        if not self.several:
            return value
        whose = torch.tensor([value], dtype=torch.float64)
        distributed.broadcast(whose, 0)
        return float(whose.item())

    def whole(self, tensor: Tensor) -> Tensor:
        """Give the rows of all processes, one process after the other."""
        if not self.several:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)
