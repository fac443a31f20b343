"""The v-objective, and the deterministic sampler that goes with it.

The state at time t from 0 (data) to 1 (noise) is ``cos(a) * data + sin(a) * noise`` with
``a = t * pi / 2``; the network predicts ``v = cos(a) * noise - sin(a) * data`` (T. Salimans and
J. Ho, ICLR 2022). The sampler is DDIM (J. Song et al., ICLR 2021) without added noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from uncodec.errors import InvalidValue

__all__ = ["ddim", "mix", "split", "velocity"]


def _angles(at: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    angle = (at * (math.pi / 2)).reshape(-1, *[1] * (like.ndim - 1))
    return angle.cos(), angle.sin()


def mix(data: Tensor, noise: Tensor, at: Tensor) -> Tensor:
    """State at the times `at`, [shape=(batch,)], 0 to 1."""
    cos, sin = _angles(at, data)
    return cos * data + sin * noise


def velocity(data: Tensor, noise: Tensor, at: Tensor) -> Tensor:
    """What a network is trained to predict from the state."""
    cos, sin = _angles(at, data)
    return cos * noise - sin * data


def split(state: Tensor, predicted: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Data and noise, given a state and its v."""
    cos, sin = _angles(at, state)
    return cos * state - sin * predicted, sin * state + cos * predicted


def ddim(predict: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int) -> Tensor:
    """Lead noise to data in equal steps of time.

    Parameters
    ----------
    predict : callable
        ``predict(state, at)`` -> v, of the state's shape.
    noise : Tensor [shape=(batch, ...)]
        White, of unit variance.
    steps : int
        Calls of `predict`, at least 1.

    Raises
    ------
    InvalidValue
        `steps` is not positive.
    """
    if steps < 1:
        raise InvalidValue(f"steps={steps}: must be a positive integer")
    state = noise
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float32, device="cpu")
    for now, later in pairwise(times.tolist()):
        at = torch.full((noise.shape[0],), now, dtype=noise.dtype, device=noise.device)
        data, left = split(state, predict(state, at), at)
        state = mix(data, left, torch.full_like(at, later))
    return state
