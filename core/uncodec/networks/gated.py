"""A levelled generator whose delta passes a gate: what was never coded is left alone.

The gate network hears the same frames as the generator, and only what was. Both say how likely the
sound was coded, and err on different sounds: their log odds are added. What they say of a single
frame is unsure, so the sum is averaged over what sounded lately. The generator's own gate is at
rest then.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uncodec.networks.gate import GateNetwork, frame_traces
from uncodec.networks.levelled import LevelledGenerator
from uncodec.networks.levelled import State as LevelledState

__all__ = ["LENIENCY", "GatedGenerator", "LatelyOpened", "lately_opening"]

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


LENIENCY = 30.0
"""Log odds that keep the generator's own gate open."""


class LatelyOpened(nn.Module):
    """How far the gate opens, from the log odds of the frames up to now.

    Attributes
    ----------
    most : float
        The generator's log odds count up to that, and down to its negative.
    keep : float
        By how much a frame counts less with each that comes after it.
    before, frames : float
        Log odds before anything was heard, and for how many frames they count.
    shut, open : float
        Mean log odds up to which nothing is changed, and from which on everything is.
    """

    KEEP, BEFORE, FRAMES = 1.0 - 1.0 / 86.0, 0.0, 5.0
    SHUT, OPEN = 1.0, 2.0
    MOST = 8.0

    def __init__(self) -> None:
        super().__init__()
        # As attributes, for TorchScript knows no module's constants.
        self.keep, self.before, self.frames = self.KEEP, self.BEFORE, self.FRAMES
        self.shut, self.wide, self.most = self.SHUT, self.OPEN - self.SHUT, self.MOST

    @classmethod
    def opening_of(cls, odds: float, frames: float) -> float:
        """Opening after `frames` whose log odds sum up to `odds`, from 0 to 1."""
        mean = (odds + cls.BEFORE * cls.FRAMES) / (frames + cls.FRAMES)
        return min(max((mean - cls.SHUT) / (cls.OPEN - cls.SHUT), 0.0), 1.0)

    def forward(
        self, odds: Tensor, damage: Tensor, sounds: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Open for a run of frames.

        Parameters
        ----------
        odds, damage, sounds : Tensor [shape=(batch, frames)]
            Log odds that the signal was coded, of the gate network and of the generator; 1 where a
            frame sounds, 0 where not.
        state : Tensor [shape=(batch, 2)]
            Sum of odds and number of frames, both of what was lately; zeros before the first frame.

        Returns
        -------
        opening : Tensor [shape=(batch, frames)]
            From 0 to 1.
        state : Tensor [shape=(batch, 2)]
        """
        odds = odds + damage.clamp(-self.most, self.most)
        openings: list[Tensor] = []
        for frame in range(odds.shape[1]):
            now = sounds[:, frame : frame + 1]
            heard = torch.cat([now * odds[:, frame : frame + 1], now], dim=1)
            # Silence says nothing, and nothing is forgotten while it lasts.
            state = state * (1.0 - (1.0 - self.keep) * now) + heard
            mean = (state[:, 0] + self.before * self.frames) / (state[:, 1] + self.frames)
            openings.append(((mean - self.shut) / self.wide).clamp(0.0, 1.0))
        return torch.stack(openings, dim=1), state


def lately_opening(odds: Tensor) -> Tensor:
    """`LatelyOpened` over whole recordings that sound throughout, [shape=(batch, frames)].

    As if the generator said the same as the gate network.
    """
    sounds, state = torch.ones_like(odds), odds.new_zeros(len(odds), 2)
    opening: Tensor = LatelyOpened()(odds, odds, sounds, state)[0]
    return opening


class GatedGenerator(nn.Module):
    """A levelled generator and a gate network over the same frames, as one network.

    Parameters
    ----------
    network : LevelledGenerator
        The gate of its generator is put at rest.
    gate : GateNetwork
        Of one direction, and of windows of 1,024 samples.
    """

    def __init__(self, network: LevelledGenerator, gate: GateNetwork) -> None:
        super().__init__()
        self.network, self.gate, self.opening = network, gate, LatelyOpened()
        network.generator.leniency = LENIENCY
        self.config = network.config
        self.silence = network.generator.silence

    def forward(self, spectra: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """`LevelledGenerator.forward` behind the gate; three tensors of state more."""
        own: LevelledState = (
            state[0],
            state[1],
            state[2],
            state[3],
            state[4],
            state[5],
            state[6],
        )
        delta, damage, own = self.network(spectra, own)
        traces = frame_traces(spectra[:, 0:2])
        odds, (held, recurrent) = self.gate.follow(traces, (state[7], state[8]))
        power = spectra[:, 0:2, :, 1:].square().sum(4).mean((1, 3))
        sounds = (torch.log10(power + self.network.generator.floor) > self.silence).to(odds.dtype)
        opening, lately = self.opening(odds, damage, sounds, state[9])
        delta = delta * opening[:, None, :, None, None]
        return delta, damage, (*own, held, recurrent, lately)
