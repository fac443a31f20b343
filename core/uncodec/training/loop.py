"""The training loop, the one that every network is trained by.

An `Objective` brings the network, the data and the losses. The loop brings the optimiser, averaged
weights, checkpoints and the log; a run goes on where it was left, to the bit on the same device.
"""

from __future__ import annotations

import ast
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue, ModelError
from uncodec.training.checkpoints import Average, Due, Log, read_checkpoint, write_checkpoint
from uncodec.training.item_folders import differences

__all__ = ["Objective", "RunSettings", "begin", "train"]

Network = TypeVar("Network", bound=nn.Module)
Batch = TypeVar("Batch")

LOGGED = 20
"""Steps whose means make a row of the log."""


@dataclass(frozen=True)
class RunSettings:
    """What determines a run besides its objective.

    Attributes
    ----------
    steps : int
        Length of the run; the learning rate follows a cosine over it.
    learning_rate : float
        Peak, reached after `warm` steps.
    warm : int
    least_share : float
        Of the peak, at the end.
    seed : int
    average : float
        Decay per step of the averaged weights, which are what is kept.
    decay : float
        Weight decay of AdamW.
    clip : float or None
        Largest norm of a gradient.
    memory : float
        Decay per step of the mean square that AdamW divides by.
    """

    steps: int = 2000
    learning_rate: float = 1.5e-3
    warm: int = 50
    least_share: float = 0.02
    seed: int = 0
    average: float = 0.995
    decay: float = 0.0
    clip: float | None = 1.0
    memory: float = 0.99

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidValue(f"steps={self.steps}: must be a positive integer")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / max(1, self.warm))
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * rise * (self.least_share + (1 - self.least_share) * fall)


class Objective(ABC, Generic[Network, Batch]):
    """What a run lowers, and on what.

    Attributes
    ----------
    network : Module
        On the device that it is trained on.
    settings : dataclass
        Plain values, with a default each.
    SETTINGS : type
        Of `settings`.
    RUN : RunSettings
        What its runs have that a recipe says nothing about.
    keeps_marks : bool
        Whether the averaged weights of every mark are kept beside the checkpoint.
    """

    SETTINGS: ClassVar[type[Any]]
    RUN: ClassVar[RunSettings] = RunSettings()

    network: Network
    settings: Any
    keeps_marks = False

    @abstractmethod
    def batches(self, first: int, stop: int) -> Iterator[Batch]:
        """What the steps from `first` up to `stop` learn from, on the network's device.

        A batch is a function of its step and the settings alone.
        """

    @abstractmethod
    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """What a step lowers, by name; their sum is lowered.

        A function of batch, step and weights. A part without a gradient is logged, no more.
        """

    def shape(self) -> dict[str, Any]:
        """Configuration of the network, which a resumed run must share."""
        described: dict[str, Any] = self.network.describe()  # type: ignore[operator]
        return described

    def describe(self) -> dict[str, Any]:
        """Settings that a resumed run must share; plain values."""
        return asdict(self.settings)

    def validate(self, network: Network) -> Mapping[str, Any] | None:
        """Scores of the averaged weights by group, or None where there is nothing to judge by."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """What else has learned and has to go on, such as an adversary."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""


def begin(
    kind: type[Network],
    config: Any,
    *,
    seed: int = 0,
    start: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
) -> Network:
    """A network to train: with random weights of that seed, or with those of `start`."""
    torch.manual_seed(seed)
    network = kind(config)
    if start is not None:
        network.load_state_dict(dict(start))
    return network.to(device)


def train(
    objective: Objective[Network, Any],
    folder: str | Path,
    settings: RunSettings,
    *,
    every: int = 250,
    stop_after_s: float | None = None,
    told: Callable[[dict[str, Any]], None] | None = None,
) -> Network:
    """Train, or go on where `folder` was left.

    Parameters
    ----------
    objective : Objective
    folder : path
        Takes ``checkpoint.pt`` (replaced as a whole, never half-written) and ``log.jsonl``.
    settings : RunSettings
        A resumed run must have the same but for `steps`, which may grow.
    every : int
        Steps between validations; there is a checkpoint every minute besides.
    stop_after_s : float, optional
        Stop when so many seconds have passed, at a checkpoint; the same call goes on from there.
    told : callable, optional
        Called with every row of the log.

    Returns
    -------
    Module
        With the averaged weights. Where the run is at its end already, nothing but that is done.

    Raises
    ------
    ModelError
        The checkpoint is of another version, network or run.
    UncodecError
        A checkpoint or the log cannot be written.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path, log = root / "checkpoint.pt", Log(root, told)
    network = objective.network
    optimiser = torch.optim.AdamW(
        network.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, settings.memory),
        weight_decay=settings.decay,
    )
    average = Average(network, settings.average)
    first, spent = 0, 0.0
    if path.exists():
        found = _go_on(path, objective, settings)
        network.load_state_dict(found["network"])
        optimiser.load_state_dict(found["optimiser"])
        average.load(found["average"])
        objective.load_state_dict(found.get("state", {}))
        first, spent = int(found["step"]), float(found["spent_s"])
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    due = Due(every, settings.steps)
    for step, batch in enumerate(objective.batches(first, settings.steps), first):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        # Dropout draws from the global generator; a resumed run has to draw the same.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        network.train()
        parts = objective.losses(batch, step)
        total = torch.stack([part for part in parts.values() if part.requires_grad]).sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        most = math.inf if settings.clip is None else settings.clip
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), most).detach())
        if math.isfinite(norm) and math.isfinite(float(total.detach())):
            optimiser.step()
            average.update(network, step)
        row = {name: float(part.detach()) for name, part in parts.items()}
        recent.append({**row, "total": float(total.detach()), "norm": norm})
        done, passed = step + 1, time.perf_counter() - started
        if done % LOGGED == 0 or done == settings.steps:
            each = round(passed / (done - first), 3)
            log.write({"step": done, **_means(recent), "seconds_per_step": each})
            recent.clear()
        over = stop_after_s is not None and passed > stop_after_s
        if due.now(done) or over:
            write_checkpoint(
                path,
                step=done,
                config=objective.shape(),
                settings=_kept(objective, settings),
                network=network.state_dict(),
                average=average.weights,
                optimiser=optimiser.state_dict(),
                state=objective.state_dict(),
                spent_s=spent + passed,
            )
            if due.mark(done) and objective.keeps_marks:
                write_checkpoint(root / f"average-{done:06d}.pt", average=average.weights)
            scores = objective.validate(average.twin(network)) if due.mark(done) or over else None
            if scores is not None:
                hours = round((spent + passed) / 3600, 3)
                log.write({"step": done, "core_hours": hours, "validation": scores})
        if over:
            break
    return average.twin(network)


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over the rows that have a value, which an adversary that comes later has not in all."""
    return {
        key: round(float(np.mean([row[key] for row in rows if key in row])), 4) for key in rows[-1]
    }


def _fixed(settings: RunSettings) -> dict[str, Any]:
    return {key: value for key, value in asdict(settings).items() if key != "steps"}


def _kept(objective: Objective[Any, Any], settings: RunSettings) -> dict[str, Any]:
    """Settings as a checkpoint has them: as text, which shows in any reader."""
    return {
        "steps": settings.steps,
        "run": repr(_fixed(settings)),
        "objective": repr(dict(objective.describe())),
    }


def _go_on(path: Path, objective: Objective[Any, Any], settings: RunSettings) -> dict[str, Any]:
    """Read the checkpoint of a run and make sure that it is this one."""
    kept = read_checkpoint(path)
    if kept["config"] != objective.shape():
        begun_with, got = differences(kept["config"], objective.shape())
        raise ModelError(
            f"{path}: holds a network with {begun_with}, must go on with it, got {got}"
        )
    # What a run was begun without has the value that it has had since.
    sides = {
        "run": (_fixed(RunSettings()), _fixed(settings)),
        "objective": (asdict(type(objective.settings)()), objective.describe()),
    }
    was: dict[str, Any] = {}
    now: dict[str, Any] = {}
    for name, (begun, asked) in sides.items():
        try:
            begun |= ast.literal_eval(kept["settings"][name])
        except (ValueError, SyntaxError) as error:
            raise ModelError(f"{path}: must be a checkpoint, its settings are damaged") from error
        for key in {**begun, **asked}:
            if begun.get(key) != asked.get(key):
                was[key], now[key] = begun.get(key), asked.get(key)
    if was:
        begun_with, got = differences(was, now)
        raise ModelError(f"{path}: was begun with {begun_with}, must go on with it, got {got}")
    return kept
