"""Boosted trees as plain nodes, evaluated without the library that fitted them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import ModelError
from uncodec.model_folders import model_roots

__all__ = ["Forest", "Judge", "load_judge"]

NAME = "inspect"
_FILE = "trees.json"
_FORMAT = 1


@dataclass(frozen=True)
class Forest:
    """A sum of regression trees over one vector of features.

    Attributes
    ----------
    base : float
        What the sum begins with.
    trees : list of list
        Of each: a list of nodes ``(feature, threshold, left, right)``, where ``feature`` is -1 in a
        leaf and ``threshold`` its value.
    """

    base: float
    trees: list[list[tuple[int, float, int, int]]]

    def __call__(self, features: NDArray[np.float64]) -> float:
        total = self.base
        for nodes in self.trees:
            at = 0
            while nodes[at][0] >= 0:
                feature, threshold, left, right = nodes[at]
                at = left if features[feature] <= threshold else right
            total += nodes[at][1]
        return total


@dataclass(frozen=True)
class Judge:
    """What was learned: how likely features are those of coded sound, and of which rate.

    Attributes
    ----------
    version : str
    lossy : Forest
        Logarithm of the odds, before calibration.
    scale, offset : float
        Calibrated odds are ``scale * lossy + offset``.
    rate : Forest
        log2 of kb/s of all channels together.
    rate_spread : float
        Eight in ten are within so many octaves.
    accused_from, cleared_to : float
        Probabilities from which on sound is called lossy, and up to which lossless.
    """

    version: str
    lossy: Forest
    scale: float
    offset: float
    rate: Forest
    rate_spread: float
    accused_from: float
    cleared_to: float

    def probability(self, features: NDArray[np.float64]) -> float:
        """How likely it is that the sound was coded, 0 to 1."""
        odds = self.scale * self.lossy(features) + self.offset
        return float(1.0 / (1.0 + np.exp(-np.clip(odds, -30.0, 30.0))))

    def kbps(self, features: NDArray[np.float64]) -> tuple[int, int]:
        """Lowest and highest likely rate in kb/s."""
        middle = self.rate(features)
        low, high = (2.0 ** (middle + sign * self.rate_spread) for sign in (-1.0, 1.0))
        return round(low), round(high)


@lru_cache(maxsize=1)
def load_judge() -> Judge:
    """The released model.

    Raises
    ------
    ModelError
        It is missing, damaged, or of another format.
    """
    for root in model_roots():
        place = root / NAME / _FILE
        if place.is_file():
            break
    else:
        raise ModelError(f"model={NAME!r}: its file {_FILE} is missing from this installation")
    try:
        return _parsed(json.loads(place.read_text()))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{place}: must be a model of the inspector ({error})") from error


def _parsed(data: dict[str, Any]) -> Judge:
    if data["format"] != _FORMAT:
        raise ValueError(f"format {data['format']}: must be {_FORMAT}")
    count = len(data["features"])
    return Judge(
        str(data["version"]),
        _forest(data["lossy"], count),
        float(data["scale"]),
        float(data["offset"]),
        _forest(data["rate"], count),
        float(data["rate_spread"]),
        float(data["accused_from"]),
        float(data["cleared_to"]),
    )


def _forest(data: dict[str, Any], count: int) -> Forest:
    trees = []
    for nodes in data["trees"]:
        tree = [(int(f), float(t), int(a), int(b)) for f, t, a, b in nodes]
        for at, (feature, _, left, right) in enumerate(tree):
            # Children stand behind their parents: no tree can lead in a circle.
            if feature >= count or (
                feature >= 0 and not at < min(left, right) <= max(left, right) < len(tree)
            ):
                raise ValueError(f"node {at} leads to {left} and {right}")
        trees.append(tree)
    return Forest(float(data["base"]), trees)
