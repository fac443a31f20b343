"""The mean square error of the waveform alone: the baseline that over-smooths."""

from __future__ import annotations

from torch import Tensor

from uncodec.training.restoration_objective import Heard, RestorationObjective

__all__ = ["RegressionObjective"]


class RegressionObjective(RestorationObjective):
    """Square error relative to the signal's energy, so that no level counts for more."""

    name = "mse"

    def sound(self, heard: Heard, step: int) -> dict[str, Tensor]:
        energy = heard.clean.square().mean((1, 2)) + 1e-9
        error = (heard.clean - heard.restored).square().mean((1, 2))
        return {"mse": 10 * (error / energy).mean()}
