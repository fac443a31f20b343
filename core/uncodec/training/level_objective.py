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

from uncodec.networks.level_errors import LevelErrors, missing_errors, weigh
from uncodec.networks.level_features import BANDS, FEATURES
from uncodec.networks.levels import LevelNetwork
from uncodec.training.feed import device_of, readers_for, to_device
from uncodec.training.level_library import LevelLibrary
from uncodec.training.loop import Objective, RunSettings
from uncodec.training.pairs import read_ahead

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
    seed : int
    half : bool
        Compute the network in bfloat16.
    """

    batch: int = 16
    frames: int = 512
    kept: float = 0.1
    mean: float = 0.5
    seed: int = 0
    half: bool = False


class LevelObjective(Objective[LevelNetwork, tuple[Tensor, Tensor]]):
    """Laplace likelihood of the original's levels, and the error that stays over a crop.

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
            level, spread, _ = self.network(features, self.network.initial_state(len(features)))
        weight, missing, bottom = weigh(features[..., :BANDS], wanted)
        weight = weight * trusted[:, None, None, :]
        error = torch.maximum(level, bottom) - torch.maximum(wanted, bottom)
        weight = weight * (settings.kept + (1 - settings.kept) * missing)
        likely = error.abs() / spread + torch.log(spread)
        counted = (weight * missing).sum(1)
        staying = ((weight * missing) * error).sum(1).abs().sum() / counted.sum().clamp_min(1.0)
        return {
            "likelihood": (weight * likely).sum() / weight.sum().clamp_min(1.0),
            "mean": settings.mean * staying,
        }

    def validate(self, network: LevelNetwork) -> Mapping[str, Any] | None:
        if self.validation is None:
            return None
        return level_scores(network, self.validation)


@torch.inference_mode()
def level_scores(network: LevelNetwork, library: LevelLibrary) -> dict[str, dict[str, float]]:
    """Errors in the missing bands by kind of material and coding, see `LevelErrors`.

    Returns
    -------
    dict
        For each group, such as ``"music-mix mp3-32"``; MP3 and AAC at the rate of their input, as
        FFmpeg codes, have a "k" behind it. "all" holds everything.
    """
    groups: dict[str, list[LevelErrors]] = {}
    device = device_of(network)
    for place, note in enumerate(library.notes):
        data = torch.from_numpy(np.array(library.item(place))).float().to(device)
        features, wanted = data[..., :FEATURES], data[..., FEATURES:]
        level, _, _ = network(features[None], network.initial_state(1))
        row = missing_errors(features[..., :BANDS], wanted, level[0], note["bands"])
        if row is not None:
            name = f"{note['codec']}-{note['kbps']}" + ("k" if note["codec_rate"] else "")
            groups.setdefault(f"{note['kind']} {name}", []).append(row)
            groups.setdefault("all", []).append(row)
    return {name: _means(rows) for name, rows in sorted(groups.items())}


def _means(rows: list[LevelErrors]) -> dict[str, float]:
    keys = asdict(rows[0])
    return {key: round(float(np.mean([getattr(row, key) for row in rows])), 3) for key in keys}
