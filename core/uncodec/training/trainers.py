"""What carries a recipe out, by kind: the stages that make a model, one run of the loop each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.codec_net import CodecNet, CodecNetConfig
from uncodec.networks.diffusion import DiffusionConfig
from uncodec.networks.gate import GateConfig, GateNetwork
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.store import (
    load_codec_net,
    load_diffusion,
    load_generator,
    load_levels,
    save_weights,
)
from uncodec.networks.study import StudyConfig, StudyNetwork
from uncodec.training.adversarial_objective import AdversarialObjective, AdversarySettings
from uncodec.training.checkpoints import read_checkpoint
from uncodec.training.codec_objective import CodecObjective
from uncodec.training.diffusion_objective import DiffusionObjective, begin_diffusion
from uncodec.training.distance_objective import DistanceObjective
from uncodec.training.encoder_gain_objective import EncoderGainObjective, EncoderGainSettings
from uncodec.training.gate_library import (
    GateLibrary,
    GeneratorHearing,
    TraceHearing,
    list_lossless,
)
from uncodec.training.gate_network_objective import GateNetworkObjective
from uncodec.training.gate_objective import GateObjective, GateSettings
from uncodec.training.level_library import Examiner, LevelLibrary, Teacher
from uncodec.training.level_objective import LevelObjective
from uncodec.training.loop import Objective, RunSettings, begin, train
from uncodec.training.music import read_manifest
from uncodec.training.pairs import PairSet, build_pairs, build_validation
from uncodec.training.polish_objective import PolishObjective
from uncodec.training.recordings import Source, split_folder
from uncodec.training.regression_objective import RegressionObjective
from uncodec.training.restoration_objective import RestorationObjective
from uncodec.training.study_objective import AutoencoderObjective, StudySettings, VelocityObjective

if TYPE_CHECKING:
    from uncodec.training.recipes import Listener, Recipe, Run

__all__ = ["RESTORATIONS", "TRAINERS"]

Weights = Mapping[str, Tensor]

RESTORATIONS: dict[str, type[RestorationObjective]] = {
    kind.name: kind for kind in (DistanceObjective, RegressionObjective, PolishObjective)
}
"""Objectives of a live generator by the name that recipes have for them."""


@dataclass(frozen=True)
class _Stage:
    """A run of the loop, one of those that make a model.

    `objective` is made with the weights of the stage before and whether to judge by the validation
    pairs.
    """

    folder: Path
    settings: RunSettings
    objective: Callable[[Weights | None, bool], Objective[Any, Any]]

    def train(self, start: Weights | None, told: Listener) -> Any:
        """Train to the end; returns the network with the averaged weights."""
        objective = self.objective(start, True)
        return train(objective, self.folder, self.settings, told=partial(told, "step"))

    def trained(self) -> Any:
        """The averaged weights after as many steps as were done, were they all or not."""
        done = int(read_checkpoint(self.folder / "checkpoint.pt")["step"])
        return train(self.objective(None, False), self.folder, replace(self.settings, steps=done))


class _Trainer:
    """Carries a recipe out, stage by stage; here in one stage, from random weights."""

    table: str
    """Name of the table of the network's shape, which `config` reads."""
    config: Any
    network: Any
    objective: Any
    begins = False
    """Whether training can begin with another model's weights."""
    judged = True
    """Whether training looks at the validation pairs."""
    apart: tuple[str, ...] = ()
    """What the table of a run may have besides settings."""

    def __init__(self, recipe: Recipe, run: Run) -> None:
        self.recipe, self.run = recipe, run
        for name, taken in (("start", self.begins), ("music", self.hears_music())):
            given = getattr(run, name)
            if given is not None and not taken:
                kind = self.deaf if name == "music" else recipe.kind
                raise InvalidValue(f"{name}={str(given)!r}: must not be given for a {kind}")
        with recipe.checked():
            self.shape = self.config(**recipe.tables[self.table])
            self.stages = self.plan()
        self.folder = self.stages[-1].folder
        self.start: Weights | None = None
        if run.start is not None:
            config, self.start = self.begun(run.start)
            if config != self.shape:
                must = f"must be a model of {self.shape}"
                raise ModelError(f"start={run.start!r}: {must}, got {config}")

    def hears_music(self) -> bool:
        """Whether it also learns from a folder of music."""
        return False

    @property
    def deaf(self) -> str:
        """What such a recipe is called where it learns from no music."""
        return self.recipe.kind

    def plan(self) -> list[_Stage]:
        """The stages that the recipe asks for."""
        settings, own = self.settings("training", self.objective.RUN, self.objective.SETTINGS)
        return [_Stage(self.run.checkpoints, settings, partial(self.make, self.objective, own))]

    def begun(self, start: str) -> tuple[Any, Weights]:
        """Configuration and weights of a model to begin with."""
        raise NotImplementedError

    def begin(self, seed: int, start: Weights | None) -> Any:
        """The network to train."""
        return begin(self.network, self.shape, seed=seed, start=start, device=self.run.device)

    def make(self, kind: Any, own: Any, start: Weights | None, judged: bool) -> Any:
        """An objective, with what it learns from and is judged by."""
        validation = PairSet(self.run.work / "validation") if judged and self.judged else None
        return kind(self.begin(own.seed, start), self.run.pairs(), own, validation)

    def settings(self, table: str, run: RunSettings, *kinds: Any) -> tuple[Any, ...]:
        """A table as settings of the run, those of `run` where it is silent, and of other kinds.

        What several of them have, such as the seed, holds for all.
        """
        values = {k: v for k, v in self.recipe.tables[table].items() if k not in self.apart}
        if self.run.steps is not None:
            values["steps"] = self.run.steps
        known = [{field.name for field in fields(kind)} for kind in (run, *kinds)]
        unknown = sorted(set(values).difference(*known))
        if unknown:
            raise InvalidValue(f"{table}: must have no settings of other kinds, got {unknown}")
        first, *others = ({k: v for k, v in values.items() if k in names} for names in known)
        return (replace(run, **first), *(k(**v) for k, v in zip(kinds, others, strict=True)))

    def build(self, data: Path, workers: int, skip: bool, told: Listener) -> None:
        """Build what is learned from and judged by."""
        train, validation = _split(data, skip, told)
        self.fill(train, validation, workers, told)

    def fill(
        self, train: list[Source], validation: list[Source], workers: int, told: Listener
    ) -> None:
        """Build what is learned from of `train`, and what is judged by of `validation`."""
        work, tell = self.run.work, partial(_progress, told)
        wanted, judged = self.sizes("count", "excerpts")
        build_validation(validation, work / "validation", progress=tell("validation"), **judged)
        build_pairs(train, work / "pairs", workers=workers, progress=tell("pairs"), **wanted)

    def sizes(self, *counts: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The tables of pairs and of validation, in which `counts` are positive."""
        wanted, judged = (dict(self.recipe.tables[name]) for name in ("pairs", "validation"))
        with self.recipe.checked():
            if min(int((wanted | judged)[name]) for name in counts) < 1:
                raise InvalidValue(f"{' and '.join(counts)} must be positive")
        return wanted, judged

    def train(self, told: Listener) -> None:
        """Train stage after stage, each from the averaged weights of the one before."""
        start = self.start
        for stage in self.stages:
            start = stage.train(start, told).state_dict()

    def release(self, told: Listener) -> None:
        """Write the weights."""
        network, recipe = self.finished(told), self.recipe
        save_weights(self.run.release, network, name=recipe.name, version=recipe.version)

    def finished(self, told: Listener) -> Any:
        """The network to release."""
        return self.stages[-1].trained()


class _GeneratorTrainer(_Trainer):
    """Trains a live generator: by itself, then, where the recipe has tables for it, with an
    adversary, then with the losses of its polish, then with its levels set by a level network, then
    its gate, and at last its encoder gain."""

    table, config, network = "generator", GeneratorConfig, Generator
    begins = True
    apart = ("objective", "levels")

    def plan(self) -> list[_Stage]:
        tables = self.recipe.tables
        self.trim_db = float(tables["release"]["excitation_trim_db"])
        self.last_share = self._release_share("last_stage_share")
        self.gate_share = self._release_share("gate_share")
        self.caution = float(tables["release"].get("gate_caution", 0.0))
        self.encoder_gain = (
            EncoderGainSettings(**tables["encoder_gain"]) if "encoder_gain" in tables else None
        )
        folders = {
            "training": "checkpoints",
            "adversary": "adversary",
            "polish": "polish",
            "levelled": "levelled",
        }
        stages = [
            self._stage(table, self.run.work / folder)
            for table, folder in folders.items()
            if table == "training" or table in tables
        ]
        # What the gate learns comes after all that is judged by the sound.
        self.heard = len(stages)
        if "gate" in tables:
            stages.append(self._gate_stage())
        return stages

    def hears_music(self) -> bool:
        return "gate" in self.recipe.tables

    @property
    def deaf(self) -> str:
        return "generator without a table [gate]"

    def _release_share(self, name: str) -> float:
        share = float(self.recipe.tables["release"].get(name, 1.0))
        if not 0.0 < share <= 1.0:
            raise InvalidValue(f"{name}={share}: must be above 0 and at most 1")
        return share

    def _stage(self, table: str, folder: Path) -> _Stage:
        usual = "polish" if table in ("polish", "levelled") else "distance"
        name = self.recipe.tables[table].get("objective", usual)
        levels_of = self.recipe.tables[table].get("levels")
        if (levels_of is None) == (table == "levelled"):
            rule = "must be given for levelled, and for no other stage"
            raise InvalidValue(f"{table}: levels: {rule}, got {levels_of!r}")
        if name not in RESTORATIONS:
            raise InvalidValue(f"objective={name!r}: must be one of {', '.join(RESTORATIONS)}")
        kind = RESTORATIONS[name]
        run, own, adversary = self.settings(table, kind.RUN, kind.SETTINGS, AdversarySettings)

        def objective(start: Weights | None, judged: bool) -> Objective[Any, Any]:
            base = self.make(kind, own, start, judged)
            if levels_of is not None:
                base.set_levels(load_levels(levels_of, self.run.device))
            if adversary.adversary == "none":
                return base  # type: ignore[no-any-return]
            projected = adversary.adversary != "spectral"
            features = load_codec_net(device=self.run.device) if projected else None
            return AdversarialObjective(base, adversary, features)

        return _Stage(folder, run, objective)

    def _gate_stage(self) -> _Stage:
        run, own = self.settings("gate", GateObjective.RUN, GateSettings)
        self.gate: GateSettings = own

        def objective(start: Weights | None, judged: bool) -> Objective[Any, Any]:
            generator = self.begin(own.seed, start)
            if start is not None:
                # What is learned goes with the weights that are released, none of which change
                # afterwards but for the trim.
                self._share(generator)
            validation = PairSet(self.run.work / "validation") if judged else None
            return GateObjective(generator, self._gate_library(), own, validation)

        return _Stage(self.run.work / "gate", run, objective)

    def _gate_library(self) -> GateLibrary:
        return GateLibrary(self.run.work / "gate-crops")

    def fill(
        self, train: list[Source], validation: list[Source], workers: int, told: Listener
    ) -> None:
        music = [] if self.run.music is None else list_lossless(self.run.music)
        super().fill(train, validation, workers, told)
        if "gate" in self.recipe.tables:
            own, tell = self.gate, _progress(told, "gate")
            self._gate_library().complete(
                [*train, *music],
                GeneratorHearing(self.shape),
                own.crops,
                seed=own.seed,
                workers=workers,
                progress=tell,
            )

    def begun(self, start: str) -> tuple[Any, Weights]:
        model = load_generator(start)
        return model.config, model.state_dict()

    def finished(self, told: Listener) -> Generator:
        generator: Generator = self.stages[-1].trained()
        if "gate" in self.recipe.tables:
            before = self.stages[self.heard - 1].trained()
            self._share(before)
            _go_back(generator, before, 1.0 - self.gate_share)
            generator.gate.bias.data -= self.caution
        else:
            self._share(generator)
        generator.trim_excitation(self.trim_db)
        if self.encoder_gain is not None:
            # A minute or two. It hears nothing of what the other stages learned.
            objective = EncoderGainObjective(generator, self.run.pairs(), self.encoder_gain)
            rows = partial(told, "step")
            made = train(objective, self.run.work / "encoder-gain", objective.run(), told=rows)
            generator.encoder_gain.load_state_dict(objective.fold(made).state_dict())
        return generator

    def _share(self, generator: Generator) -> None:
        """Take the weights of the last stage before the gate back to a point on their way."""
        if self.last_share < 1.0 and self.heard > 1:
            before = self.stages[self.heard - 2].trained()
            _go_back(generator, before, 1.0 - self.last_share)


def _go_back(generator: Generator, before: Generator, share: float) -> None:
    """Take weights back by a share of the way from those before.

    Between weights of one descent lie better ones than at either end (M. Wortsman et al., "Robust
    fine-tuning of zero-shot models", CVPR 2022).
    """
    weights = generator.state_dict()
    for name, value in before.state_dict().items():
        weights[name].lerp_(value.to(weights[name].device), share)


class _DiffusionTrainer(_Trainer):
    """Trains the network of the offline engine."""

    table, config, objective = "diffusion", DiffusionConfig, DiffusionObjective
    begins = True
    apart = ("levels",)

    def plan(self) -> list[_Stage]:
        self.live = str(self.recipe.tables["live"])
        return super().plan()

    def begun(self, start: str) -> tuple[Any, Weights]:
        network = load_diffusion(start).network
        return replace(network.config, live=self.shape.live), network.state_dict()

    def make(self, kind: Any, own: Any, start: Weights | None, judged: bool) -> Any:
        made = super().make(kind, own, start, judged)
        levels_of = self.recipe.tables["training"].get("levels")
        if levels_of is not None:
            made.set_levels(load_levels(levels_of, self.run.device))
        return made

    def begin(self, seed: int, start: Weights | None) -> Any:
        live = load_generator(self.live)
        return begin_diffusion(self.shape, live, seed=seed, start=start, device=self.run.device)


class _CodecNetTrainer(_Trainer):
    """Trains a codec classifier."""

    table, config, network, objective = "codec-net", CodecNetConfig, CodecNet, CodecObjective


class _StudyTrainer(_Trainer):
    """Trains a member of the diffusion study; first the autoencoder of the one that has one."""

    table, config, network = "study", StudyConfig, StudyNetwork
    judged = False

    def plan(self) -> list[_Stage]:
        run, own = self.settings("training", VelocityObjective.RUN, StudySettings)
        first, member = own.autoencoder, self.shape.member
        if (member == "latent") != (first > 0):
            raise InvalidValue(
                f"autoencoder={first}: must be positive for the member 'latent' and 0 for the "
                f"others, got member={member!r}"
            )
        if first >= run.steps:
            raise InvalidValue(f"autoencoder={first}: must be less than steps={run.steps}")
        stages = [
            (AutoencoderObjective, self.run.work / "autoencoder", first),
            (VelocityObjective, self.run.checkpoints, run.steps - first),
        ]
        return [
            _Stage(folder, replace(run, steps=steps), partial(self.make, kind, own))
            for kind, folder, steps in stages
            if steps
        ]


class _LevelTrainer(_Trainer):
    """Trains a level network."""

    table, config, network, objective = "levels", LevelConfig, LevelNetwork, LevelObjective

    def hears_music(self) -> bool:
        return True

    def make(self, kind: Any, own: Any, start: Weights | None, judged: bool) -> Any:
        validation = LevelLibrary(self.run.work / "validation") if judged else None
        library = LevelLibrary(self.run.work / "pairs")
        return kind(self.begin(own.seed, start), library, own, validation)

    def fill(
        self, train: list[Source], validation: list[Source], workers: int, told: Listener
    ) -> None:
        music = self.run.music or Path()
        listed = read_manifest(music) if self.run.music is not None else []
        wanted, judged = self.sizes("count")
        he_aac = wanted.pop("he_aac", False)
        if not isinstance(he_aac, bool):
            raise InvalidValue(f"pairs: he_aac={he_aac!r}: must be true or false")
        examiner = Examiner([source for source in validation if source.seconds >= 1.0], he_aac)
        for name, teacher, table in (
            ("validation", examiner, judged | {"count": examiner.count}),
            ("pairs", Teacher(train, listed, music, he_aac), wanted),
        ):
            library, tell = LevelLibrary(self.run.work / name), _progress(told, name)
            library.complete(teacher, **table, workers=workers, progress=tell)


class _GateTrainer(_Trainer):
    """Trains a gate network."""

    table, config, network, objective = "gate", GateConfig, GateNetwork, GateNetworkObjective

    def hears_music(self) -> bool:
        return True

    def make(self, kind: Any, own: Any, start: Weights | None, judged: bool) -> Any:
        validation = GateLibrary(self.run.work / "validation") if judged else None
        library = GateLibrary(self.run.work / "pairs")
        return kind(self.begin(own.seed, start), library, own, validation)

    def fill(
        self, train: list[Source], validation: list[Source], workers: int, told: Listener
    ) -> None:
        music = [] if self.run.music is None else list_lossless(self.run.music)
        wanted, judged = self.sizes("count")
        hearing = TraceHearing(self.shape.window)
        for name, recordings, table in (
            ("validation", validation, judged),
            ("pairs", [*train, *music], wanted),
        ):
            library, tell = GateLibrary(self.run.work / name), _progress(told, name)
            library.complete(recordings, hearing, **table, workers=workers, progress=tell)


TRAINERS: dict[str, type[_Trainer]] = {
    "generator": _GeneratorTrainer,
    "diffusion": _DiffusionTrainer,
    "codec-net": _CodecNetTrainer,
    "study": _StudyTrainer,
    "levels": _LevelTrainer,
    "gate": _GateTrainer,
}
"""By the kind that a recipe names."""


def _split(data: Path, skip: bool, told: Listener) -> tuple[list[Source], list[Source]]:
    train, validation = split_folder(data, skip=skip)
    seconds = [round(sum(source.seconds for source in part)) for part in (train, validation)]
    told("data", {"train_seconds": seconds[0], "validation_seconds": seconds[1]})
    return train, validation


def _progress(told: Listener, name: str) -> Callable[[int, int], None]:
    return lambda done, count: told(name, {"done": done, "count": count})
