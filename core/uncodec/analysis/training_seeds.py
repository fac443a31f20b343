"""How far trainings that differ in the seed alone lie apart, from records beside models."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uncodec.analysis.restorers import PLAIN
from uncodec.errors import ModelError

__all__ = ["TrainingSeeds", "training_seeds"]

RECORD = "adversaries.json"
"""A file beside the weights: runs by kind of adversary, for each seed its validation curve."""


@dataclass(frozen=True)
class TrainingSeeds:
    """The last validation of some runs of one recipe.

    Attributes
    ----------
    kind : str
        Of adversary, as the recipe names it.
    steps : int
        How long each run was.
    lsd : tuple of float
        Log-spectral distance on validation pairs at the end, a seed each.
    """

    kind: str
    steps: int
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

    folder = find_model(model)
    record = folder / RECORD
    if not record.is_file():
        return None
    try:
        runs = json.loads(record.read_text(encoding="utf-8"))["runs"]
        kind = _kind(folder)
        last = [run["curve"][-1] for run in runs[kind]]
        return TrainingSeeds(kind, int(last[0]["step"]), tuple(float(e["lsd"]) for e in last))
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise ModelError(f"{record}: must be a record of trainings ({error!r})") from error


def _kind(folder: Path) -> str:
    import tomllib

    recipe = folder / "recipe.toml"
    if not recipe.is_file():
        return "none"
    parsed = tomllib.loads(recipe.read_text(encoding="utf-8"))
    return str(parsed.get("adversary", {}).get("adversary", "none"))
