"""A small 1-D U-Net over frames, for the members of the diffusion study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UNet1d"]


class _Block(nn.Module):
    """Two convolutions around which the input is carried, scaled and shifted by the time."""

    def __init__(self, width: int, time_width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first = nn.Conv1d(width, width, 3, padding=1)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        self.film = nn.Linear(time_width, 2 * width)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        scale, shift = self.film(time)[..., None].chunk(2, 1)
        y = self.first(functional.silu(self.norm(x) * (1 + scale) + shift))
        out: Tensor = x + self.second(functional.silu(y))
        return out


class UNet1d(nn.Module):
    """U-Net (O. Ronneberger et al., MICCAI 2015) along time, told the time of a diffusion process.

    Each level below the first has half the frames. The first layer reads patches, so that it can
    stand on a waveform without a level for each octave of time.

    Parameters
    ----------
    inputs, outputs : int
        Channels in and out.
    widths : sequence of int
        Channels of each level.
    patch : int
        Frames that the first layer takes, and the last layer gives, together.
    """

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], patch: int = 1) -> None:
        super().__init__()
        self.patch = patch
        self.multiple = patch * 2 ** (len(widths) - 1)
        time_width = widths[0]
        self.time = nn.Sequential(
            nn.Linear(32, time_width), nn.SiLU(), nn.Linear(time_width, time_width), nn.SiLU()
        )
        self.enter = nn.Conv1d(inputs, widths[0], patch, stride=patch)
        self.down = nn.ModuleList(_Block(width, time_width) for width in widths)
        self.up = nn.ModuleList(_Block(width, time_width) for width in widths)
        steps = list(pairwise(widths))
        self.shrink = nn.ModuleList(nn.Conv1d(a, b, 2, stride=2) for a, b in steps)
        self.grow = nn.ModuleList(nn.ConvTranspose1d(b, a, 2, stride=2) for a, b in steps)
        self.leave = nn.ConvTranspose1d(widths[0], outputs, patch, stride=patch)

    def forward(self, x: Tensor, at: Tensor) -> Tensor:
        """Map frames to frames.

        Parameters
        ----------
        x : Tensor [shape=(batch, inputs, frames)]
        at : Tensor [shape=(batch,)]
            Time of the process, 0 (data) to 1 (noise).

        Returns
        -------
        Tensor [shape=(batch, outputs, frames)]
        """
        frames = x.shape[-1]
        x = functional.pad(x, (0, -frames % self.multiple))
        rates = math.pi * 2.0 ** torch.linspace(-1, 6, 16, dtype=torch.float32, device=x.device)
        phase = at[:, None] * rates
        time = self.time(torch.cat([phase.sin(), phase.cos()], -1))
        x = self.enter(x)
        kept: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x, time)
            if level < len(self.shrink):
                kept.append(x)
                x = self.shrink[level](x)
        for level in reversed(range(len(self.up))):
            if level < len(self.grow):
                x = self.grow[level](x) + kept[level]
            x = self.up[level](x, time)
        out: Tensor = self.leave(x)[..., :frames]
        return out
