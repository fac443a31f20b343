"""The encoder gain, a small part of the generator, learned after all else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, dropout, silu

from uncodec.networks.encoder_gain import EncoderGain
from uncodec.networks.generator import Generator
from uncodec.networks.spectra import audio_to_frames, mid_side
from uncodec.training.feed import device_of, to_device
from uncodec.training.loop import Objective, RunSettings
from uncodec.training.losses import was_turned_down
from uncodec.training.pairs import PairSet

__all__ = ["EncoderGainObjective", "EncoderGainSettings", "gather_holes"]

HEARD_AT_ONCE, BATCH = 16, 64
DROPOUT = 0.3
EPOCHS = 150


@dataclass(frozen=True)
class EncoderGainSettings:
    """Crops of the pairs.

    Attributes
    ----------
    seed : int
        Of the crops, the order and the first weights.
    seconds : float
        Length of the crops, at 44.1 kHz, no longer than the pairs.
    """

    seed: int = 0
    seconds: float = 3.0


@torch.no_grad()
def gather_holes(
    generator: Generator, pairs: PairSet, seed: int, seconds: float
) -> tuple[Tensor, Tensor]:
    """Hear crops of `pairs` as the encoder gain does after some seconds.

    Parameters
    ----------
    generator : Generator
        Of which only the shape counts.
    pairs : PairSet
    seed : int
        Of the crops.
    seconds : float
        Length of a crop, at 44.1 kHz; as many are heard as there are pairs.

    Returns
    -------
    holes : Tensor [shape=(count, 8 * groups)]
        Averages of `EncoderGain.holes`, on the processor: what learns from them is small.
    turned_down : Tensor [shape=(count,)]
        1 or 0.
    """
    window, hop = generator.config.window, generator.config.hop
    count, samples = len(pairs), round(seconds * 44100)
    holes, labels = [], []
    for first in range(0, count, HEARD_AT_ONCE):
        size = min(HEARD_AT_ONCE, count - first)
        arrays = pairs.batch(first // HEARD_AT_ONCE, size, samples, seed)
        clean, coded, is_clean = to_device(arrays, device_of(generator))
        spectra = torch.view_as_real(audio_to_frames(mid_side(coded), window, hop))
        sounding = (spectra.square().sum((1, 3, 4)) > 1e-6).float()[..., None]
        found = generator.encoder_gain.holes(spectra) * sounding
        holes.append(found.sum(1) / sounding.sum(1).clamp(min=1))
        labels.append(was_turned_down(clean, coded) * (1 - is_clean))
    return torch.cat(holes).cpu(), torch.cat(labels).cpu()


class EncoderGainObjective(Objective[EncoderGain, tuple[Tensor, Tensor]]):
    """Cross-entropy of whether an encoder turned the signal down, by its holes.

    Parameters
    ----------
    generator : Generator
        Nothing of it changes.
    pairs : PairSet
    settings : EncoderGainSettings
    """

    SETTINGS = EncoderGainSettings

    def __init__(self, generator: Generator, pairs: PairSet, settings: EncoderGainSettings) -> None:
        self.settings = settings
        holes, self.labels = gather_holes(generator, pairs, settings.seed, settings.seconds)
        self.mean, self.spread = holes.mean(0), holes.std(0) + 1e-3
        self.holes = (holes - self.mean) / self.spread
        torch.manual_seed(settings.seed)
        self.network = EncoderGain(generator.config.bins, generator.config.hop)
        self.network.judge.reset_parameters()

    def run(self) -> RunSettings:
        """How it is trained."""
        return RunSettings(
            steps=EPOCHS * self._steps(),
            learning_rate=1e-3,
            warm=0,
            least_share=1.0,
            seed=self.settings.seed,
            average=0.0,
            decay=0.05,
            clip=None,
            memory=0.999,
        )

    def _steps(self) -> int:
        return -(-len(self.holes) // BATCH)

    def shape(self) -> dict[str, Any]:
        return {"statistics": self.network.statistics}

    def batches(self, first: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        rng = np.random.default_rng([self.settings.seed, 6])
        steps = self._steps()
        orders = [rng.permutation(len(self.holes)) for _ in range(-(-stop // steps))]
        for step in range(first, stop):
            part = torch.from_numpy(orders[step // steps][step % steps * BATCH :][:BATCH])
            yield self.holes[part], self.labels[part]

    def losses(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        holes, labels = batch
        laid = silu(self.network.weigh(dropout(holes, DROPOUT)))
        odds = self.network.judge(dropout(laid, DROPOUT))[:, 0]
        return {"encoder_gain": binary_cross_entropy_with_logits(odds, labels)}

    @torch.no_grad()
    def fold(self, network: EncoderGain) -> EncoderGain:
        """A trained network with the scaling of what it heard as a part of its first layer."""
        folded = copy.deepcopy(network)
        folded.weigh.weight.div_(self.spread)
        folded.weigh.bias.sub_(folded.weigh.weight @ self.mean)
        return folded
