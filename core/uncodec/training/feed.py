"""Batches on their way to the device that trains."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["device_of", "readers_for", "to_device"]

_MOST_READERS = 8


def readers_for(device: str) -> int:
    """Threads that read batches ahead, see `uncodec.training.pairs.PairSet`.

    One beside a processor that trains itself. A GPU asks for a batch (50 ms of a processor for 12
    crops of 2 s) faster than one thread reads it.
    """
    if torch.device(device).type == "cpu":
        return 1
    return max(1, min(_MOST_READERS, (os.cpu_count() or 1) - 1))


def to_device(arrays: Iterable[NDArray[Any]], device: str | torch.device) -> tuple[Tensor, ...]:
    """Arrays as tensors on `device`.

    On the way to a GPU they go through page-locked memory, so that the copy needs no second one
    and the processor does not wait for it. On a processor they share the arrays' memory.

    Parameters
    ----------
    arrays : iterable of ndarray
    device : str or torch.device

    Returns
    -------
    tuple of Tensor
    """
    tensors = (torch.from_numpy(array) for array in arrays)
    if torch.device(device).type != "cuda":
        return tuple(tensor.to(device) for tensor in tensors)
    return tuple(tensor.pin_memory().to(device, non_blocking=True) for tensor in tensors)


def device_of(network: nn.Module) -> torch.device:
    """Where the weights of a network are."""
    return next(network.parameters()).device
