"""Recipes: how each model was made, and the making of it again.

A recipe is the ``recipe.toml`` in the folder of a model. Its ``kind`` says which network it trains;
its tables hold the settings. A run works in a folder of its own and goes on there where it was
left, with the same result as one that was never interrupted.
"""

from __future__ import annotations

import json
import os
import threading
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from uncodec.errors import InvalidValue, ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from uncodec.networks.generator import Generator
    from uncodec.training.generator_loop import LoopSettings
    from uncodec.training.pairs import PairSet

__all__ = ["PARTS", "TRAINERS", "Listener", "Part", "Recipe", "Run", "find_recipe", "run_recipe"]

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
        A key of `TRAINERS`.
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
        Takes ``pairs``, ``validation`` and ``checkpoints``.
    release : Path
        Folder that gets the weights.
    device : str
        Where the network is trained, as torch names it.
    steps : int or None
        Another number of steps than the recipe's, for a trial.
    start : str or None
        Model to begin with instead of random weights: a released one or a folder. A run that is
        gone on with has begun already.
    """

    work: Path
    release: Path
    device: str = "cpu"
    steps: int | None = None
    start: str | None = None

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoint and the log."""
        return self.work / "checkpoints"

    def pairs(self) -> PairSet:
        """The training pairs, read ahead as the device needs it."""
        from uncodec.training.feed import readers_for
        from uncodec.training.pairs import PairSet

        return PairSet(self.work / "pairs", readers_for(self.device))


def find_recipe(model: str | os.PathLike[str]) -> Recipe:
    """Read a recipe, given the name of a model that came with the package, a folder or a file.

    Raises
    ------
    ModelError
        No such recipe, or not one of this release.
    """
    from uncodec.networks.store import model_roots

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
        A setting out of its range; a folder of pairs begun with other settings; a start for a kind
        of model that always begins at random.
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
        _build(recipe, data, run, workers, skip, told)
    if only in (None, "train"):
        trainer.train(told)
    if only in (None, "release"):
        if not (trainer.folder / "checkpoint.pt").is_file():
            raise ModelError(f"{trainer.folder}: holds no checkpoint to release, train first")
        trainer.release()
        told("release", {"folder": str(run.release)})


def _build(recipe: Recipe, data: Path, run: Run, workers: int, skip: bool, told: Listener) -> None:
    from uncodec.training.pairs import build_pairs, build_validation
    from uncodec.training.recordings import split_folder

    train, validation = split_folder(data, skip=skip)
    seconds = [round(sum(source.seconds for source in part)) for part in (train, validation)]
    told("data", {"train_seconds": seconds[0], "validation_seconds": seconds[1]})

    def tell(name: str) -> Callable[[int, int], None]:
        return lambda done, count: told(name, {"done": done, "count": count})

    with recipe.checked():
        wanted, judged = dict(recipe.tables["pairs"]), dict(recipe.tables["validation"])
        sizes = int(wanted["count"]), int(judged["excerpts"])
    if min(sizes) < 1:
        raise ModelError(f"{recipe.path}: count and excerpts must be positive")
    build_validation(validation, run.work / "validation", progress=tell("validation"), **judged)
    build_pairs(train, run.work / "pairs", workers=workers, progress=tell("pairs"), **wanted)


class _GeneratorTrainer:
    """Trains a live generator: by itself, then, where the recipe has tables for it, with an
    adversary, then with the losses of its polish, and at last its encoder gain."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        from uncodec.networks.generator import GeneratorConfig
        from uncodec.training.generator_loop import LoopSettings

        self.recipe, self.run = recipe, run
        stages = {
            "training": run.checkpoints,
            "adversary": run.work / "adversary",
            "polish": run.work / "polish",
        }
        with recipe.checked():
            self.config = GeneratorConfig(**recipe.tables["generator"])
            self.stages = [
                (folder, LoopSettings(**recipe.tables[table]))
                for table, folder in stages.items()
                if table == "training" or table in recipe.tables
            ]
            release = recipe.tables["release"]
            self.trim_db = float(release["excitation_trim_db"])
            self.last_share = float(release.get("last_stage_share", 1.0))
            self.makeup = recipe.tables.get("makeup")
        if not 0.0 < self.last_share <= 1.0:
            rule = "must be above 0 and at most 1"
            raise ModelError(f"{recipe.path}: last_stage_share={self.last_share}: {rule}")
        if run.steps is not None:
            self.stages = [(f, replace(s, steps=run.steps)) for f, s in self.stages]
        self.folder = self.stages[-1][0]
        self.start: Mapping[str, Tensor] | None = None
        if run.start is not None:
            from uncodec.networks.store import load_generator

            begun = load_generator(run.start)
            _check_shape(run.start, begun.config, self.config)
            self.start = begun.state_dict()

    def train(self, told: Listener) -> None:
        from uncodec.training.pairs import PairSet

        validation = PairSet(self.run.work / "validation")
        start = self.start
        for folder, settings in self.stages:
            with _following(folder / "log.jsonl", told):
                start = self._go_on(folder, settings, start, validation).state_dict()

    def release(self) -> None:
        from uncodec.training.encoder_gain_loop import train_encoder_gain

        generator = self._trained(*self.stages[-1])
        if self.last_share < 1.0 and len(self.stages) > 1:
            # Between weights of one descent lie better ones than at either end (M. Wortsman et al.,
            # "Robust fine-tuning of zero-shot models", CVPR 2022).
            weights = generator.state_dict()
            for name, before in self._trained(*self.stages[-2]).state_dict().items():
                weights[name].lerp_(before, 1.0 - self.last_share)
        generator.trim_excitation(self.trim_db)
        if self.makeup is not None:
            # A minute or two, and no part of the checkpoints: it needs nothing of the rest.
            with self.recipe.checked():
                train_encoder_gain(generator, self.run.pairs(), **self.makeup)
        _release(generator, self.recipe, self.run)

    def _trained(self, folder: Path, settings: LoopSettings) -> Generator:
        """The averaged weights of a stage: training that is asked for no step more than there were
        gives them back."""
        steps = _steps_done(folder / "checkpoint.pt")
        return self._go_on(folder, replace(settings, steps=steps), None, None)

    def _go_on(
        self,
        folder: Path,
        settings: LoopSettings,
        start: Mapping[str, Tensor] | None,
        validation: PairSet | None,
    ) -> Generator:
        from uncodec.networks.store import load_codec_net
        from uncodec.training.generator_loop import train_generator

        projected = settings.adversary in ("projected", "both")
        return train_generator(
            self.run.pairs(),
            folder,
            settings,
            config=self.config,
            start=start,
            features=load_codec_net(device=self.run.device) if projected else None,
            validation=validation,
            device=self.run.device,
        )


class _NetworkTrainer(ABC):
    """Trains a network in one go, with one table for its shape and one for the training."""

    table: str
    """Name of the table of the network's shape."""
    judged = True
    """Whether training looks at the validation pairs."""
    begins = False
    """Whether training can begin with another model's weights."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        if run.start is not None and not self.begins:
            raise InvalidValue(f"start={run.start!r}: must not be given for a {recipe.kind}")
        self.recipe, self.run, self.folder = recipe, run, run.checkpoints
        config, settings = self.tables()
        with recipe.checked():
            self.config = config(**recipe.tables[self.table])
            self.settings = settings(**recipe.tables["training"])
            if run.steps is not None:
                self.settings = replace(self.settings, steps=run.steps)

    @abstractmethod
    def tables(self) -> tuple[type[Any], type[Any]]:
        """What the two tables are read into."""

    @abstractmethod
    def go_on(self, settings: Any, pairs: PairSet, validation: PairSet | None) -> Any:
        """Train to the end of `settings` and return the network with the averaged weights."""

    def train(self, told: Listener) -> Any:
        from uncodec.training.pairs import PairSet

        with _following(self.folder / "log.jsonl", told):
            validation = PairSet(self.run.work / "validation") if self.judged else None
            return self.go_on(self.settings, self.run.pairs(), validation)

    def release(self) -> None:
        # Training that is asked for no step more than there were gives the averaged weights back.
        done = replace(self.settings, steps=_steps_done(self.folder / "checkpoint.pt"))
        network = self.go_on(done, self.run.pairs(), None)
        _release(network, self.recipe, self.run)


class _DiffusionTrainer(_NetworkTrainer):
    """Trains the network of the offline engine."""

    table = "diffusion"
    begins = True

    def __init__(self, recipe: Recipe, run: Run) -> None:
        super().__init__(recipe, run)
        with recipe.checked():
            self.live = str(recipe.tables["live"])
        self.start: Mapping[str, Tensor] | None = None
        if run.start is not None:
            from uncodec.networks.store import load_diffusion

            begun = load_diffusion(run.start).network
            _check_shape(run.start, replace(begun.config, live=self.config.live), self.config)
            self.start = begun.state_dict()

    def tables(self) -> tuple[type[Any], type[Any]]:
        from uncodec.networks.diffusion import DiffusionConfig
        from uncodec.training.diffusion_loop import DiffusionSettings

        return DiffusionConfig, DiffusionSettings

    def go_on(self, settings: Any, pairs: PairSet, validation: PairSet | None) -> Any:
        from uncodec.networks.store import load_generator
        from uncodec.training.diffusion_loop import train_diffusion

        return train_diffusion(
            pairs,
            self.folder,
            settings,
            live=load_generator(self.live),
            config=self.config,
            start=self.start,
            validation=validation,
            device=self.run.device,
        )


class _CodecNetTrainer(_NetworkTrainer):
    """Trains a codec classifier."""

    table = "codec-net"

    def tables(self) -> tuple[type[Any], type[Any]]:
        from uncodec.networks.codec_net import CodecNetConfig
        from uncodec.training.codec_loop import CodecLoopSettings

        return CodecNetConfig, CodecLoopSettings

    def go_on(self, settings: Any, pairs: PairSet, validation: PairSet | None) -> Any:
        from uncodec.training.codec_loop import train_codec_net

        where = {"config": self.config, "device": self.run.device}
        return train_codec_net(pairs, self.folder, settings, **where)

    def train(self, told: Listener) -> Any:
        from uncodec.training.codec_loop import score_codec_net
        from uncodec.training.pairs import PairSet

        # Of the whole run: the loop itself logs none.
        network = super().train(told)
        told("scores", score_codec_net(network, PairSet(self.run.work / "validation")))
        return network


class _StudyTrainer(_NetworkTrainer):
    """Trains a member of the diffusion study."""

    table = "study"
    judged = False

    def tables(self) -> tuple[type[Any], type[Any]]:
        from uncodec.networks.study import StudyConfig
        from uncodec.training.study_loop import StudySettings

        return StudyConfig, StudySettings

    def go_on(self, settings: Any, pairs: PairSet, validation: PairSet | None) -> Any:
        from uncodec.training.study_loop import train_study

        where = {"config": self.config, "device": self.run.device}
        return train_study(pairs, self.folder, settings, **where)


def _release(network: Any, recipe: Recipe, run: Run) -> None:
    from uncodec.networks.store import save_weights

    save_weights(run.release, network, name=recipe.name, version=recipe.version)


def _check_shape(start: str, config: Any, wanted: Any) -> None:
    if config != wanted:
        raise ModelError(f"start={start!r}: must be a model of {wanted}, got {config}")


def _steps_done(checkpoint: Path) -> int:
    import torch

    try:
        step = torch.load(checkpoint, weights_only=True, map_location="cpu")["step"]
    except Exception as error:  # torch raises whatever its unpickler came to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{checkpoint}: must be a checkpoint ({reason})") from error
    return int(step)


def _check_device(device: str) -> None:
    import torch

    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidValue(
            f"device={device!r}: must be a device of this machine ({reason})"
        ) from error


TRAINERS: dict[str, Callable[[Recipe, Run], Any]] = {
    "generator": _GeneratorTrainer,
    "diffusion": _DiffusionTrainer,
    "codec-net": _CodecNetTrainer,
    "study": _StudyTrainer,
}
"""What carries a recipe out, by kind: ``train(told)``, ``release()``, and the ``folder`` of the
checkpoint to release."""


@contextmanager
def _following(log: Path, told: Listener) -> Iterator[None]:
    """Tell the rows that a training loop adds to its log while it runs."""
    place = log.stat().st_size if log.exists() else 0
    ended = threading.Event()

    def read() -> None:
        nonlocal place
        if not log.exists():
            return
        with log.open("rb") as file:
            file.seek(place)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        place += len(whole)
        for line in whole.splitlines():
            told("step", json.loads(line))

    def follow() -> None:
        while not ended.wait(0.5):
            read()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        read()
