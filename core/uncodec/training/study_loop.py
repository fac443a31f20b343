"""The training loop of the study's members: resumable, seeded, logged.

A member with an autoencoder trains that first, for the first `autoencoder` steps; its weights are
held from then on.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from uncodec.diffusion.ddim import mix, velocity
from uncodec.errors import InvalidValue
from uncodec.networks.study import StudyConfig, StudyNetwork
from uncodec.training.checkpoints import Average, Due, Log, go_on, write_checkpoint
from uncodec.training.feed import to_device
from uncodec.training.losses import log_spectral_distance, si_sdr
from uncodec.training.pairs import PairSet

__all__ = ["StudySettings", "train_study"]

CHECKPOINT_VERSION = 1


@dataclass(frozen=True)
class StudySettings:
    """What determines a training run besides its pairs.

    Attributes
    ----------
    steps : int
        Length of the run, the autoencoder's included.
    autoencoder : int
        Steps that train the autoencoder; 0 for members that have none.
    batch : int
        Crops per step; each of the two channels counts as a signal.
    samples : int
        Length of a crop.
    learning_rate : float
        Peak; it rises over 50 steps and falls as a cosine, in either stage.
    average : float
        Decay per step of the averaged weights, which are what is kept.
    seed : int
    """

    steps: int = 1000
    autoencoder: int = 0
    batch: int = 4
    samples: int = 32768
    learning_rate: float = 1e-3
    average: float = 0.99
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InvalidValue(f"steps={self.steps}, batch={self.batch}: must be positive")
        if not 0 <= self.autoencoder < self.steps:
            raise InvalidValue(f"autoencoder={self.autoencoder}: must be from 0 to steps - 1")
        if self.samples < 4096 or self.samples % 1024:
            raise InvalidValue(f"samples={self.samples}: must be a multiple of 1024, at least 4096")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        first, last = 0, self.autoencoder
        if step >= self.autoencoder:
            first, last = self.autoencoder, self.steps
        place = (step - first) / (last - first)
        warm = min(1.0, (step - first + 1) / 50)
        return self.learning_rate * warm * (0.02 + 0.49 * (1 + math.cos(math.pi * place)))


def _reconstruction(network: StudyNetwork, clean: Tensor) -> tuple[Tensor, dict[str, float]]:
    made = network.representation.to_audio(network.representation.to_state(clean))
    ours, theirs = made[:, None], clean[:, None]
    distance = torch.stack(
        [log_spectral_distance(theirs, ours, w, w // 4).mean() for w in (2048, 512)]
    ).mean()
    wave = functional.l1_loss(made, clean)
    ratio = float(si_sdr(theirs, ours.detach()).mean())
    total = distance + 3 * wave
    return total, {"lsd": float(distance.detach()), "wave": float(wave.detach()), "sdr": ratio}


def _velocity_loss(
    network: StudyNetwork, clean: Tensor, coded: Tensor, seed: int
) -> tuple[Tensor, dict[str, float]]:
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        data = network.representation.to_state(clean)
    noise = torch.randn(data.shape, generator=source).to(data.device)
    at = torch.rand(data.shape[0], generator=source).to(data.device)
    with torch.autocast(data.device.type, torch.bfloat16):
        condition = network.representation.condition(coded)
        predicted = network(mix(data, noise, at), condition.to(data.dtype), at)
    total = functional.mse_loss(predicted.float(), velocity(data, noise, at))
    return total, {"velocity": float(total.detach())}


def train_study(
    pairs: PairSet,
    folder: str | Path,
    settings: StudySettings,
    *,
    config: StudyConfig | None = None,
    every: int = 100,
    device: str = "cpu",
) -> StudyNetwork:
    """Train a member, or go on where `folder` was left.

    Parameters
    ----------
    pairs : PairSet
    folder : path
        Takes ``checkpoint.pt`` (replaced as a whole) and ``log.jsonl``.
    settings : StudySettings
        A resumed run must have the same but for `steps`, which may grow.
    config : StudyConfig, optional
    every : int
        Steps between checkpoints; there is one every minute besides.
    device : str

    Returns
    -------
    StudyNetwork
        With the averaged weights.

    Raises
    ------
    InvalidValue
        Steps for an autoencoder where there is none, or none where there is one.
    ModelError
        The checkpoint was made by another version or with other settings.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path, log = root / "checkpoint.pt", Log(root)
    torch.manual_seed(settings.seed)
    network = StudyNetwork(config or StudyConfig()).to(device)
    member = network.config.member
    if (member == "latent") != (settings.autoencoder > 0):
        raise InvalidValue(
            f"autoencoder={settings.autoencoder}: must be positive for the member 'latent' and 0 "
            f"for the others, got member={member!r}"
        )
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3, betas=(0.9, 0.99))
    average = Average(network, settings.average)
    first = 0
    if path.exists():
        kept = go_on(path, CHECKPOINT_VERSION, settings, network, optimiser, average)
        first = int(kept["step"])
        if settings.autoencoder and first > settings.autoencoder:
            network.representation.requires_grad_(False)
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    due = Due(every, settings.steps)
    batches = pairs.batches(first, settings.steps, settings.batch, settings.samples, settings.seed)
    for step, arrays in enumerate(batches, first):
        clean, coded = (part.flatten(0, 1) for part in to_device(arrays[:2], device))
        gain = network.gain(coded)
        clean, coded = clean * gain, coded * gain
        stage = step - settings.autoencoder
        if settings.autoencoder and stage == 0:
            network.load_state_dict(average.weights)
            network.representation.fit_scale(clean)
            network.representation.requires_grad_(False)
            average = Average(network, settings.average)
        if stage < 0:
            total, parts = _reconstruction(network, clean)
        else:
            seed = settings.seed * 1_000_003 + step
            total, parts = _velocity_loss(network, clean, coded, seed)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0).detach())
        if math.isfinite(norm):
            optimiser.step()
            average.update(network, stage if stage >= 0 else step)
        recent.append({**parts, "norm": norm})
        if (step + 1) % 20 == 0 or step + 1 in (settings.autoencoder, settings.steps):
            mean = {key: round(float(np.mean([r[key] for r in recent])), 4) for key in parts}
            seconds = round((time.perf_counter() - started) / (step + 1 - first), 3)
            log.write({"step": step + 1, **mean, "seconds_per_step": seconds})
            recent.clear()
        if due.now(step + 1):
            write_checkpoint(
                path, CHECKPOINT_VERSION, step + 1, settings, network, optimiser, average
            )
    return average.twin(network)
