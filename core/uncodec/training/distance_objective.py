"""Log-spectral distances, held to the waveform's fidelity and the loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from uncodec.training.losses import (
    distance_of_spectra,
    fidelity_penalty,
    level_penalty,
    short_time_spectra,
)
from uncodec.training.restoration_objective import (
    Heard,
    RestorationObjective,
    RestorationSettings,
)

__all__ = ["DistanceObjective", "DistanceSettings"]

# (window, hop, share of the steps): the metric's own resolution most of the time, shorter ones so
# that energy is also placed right in time.
RESOLUTIONS = ((2048, 512, 0.6), (1024, 256, 0.2), (512, 128, 0.2))


@dataclass(frozen=True)
class DistanceSettings(RestorationSettings):
    """Crops and weights of the losses.

    Attributes
    ----------
    fidelity : float
        Weight of a dB of distortion beyond the coded input's in what the codec kept.
    loudness : float
        Weight of a dB of level error beyond the coded input's.
    """

    fidelity: float = 0.3
    loudness: float = 0.2


class DistanceObjective(RestorationObjective):
    """The log-spectral distance of the sound, and of its mid and side."""

    name = "distance"
    SETTINGS = DistanceSettings

    def sound(self, heard: Heard, step: int) -> dict[str, Tensor]:
        settings = self.settings
        clean, coded, restored = heard.clean, heard.coded, heard.restored
        rng = np.random.default_rng([settings.seed, step, 3])
        pick = int(rng.choice(len(RESOLUTIONS), p=[share for _, _, share in RESOLUTIONS]))
        window, hop, _ = RESOLUTIONS[pick]
        with torch.no_grad():
            wanted = short_time_spectra(clean, window, hop)
        got = short_time_spectra(restored, window, hop)
        image = distance_of_spectra(_mid_side_spectra(wanted), _mid_side_spectra(got))
        damaged = 1 - heard.is_clean
        drop = fidelity_penalty(clean, coded, restored) * damaged
        loudness = level_penalty(clean, coded, restored) * damaged
        return {
            "lsd": distance_of_spectra(wanted, got).mean(),
            "image": 0.15 * image.mean(),
            "drop": settings.fidelity * drop.mean(),
            "loudness": settings.loudness * loudness.mean(),
        }


def _mid_side_spectra(spectra: Tensor) -> Tensor:
    left, right = spectra.unbind(1)
    return torch.stack([left + right, left - right], 1) * 0.5
