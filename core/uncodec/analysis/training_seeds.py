"""How far trainings that differ in the seed alone lie apart, from records beside models."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from uncodec.analysis.restorers import PLAIN
from uncodec.errors import ModelError

__all__ = ["TrainingSeeds", "training_seeds"]

RECORD = "trainings.json"
"""A file beside the weights: where runs of one recipe ended that differ in the seed alone."""


@dataclass(frozen=True)
class TrainingSeeds:
    """Where some runs of one recipe ended that began with random weights.

    Attributes
    ----------
    adversary : str
        Its kind, "none" without one.
    steps, crops : int
        How long each run was, and how many crops it heard at a time.
    lsd : tuple of float
        Log-spectral distance on validation pairs at the end, a seed each.
    """

    adversary: str
    steps: int
    crops: int
    lsd: tuple[float, ...]

    @property
    def spread(self) -> float:
        """Standard deviation over seeds."""
        return float(np.std(self.lsd, ddof=1))


def training_seeds(model: str) -> TrainingSeeds | None:
    """The record of a model, None where it has none.

    Parameters
    ----------
    model : str
        As `uncodec.model_folders.find_model` takes it, or a restorer without weights.

    Raises
    ------
    ModelError
        No such model, or a damaged record.
    """
    if model in PLAIN:
        return None
    from uncodec.model_folders import find_model

    record = find_model(model) / RECORD
    if not record.is_file():
        return None
    try:
        found = json.loads(record.read_text(encoding="utf-8"))
        lsd = tuple(float(value) for value in found["lsd"])
        if len(lsd) < 2:
            raise ValueError(f"lsd={lsd}: must have two seeds at least")
        return TrainingSeeds(str(found["adversary"]), int(found["steps"]), int(found["crops"]), lsd)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{record}: must be a record of trainings ({error!r})") from error
