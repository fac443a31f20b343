"""Gates: was a signal coded at all?

A recording whose treble is empty by nature looks like one whose treble a codec took. What tells
them apart shows over seconds: how steeply bands end and whether they always end alike, holes in the
spectrum, bands that come and go with the frames of a codec. A gate network hears that, and nothing
of the sound itself. The offline engine has one that hears a stretch from both sides, the live
engine one that hears what was.
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

__all__ = ["GateConfig", "GateNetwork", "frame_traces", "gate_opening", "trace_features"]

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
    window : int
        Samples of a frame, a multiple of 1,024.
    """

    width: int = 128
    inner: int = 128
    layers: int = 2
    both: bool = True
    window: int = WINDOW

    def __post_init__(self) -> None:
        for name in ("width", "inner", "layers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")
        if self.window < 2 * HOP or self.window % (2 * HOP):
            raise InvalidValue(f"window={self.window}: must be a multiple of {2 * HOP}")

    def initial_state(
        self, batch: int, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor, Tensor]:
        """State of `GatedGenerator`'s gate before the first frame.

        Returns
        -------
        reference : Tensor [shape=(batch, 1)]
        recurrences : Tensor [shape=(layers, batch, inner)]
        lately : Tensor [shape=(batch, 2)]
            Sum of odds and number of frames, both of what was lately.
        """
        return (
            torch.full((batch, 1), FLOOR, device=device),
            torch.zeros(self.layers, batch, self.inner, device=device),
            torch.zeros(batch, 2, device=device),
        )


def trace_features(image: Tensor, window: int = WINDOW) -> Tensor:
    """What a gate network hears of a stretch.

    Parameters
    ----------
    image : Tensor [shape=(batch, 2, samples)]
        Mid and side, with whatever lies around the stretch.
    window : int
        Samples of a frame, a multiple of 1,024.

    Returns
    -------
    Tensor [shape=(batch, frames, 2, 192)]
        For each of 64 bands, in decades: level, how far the mean of its bins' levels lies below
        that, how far its softest bin does. ``frames = samples // 512 - 1``, as the frames of a
        level network lie.
    """
    # Whatever their length, frames lie around the same middles.
    beyond = window // 2 - HOP
    around = torch.nn.functional.pad(image, (beyond, beyond))
    return frame_traces(torch.view_as_real(audio_to_frames(around, window, HOP)))


def frame_traces(spectra: Tensor, bands: int = BANDS, floor: float = 10.0**FLOOR) -> Tensor:
    """`trace_features` of frames, real views of spectra [shape=(batch, 2, frames, bins, 2)]."""
    power = spectra[:, :, :, 1:].square().sum(4) + floor
    power = power.reshape([power.shape[0], power.shape[1], power.shape[2], bands, -1])
    bins = torch.log10(power)
    level = torch.log10(power.mean(4))
    traces = [level, bins.mean(4) - level, bins.amin(4) - level]
    return torch.cat(traces, dim=3).transpose(1, 2)


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
        # As attributes, for TorchScript knows no module's constants.
        self.bands, self.fall, self.floor, self.inner = BANDS, self.FALL, FLOOR, config.inner
        self.enter = nn.Linear(2 * TRACES + 1, config.width)
        # Against over-fitting: clean recordings are few.
        self.drop = nn.Dropout(0.15)
        self.layers = nn.ModuleList(
            RecurrentLayer(config.width, config.inner, config.both) for _ in range(config.layers)
        )
        self.norm = nn.RMSNorm(config.width)
        self.leave = nn.Linear(config.width, 1)

    def forward(self, traces: Tensor) -> Tensor:
        """Judge every frame of a stretch by all of it; one direction, by what was before it.

        Parameters
        ----------
        traces : Tensor [shape=(batch, frames, 2, 192)]
            See `trace_features`.

        Returns
        -------
        Tensor [shape=(batch, frames)]
            Log odds that the signal was coded.
        """
        batch = traces.shape[0]
        held = torch.full([batch, 1], self.floor, device=traces.device)
        recurrent = torch.zeros([len(self.layers), batch, self.inner], device=traces.device)
        return self.follow(traces, (held, recurrent))[0]

    @torch.jit.export
    def follow(
        self, traces: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`forward` of a run of frames, and the state behind them.

        `state` is the first part of `GateConfig.initial_state`, or that of the call before. A
        network with both directions begins anew in every call.
        """
        held, recurrent = state
        bands = self.bands
        levels = traces[..., :bands]
        energy = torch.log10(torch.pow(10.0, levels).mean((2, 3)))
        slope = torch.arange(1, energy.shape[1] + 1, device=energy.device) * self.fall
        reference = torch.cummax(torch.cat([held, energy + slope], dim=1), dim=1)[0][:, 1:] - slope
        relative = (1.0 + 0.25 * (levels - reference[:, :, None, None])).clamp(-1.0, 2.0)
        flatness, holes = traces[..., bands : 2 * bands], 0.5 * traces[..., 2 * bands :]
        heard = torch.cat([relative, flatness, holes], dim=3).flatten(2)
        x = self.enter(self.drop(torch.cat([heard, 0.25 * reference[:, :, None]], dim=2)))
        after: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            x, last = layer(x, recurrent[number])
            after.append(last)
        odds = self.leave(self.norm(x)).squeeze(2)
        return odds.float(), (reference[:, -1:], torch.stack(after))

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
