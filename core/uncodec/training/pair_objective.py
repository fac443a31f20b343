"""What objectives that learn from pairs share: their crops, and scores by coding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.training.feed import device_of, to_device
from uncodec.training.loop import Objective
from uncodec.training.pairs import PairSet

__all__ = ["CropSettings", "Crops", "PairObjective", "means_by_coding", "name_of_coding"]

Network = TypeVar("Network", bound=nn.Module)
Crops = tuple[Tensor, Tensor, Tensor]
"""Clean and coded, [shape=(batch, 2, samples)], and 1 where no codec was, [shape=(batch,)]."""


@dataclass(frozen=True)
class CropSettings:
    """Crops of the pairs.

    Attributes
    ----------
    batch : int
        Crops per step.
    seconds : float
        Length of a crop, at 44.1 kHz.
    seed : int
    """

    LEAST: ClassVar[float] = 0.25

    batch: int = 8
    seconds: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InvalidValue(f"batch={self.batch}: must be a positive integer")
        if not self.LEAST <= self.seconds <= 60:
            raise InvalidValue(f"seconds={self.seconds}: must be from {self.LEAST:g} to 60")

    @property
    def samples(self) -> int:
        """Length of what is read for a crop."""
        return round(self.seconds * 44100)


class PairObjective(Objective[Network, Crops]):
    """An objective that reads crops of pairs.

    Parameters
    ----------
    network : Module
    pairs : PairSet
    settings : CropSettings
        Or others with `batch`, `samples` and `seed`.
    validation : PairSet, optional
        Scored now and then.
    """

    SETTINGS: ClassVar[type[Any]] = CropSettings

    def __init__(
        self, network: Network, pairs: PairSet, settings: Any, validation: PairSet | None = None
    ) -> None:
        self.network, self.pairs, self.validation = network, pairs, validation
        self.settings = settings

    def batches(self, first: int, stop: int) -> Iterator[Crops]:
        own, device = self.settings, device_of(self.network)
        for arrays in self.pairs.batches(first, stop, own.batch, own.samples, own.seed):
            clean, coded, is_clean = to_device(arrays, device)
            yield clean, coded, is_clean

    def validate(self, network: Network) -> Mapping[str, Any] | None:
        return None if self.validation is None else self.score(network, self.validation)

    def score(self, network: Network, pairs: PairSet) -> Mapping[str, Any] | None:
        """Scores of `network` on `pairs` by group."""
        return None


def name_of_coding(note: Mapping[str, Any]) -> str:
    """Group of a pair by its note, such as ``"mp3-64"`` or ``"clean"``."""
    return "clean" if note["codec"] == "clean" else f"{note['codec']}-{note['kbps']}"


def means_by_coding(groups: Mapping[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Means of the rows of each group."""
    return {
        name: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
        for name, rows in sorted(groups.items())
    }
