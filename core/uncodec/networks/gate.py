"""The gate of the offline path: was a signal coded at all, heard from both sides.

A recording whose treble is empty by nature looks like one whose treble a codec took. What tells
them apart shows over seconds: how steeply bands end and whether they always end alike, holes in the
spectrum, bands that come and go with the frames of a codec. The network hears whole stretches, and
nothing of the sound itself.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.level_features import BANDS, FLOOR, HOP
from uncodec.networks.recurrences import RecurrentLayer
from uncodec.networks.spectra import audio_to_frames

__all__ = ["GateConfig", "GateNetwork", "gate_opening", "trace_features"]

WINDOW = 2048
"""Samples of a frame: twice those of the level networks, so that holes between tones show."""
TRACES = 3 * BANDS
"""Numbers that describe one frame of mid or of side."""

# Log odds of damage up to which nothing is changed, and from which on all is; frames to either side
# that they are averaged over (four seconds).
_SHUT, _OPEN = -1.0, 0.0
_AROUND = 344


@dataclass(frozen=True)
class GateConfig:
    """Shape of a gate network.

    Attributes
    ----------
    width : int
        Numbers that run through the stack.
    inner : int
        Width of a recurrence.
    layers : int
    both : bool
        Whether it also hears what comes after.
    """

    width: int = 128
    inner: int = 128
    layers: int = 2
    both: bool = True

    def __post_init__(self) -> None:
        for name in ("width", "inner", "layers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")


def trace_features(image: Tensor) -> Tensor:
    """What a gate network hears of a stretch.

    Parameters
    ----------
    image : Tensor [shape=(batch, 2, samples)]
        Mid and side, with whatever lies around the stretch.

    Returns
    -------
    Tensor [shape=(batch, frames, 2, 192)]
        For each of 64 bands, in decades: level, how far the mean of its bins' levels lies below
        that, how far its softest bin does. ``frames = samples // 512 - 1``, as the frames of a
        level network lie.
    """
    # Frames twice as long around the same middles.
    around = torch.nn.functional.pad(image, (HOP, HOP))
    spectra = audio_to_frames(around, WINDOW, HOP)[..., 1:]
    power = torch.view_as_real(spectra).square().sum(-1) + 10.0**FLOOR
    power = power.reshape(*power.shape[:-1], BANDS, -1)
    bins = torch.log10(power)
    level = torch.log10(power.mean(-1))
    traces = [level, bins.mean(-1) - level, bins.amin(-1) - level]
    return torch.cat(traces, dim=-1).transpose(1, 2)


class GateNetwork(nn.Module):
    """Traces of a stretch in, log odds that it was coded out.

    Parameters
    ----------
    config : GateConfig
    """

    # Decades per frame by which the reference falls, as in the generator.
    FALL = 1.7 * HOP / 44100

    def __init__(self, config: GateConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(2 * TRACES + 1, config.width)
        # Against over-fitting: clean recordings are few.
        self.drop = nn.Dropout(0.15)
        self.layers = nn.ModuleList(
            RecurrentLayer(config.width, config.inner, config.both) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width)
        self.leave = nn.Linear(config.width, 1)

    def forward(self, traces: Tensor) -> Tensor:
        """Judge every frame of a stretch by all of it.

        Parameters
        ----------
        traces : Tensor [shape=(batch, frames, 2, 192)]
            See `trace_features`.

        Returns
        -------
        Tensor [shape=(batch, frames)]
            Log odds that the signal was coded.
        """
        levels = traces[..., :BANDS]
        energy = torch.log10(torch.pow(10.0, levels).mean((2, 3)))
        slope = torch.arange(energy.shape[1], device=energy.device) * self.FALL
        reference = torch.cummax(energy + slope, dim=1)[0] - slope
        relative = (1.0 + 0.25 * (levels - reference[:, :, None, None])).clamp(-1.0, 2.0)
        flatness, holes = traces[..., BANDS : 2 * BANDS], 0.5 * traces[..., 2 * BANDS :]
        heard = torch.cat([relative, flatness, holes], dim=3).flatten(2)
        heard = torch.cat([heard, 0.25 * reference[:, :, None]], dim=2)
        x = self.enter(self.drop(heard))
        before = x.new_zeros(len(x), self.config.inner)
        for layer in self.layers:
            x, _ = layer(x, before)
        odds: Tensor = self.leave(self.norm(x)).squeeze(2)
        return odds.float()

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return asdict(self.config)


def gate_opening(odds: Tensor) -> Tensor:
    """Share of a change that is kept: none up to log odds of -1 around a frame, all from 0 on.

    Parameters
    ----------
    odds : Tensor [shape=(batch, frames)]
        From `GateNetwork`. Averaged over four seconds to either side: a recording is told apart
        more surely than a frame.

    Returns
    -------
    Tensor [shape=(batch, frames)]
        From 0 to 1.
    """
    around = torch.nn.functional.avg_pool1d(
        odds[:, None], 2 * _AROUND + 1, stride=1, padding=_AROUND, count_include_pad=False
    )[:, 0]
    return ((around - _SHUT) / (_OPEN - _SHUT)).clamp(0.0, 1.0)
