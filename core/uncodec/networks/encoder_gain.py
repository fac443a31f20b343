"""Encoder gain: undoing what an encoder took off a whole signal before it coded it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GROUP", "TURNED_DOWN", "EncoderGain"]

TURNED_DOWN = 0.95
"""What LAME multiplies a signal by before it codes it at a constant rate."""
GROUP = 16
"""Bins of a group."""
STATISTICS = 8
"""Numbers that are kept of a group, four for mid and four for side."""


class EncoderGain(nn.Module):
    """Hears over seconds which encoder it was, and turns the signal up again.

    Encoders leave different patterns of holes: how often a bin lies far below the strongest of its
    neighbours, and how far, group by group of 16 bins, averaged over time, tells them apart. The
    average falls off into the past, so that a stream may change. The gain that comes of it is as
    steady as the average and costs no fidelity; one that every frame chose anew would flicker.

    Parameters
    ----------
    bins : int
        Of a frame.
    hop : int
        In samples.
    """

    # Seconds, at 44.1 kHz, that the average reaches back, and that the gain takes to come up.
    SECONDS = 10.0
    RISE = 0.5
    # Log odds from which on there is a gain, and from 1 above which on the whole.
    ENOUGH = 1.0
    # log10 of power that counts as nothing.
    FLOOR = 1e-12
    EMPTY = -8.0

    def __init__(self, bins: int, hop: int) -> None:
        super().__init__()
        self.groups = (bins - 1) // GROUP
        self.group = GROUP
        self.statistics = STATISTICS * self.groups
        self.keep = 1.0 - hop / (44100 * self.SECONDS)
        self.rise = self.RISE * 44100 / hop
        self.enough = self.ENOUGH
        self.floor = self.FLOOR
        self.empty = self.EMPTY
        self.gain = 1.0 / TURNED_DOWN - 1.0
        self.weigh = nn.Linear(self.statistics, 48)
        self.judge = nn.Linear(48, 1)
        # Until it has learned to judge there is no gain.
        nn.init.zeros_(self.judge.weight)
        nn.init.constant_(self.judge.bias, -8.0)

    def holes(self, coded: Tensor) -> Tensor:
        """Statistics of the holes of each frame.

        Parameters
        ----------
        coded : Tensor [shape=(batch, 2, frames, bins, 2)]
            Real view of the spectra of mid and side.

        Returns
        -------
        Tensor [shape=(batch, frames, 8 * groups)]
        """
        batch, _, frames, _, _ = coded.shape
        level = torch.log10(coded[:, :, :, 1:].square().sum(4) + self.floor)
        level = level[..., : self.groups * self.group]
        level = level.reshape(batch, 2, frames, self.groups, self.group)
        peak = level.amax(4, keepdim=True)
        below = level - peak
        found = torch.stack(
            [
                (below < -3.0).to(level.dtype).mean(4),
                (below < -1.5).to(level.dtype).mean(4),
                (peak < self.empty).to(level.dtype)[..., 0],
                0.25 * below.mean(4),
            ],
            dim=2,
        )
        return found.permute(0, 3, 1, 2, 4).reshape(batch, frames, self.statistics)

    def odds(self, holes: Tensor) -> Tensor:
        """Log odds that the signal was turned down, of averages of `holes` along dimension -1."""
        laid = torch.nn.functional.silu(self.weigh(holes))
        odds: Tensor = self.judge(laid)
        return odds[..., 0]

    def forward(
        self, coded: Tensor, damage: Tensor, sounding: Tensor, heard: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gain less 1 of each frame, out of all that was heard up to it.

        Parameters
        ----------
        coded : Tensor [shape=(batch, 2, frames, bins, 2)]
        damage : Tensor [shape=(batch, frames)]
            Log odds that the signal is damaged: there is no gain where it may not be.
        sounding : Tensor [shape=(batch, frames)]
            0 for silence, which tells nothing, else 1.
        heard : Tensor [shape=(batch, 8 * groups + 2)]
            Sums so far: of the statistics, of the odds of damage, and of the frames.

        Returns
        -------
        gain : Tensor [shape=(batch, frames)]
        heard : Tensor [shape=(batch, 8 * groups + 2)]
        """
        now = torch.cat([self.holes(coded), damage[:, :, None].clamp(-8.0, 8.0)], dim=2)
        now = torch.cat([now, torch.ones_like(now[:, :, :1])], dim=2) * sounding[:, :, None]
        frames = now.shape[1]
        place = torch.arange(frames, device=now.device, dtype=now.dtype)
        age = place[:, None] - place[None, :]
        weight = torch.where(age >= 0, self.keep ** age.clamp(min=0.0), 0.0)
        sums = weight @ now + heard[:, None] * (self.keep ** (place + 1.0))[:, None]
        count = sums[:, :, -1]
        means = sums[:, :, :-1] / count.clamp(min=1.0)[:, :, None]
        sure = torch.minimum(self.odds(means[:, :, :-1]), means[:, :, -1])
        gain = (sure - self.enough).clamp(0.0, 1.0) * (count / self.rise).clamp(max=1.0)
        return self.gain * gain, sums[:, -1]
