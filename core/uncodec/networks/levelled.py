"""A generator whose delta is given the levels that a level network says.

The generator makes texture, the level network says how loud it should be: band by band and frame by
frame, of mid and of side. What sounds in a band that the codec emptied has exactly the level that
was said. A band that the codec kept keeps the delta that the generator made.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uncodec.networks.generator import Generator
from uncodec.networks.generator import State as GeneratorState
from uncodec.networks.level_errors import MISSING, OPENING
from uncodec.networks.level_features import BAND, BANDS, FLOOR, LOW_BINS
from uncodec.networks.levels import LevelNetwork

__all__ = ["FILLED_FROM", "LevelledGenerator", "opened", "set_levels", "set_levels_offline"]

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]

OPENED_SLOPE, OPENED_AT_EVEN = 0.5, 0.5
"""Share of the amplitude to be added per log odds of damage, and at even odds; from 0 to 1."""
FILLED_FROM = 1.0
"""Decades that a band must lie below what is said to get its level. A band that lies nearer may not
be missing. It keeps the generator's delta, for a wrong level would cost its fidelity. That delta is
no louder than what is there, or than what the level network takes for likely."""
MOST_GAIN = 30.0
"""What the delta of a band is raised by at most: a band of next to nothing has no texture."""
MOST_GAIN_OFFLINE = 8.0
"""The same behind a diffusion network: where that added next to nothing, it decided so."""


class LevelledGenerator(nn.Module):
    """A generator and a level network over the same frames, as one network.

    Parameters
    ----------
    generator : Generator
        With windows of 1,024 samples and hops of 512.
    levels : LevelNetwork
        Of one direction.
    """

    def __init__(self, generator: Generator, levels: LevelNetwork) -> None:
        super().__init__()
        self.generator, self.levels = generator, levels
        self.config = generator.config
        # As attributes, for TorchScript knows no module's constants.
        self.bands, self.band, self.low = BANDS, BAND, LOW_BINS
        self.floor = 10.0**FLOOR

    def forward(self, spectra: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """`Generator.forward` with levels set; two tensors of state more, the level network's."""
        own: GeneratorState = (state[0], state[1], state[2], state[3], state[4])
        delta, damage, own = self.generator.repair(spectra, own)
        coded = spectra[:, 0:2]
        features = self.features(coded)
        level, spread, played, (held, recurrent) = self.levels(features, (state[5], state[6]))
        loudest = self.levels.loudest(level, spread)
        there = features[..., : self.bands]
        amount = opened(damage + self.generator.leniency)
        delta = set_levels(delta, there, played, loudest, amount)
        delta, heard = self.generator.turn_up(coded, delta, damage, own[4])
        return delta, damage, (own[0], own[1], own[2], own[3], heard, held, recurrent)

    def features(self, coded: Tensor) -> Tensor:
        """`level_features` of real views of spectra, [shape=(batch, frames, 2, 160)]."""
        batch, channels, frames = coded.shape[:3]
        power = coded[:, :, :, 1:].square().sum(4) + self.floor
        bins = torch.log10(power)
        shape = [batch, channels, frames, self.bands, self.band]
        level = torch.log10(power.reshape(shape).mean(4))
        flatness = bins.reshape(shape).mean(4) - level
        return torch.cat([level, flatness, bins[..., : self.low]], dim=3).transpose(1, 2)


def opened(damage: Tensor, slope: float = OPENED_SLOPE, even: float = OPENED_AT_EVEN) -> Tensor:
    """Share of the amplitude to be added, from the log odds that a signal is damaged.

    None up to log odds of -1, all from 1 upwards: a level has nothing of the generator's caution,
    which makes a little of what it adds from odds of -4 on.
    """
    return (slope * damage + even).clamp(0.0, 1.0)


def set_levels(
    delta: Tensor,
    coded: Tensor,
    played: Tensor,
    loudest: Tensor,
    amount: Tensor,
    missing: float = FILLED_FROM,
    opening: float = OPENING,
    most: float = MOST_GAIN,
) -> Tensor:
    """Give the missing bands of a delta the levels to be played.

    Parameters
    ----------
    delta : Tensor [shape=(batch, channels, frames, 513, 2)]
        Real view of the spectra of what is added.
    coded, played, loudest : Tensor [shape=(batch, frames, channels, 64)]
        log10 of mean power of what the codec left, of what is to be heard, and of what is not
        likely to have been exceeded.
    amount : Tensor [shape=(batch, frames)]
        Share of the amplitude to be added, from 0 to 1.
    missing, opening : float
        Decades by which a band must have fallen, and over how many the change is gradual.
    most : float
        What amplitudes are raised by at most: a band of next to nothing has no texture.

    Returns
    -------
    Tensor [shape=(batch, channels, frames, 513, 2)]
        Where a band lies `missing` below what is to be heard, a texture of the power that it lacks;
        elsewhere `delta`, as loud as what is there at most, or as what it lacks of `loudest`.
    """
    batch, channels, frames = delta.shape[:3]
    coded, played, loudest = (x.transpose(1, 2) for x in (coded, played, loudest))
    bins = delta[:, :, :, 1:].reshape([batch, channels, frames, coded.shape[3], -1])
    own = bins.square().sum(4) / (bins.shape[4] // 2)
    there = torch.pow(10.0, coded)
    lacking = (torch.pow(10.0, played) - there).clamp_min(0.0)
    # The root of what is lacking apart: where that is nothing, a root of both has no gradient.
    unit = (own + 1e-10).rsqrt()
    gain = (lacking.sqrt() * unit).clamp_max(most) * amount[:, None, :, None]
    # The generator fills bands that the level network takes for complete or empty, too.
    allowed = torch.maximum(torch.pow(10.0, loudest) - there, there)
    held = (allowed.sqrt() * unit).clamp_max(1.0)
    filled = torch.sigmoid((played - coded - missing) / opening)
    gain = torch.lerp(held, gain, filled)
    bins = (bins * gain[..., None]).reshape([batch, channels, frames, -1, 2])
    return torch.cat([delta[:, :, :, :1], bins], dim=3)


def set_levels_offline(
    delta: Tensor, coded: Tensor, played: Tensor, loudest: Tensor, amount: Tensor
) -> Tensor:
    """`set_levels` behind a diffusion network, which leaves less to a level network."""
    return set_levels(
        delta, coded, played, loudest, amount, missing=MISSING, most=MOST_GAIN_OFFLINE
    )
