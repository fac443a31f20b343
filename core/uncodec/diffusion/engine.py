"""One step of the restoration on a stretch of audio, free of any trace of where it was cut.

A sample of the result depends on a known number of samples around it. A stretch is computed with so
many more on either side (the margin), which are then dropped: neighbouring stretches overlap, agree
where they do, and meet without a seam wherever the cut is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from uncodec.diffusion.flow_path import advance, time_grid
from uncodec.diffusion.level_stage import LevelStage, hold_to_bound
from uncodec.errors import InvalidValue, UncodecError
from uncodec.live.engine import DeltaEngine
from uncodec.networks import LoadedDiffusion
from uncodec.networks.diffusion import JUDGED
from uncodec.networks.diffusion_scene import look_at
from uncodec.networks.spectra import audio_to_frames, change_to_audio, frames_to_audio
from uncodec.parameters import (
    CHUNK,
    DEFAULT_STEPS,
    Sampler,
    check_sampler,
    check_seed,
    check_steps,
)
from uncodec.signals import Array
from uncodec.streams.brightness import Brightness
from uncodec.streams.noise import HopNoise

__all__ = [
    "CHURN",
    "DiffusionEngine",
]

CHURN = 0.5
"""Share of the amplitude that the stochastic sampler gives other phases in each step."""

# Frames that a piece is not cut below when memory runs out.
_SMALLEST_PIECE = 64


class DiffusionEngine:
    """Runs the steps of a sampler, each on stretches of any length.

    Parameters
    ----------
    model : LoadedDiffusion
    steps : int
        Calls of the network, 1 to 32.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    sampler : {"ode", "sde"}
        Deterministic, or stochastic: with fresh noise in every step.
    piece : int
        Frames computed at once. Smaller ones need less memory and more time.
    sample_rate : float
        In Hz. `tilt` alone needs to know it.

    Attributes
    ----------
    steps, hop : int
    margin : int
        Samples that a call of the network needs on either side of a stretch, a multiple of `hop`.
    margins : tuple of int
        Those of every step: of the calls, and of the setting of levels where the model has level
        networks.
    piece : int
        Becomes smaller when memory runs out.
    on_memory : callable or None
        Called with the new `piece` then.
    """

    def __init__(
        self,
        model: LoadedDiffusion,
        steps: int = DEFAULT_STEPS,
        seed: int = 0,
        sampler: Sampler = "ode",
        piece: int = CHUNK,
        sample_rate: float = 44100,
    ) -> None:
        self.model = model
        self.steps = check_steps(steps)
        self.seed = check_seed(seed)
        self.sampler = check_sampler(sampler)
        if piece < 1:
            raise InvalidValue(f"piece={piece}: must be a positive integer")
        self.piece = piece
        self.on_memory: Callable[[int], None] | None = None
        window, self.hop = model.config.window, model.config.hop
        # The frames that hold a sample reach so far beyond it.
        self.margin = (model.config.reach + window // self.hop - 1) * self.hop
        self._near = (model.config.reach - JUDGED) * self.hop
        self._levels = None
        if model.levels:
            self._levels = LevelStage(model.levels, sample_rate, model.gate)
        self._brightness = Brightness(model.config.bins, sample_rate)
        self.margins = (self.margin,) * steps
        if self._levels is not None:
            self.margins += (self._levels.margin,)
        self._times = time_grid(steps)
        # Stream 0 is the live generator's.
        self._noise = [HopNoise(seed, 2, self.hop, stream) for stream in range(1, steps)]
        self._half = _half_precision(model.device)

    def start(self, channels: int) -> DeltaEngine:
        """A fresh live engine, whose delta the first step goes on from."""
        return DeltaEngine(self.model.live, channels, self.seed)

    def tilt(self, brightness_db: float) -> None:
        """Tilt what the last step gives by -12 to 12 dB, see `uncodec.streams.brightness`."""
        # Levels that are set behind the steps would undo a tilt before them.
        last = self._brightness if self._levels is None else self._levels.brightness
        last.db = brightness_db

    def step(self, number: int, first: int, coded: Array, missing: Array) -> Array:
        """Compute step `number` on a stretch; allocates what `step_into` fills."""
        out: Array = np.empty((2, coded.shape[1] - 2 * self.margins[number]), np.float32)
        self.step_into(number, first, coded, missing, out)
        return out

    def step_into(self, number: int, first: int, coded: Array, missing: Array, out: Array) -> None:
        """Compute step `number` on a stretch.

        Parameters
        ----------
        number : int
            Index into `margins`.
        first : int
            Absolute index of the first sample of the arrays, a multiple of `hop`; may be negative.
        coded : ndarray [shape=(2, margin + samples + margin)], float32
            Mid and side; `samples` a multiple of `hop`.
        missing : ndarray [shape=(2, margin + samples + margin)], float32
            What has been added so far: by the live generator, then by the steps before.
        out : ndarray [shape=(2, samples)], float32
            Gets what is added after this step. Exactly 0 where the coded signal is silent.
        """
        if self._levels is not None and number == self.steps:
            self._levels.step_into(coded, missing, out)
            return
        out[:] = 0.0
        begin, end = self._sounding(coded, out.shape[1])
        while begin < end:
            count = min(end - begin, self.piece * self.hop)
            span = slice(begin, begin + count + 2 * self.margin)
            piece = self._spare(number, first + begin, coded[:, span], missing[:, span])
            if piece is not None:
                out[:, begin : begin + count] = piece
                begin += count

    def _sounding(self, coded: Array, samples: int) -> tuple[int, int]:
        """The part of the stretch that anything but silence can reach, in whole hops."""
        found = np.flatnonzero(coded.any(axis=0))
        if found.size == 0:
            return 0, 0
        window = self.model.config.window
        begin = max(0, int(found[0]) - self.margin - window) // self.hop * self.hop
        last = int(found[-1]) - self.margin + window
        end = min(samples, -(-max(0, last) // self.hop) * self.hop)
        return min(begin, samples), end

    def _telling(self, coded: Array) -> slice:
        """The part of a piece and its margins that its inner samples depend on, in whole hops.

        Most of the margin is there for means, in which silent frames do not count.
        """
        size, hop = coded.shape[1], self.hop
        window = self.model.config.window
        first, last = self.margin - window, size - self.margin + window
        found = np.flatnonzero(coded.any(axis=0))
        if found.size:
            first = min(first, int(found[0]) - window)
            last = max(last, int(found[-1]) + window)
        first = max(0, first - self._near) // hop * hop
        return slice(first, min(size, -(-(last + self._near) // hop) * hop))

    def _spare(self, number: int, first: int, coded: Array, missing: Array) -> Array | None:
        """Compute a piece; where memory runs out, make pieces smaller and give None."""
        try:
            return self._compute(number, first, coded, missing)
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            if self.piece <= _SMALLEST_PIECE:
                raise UncodecError(
                    f"out of memory: not even {self.piece} frames at once can be computed"
                ) from error
        # Outside the handler, whose traceback would keep the tensors alive.
        self.piece = max(_SMALLEST_PIECE, self.piece // 2)
        if self.model.device != "cpu":
            torch.cuda.empty_cache()
        if self.on_memory is not None:
            self.on_memory(self.piece)
        return None

    def _compute(self, number: int, first: int, coded: Array, missing: Array) -> Array:
        config, device = self.model.config, self.model.device
        window, hop = config.window, config.hop
        now, later = self._times[number], self._times[number + 1]
        span = self._telling(coded)
        inner = slice(self.margin - span.start, coded.shape[1] - self.margin - span.start)
        coded, missing = coded[:, span], missing[:, span]
        with torch.inference_mode():
            audio = torch.from_numpy(np.ascontiguousarray(coded))[None].to(device)
            scene = look_at(audio_to_frames(audio, window, hop))
            added = torch.from_numpy(np.ascontiguousarray(missing))[None].to(device)
            state = audio_to_frames(added, window, hop)
            at = torch.full((1,), now, dtype=torch.float32, device=device)
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=self._half):
                delta, _ = self.model.network(scene, state, at, self.model.gate is None)
            noise = None
            if self.sampler == "sde" and later < 1.0:
                white = self._white(number, first + span.start, coded.shape[1])
                noise = audio_to_frames(white, window, hop)
            result = advance(scene, state, delta, now, later, noise, CHURN)
            if later < 1.0:
                samples = frames_to_audio(result, window, hop)
            else:
                held = hold_to_bound(result, scene.coded, self._brightness)
                samples = change_to_audio(held, scene.coded, window, hop)
            return samples[0, :, inner].cpu().numpy()

    def _white(self, stream: int, first: int, samples: int) -> Tensor:
        """The noise of absolute samples; none before the beginning."""
        noise: Array = np.zeros((2, samples), np.float32)
        lead = max(0, -first)
        if lead < samples:
            self._noise[stream].fill((first + lead) // self.hop, noise[:, lead:])
        return torch.from_numpy(noise)[None].to(self.model.device)


def _half_precision(device: str) -> bool:
    """Whether this device computes bfloat16 natively; elsewhere it would be the slower one."""
    if torch.device(device).type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    with contextlib.suppress(AttributeError, RuntimeError):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False


def _out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    # What the allocator of the CPU raises has no type of its own, nor has what oneDNN says when
    # there is no room for its code.
    said = ("allocate memory", "not enough memory", "could not create a primitive")
    return any(words in str(error) for words in said)
