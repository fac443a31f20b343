"""What both gates learn from: crops of a library, one half of a batch clean, the other coded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from uncodec.errors import InvalidValue
from uncodec.training.feed import device_of, read_ahead, readers_for, to_device
from uncodec.training.gate_library import GateLibrary
from uncodec.training.loop import Network, Objective

__all__ = ["GateCropObjective", "GateCrops"]


@dataclass(frozen=True)
class GateCrops:
    """Crops of a step.

    Attributes
    ----------
    batch : int
        Crops per step, an even number: one half is clean, the other coded.
    frames : int
        Of a crop.
    seed : int
        Of the batches.
    """

    batch: int = 32
    frames: int = 430
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 2 or self.batch % 2:
            raise InvalidValue(f"batch={self.batch}: must be a positive even number")
        if self.frames < 1:
            raise InvalidValue(f"frames={self.frames}: must be a positive integer")


class GateCropObjective(Objective[Network, Tensor]):
    """An objective whose batches are crops of `library`, see `GateLibrary.batch`."""

    library: GateLibrary

    def batches(self, first: int, stop: int) -> Iterator[Tensor]:
        device = device_of(self.network)
        for arrays in read_ahead(self._read, first, stop, readers_for(str(device))):
            (items,) = to_device(arrays, device)
            yield items.float()

    def crops(self, step: int) -> NDArray[np.float16]:
        """The crops of a step, a pure function of it and the settings."""
        own = self.settings
        return self.library.batch(step, own.batch, own.frames, own.seed)

    def _read(self, step: int) -> list[NDArray[np.float16]]:
        return [self.crops(step)]
