"""Recipes: how each model was made, and the making of it again.

A recipe is the ``recipe.toml`` in the folder of a model. Its ``kind`` says which network it trains;
its tables hold the settings. A run works in a folder of its own and goes on there where it was
left, with the same result as one that was never interrupted.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from uncodec.errors import InvalidValue, ModelError
from uncodec.model_folders import model_roots
from uncodec.training.feed import readers_for
from uncodec.training.pairs import PairSet
from uncodec.training.trainers import TRAINERS

__all__ = ["PARTS", "Listener", "Part", "Recipe", "Run", "find_recipe", "run_recipe"]

RECIPE = "recipe.toml"

Part = Literal["pairs", "train", "release"]
PARTS: tuple[Part, ...] = get_args(Part)

Listener = Callable[[str, Mapping[str, Any]], None]
"""Told what happens: ``("pairs", {"done": 3, "count": 8})``, ``("step", row of the log)`` ..."""


@dataclass(frozen=True)
class Recipe:
    """A recipe as read.

    Attributes
    ----------
    path : Path
    kind : str
        A key of `uncodec.training.trainers.TRAINERS`.
    name, version : str
        Of the model.
    tables : mapping
        Everything in the file.
    """

    path: Path
    kind: str
    name: str
    version: str
    tables: Mapping[str, Any]

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Say that the recipe is wrong where building settings from its tables fails."""
        try:
            yield
        except KeyError as error:
            raise ModelError(f"{self.path}: must have {error.args[0]!r}") from error
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self.path}: must be a recipe of this release ({error})") from error


@dataclass(frozen=True)
class Run:
    """Where and how a recipe is carried out.

    Attributes
    ----------
    work : Path
        Takes ``pairs``, ``validation``, ``checkpoints``, and the folders of further stages, the
        gate's ``gate-crops`` among them.
    release : Path
        Folder that gets the weights.
    device : str
        Where the network is trained, as torch names it.
    steps : int or None
        Another number of steps than the recipe's, for a trial.
    start : str or None
        Model to begin with instead of random weights: a released one or a folder. A run that is
        gone on with has begun already.
    music : Path or None
        Folder of music, see `uncodec.training.music`, for networks that learn from it: level
        networks from what was coded before, gates from what was not.
    """

    work: Path
    release: Path
    device: str = "cpu"
    steps: int | None = None
    start: str | None = None
    music: Path | None = None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoint and the log."""
        return self.work / "checkpoints"

    def pairs(self) -> PairSet:
        """The training pairs, read ahead as the device needs it."""
        return PairSet(self.work / "pairs", readers_for(self.device))


def find_recipe(model: str | os.PathLike[str]) -> Recipe:
    """Read a recipe, given the name of a model that came with the package, a folder or a file.

    Raises
    ------
    ModelError
        No such recipe, or not one of this release.
    """
    own = Path(model)
    places = [own, own / RECIPE]
    roots = model_roots()
    if own.name == str(model):
        places += [root / own / RECIPE for root in roots]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        known = ", ".join(sorted({p.parent.name for r in roots for p in r.glob(f"*/{RECIPE}")}))
        raise ModelError(
            f"model={str(model)!r}: must be one with a recipe ({known or 'none installed'}), or a "
            f"folder with {RECIPE}"
        )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as a recipe ({error})") from error
    kind = tables.get("kind", "generator")
    if kind not in TRAINERS:
        raise ModelError(f"{path}: kind must be one of {', '.join(TRAINERS)}, got {kind!r}")
    recipe = Recipe(path, kind, str(tables.get("name")), str(tables.get("version")), tables)
    with recipe.checked():
        for key in ("name", "version", "pairs", "validation"):
            tables[key]
    return recipe


def run_recipe(
    recipe: Recipe,
    data: Path | None,
    run: Run,
    *,
    only: Part | None = None,
    workers: int = 1,
    skip: bool = False,
    listen: Listener | None = None,
) -> None:
    """Build the pairs, train, and write the weights; each part goes on where it was left.

    Parameters
    ----------
    recipe : Recipe
    data : path or None
        Clean recordings, see `uncodec.training.recordings.split_folder`; only the pairs need them.
    run : Run
    only : {"pairs", "train", "release"}, optional
        That part alone. "release" takes the checkpoint as it is, finished or not.
    workers : int
        Processes that build pairs.
    skip : bool
        Leave recordings that cannot be used out instead of refusing all.
    listen : callable, optional

    Raises
    ------
    AudioFileError
        The recordings cannot be used, or there are no pairs yet.
    ModelError
        The checkpoint is of another version or run, or there is none to release; the model to begin
        with cannot be used or has another shape than the recipe's.
    InvalidValue
        A setting out of its range; a folder of pairs begun with other settings; a start or music
        for a recipe that makes no use of it.
    """
    if only is not None and only not in PARTS:
        raise InvalidValue(f"only={only!r}: must be one of {', '.join(PARTS)}")
    if run.steps is not None and run.steps < 1:
        raise InvalidValue(f"steps={run.steps}: must be a positive integer")
    trainer = TRAINERS[recipe.kind](recipe, run)
    if only != "pairs":
        _check_device(run.device)
    told = listen or (lambda event, row: None)
    if only in (None, "pairs"):
        if data is None:
            raise InvalidValue("data: must be given to build the pairs")
        trainer.build(data, workers, skip, told)
    if only in (None, "train"):
        trainer.train(told)
    if only in (None, "release"):
        if not (trainer.folder / "checkpoint.pt").is_file():
            raise ModelError(f"{trainer.folder}: holds no checkpoint to release, train first")
        trainer.release(told)
        told("release", {"folder": str(run.release)})


def _check_device(device: str) -> None:
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidValue(
            f"device={device!r}: must be a device of this machine ({reason})"
        ) from error
