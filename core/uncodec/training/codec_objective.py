"""What the codec classifier learns: the codec, its rate and its cut-off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.networks.codec_net import CODEC_NAMES, HOP, WINDOW, CodecNet, codec_levels
from uncodec.networks.spectra import audio_to_frames, mid_side
from uncodec.training.feed import device_of, to_device
from uncodec.training.loop import RunSettings
from uncodec.training.pair_objective import Crops, CropSettings, PairObjective
from uncodec.training.pairs import PairSet

__all__ = ["CodecObjective", "CodecSettings", "codec_scores", "measured_cutoff"]


@dataclass(frozen=True)
class CodecSettings(CropSettings):
    """Crops of the pairs, see `CropSettings`."""

    LEAST = 0.5

    batch: int = 32
    seconds: float = 1.5


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


class CodecObjective(PairObjective[CodecNet]):
    """Cross-entropy of the codec, square errors of rate and cut-off."""

    SETTINGS = CodecSettings
    RUN = RunSettings(
        steps=800,
        learning_rate=2e-3,
        warm=0,
        least_share=0.0,
        average=0.99,
        decay=0.01,
        clip=None,
        memory=0.999,
    )

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        clean, coded, _ = batch
        numbers = self.pairs.numbers(step, self.settings.batch, self.settings.seed)
        codec, octaves, known = (label.to(coded.device) for label in _labels(self.pairs, numbers))
        with torch.autocast(coded.device.type, torch.bfloat16):
            odds, rate, end = self.network(codec_levels(coded))
        return {
            "codec": torch.nn.functional.cross_entropy(odds.float(), codec),
            "rate": ((rate.float() - octaves).square() * known).mean(),
            "cutoff": 10 * (end.float() - measured_cutoff(clean, coded)).square().mean(),
        }

    def score(self, network: CodecNet, pairs: PairSet) -> Mapping[str, Any]:
        return {"all": codec_scores(network, pairs)}


@torch.inference_mode()
def codec_scores(network: CodecNet, pairs: PairSet) -> dict[str, float]:
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
