"""What a gate network learns: to tell coded stretches from clean ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from uncodec.networks.gate import TRACES, GateNetwork, gate_opening
from uncodec.networks.gated import lately_opening
from uncodec.networks.level_features import BANDS, FLOOR
from uncodec.training.feed import device_of
from uncodec.training.gate_crops import GateCropObjective, GateCrops
from uncodec.training.gate_library import GateLibrary
from uncodec.training.level_variation import draw_colour
from uncodec.training.loop import RunSettings

__all__ = ["GateNetworkObjective", "GateNetworkSettings", "gate_network_scores"]


@dataclass(frozen=True)
class GateNetworkSettings(GateCrops):
    """Crops, and whether they are varied.

    Attributes
    ----------
    batch, frames, seed : int
        See `GateCrops`.
    varied : bool
        Crops are given other colours and other levels, so that no recording is learned by heart.
    """

    varied: bool = True


class GateNetworkObjective(GateCropObjective[GateNetwork]):
    """Cross-entropy of telling coded from clean, in every frame.

    Parameters
    ----------
    network : GateNetwork
    library : GateLibrary
        Of `TraceHearing`.
    settings : GateNetworkSettings
    validation : GateLibrary, optional
        Scored now and then.
    """

    SETTINGS = GateNetworkSettings
    RUN = RunSettings(warm=50, average=0.99, decay=1e-2)

    def __init__(
        self,
        network: GateNetwork,
        library: GateLibrary,
        settings: GateNetworkSettings,
        validation: GateLibrary | None = None,
    ) -> None:
        self.network, self.library, self.settings = network, library, settings
        self.validation = validation

    def crops(self, step: int) -> NDArray[np.float16]:
        crops = super().crops(step)
        if self.settings.varied:
            rng = np.random.default_rng([self.settings.seed, step, 26])
            for levels in crops.reshape(*crops.shape[:2], 2, TRACES)[..., :BANDS]:
                _vary(rng, levels)
        return crops

    def losses(self, batch: Tensor, step: int) -> dict[str, Tensor]:
        odds = self.network(batch.reshape(*batch.shape[:2], 2, TRACES))
        target = torch.zeros_like(odds)
        target[len(batch) // 2 :] = 1.0
        return {"gate": binary_cross_entropy_with_logits(odds, target)}

    def validate(self, network: GateNetwork) -> Mapping[str, Any] | None:
        return None if self.validation is None else gate_network_scores(network, self.validation)


def _vary(rng: np.random.Generator, levels: NDArray[np.float16]) -> None:
    """Give a crop's levels, [shape=(frames, 2, 64)], another colour, in place; never a louder one.

    What lies at the floor would rise from it, as no recording's does.
    """
    colour = draw_colour(rng)
    levels += (colour - colour.max() - rng.uniform(0.0, 1.0)).astype(np.float16)
    np.maximum(levels, np.float16(FLOOR), out=levels)


@torch.inference_mode()
def gate_network_scores(network: GateNetwork, library: GateLibrary) -> dict[str, dict[str, float]]:
    """How far the gate opens, grouped by codec; clean crops by their kind.

    Returns
    -------
    dict
        For each group, such as ``"mp3"`` or ``"clean solo"``: the number of ``crops``; ``open``,
        the mean opening from 0 to 1; ``wrong``, the share of clean crops that are open by more than
        0.01 on average, and of coded ones that are open by less than 0.5.
    """
    groups: dict[str, list[float]] = {}
    for place, note in enumerate(library.notes):
        item = library.item(place)
        names = [f"clean {note['kind']}", *(coding["codec"] for coding in note["codings"])]
        for name, version in zip(names, item, strict=True):
            traces = torch.from_numpy(version.astype(np.float32)).reshape(1, -1, 2, TRACES)
            odds = network(traces.to(device_of(network)))
            opening = gate_opening(odds) if network.config.both else lately_opening(odds)
            groups.setdefault(name, []).append(float(opening.mean()))
    return {
        name: {
            "crops": float(len(means)),
            "open": round(float(np.mean(means)), 4),
            "wrong": round(
                float(np.mean([x > 0.01 if name.startswith("clean ") else x < 0.5 for x in means])),
                4,
            ),
        }
        for name, means in sorted(groups.items())
    }
