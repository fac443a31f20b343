"""The training loop of the codec classifier."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.errors import InvalidValue
from uncodec.networks.codec_net import (
    CODEC_NAMES,
    HOP,
    WINDOW,
    CodecNet,
    CodecNetConfig,
    codec_levels,
)
from uncodec.networks.spectra import audio_to_frames, mid_side
from uncodec.training.checkpoints import Average, Due, Log, go_on, write_checkpoint
from uncodec.training.feed import device_of, to_device
from uncodec.training.pairs import PairSet

__all__ = ["CodecLoopSettings", "measured_cutoff", "score_codec_net", "train_codec_net"]

CHECKPOINT_VERSION = 2


@dataclass(frozen=True)
class CodecLoopSettings:
    """What determines a run besides its pairs.

    Attributes
    ----------
    steps, batch : int
    seconds : float
        Length of a crop at 44.1 kHz.
    learning_rate : float
    seed : int
    """

    steps: int = 800
    batch: int = 32
    seconds: float = 1.5
    learning_rate: float = 2e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or not 0.5 <= self.seconds <= 60:
            raise InvalidValue(
                f"steps={self.steps}, batch={self.batch}, seconds={self.seconds}: "
                "must be positive, and seconds from 0.5 to 60"
            )


def measured_cutoff(clean: Tensor, coded: Tensor) -> Tensor:
    """Where a codec cut the spectrum off, by comparison with the clean signal.

    The end of the highest patch of eight bins in which the coded signal still has a tenth of the
    clean one's power, if the clean one goes on above; else nothing was cut. Only what stands above
    the rounding noise of a 16-bit file counts.

    Parameters
    ----------
    clean, coded : Tensor [shape=(batch, 2, samples)]

    Returns
    -------
    Tensor [shape=(batch,)]
        From 0 to 1 for half the sample rate.
    """

    def patches(audio: Tensor) -> Tensor:
        frames = audio_to_frames(mid_side(audio), WINDOW, HOP)[..., 1:]
        power = (frames.real.square() + frames.imag.square()).mean((1, 2))
        return power.reshape(len(audio), -1, 8).mean(-1)

    before, after = patches(clean), patches(coded)
    # Rounding noise of variance 2**-30 / 12, halved in mid and side, under a window of that energy,
    # and ten times as much to be clear of it.
    floor = 10 * (2.0**-30 / 12 / 2) * (WINDOW / 2)
    kept = (after > 0.1 * before) & (after > floor)
    lost = (after <= 0.1 * before) & (before > 10 * floor)
    place = torch.arange(1, kept.shape[1] + 1, device=kept.device)
    highest = (kept * place).amax(1)
    cut = (lost & (place > highest[:, None])).any(1)
    return torch.where(cut, highest / kept.shape[1], torch.ones_like(before[:, 0]))


def _labels(pairs: PairSet, numbers: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Codec by number, log2 of the rate in units of 32 kb/s, and whether that rate is known."""
    notes = [pairs.notes[int(number)] for number in numbers]
    codec = torch.tensor([CODEC_NAMES.index(note["codec"]) for note in notes])
    kbps = torch.tensor([float(note["kbps"]) for note in notes])
    known = kbps > 0
    return codec, torch.log2(kbps.clamp_min(1.0) / 32), known


def train_codec_net(
    pairs: PairSet,
    folder: str | Path,
    settings: CodecLoopSettings,
    *,
    config: CodecNetConfig | None = None,
    every: int = 200,
    device: str = "cpu",
) -> CodecNet:
    """Train a classifier, or go on where `folder` was left.

    Parameters
    ----------
    pairs : PairSet
    folder : path
        Takes ``checkpoint.pt`` and ``log.jsonl``.
    settings : CodecLoopSettings
        A resumed run must have the same settings but for `steps`.
    config : CodecNetConfig, optional
    every : int
        Steps between checkpoints; there is one every minute besides.
    device : str

    Returns
    -------
    CodecNet
        With the averaged weights.

    Raises
    ------
    ModelError
        The checkpoint is of another version or of another run.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path, log = root / "checkpoint.pt", Log(root)
    torch.manual_seed(settings.seed)
    network = CodecNet(config).to(device)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate)
    average = Average(network, 0.99)
    first = 0
    if path.exists():
        kept = go_on(path, CHECKPOINT_VERSION, settings, network, optimiser, average)
        first = int(kept["step"])
    samples = round(settings.seconds * 44100)
    due = Due(every, settings.steps)
    batches = pairs.batches(first, settings.steps, settings.batch, samples, settings.seed)
    for step, arrays in enumerate(batches, first):
        clean, coded = to_device(arrays[:2], device)
        codec, octaves, known = (
            label.to(device)
            for label in _labels(pairs, pairs.numbers(step, settings.batch, settings.seed))
        )
        for group in optimiser.param_groups:
            group["lr"] = (
                settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
            )
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            odds, rate, end = network(codec_levels(coded))
        parts = {
            "codec": torch.nn.functional.cross_entropy(odds.float(), codec),
            "rate": ((rate.float() - octaves).square() * known).mean(),
            "cutoff": 10 * (end.float() - measured_cutoff(clean, coded)).square().mean(),
        }
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(parts.values())).sum())
        optimiser.step()
        average.update(network, step)
        if (step + 1) % 20 == 0:
            log.write(
                {"step": step + 1} | {k: round(float(v.detach()), 4) for k, v in parts.items()}
            )
        if due.now(step + 1):
            write_checkpoint(
                path, CHECKPOINT_VERSION, step + 1, settings, network, optimiser, average
            )
    return average.twin(network)


@torch.inference_mode()
def score_codec_net(network: CodecNet, pairs: PairSet) -> dict[str, float]:
    """Judge a classifier on whole pairs.

    Returns
    -------
    dict
        ``codec_accuracy`` and, for each codec, ``accuracy_NAME``; ``rate_error_octaves`` and
        ``cutoff_error`` (of half the sample rate), both mean absolute errors.
    """
    right: dict[str, list[float]] = {name: [] for name in CODEC_NAMES}
    rate_errors, cutoff_errors = [], []
    for number in range(len(pairs)):
        # A copy: the pair is mapped from its file and may not be written to.
        clean, coded = to_device(np.array(pairs.pair(number))[:, None], device_of(network))
        codec, octaves, known = _labels(pairs, np.array([number]))
        odds, rate, end = network(codec_levels(coded))
        right[CODEC_NAMES[int(codec)]].append(float(odds.argmax(1).cpu() == codec))
        if bool(known):
            rate_errors.append(float((rate.cpu() - octaves).abs()))
        cutoff_errors.append(float((end - measured_cutoff(clean, coded)).abs()))
    everything = [value for values in right.values() for value in values]
    scores = {"codec_accuracy": float(np.mean(everything))}
    scores |= {f"accuracy_{name}": float(np.mean(v)) for name, v in right.items() if v}
    scores["rate_error_octaves"] = float(np.mean(rate_errors))
    scores["cutoff_error"] = float(np.mean(cutoff_errors))
    return {key: round(value, 3) for key, value in scores.items()}
