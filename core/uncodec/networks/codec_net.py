"""A small classifier that hears what a signal went through: codec, bit rate and cut-off.

It serves twice: it tells a user what a file was coded with, and its inner layers are the frozen
feature network of the projected adversary (`uncodec.networks.discriminators`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.spectra import audio_to_frames, mid_side

__all__ = ["CODEC_NAMES", "CodecNet", "CodecNetConfig", "codec_levels"]

CODEC_NAMES = ("clean", "mp3", "aac", "opus", "vorbis")
"""What the classifier tells apart, in the order of its outputs."""

WINDOW, HOP = 1024, 512
BINS = WINDOW // 2


@dataclass(frozen=True)
class CodecNetConfig:
    """Shape of a classifier.

    Attributes
    ----------
    widths : tuple of 4 int
        Channels of the four scales, from fine to coarse.
    hidden : int
        Width of the layer before the answers.
    """

    widths: tuple[int, int, int, int] = (16, 32, 64, 64)
    hidden: int = 128

    def __post_init__(self) -> None:
        # A header read back has a list.
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.widths) != 4 or min(*self.widths, self.hidden) < 1:
            raise InvalidValue(f"widths={self.widths}: must be four positive integers")


def codec_levels(audio: Tensor) -> Tensor:
    """Levels of mid and side, what the classifier looks at; differentiable.

    Parameters
    ----------
    audio : Tensor [shape=(batch, 2, samples)]
        Left and right at 44.1 or 48 kHz, 1024 samples or more.

    Returns
    -------
    Tensor [shape=(batch, 2, frames, 512)]
        log10 of power relative to the loudest frame, scaled to -1 (nothing) to about 1.
    """
    frames = audio_to_frames(mid_side(audio), WINDOW, HOP)[..., 1:]
    power = frames.real.square() + frames.imag.square()
    loudest = power.mean(-1).amax((1, 2)).clamp_min(1e-6)[:, None, None, None]
    return 0.25 * torch.log10(power / loudest + 1e-8) + 1.0


class CodecNet(nn.Module):
    """Convolutions at four scales, and three answers.

    Parameters
    ----------
    config : CodecNetConfig
    """

    def __init__(self, config: CodecNetConfig | None = None) -> None:
        super().__init__()
        self.config = config or CodecNetConfig()
        widths = self.config.widths
        shapes = [(2, 8, 4), (widths[0], 4, 2), (widths[1], 4, 2), (widths[2], 4, 2)]
        self.scales = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(
                    before, after, (4, size), stride=(2, step), padding=(1, (size - step) // 2)
                ),
                nn.GroupNorm(4, after),
                nn.LeakyReLU(0.2),
            )
            for (before, size, step), after in zip(shapes, widths, strict=True)
        )
        self.hide = nn.Linear(widths[3] * (BINS // 32), self.config.hidden)
        self.answer = nn.Linear(self.config.hidden, len(CODEC_NAMES) + 2)

    def features(self, levels: Tensor) -> list[Tensor]:
        """Maps of the four scales, [shape=(batch, width, frames / 2**k, 128 / 2**(k - 1))]."""
        found = []
        for scale in self.scales:
            levels = scale(levels)
            found.append(levels)
        return found

    def forward(self, levels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Judge signals.

        Parameters
        ----------
        levels : Tensor [shape=(batch, 2, frames, 512)]
            From `codec_levels`, 16 frames or more.

        Returns
        -------
        codec : Tensor [shape=(batch, 5)]
            Log odds in the order of `CODEC_NAMES`.
        octaves : Tensor [shape=(batch,)]
            log2 of the bit rate in units of 32 kb/s; without meaning for a clean signal.
        cutoff : Tensor [shape=(batch,)]
            Where the spectrum ends, from 0 to 1 for half the sample rate.
        """
        # Over time the mean; along frequency the place matters.
        coarse = self.features(levels)[-1].mean(2).flatten(1)
        answers = self.answer(nn.functional.silu(self.hide(coarse)))
        count = len(CODEC_NAMES)
        return answers[:, :count], answers[:, count], torch.sigmoid(answers[:, count + 1])

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return {**asdict(self.config), "widths": list(self.config.widths)}
