"""What a level network learns: the levels of the bands that a codec left empty."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.networks.level_errors import missing_errors, weigh
from uncodec.networks.level_features import BANDS, FEATURES
from uncodec.networks.levels import LevelNetwork
from uncodec.training.feed import device_of, read_ahead, readers_for, to_device
from uncodec.training.level_hearing import level_dissimilarity, level_distance, played_power
from uncodec.training.level_library import LevelLibrary
from uncodec.training.loop import Objective, RunSettings

__all__ = ["LevelObjective", "LevelSettings", "level_scores"]


@dataclass(frozen=True)
class LevelSettings:
    """Batches and weights of the losses.

    Attributes
    ----------
    batch, frames : int
        Crops per step, frames in each.
    kept : float
        Weight of bands that the codec kept, where missing ones have 1.
    mean : float
        Weight of the error that a band has on average over a crop.
    likelihood : float
        Weight of the Laplace likelihood.
    unlike, distance : float
        Weights of what a listener and the log-spectral distance make of the played levels.
    seed : int
    half : bool
        Compute the network in bfloat16.
    dropout : float
        Part of what each layer adds that is left out.
    """

    batch: int = 16
    frames: int = 512
    kept: float = 0.1
    mean: float = 0.5
    likelihood: float = 1.0
    unlike: float = 5.0
    distance: float = 1.0
    seed: int = 0
    half: bool = False
    dropout: float = 0.15


class LevelObjective(Objective[LevelNetwork, tuple[Tensor, Tensor]]):
    """Laplace likelihood of the original's levels, and how the played ones would sound.

    Parameters
    ----------
    network : LevelNetwork
    library : LevelLibrary
    settings : LevelSettings
    validation : LevelLibrary, optional
    """

    SETTINGS = LevelSettings
    RUN = RunSettings(warm=100, average=0.998)

    def __init__(
        self,
        network: LevelNetwork,
        library: LevelLibrary,
        settings: LevelSettings,
        validation: LevelLibrary | None = None,
    ) -> None:
        self.network, self.library, self.settings = network, library, settings
        self.validation = validation
        for part in network.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = settings.dropout

    def batches(self, first: int, stop: int) -> Iterator[tuple[Tensor, Tensor]]:
        device = device_of(self.network)
        for arrays in read_ahead(self._read, first, stop, readers_for(str(device))):
            items, trusted = to_device(arrays, device)
            yield items.float(), trusted

    def _read(self, step: int) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        if step % 200 == 0:
            self.library.refresh()
        own = self.settings
        return self.library.batch(step, own.batch, own.frames, own.seed)

    def losses(self, batch: tuple[Tensor, Tensor], step: int) -> dict[str, Tensor]:
        settings, (data, trusted) = self.settings, batch
        features, wanted = data[..., :FEATURES], data[..., FEATURES:]
        half = torch.autocast(data.device.type, torch.bfloat16, enabled=settings.half)
        with half, warnings.catch_warnings():
            # Norms keep their weights in single precision, and are slower by next to nothing.
            warnings.filterwarnings("ignore", message="Mismatch dtype between input and weight")
            level, spread, played, _ = self.network(
                features, self.network.initial_state(len(features))
            )
        weight, missing, bottom = weigh(features[..., :BANDS], wanted)
        weight = weight * trusted[:, None, None, :]
        error = torch.maximum(level, bottom) - torch.maximum(wanted, bottom)
        weight = weight * (settings.kept + (1 - settings.kept) * missing)
        likely = error.abs() / spread + torch.log(spread)
        counted = (weight * missing).sum(1)
        staying = ((weight * missing) * error).sum(1).abs().sum() / counted.sum().clamp_min(1.0)
        likelihood = (weight * likely).sum() / weight.sum().clamp_min(1.0)
        unlike, distance = _heard(features[..., :BANDS], wanted, played, trusted)
        return {
            "likelihood": settings.likelihood * likelihood,
            "mean": settings.mean * staying,
            "unlike": settings.unlike * unlike,
            "distance": settings.distance * distance,
        }

    def validate(self, network: LevelNetwork) -> Mapping[str, Any] | None:
        if self.validation is None:
            return None
        return level_scores(network, self.validation)


@torch.inference_mode()
def level_scores(network: LevelNetwork, library: LevelLibrary) -> dict[str, dict[str, float]]:
    """Errors in the missing bands by kind of material and coding.

    Returns
    -------
    dict
        For each group, such as ``"music-mix mp3-32"``; MP3 and AAC at the rate of their input, as
        FFmpeg codes, have a "k" behind it. "all" holds everything. Of the likeliest level what
        `LevelErrors` has, in dB; of the played one ``unlike`` and ``distance``, see
        `level_dissimilarity` and `level_distance`.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    device = device_of(network)
    for place, note in enumerate(library.notes):
        data = torch.from_numpy(np.array(library.item(place))).float().to(device)[None]
        trusted = torch.arange(BANDS, device=device)[None] < note["bands"]
        features, wanted = data[..., :FEATURES], data[..., FEATURES:]
        coded = features[..., :BANDS]
        level, _, played, _ = network(features, network.initial_state(1))
        row = missing_errors(coded[0], wanted[0], level[0], note["bands"])
        if row is not None:
            unlike, distance = _heard(coded, wanted, played, trusted)
            name = f"{note['codec']}-{note['kbps']}" + ("k" if note["codec_rate"] else "")
            scores = asdict(row) | {"unlike": float(unlike), "distance": float(distance)}
            groups.setdefault(f"{note['kind']} {name}", []).append(scores)
            groups.setdefault("all", []).append(scores)
    return {name: _means(rows) for name, rows in sorted(groups.items())}


def _heard(coded: Tensor, wanted: Tensor, played: Tensor, trusted: Tensor) -> tuple[Tensor, Tensor]:
    """What a listener and the log-spectral distance make of played levels; means over items."""
    missing = weigh(coded, wanted)[1]
    original, power = torch.pow(10.0, wanted), played_power(coded, played)
    unlike = level_dissimilarity(original[:, :, 0], power[:, :, 0], trusted)
    return unlike.mean(), level_distance(original, power, missing, trusted).mean()


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(float(np.mean([row[key] for row in rows])), 4) for key in rows[0]}
