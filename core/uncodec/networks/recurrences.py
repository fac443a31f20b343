"""Layers that remember: gated linear recurrences, which are cheap on a processor.

They are minimal GRUs (L. Feng et al., "Were RNNs all we needed?", 2024; of the same family: S. De
et al., "Griffin", 2024) with feed-forward layers behind them. Nearly all of their work is in
products of matrices over many frames at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["RecurrentLayer"]


class RecurrentLayer(nn.Module):
    """A recurrence and a feed-forward layer, both around what runs through.

    Parameters
    ----------
    width : int
        Numbers that run through.
    inner : int
        Width of the recurrence.
    both : bool
        Whether it also hears what comes after.
    """

    def __init__(self, width: int, inner: int, both: bool) -> None:
        super().__init__()
        self.both, self.inner = both, inner
        ways = 2 if both else 1
        self.norm = nn.RMSNorm(width)
        # Candidate and gate for each direction, and one gate for what comes out.
        self.mix = nn.Linear(width, ways * 3 * inner)
        self.out = nn.Linear(ways * inner, width)
        self.norm_forward = nn.RMSNorm(width)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(0.05)
        with torch.no_grad():
            self.out.weight.mul_(0.5)
            self.down.weight.mul_(0.5)
            # Memories from a frame to some ten seconds.
            gates = self.mix.bias.view(ways, 3, inner)[:, 1]
            gates.copy_(torch.linspace(0.0, -7.0, inner).expand_as(gates))

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Mix a run of frames over time.

        Parameters
        ----------
        x : Tensor [shape=(batch, frames, width)]
        before : Tensor [shape=(batch, inner)]
            What the recurrence remembers before the first frame, in either direction.

        Returns
        -------
        x : Tensor [shape=(batch, frames, width)]
        last : Tensor [shape=(batch, inner)]
            What it remembers behind the last frame.
        """
        mixed = self.mix(self.norm(x)).unflatten(2, [-1, 3, self.inner])
        candidate, gate, open_ = mixed.unbind(3)
        update = torch.sigmoid(gate.float())
        value = update * candidate.float()
        keep = 1.0 - update
        run, last = _recur(keep[:, :, 0], value[:, :, 0], before)
        if self.both:
            back, _ = _recur(keep[:, :, 1].flip(1), value[:, :, 1].flip(1), before)
            run = torch.stack([run, back.flip(1)], dim=2)
        else:
            run = run[:, :, None]
        passed = (run.to(open_.dtype) * torch.nn.functional.silu(open_)).flatten(2)
        x = x + self.dropout(self.out(passed))
        fed = torch.nn.functional.silu(self.up(self.norm_forward(x)))
        return x + self.dropout(self.down(fed)), last


def _recur(keep: Tensor, value: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """h[t] = keep[t] * h[t - 1] + value[t] along dimension 1."""
    state = before
    states: list[Tensor] = []
    kept, fresh = keep.unbind(1), value.unbind(1)
    for frame in range(keep.shape[1]):
        state = torch.addcmul(fresh[frame], kept[frame], state)
        states.append(state)
    return torch.stack(states, dim=1), state
