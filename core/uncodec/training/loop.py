"""The training loop: data, objective, optimiser, average, checkpoint, log; resumable and seeded."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.training.checkpoints import Average, Due, Log, go_on, write_checkpoint

__all__ = ["Objective", "RunSettings", "train"]

Network = TypeVar("Network", bound=nn.Module)

CHECKPOINT_VERSION = 5


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
    clip : float
        Largest norm of a gradient.
    """

    steps: int = 2000
    learning_rate: float = 1.5e-3
    warm: int = 50
    least_share: float = 0.02
    seed: int = 0
    average: float = 0.995
    decay: float = 0.0
    clip: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InvalidValue(f"steps={self.steps}: must be a positive integer")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        rise = min(1.0, (step + 1) / max(1, self.warm))
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * rise * (self.least_share + (1 - self.least_share) * fall)


class Objective(Protocol[Network]):
    """What a run lowers, and on what.

    Attributes
    ----------
    network : Module
        With a method `describe`.
    """

    network: Network

    def describe(self) -> Mapping[str, Any]:
        """Settings that a resumed run must share."""
        ...

    def losses(self, step: int) -> dict[str, Tensor]:
        """What step `step` lowers, by name; a pure function of step, seed and weights."""
        ...

    def validate(self, network: Network) -> Mapping[str, Any] | None:
        """Scores of the averaged weights, or None where there is nothing to judge by."""
        ...


@dataclass(frozen=True)
class _Kept(Generic[Network]):
    """Settings as a checkpoint keeps them."""

    steps: int = 0
    run: str = ""
    objective: str = ""


def train(
    objective: Objective[Network],
    folder: str | Path,
    settings: RunSettings,
    *,
    every: int = 250,
    stop_after_s: float | None = None,
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

    Returns
    -------
    Module
        With the averaged weights.

    Raises
    ------
    ModelError
        The checkpoint is of another version or run.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path, log = root / "checkpoint.pt", Log(root)
    network = objective.network
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=settings.decay
    )
    average = Average(network, settings.average)
    fixed = {k: v for k, v in vars(settings).items() if k != "steps"}
    kept: _Kept[Network] = _Kept(settings.steps, repr(fixed), repr(dict(objective.describe())))
    first, spent = 0, 0.0
    if path.exists():
        found = go_on(path, CHECKPOINT_VERSION, kept, network, optimiser, average)
        first, spent = int(found["step"]), float(found["spent_s"])
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    due = Due(every, settings.steps)
    for step in range(first, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        # Dropout draws from the global generator; a resumed run has to draw the same.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        network.train()
        parts = objective.losses(step)
        total = torch.stack(list(parts.values())).sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip).detach())
        if math.isfinite(norm) and math.isfinite(float(total.detach())):
            optimiser.step()
            average.update(network, step)
        row = {name: float(part.detach()) for name, part in parts.items()}
        recent.append({**row, "total": float(total.detach()), "norm": norm})
        passed = time.perf_counter() - started
        if (step + 1) % 20 == 0:
            mean = {key: round(float(np.mean([r[key] for r in recent])), 4) for key in recent[-1]}
            each = round(passed / (step + 1 - first), 3)
            log.write({"step": step + 1, **mean, "seconds_per_step": each})
            recent.clear()
        over = stop_after_s is not None and passed > stop_after_s
        if due.now(step + 1) or over:
            extra = {"spent_s": spent + passed}
            write_checkpoint(
                path, CHECKPOINT_VERSION, step + 1, kept, network, optimiser, average, **extra
            )
            if due.mark(step + 1) or over:
                scores = objective.validate(average.twin(network))
                if scores is not None:
                    hours = round((spent + passed) / 3600, 3)
                    log.write({"step": step + 1, "core_hours": hours, "validation": scores})
        if over:
            break
    return average.twin(network)
