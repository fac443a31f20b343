"""The offline restorer: a diffusion network that takes its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from uncodec.effects.parameter import Parameter
from uncodec.effects.reference import Reference
from uncodec.effects.restorer import Restorer
from uncodec.errors import InvalidValue
from uncodec.parameters import (
    DEFAULT_STEPS,
    check_device,
    check_model,
    check_sampler,
    check_seed,
    check_steps,
)
from uncodec.signals import Array
from uncodec.streams.aligned import BUFFER_SIZE, Aligned, AlignedStream
from uncodec.streams.channel_groups import ChannelGroup, group_seed

if TYPE_CHECKING:
    from uncodec.streams.stream import Stream

__all__ = ["DiffusionRestorer"]


class DiffusionRestorer(Restorer):
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
    brightness_db : float
        Tilts what is added, from -12 (darker) to 12 dB (brighter): nothing up to 2 kHz, all of it
        from 16 kHz on. What was there stays as it is.
    like : path, (audio, sample_rate) or Balance, optional
        A reference, such as a lossless song of the same album; a folder is the mean of what is in
        it. What is added is drawn towards its tonal balance, by 12 dB at most.
    like_amount : float
        How far towards the reference, 0 to 1.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        `steps`, `seed`, `amount`, `sampler`, `brightness_db` or `like_amount` is out of range;
        `like` holds no sound; when called with ``reset=False``.
    AudioFileError
        `like` is a file that cannot be read.
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

    steps = Parameter(check_steps, "Calls of the network, 1 to 32.")
    seed = Parameter(check_seed, "Seed of the noise, 0 or more.")
    model = Parameter(check_model, "Name or folder of the model.")
    device = Parameter(check_device, "Where the network runs.")
    sampler = Parameter(check_sampler, "``ode`` (deterministic) or ``sde`` (stochastic).")

    def __init__(
        self,
        steps: int = DEFAULT_STEPS,
        seed: int = 0,
        amount: float = 1.0,
        model: str | os.PathLike[str] = "diffusion",
        device: str = "cpu",
        sampler: str = "ode",
        brightness_db: float = 0.0,
        like: Reference | None = None,
        like_amount: float = 1.0,
    ) -> None:
        super().__init__(amount, brightness_db, like, like_amount)
        self.steps = steps
        self.seed = seed
        self.model = model
        self.device = device
        self.sampler = sampler

    @property
    def latency_samples(self) -> int:
        """0: it does not stream, and the result of a whole signal is aligned to it."""
        return 0

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        # Imported on first use: it brings torch, which takes seconds to load.
        from uncodec.diffusion.stream import open_diffusion

        return open_diffusion(
            self.model,
            sample_rate=sample_rate,
            channels=channels,
            steps=self.steps,
            seed=group_seed(self.seed, number),
            amount=self.amount,
            sampler=self.sampler,
            device=self.device,
            brightness_db=self.brightness_db,
            like=self._wanted_like,
        )

    def _aligned(self, sample_rate: float, channels: int, channel_layout: str | None) -> Aligned:
        def open_group(number: int, count: int) -> Stream:
            return self._open_group(sample_rate, count, number)

        return _WholeSignals(self._groups(channels, channel_layout), open_group)


class _WholeSignals(Aligned):
    """Takes one whole signal, and says so when it gets a block."""

    latency = 0
    holds = False
    streams = False

    def __init__(
        self, groups: Sequence[ChannelGroup], open_group: Callable[[int, int], Stream]
    ) -> None:
        self._groups = groups
        self._open = open_group
        self._channels = sum(len(group.channels) for group in groups)

    def whole(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        out: Array = audio.copy()
        for number, group in enumerate(group for group in self._groups if group.touched):
            # One after another: a stream holds many seconds of audio for each step.
            places = list(group.channels)
            stream = AlignedStream(self._open(number, len(places)))
            out[places] = np.concatenate([stream.push(audio[places]), stream.finish()], axis=1)
        return out

    def push(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        raise InvalidValue(
            "reset=False: DiffusionRestorer works offline, on whole signals: call it with "
            "reset=True, use GANRestorer to stream, or render_file for long files"
        )

    def finish(self, size: int = BUFFER_SIZE) -> Array:
        return np.zeros((self._channels, 0), np.float32)
