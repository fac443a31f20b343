"""What the study's members learn: an autoencoder where there is one, then the velocity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from uncodec.diffusion.ddim import mix, velocity
from uncodec.errors import InvalidValue
from uncodec.networks.study import StudyNetwork
from uncodec.training.loop import RunSettings
from uncodec.training.losses import log_spectral_distance, si_sdr
from uncodec.training.pair_objective import Crops, PairObjective
from uncodec.training.pairs import PairSet

__all__ = ["AutoencoderObjective", "StudySettings", "VelocityObjective"]


@dataclass(frozen=True)
class StudySettings:
    """Crops of the pairs.

    Attributes
    ----------
    batch : int
        Crops per step; each of the two channels counts as a signal.
    samples : int
        Length of a crop.
    seed : int
    autoencoder : int
        Steps that trained the autoencoder before, whose crops do not come again; 0 without one.
    """

    batch: int = 4
    samples: int = 32768
    seed: int = 0
    autoencoder: int = 0

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InvalidValue(f"batch={self.batch}: must be a positive integer")
        if self.autoencoder < 0:
            raise InvalidValue(f"autoencoder={self.autoencoder}: must not be negative")
        if self.samples < 4096 or self.samples % 1024:
            raise InvalidValue(f"samples={self.samples}: must be a multiple of 1024, at least 4096")


class AutoencoderObjective(PairObjective[StudyNetwork]):
    """What the representation gives back is what it was given."""

    SETTINGS = StudySettings
    RUN = RunSettings(steps=1000, learning_rate=1e-3, average=0.99, decay=0.01)

    def batches(self, first: int, stop: int) -> Iterator[Crops]:
        for clean, coded, is_clean in super().batches(first, stop):
            # Every channel is a signal of its own.
            gain = self.network.gain(coded.flatten(0, 1))
            yield clean.flatten(0, 1) * gain, coded.flatten(0, 1) * gain, is_clean

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        clean, _, _ = batch
        made = self.network.representation.to_audio(self.network.representation.to_state(clean))
        ours, theirs = made[:, None], clean[:, None]
        distances = [log_spectral_distance(theirs, ours, w, w // 4).mean() for w in (2048, 512)]
        return {
            "lsd": torch.stack(distances).mean(),
            "wave": 3 * functional.l1_loss(made, clean),
            "sdr": si_sdr(theirs, ours.detach()).mean(),
        }


class VelocityObjective(AutoencoderObjective):
    """The velocity of the v-objective, conditioned on the coded signal.

    A trained autoencoder is held, and what it makes of the first crops gets unit variance.
    """

    def __init__(self, network: StudyNetwork, pairs: PairSet, *rest: Any) -> None:
        super().__init__(network, pairs, *rest)
        if self.settings.autoencoder:
            clean, _, _ = next(self.batches(0, 1))
            network.representation.fit_scale(clean)
            network.representation.requires_grad_(False)

    def batches(self, first: int, stop: int) -> Iterator[Crops]:
        before = self.settings.autoencoder
        return super().batches(first + before, stop + before)

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        network, (clean, coded, _) = self.network, batch
        seed = self.settings.seed * 1_000_003 + step + self.settings.autoencoder
        source = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            data = network.representation.to_state(clean)
        noise = torch.randn(data.shape, generator=source).to(data.device)
        at = torch.rand(data.shape[0], generator=source).to(data.device)
        with torch.autocast(data.device.type, torch.bfloat16):
            condition = network.representation.condition(coded)
            predicted = network(mix(data, noise, at), condition.to(data.dtype), at)
        return {"velocity": functional.mse_loss(predicted.float(), velocity(data, noise, at))}
