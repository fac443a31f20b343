"""What all objectives of the live generator share: they run it over crops and compare."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from uncodec.networks.encoder_gain import TURNED_DOWN
from uncodec.networks.generator import Generator
from uncodec.networks.level_features import BANDS, level_features
from uncodec.networks.levelled import opened, set_levels
from uncodec.networks.levels import LevelNetwork
from uncodec.networks.spectra import change_to_audio, generator_input, left_right
from uncodec.training.feed import device_of, to_device
from uncodec.training.losses import (
    clean_null_penalty,
    log_spectral_distance,
    si_sdr,
    was_turned_down,
)
from uncodec.training.pair_objective import (
    Crops,
    CropSettings,
    PairObjective,
    means_by_coding,
    name_of_coding,
)
from uncodec.training.pairs import PairSet

__all__ = [
    "Heard",
    "RestorationObjective",
    "RestorationSettings",
    "restoration_scores",
    "restore_batch",
]


@dataclass(frozen=True)
class RestorationSettings(CropSettings):
    """Crops, and how much undamaged signals count.

    Attributes
    ----------
    null : float
        Weight of a dB by which the change of an undamaged signal exceeds -66 dB.
    gate : float
        Weight of the cross-entropy of telling damaged signals from undamaged ones.
    """

    null: float = 0.02
    gate: float = 0.3


class Heard(NamedTuple):
    """Crops and what a generator makes of them, all of one length."""

    clean: Tensor
    coded: Tensor
    is_clean: Tensor
    restored: Tensor
    delta: Tensor
    damage: Tensor


class RestorationObjective(PairObjective[Generator]):
    """Restored crops sound as the clean ones, and undamaged ones stay as they are.

    Parameters
    ----------
    network : Generator
    pairs : PairSet
    settings : RestorationSettings
    validation : PairSet, optional
        Scored now and then.
    """

    name: str
    SETTINGS = RestorationSettings
    levels: LevelNetwork | None = None

    def set_levels(self, levels: LevelNetwork) -> None:
        """Have the levels of missing bands set, as they will be where the generator is used.

        What is learned then is the texture there, and all of what the codec kept. The level network
        does not learn itself, and nor does what tells damaged signals from undamaged ones: that
        gets worse on recordings that are not among the few that are learned from.
        """
        self.levels = levels.eval().requires_grad_(False)
        for part in (self.network.encode, self.network.recur, self.network.gate):
            part.requires_grad_(False)

    @abstractmethod
    def sound(self, heard: Heard, step: int) -> dict[str, Tensor]:
        """How far the restored sound is from the clean one, by name."""

    def describe(self) -> dict[str, Any]:
        return {"objective": self.name, **asdict(self.settings)}

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        heard = self.hear(batch, step)
        return self.sound(heard, step) | self.care(heard)

    def hear(self, batch: Crops, step: int) -> Heard:
        """Run the generator over the crops of a step."""
        clean, coded, is_clean = batch
        seed = self.settings.seed * 1_000_003 + step
        restored, delta, damage = restore_batch(
            self.network, coded, seed=seed, encoder_gain=False, levels=self.levels
        )
        clean, coded = clean[..., : restored.shape[-1]], coded[..., : restored.shape[-1]]
        # What is to be filled in is learned at the level that the encoder left; turning the whole
        # up again is another matter (`uncodec.training.encoder_gain_objective`).
        turned_down = was_turned_down(clean, coded) * (1 - is_clean)
        clean = clean * (1 - (1 - TURNED_DOWN) * turned_down)[:, None, None]
        return Heard(clean, coded, is_clean, restored, delta, damage)

    def care(self, heard: Heard) -> dict[str, Tensor]:
        """What keeps the generator from changing what is undamaged."""
        # The gate alone lets a clean signal pass untouched, and it has no gradient where it is
        # shut or open, so the odds behind it are also told directly.
        target = (1 - heard.is_clean)[:, None].expand_as(heard.damage)
        changed = clean_null_penalty(heard.clean, heard.delta) * heard.is_clean
        return {
            "null": self.settings.null * changed.mean(),
            "gate": self.settings.gate * binary_cross_entropy_with_logits(heard.damage, target),
        }

    def score(self, network: Generator, pairs: PairSet) -> Mapping[str, Any]:
        return restoration_scores(network, pairs, self.levels)


def restore_batch(
    generator: Generator,
    coded: Tensor,
    seed: int,
    half: bool = True,
    encoder_gain: bool = True,
    levels: LevelNetwork | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the generator over whole crops.

    Parameters
    ----------
    generator : Generator
    coded : Tensor [shape=(batch, 2, samples)]
        Left and right.
    seed : int
        Of the noise.
    half : bool
        Compute the network in bfloat16.
    encoder_gain : bool
        Apply the encoder gain.
    levels : LevelNetwork, optional
        Of one direction. Sets the levels of what is missing, as in `LevelledGenerator`.

    Returns
    -------
    restored, delta : Tensor [shape=(batch, 2, trimmed)]
        Left and right, from the first sample on, without the end that fewer frames cover.
    damage : Tensor [shape=(batch, frames)]
        Log odds that the signal is damaged.
    """
    window, hop = generator.config.window, generator.config.hop
    source = torch.Generator().manual_seed(seed)
    noise = torch.randn(coded.shape, generator=source).to(coded.device)
    # As in a stream, where the first hop meets a window that is otherwise empty: a generator that
    # never saw that takes the sudden start for a full band, and the signal for undamaged.
    edge = window - hop
    padded, noise = (torch.nn.functional.pad(audio, (edge, 0)) for audio in (coded, noise))
    frames = generator_input(padded, noise, window, hop)
    with torch.autocast(coded.device.type, torch.bfloat16, enabled=half):
        delta, damage, state = generator.repair(frames, generator.initial_state(coded.shape[0]))
        returned = None
        if levels is not None:
            returned = opened(damage)
            delta = _with_levels(levels, delta.float(), frames[:, :2], returned)
        if encoder_gain:
            delta, _ = generator.turn_up(frames[:, :2], delta, damage, state[4])
    change, heard = (torch.view_as_complex(part) for part in (delta.float(), frames[:, :2]))
    delta = left_right(change_to_audio(change, heard, window, hop, returned))[..., edge:-edge]
    kept = coded[..., : delta.shape[-1]]
    return kept + delta, delta, damage.float()


def _with_levels(levels: LevelNetwork, delta: Tensor, coded: Tensor, amount: Tensor) -> Tensor:
    with torch.no_grad(), torch.autocast(coded.device.type, enabled=False):
        features = level_features(torch.view_as_complex(coded)).transpose(1, 2)
        level, spread, played, _ = levels(features, levels.initial_state(coded.shape[0]))
        loudest = levels.loudest(level, spread)
    return set_levels(delta, features[..., :BANDS], played, loudest, amount)


def _level_db(audio: Tensor, reference: Tensor) -> Tensor:
    return 10 * torch.log10((audio.square().sum() + 1e-9) / (reference.square().sum() + 1e-9))


@torch.inference_mode()
def restoration_scores(
    generator: Generator, pairs: PairSet, levels: LevelNetwork | None = None
) -> dict[str, dict[str, float]]:
    """Score a generator, with its levels set or not, on every pair, grouped by codec and rate.

    Returns
    -------
    dict
        For each group, such as ``"mp3-64"``: ``lsd_in``, ``lsd``, ``sdr_in``, ``sdr``,
        ``level_in``, ``level`` (errors in dB), and for clean pairs ``null_db``.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for number, note in enumerate(pairs.notes):
        # A copy: the pair is mapped from its file and may not be written to.
        clean, coded = to_device(np.array(pairs.pair(number))[:, None], device_of(generator))
        restored, delta, _ = restore_batch(generator, coded, seed=number, levels=levels)
        clean, coded = clean[..., : restored.shape[-1]], coded[..., : restored.shape[-1]]
        row = {
            "lsd_in": float(log_spectral_distance(clean, coded, 2048, 512)),
            "lsd": float(log_spectral_distance(clean, restored, 2048, 512)),
            "sdr_in": float(si_sdr(clean, coded)),
            "sdr": float(si_sdr(clean, restored)),
            "level_in": abs(float(_level_db(coded, clean))),
            "level": abs(float(_level_db(restored, clean))),
        }
        if note["codec"] == "clean":
            ratio = delta.square().sum() / clean.square().sum()
            row = {"null_db": float(10 * torch.log10(ratio + 1e-12))}
        groups.setdefault(name_of_coding(note), []).append(row)
    return means_by_coding(groups)
