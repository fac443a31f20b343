"""The offline restorer: a diffusion network that takes its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from uncodec.effects.base import Effect
from uncodec.effects.nodes import Node
from uncodec.errors import InvalidValue
from uncodec.live.channel_groups import ChannelGroup, group_seed
from uncodec.parameters import check_amount, check_integer, check_name, check_seed
from uncodec.signals import Array

if TYPE_CHECKING:
    from uncodec.live.stream import Stream

__all__ = ["DiffusionRestorer"]


class DiffusionRestorer(Effect):
    """Restores what a lossy codec took, as finely as it can and not in real time.

    A diffusion network leads the signal in several steps from what the live engine makes of it to
    what the recording may have been. It looks ahead as well as back, and adds its result to the
    input (output = input + amount * delta). It works on whole signals;
    `GANRestorer` streams, and `uncodec.files.render_file` renders files of any length.
    Surround sound is restored pair by pair, with another noise for each, see `channel_layout`.

    Parameters
    ----------
    steps : int
        Calls of the network, 1 to 32.
    seed : int
        Of the noise, 0 or more: another seed is another take. The same seed and input give the same
        bits.
    amount : float
        How much of the restoration is added, from 0 (the input comes back bit for bit) to 1.
    model : str or path
        Name of a released model, or a folder that holds one.
    device : str
        Where the network runs, as PyTorch names it (``"cpu"``, ``"cuda"``).
    sampler : {"ode", "sde"}
        Deterministic, or stochastic: with fresh noise in every step.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        `steps`, `seed`, `amount` or `sampler` is out of range; when called with ``reset=False``.
    ModelError
        On first use: the model cannot be loaded.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import DiffusionRestorer
    >>> coded = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    >>> DiffusionRestorer(steps=2)(coded, 44100).shape  # doctest: +SKIP
    (2, 44100)
    """

    _touches_lfe = False

    def __init__(
        self,
        steps: int = 8,
        seed: int = 0,
        amount: float = 1.0,
        model: str | os.PathLike[str] = "diffusion",
        device: str = "cpu",
        sampler: str = "ode",
    ) -> None:
        super().__init__()
        self.steps = steps
        self.seed = seed
        self.amount = amount
        self.model = model
        self.device = device
        self.sampler = sampler

    @property
    def steps(self) -> int:
        """Calls of the network, 1 to 32."""
        return self._steps

    @steps.setter
    def steps(self, value: int) -> None:
        self._steps = check_integer("steps", value, 1, 32)

    @property
    def seed(self) -> int:
        """Seed of the noise, 0 or more."""
        return self._seed

    @seed.setter
    def seed(self, value: int) -> None:
        self._seed = check_seed(value)

    @property
    def amount(self) -> float:
        """How much of the restoration is added, 0 to 1."""
        return self._amount

    @amount.setter
    def amount(self, value: float) -> None:
        self._amount = check_amount(value)

    @property
    def model(self) -> str:
        """Name or folder of the model."""
        return self._model

    @model.setter
    def model(self, value: str | os.PathLike[str]) -> None:
        name = os.fspath(value) if isinstance(value, os.PathLike) else value
        self._model = check_name("model", name)

    @property
    def device(self) -> str:
        """Where the network runs."""
        return self._device

    @device.setter
    def device(self, value: str) -> None:
        self._device = check_name("device", value)

    @property
    def sampler(self) -> str:
        """``"ode"`` (deterministic) or ``"sde"`` (stochastic)."""
        return self._sampler

    @sampler.setter
    def sampler(self, value: str) -> None:
        if check_name("sampler", value) not in ("ode", "sde"):
            raise InvalidValue(f"sampler={value!r}: must be 'ode' or 'sde'")
        self._sampler = value

    @property
    def latency_samples(self) -> int:
        """0: it does not stream, and the result of a whole signal is aligned to it."""
        return 0

    def _open(self, sample_rate: float, channels: int) -> Stream:
        return self._open_group(sample_rate, channels, 0)

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        # Imported on first use: it brings torch, which takes seconds to load.
        from uncodec.diffusion.stream import open_diffusion

        return open_diffusion(
            self._model,
            sample_rate=sample_rate,
            channels=channels,
            steps=self._steps,
            seed=group_seed(self._seed, number),
            amount=self._amount,
            sampler=self._sampler,
            device=self._device,
        )

    def _node(self, sample_rate: float, channels: int, channel_layout: str | None) -> Node:
        def open_group(number: int, count: int) -> Stream:
            return self._open_group(sample_rate, count, number)

        return _OfflineNode(self._groups(channels, channel_layout), open_group)


class _OfflineNode(Node):
    """Takes one whole signal, and says so when it gets a block."""

    latency = 0
    holds = False
    streams = False

    _BLOCK = 65536

    def __init__(
        self, groups: Sequence[ChannelGroup], open_group: Callable[[int, int], Stream]
    ) -> None:
        self._groups = groups
        self._open = open_group
        self._channels = sum(len(group.channels) for group in groups)

    def whole(self, audio: Array, buffer_size: int) -> Array:
        out: Array = audio.copy()
        number = 0
        for group in self._groups:
            if group.touched:
                # One after another: a stream holds many seconds of audio for each step.
                places = list(group.channels)
                out[places] = self._restored(self._open(number, len(places)), audio[places])
                number += 1
        return out

    def _restored(self, stream: Stream, audio: Array) -> Array:
        late = stream.latency_samples
        # The stream is late by many seconds and moves all of them with every block.
        size = max(self._BLOCK, late // 8)
        out: Array = np.empty_like(audio)
        silence = np.zeros((audio.shape[0], size), np.float32)
        for start in range(0, audio.shape[1] + late, size):
            block = audio[:, start : start + size]
            count = min(size, audio.shape[1] + late - start)
            if block.shape[1] < count:
                block = np.concatenate([block, silence[:, : count - block.shape[1]]], axis=1)
            ready = stream.process(np.ascontiguousarray(block))
            first, last = max(0, start - late), start + count - late
            if last > first:
                out[:, first:last] = ready[:, -(last - first) :]
        return out

    def push(self, audio: Array, buffer_size: int) -> Array:
        raise InvalidValue(
            "reset=False: DiffusionRestorer works offline, on whole signals: call it with "
            "reset=True, use GANRestorer to stream, or render_file for long files"
        )

    def drain(self, buffer_size: int) -> Array:
        return np.zeros((self._channels, 0), np.float32)
