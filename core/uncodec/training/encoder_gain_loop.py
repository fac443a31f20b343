"""Training of the encoder gain, a small part of the generator, after all else."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from uncodec.networks.encoder_gain import EncoderGain
from uncodec.networks.generator import Generator
from uncodec.networks.spectra import audio_to_frames, mid_side
from uncodec.training.feed import device_of, to_device
from uncodec.training.losses import was_turned_down
from uncodec.training.pairs import PairSet

__all__ = ["gather_holes", "train_encoder_gain"]

BATCH = 16
DROPOUT = 0.3
EPOCHS = 150


@torch.no_grad()
def gather_holes(
    generator: Generator, pairs: PairSet, seed: int, seconds: float
) -> tuple[Tensor, Tensor]:
    """Hear crops of `pairs` as the encoder gain does after some seconds.

    Parameters
    ----------
    generator : Generator
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
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        arrays = pairs.batch(first // BATCH, size, samples, seed)
        clean, coded, is_clean = to_device(arrays, device_of(generator))
        spectra = torch.view_as_real(audio_to_frames(mid_side(coded), window, hop))
        sounding = (spectra.square().sum((1, 3, 4)) > 1e-6).float()[..., None]
        found = generator.makeup.holes(spectra) * sounding
        holes.append(found.sum(1) / sounding.sum(1).clamp(min=1))
        labels.append(was_turned_down(clean, coded) * (1 - is_clean))
    return torch.cat(holes).cpu(), torch.cat(labels).cpu()


def train_encoder_gain(
    generator: Generator, pairs: PairSet, *, seed: int = 0, seconds: float = 3.0
) -> None:
    """Train the encoder gain of `generator` in place; nothing else of it changes.

    Parameters
    ----------
    generator : Generator
    pairs : PairSet
    seed : int
        Of the crops, the order and the first weights.
    seconds : float
        Length of the crops, at 44.1 kHz, no longer than the pairs.
    """
    makeup = generator.makeup
    holes, labels = gather_holes(generator, pairs, seed, seconds)
    mean, spread = holes.mean(0), holes.std(0) + 1e-3
    holes = (holes - mean) / spread
    torch.manual_seed(seed)
    fresh = EncoderGain(generator.config.bins, generator.config.hop)
    fresh.judge.reset_parameters()
    drop = nn.Dropout(DROPOUT)
    optimiser = torch.optim.AdamW(fresh.parameters(), lr=1e-3, weight_decay=0.05)
    rng = np.random.default_rng([seed, 6])
    for _ in range(EPOCHS):
        order = torch.from_numpy(rng.permutation(len(holes)))
        for first in range(0, len(order), 64):
            part = order[first : first + 64]
            laid = torch.nn.functional.silu(fresh.weigh(drop(holes[part])))
            odds = fresh.judge(drop(laid))[:, 0]
            loss = nn.functional.binary_cross_entropy_with_logits(odds, labels[part])
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
    with torch.no_grad():
        # The scaling of what goes in becomes part of the first layer.
        fresh.weigh.weight.div_(spread)
        fresh.weigh.bias.sub_(fresh.weigh.weight @ mean)
    makeup.load_state_dict(fresh.state_dict())
