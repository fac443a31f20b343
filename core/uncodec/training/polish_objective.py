"""The last polish of a generator: as a listener's model hears it, and as wide as it was."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from uncodec.networks.spectra import mid_side
from uncodec.training.distance_objective import DistanceObjective, DistanceSettings
from uncodec.training.losses import level_error
from uncodec.training.neurogram import neurogram_dissimilarity
from uncodec.training.restoration_objective import Heard

__all__ = ["PolishObjective", "PolishSettings"]


@dataclass(frozen=True)
class PolishSettings(DistanceSettings):
    """Crops and weights of the losses.

    Attributes
    ----------
    neurogram, width : float
        Weights of neurogram similarity and of the error of the band energies of mid and side.
    """

    neurogram: float = 0.0
    width: float = 0.0


class PolishObjective(DistanceObjective):
    """Log-spectral distances, and beside them neurogram similarity and stereo width."""

    name = "polish"
    SETTINGS = PolishSettings

    def sound(self, heard: Heard, step: int) -> dict[str, Tensor]:
        settings, clean, restored = self.settings, heard.clean, heard.restored
        parts = super().sound(heard, step)
        if settings.neurogram:
            unlike = neurogram_dissimilarity(clean, restored) * (1 - heard.is_clean)
            parts["unlike"] = settings.neurogram * unlike.mean()
        if settings.width:
            error = level_error(mid_side(clean), mid_side(restored))
            parts["width"] = settings.width * error.mean()
        return parts
