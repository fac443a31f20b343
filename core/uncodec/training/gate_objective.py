"""The gate, learned once more, from many more clean recordings than the pairs hold.

A generator that heard few clean recordings takes some that are dark by nature for damaged. What
tells them apart lies in the recurrent stage, and needs nothing of the sound that is made: here it
learns from a library of what it hears. What it lays out for the later layers stays as it was.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from uncodec.errors import InvalidValue
from uncodec.networks.generator import Generator
from uncodec.training.feed import device_of, to_device
from uncodec.training.gate_crops import GateCropObjective, GateCrops
from uncodec.training.gate_library import GateLibrary, gate_features
from uncodec.training.loop import RunSettings
from uncodec.training.pair_objective import means_by_coding, name_of_coding
from uncodec.training.pairs import PairSet

__all__ = ["GateObjective", "GateSettings", "gate_scores"]

FIRST = 20
"""Frames at the start of a crop that nothing is asked of: the recurrent layer has heard little."""


@dataclass(frozen=True)
class GateSettings(GateCrops):
    """Crops, and how far the other layers are kept to what they heard.

    Attributes
    ----------
    batch, frames : int
        See `GateCrops`; more frames than the first ones, which nothing is asked of.
    weight : float
        Of the mean square by which what is laid out for coded crops differs from what it was.
    crops : int
        Size of the library.
    seed : int
        Of the library and of the batches.
    """

    frames: int = 215
    weight: float = 1.0
    crops: int = 2000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.frames <= FIRST:
            raise InvalidValue(f"frames={self.frames}: must be more than {FIRST}")
        if not 0 <= self.weight < math.inf:
            raise InvalidValue(f"weight={self.weight}: must be 0 or more, and finite")
        if self.crops < 1:
            raise InvalidValue(f"crops={self.crops}: must be a positive integer")


class GateObjective(GateCropObjective[Generator]):
    """Cross-entropy of telling coded from clean, while what is laid out stays as it was.

    Parameters
    ----------
    network : Generator
        Its layers `encode`, `recur`, `gate` and `layout` learn, nothing else does.
    library : GateLibrary
    settings : GateSettings
    validation : PairSet, optional
        Scored now and then.
    """

    SETTINGS = GateSettings
    RUN = RunSettings(steps=3700, learning_rate=1e-3, average=0.99, decay=1e-3)

    def __init__(
        self,
        network: Generator,
        library: GateLibrary,
        settings: GateSettings,
        validation: PairSet | None = None,
    ) -> None:
        self.network, self.library, self.settings = network, library, settings
        self.validation = validation
        self.before = copy.deepcopy(network).eval().requires_grad_(False)
        network.requires_grad_(False)
        for part in (network.encode, network.recur, network.gate, network.layout):
            part.requires_grad_(True)

    def losses(self, batch: Tensor, step: int) -> dict[str, Tensor]:
        network, coded = self.network, batch[len(batch) // 2 :]
        hidden = network.initial_state(len(batch))[0]
        # With dropout, as a guard against learning the recordings by heart.
        _, damage, _ = network.judge(batch, hidden)
        damage = damage[:, FIRST:]
        target = torch.zeros_like(damage)
        target[len(batch) // 2 :] = 1.0
        # Without it, as the later layers will hear it.
        dropping = network.dropout.training
        network.dropout.eval()
        laid, _, _ = network.judge(coded, hidden[:, : len(coded)])
        network.dropout.train(dropping)
        with torch.no_grad():
            wanted, _, _ = self.before.judge(coded, hidden[:, : len(coded)])
        return {
            "gate": binary_cross_entropy_with_logits(damage, target),
            "layout": self.settings.weight * mse_loss(laid[:, FIRST:], wanted[:, FIRST:]),
        }

    def validate(self, network: Generator) -> Mapping[str, Any] | None:
        return None if self.validation is None else gate_scores(network, self.validation)


@torch.inference_mode()
def gate_scores(generator: Generator, pairs: PairSet) -> dict[str, dict[str, float]]:
    """How far the gate opens on every pair, grouped by codec and rate.

    Returns
    -------
    dict
        For each group, such as ``"mp3-64"`` or ``"clean"``: ``open``, from 0 to 1, and ``damage``,
        the log odds; means from the frame on that is learned from.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for number, note in enumerate(pairs.notes):
        # A copy: the pair is mapped from its file and may not be written to.
        (coded,) = to_device([np.array(pairs.pair(number)[1:])], device_of(generator))
        heard = gate_features(generator, coded)
        _, damage, _ = generator.judge(heard, generator.initial_state(1)[0])
        odds = damage[:, min(FIRST, damage.shape[1] - 1) :]
        opening = float((1.0 + 0.25 * odds).clamp(0.0, 1.0).mean())
        row = {"open": opening, "damage": float(odds.mean())}
        groups.setdefault(name_of_coding(note), []).append(row)
    return means_by_coding(groups)
