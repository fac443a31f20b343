"""Batches on their way to the device that trains."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["device_of", "read_ahead", "readers_for", "to_device"]

Item = TypeVar("Item")

_MOST_READERS = 8


def readers_for(device: str) -> int:
    """Threads that read batches ahead, see `read_ahead`.

    One beside a processor that trains itself. A GPU asks for a batch (50 ms of a processor for 12
    crops of 2 s) faster than one thread reads it.
    """
    if torch.device(device).type == "cpu":
        return 1
    return max(1, min(_MOST_READERS, (os.cpu_count() or 1) - 1))


def read_ahead(
    read: Callable[[int], Item], first: int, stop: int, readers: int = 1
) -> Iterator[Item]:
    """``read(number)`` for the numbers from `first` up to `stop`, in order.

    Parameters
    ----------
    read : callable
        A function of its argument alone.
    first, stop : int
    readers : int
        Threads at work side by side; each is one item ahead.
    """
    numbers = iter(range(first, stop))
    with ThreadPoolExecutor(readers) as pool:
        ahead = deque(pool.submit(read, number) for number in islice(numbers, readers))
        while ahead:
            ready = ahead.popleft().result()
            ahead.extend(pool.submit(read, number) for number in islice(numbers, 1))
            yield ready


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
