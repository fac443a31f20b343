"""Runs the members of the diffusion study on whole signals."""

from __future__ import annotations

import os

import numpy as np
import torch

from uncodec.diffusion.ddim import ddim
from uncodec.errors import InvalidValue
from uncodec.networks.store import load_study
from uncodec.networks.study import StudyNetwork
from uncodec.parameters import check_seed
from uncodec.signals import Array

__all__ = ["StudyRestorer"]


# Multiples of what every representation takes for a frame.
_PIECE, _OVERLAP = 131072, 16384
_NOISE = 1024  # frames whose noise is drawn together


class StudyRestorer:
    """Regenerates a coded signal from noise, channel by channel; see `uncodec.networks.study`.

    Made for comparison: it keeps nothing of the input, and recordings longer than three seconds go
    in overlapping pieces that are faded into each other. The noise belongs to absolute places, so
    the same seed and input give the same result. Sounds at any sample rate are taken as they are.

    Parameters
    ----------
    model : str or path
    steps : int
        Calls of the network, 1 to 256.
    seed : int
        Of the noise, from 0 to 2**64 - 1.

    Raises
    ------
    InvalidValue
        `steps` or `seed` is out of range.
    ModelError
        The model cannot be loaded.
    """

    def __init__(self, model: str | os.PathLike[str], steps: int = 16, seed: int = 0) -> None:
        if not 1 <= steps <= 256:
            raise InvalidValue(f"steps={steps}: must be from 1 to 256")
        self.steps, self.seed = steps, check_seed(seed)
        self._network: StudyNetwork = load_study(model)

    def __call__(self, audio: Array, sample_rate: float) -> Array:
        """Restore [shape=(channels, samples)] to the same shape, aligned."""
        samples = audio.shape[1]
        coded = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))
        if samples == 0:
            return coded.numpy().copy()
        gain = self._network.gain(coded)
        out = torch.zeros_like(coded)
        stride = _PIECE - _OVERLAP
        rise = torch.linspace(0, 1, _OVERLAP, dtype=coded.dtype, device=coded.device)
        for first in range(0, max(1, samples - _OVERLAP), stride):
            piece = self._restore(coded[:, first : first + _PIECE] * gain, first)
            if first:
                ramp = rise[: piece.shape[1]]
                piece[:, : len(ramp)] *= ramp
                out[:, first : first + len(ramp)] *= 1 - ramp
            out[:, first : first + piece.shape[1]] += piece
        # Silence has no level to be brought to, and stays silent.
        return (out / gain * (coded.abs().amax(1, keepdim=True) > 0)).numpy()

    @torch.no_grad()
    def _restore(self, coded: torch.Tensor, first: int) -> torch.Tensor:
        shape = self._network.representation
        samples = coded.shape[1]
        padded = torch.nn.functional.pad(coded, (0, -samples % 1024))
        condition = shape.condition(padded)
        frames = shape.to_state(padded).shape[-1]
        place = first // shape.samples_per_frame
        noise = torch.from_numpy(self._noise(place, frames, shape.channels))
        noise = noise.expand(coded.shape[0], -1, -1)
        state = ddim(lambda x, at: self._network(x, condition, at), noise, self.steps)
        made: torch.Tensor = shape.to_audio(state)[:, :samples].clone()
        return made

    def _noise(self, first: int, frames: int, channels: int) -> Array:
        """The noise of absolute frames, alike for all channels of the sound."""
        blocks = range(first // _NOISE, (first + frames - 1) // _NOISE + 1)
        drawn = [
            np.random.default_rng([self.seed, block]).standard_normal((channels, _NOISE))
            for block in blocks
        ]
        start = first % _NOISE
        return np.concatenate(drawn, 1)[None, :, start : start + frames].astype(np.float32)
