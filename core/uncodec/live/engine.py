"""The generator run over a stream, hop by hop: audio in, delta out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from uncodec._native import InverseFrames, StreamingStft, synthesis_window
from uncodec.balance import Like
from uncodec.cloning import Cloneable
from uncodec.errors import InvalidValue
from uncodec.live.excitation import Excitation
from uncodec.live.hold_back import HoldBack
from uncodec.live.polarity import Polarity
from uncodec.networks import CHANNELS, LoadedModel
from uncodec.networks.gated import LENIENCY
from uncodec.networks.generator import exchanged
from uncodec.networks.hop_step import HopStep
from uncodec.networks.levelled import opened as opened_of
from uncodec.signals import Array, mid_side_into, sqrt_hann
from uncodec.streams.brightness import Brightness
from uncodec.streams.delta_bound import DeltaBound
from uncodec.streams.likeness import Likeness
from uncodec.streams.noise import HopNoise
from uncodec.streams.overlap_add import OverlapAdd

__all__ = ["RUN", "DeltaEngine"]


Spectra = NDArray[np.complex64]

RUN = 32
"""Hops computed in one call of the network at most: enough to amortise its overhead, little enough
to keep the buffers small."""

# Mid and side, and their overtones, the other way round; the noises are alike.
_EXCHANGED = [1, 0, 2, 3, 5, 4]


class DeltaEngine(Cloneable):
    """Turns whole hops of coded audio into the delta that restores it.

    Parameters
    ----------
    model : LoadedModel
    channels : int
        1 or 2.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    sample_rate : float
        In Hz. `tilt` and `like` alone need to know it.
    like : Like, optional
        Draws what is added towards a reference, see `uncodec.streams.likeness`.

    Attributes
    ----------
    hop : int
        Samples per hop.
    delay : int
        The delta lags the input by so many samples, ``window - hop``: the last sample of a hop is
        finished by the frame that starts there.
    tail_length : int
        Samples of the delta that lie unfinished behind the last hop: `delay`.
    """

    def __init__(
        self,
        model: LoadedModel,
        channels: int,
        seed: int = 0,
        sample_rate: float = 44100,
        like: Like | None = None,
    ) -> None:
        if channels not in (1, 2):
            raise InvalidValue(f"channels={channels}: must be 1 or 2")
        window, hop = model.config.window, model.config.hop
        shape = sqrt_hann(window)
        self.model = model
        self.channels = channels
        self.hop = hop
        self.delay = self.tail_length = window - hop
        self._noise = HopNoise(seed, 2, hop)
        self._hops = 0
        # Mid and side, then what excites the additive part: two noises, overtones of mid and side.
        self._stft = StreamingStft(CHANNELS, shape, hop)
        self._excitation = Excitation()
        self._polarity = Polarity(hop)
        self._flipped = np.zeros(RUN, np.bool_)
        bins = model.config.bins
        self._likeness = None if like is None else Likeness(like, bins, hop, sample_rate)
        self._brightness = Brightness(bins, sample_rate)
        self._bound = DeltaBound(channels, bins)
        self._inverse = InverseFrames(channels, window)
        self._hold_back = HoldBack(channels, shape, hop)
        self._overlap = OverlapAdd(channels, synthesis_window(shape, hop), hop)
        # One frame at a time where the model can (on the CPU), else in runs of them.
        self._step = _Runs(model, channels) if model.hops is None else _Hops(model.hops, channels)
        self._input: Array = np.zeros((CHANNELS, RUN * hop), np.float32)
        self._spectra = np.zeros((RUN, CHANNELS, bins), np.complex64)
        self._delta = np.zeros((RUN, channels, bins), np.complex64)
        self._frames: Array = np.zeros((RUN, channels, window), np.float32)
        # How far the level network had its say: levels that were chosen are kept to.
        self._opened: Array = np.zeros(RUN, np.float32)

    def tilt(self, brightness_db: float) -> None:
        """Tilt what comes from now on by -12 to 12 dB, see `uncodec.streams.brightness`."""
        self._brightness.db = brightness_db

    def liken(self, amount: float) -> None:
        """Draw what comes from now on so far towards the reference, 0 to 1, if there is one."""
        if self._likeness is not None:
            self._likeness.amount = amount

    def push(self, audio: Array) -> Array:
        """Allocating twin of `push_into`.

        Parameters
        ----------
        audio : ndarray [shape=(channels, hops * hop)], float32

        Returns
        -------
        ndarray [shape=(channels, hops * hop)], float32
        """
        out = np.empty(audio.shape, np.float32)
        self.push_into(audio, out)
        return out

    def push_into(self, audio: Array, out: Array) -> None:
        """Consume whole hops and write as many samples of the delta, `delay` samples late.

        Parameters
        ----------
        audio, out : ndarray [shape=(channels, hops * hop)], float32
            `out` must not overlap `audio`.

        Raises
        ------
        InvalidValue
            A shape does not fit; nothing was consumed then.
        """
        samples = audio.shape[-1]
        if audio.shape != (self.channels, samples) or samples % self.hop:
            wanted = f"({self.channels}, multiple of {self.hop})"
            raise InvalidValue(f"audio: must have shape {wanted}, got {audio.shape}")
        if out.shape != audio.shape:
            raise InvalidValue(f"out: must have the shape of audio {audio.shape}, got {out.shape}")
        step = RUN * self.hop
        for first in range(0, samples, step):
            span = slice(first, min(first + step, samples))
            self._run(audio[:, span], out[:, span])

    def _run(self, audio: Array, out: Array) -> None:
        samples = audio.shape[1]
        count = samples // self.hop
        # A short run uses buffers of its own, because the native calls want contiguous arrays.
        source = self._input if count == RUN else np.empty((CHANNELS, samples), np.float32)
        mid_side_into(audio, source[:2])
        self._noise.fill(self._hops, source[2:4])
        self._excitation.push_into(source[:2], source[2:4], source[4:])
        self._hops += count
        spectra = self._spectra[:count]
        self._stft.push_into(source, spectra)
        self._infer(spectra, self._delta[:count])
        if self._likeness is not None:
            self._likeness.draw_into(self._delta[:count], spectra)
        self._brightness.tilt_into(self._delta[:count])
        self._bound.hold_into(self._delta[:count], spectra)
        frames = self._frames[:count]
        self._inverse.inverse_into(self._delta[:count], frames)
        finished = source[: self.channels]
        self._hold_back.hold_into(frames, finished, self._opened[:count])
        self._overlap.add_into(frames, finished)
        self._decode_into(finished, out)

    def tail_into(self, out: Array) -> None:
        """Write what a next hop would be added to, [shape=(channels, tail_length)], float32."""
        self._decode_into(self._overlap.tail, out)

    def _decode_into(self, image: Array, out: Array) -> None:
        if self.channels == 2:
            np.add(image[0], image[1], out=out[0])
            np.subtract(image[0], image[1], out=out[1])
        else:
            out[:] = image

    def _infer(self, spectra: Spectra, delta: Spectra) -> None:
        flipped = self._flipped[: len(spectra)]
        was = self._polarity.flipped
        self._polarity.look_into(spectra, flipped)
        first = 0
        while first < len(spectra):
            now = flipped[first]
            if now != was:
                self._step.exchange()
                was = now
            others = np.flatnonzero(flipped[first:] != now)
            last = first + int(others[0]) if len(others) else len(spectra)
            span = slice(first, last)
            self._step.step_into(spectra[span], delta[span], self._opened[span], now)
            first = last


class _Hops:
    """The network frame by frame."""

    def __init__(self, hops: HopStep, channels: int) -> None:
        self._hops = hops.clone()
        self._channels = channels
        self._exchanged = np.zeros((2, hops.config.bins), np.complex64)

    def step_into(self, spectra: Spectra, delta: Spectra, opened: Array, flipped: bool) -> None:
        """Write the delta of some frames, with mid and side the other way round if `flipped`.

        `opened` gets how far the level network had its say in each.
        """
        for number, (heard, added) in enumerate(zip(spectra, delta, strict=True)):
            if flipped:
                self._hops.step_into(heard[_EXCHANGED], self._exchanged)
                added[:] = self._exchanged[::-1][: self._channels]
            else:
                self._hops.step_into(heard, added)
            opened[number] = self._hops.opened

    def exchange(self) -> None:
        """Go on as if mid and side had always been each other."""
        self._hops.load(exchanged(self._hops.state()))

    def clone(self) -> _Hops:
        return _Hops(self._hops, self._channels)


class _Runs:
    """The network in runs of frames."""

    def __init__(self, model: LoadedModel, channels: int) -> None:
        self._model = model
        self._channels = channels
        self._state = model.initial_state(1)
        self._leniency = 0.0 if model.gate is None else LENIENCY

    @torch.inference_mode()
    def step_into(self, spectra: Spectra, delta: Spectra, opened: Array, flipped: bool) -> None:
        """See `_Hops.step_into`."""
        # (frames, channels, bins) to (batch, channels, frames, bins, 2) without a copy.
        batch = torch.from_numpy(spectra).permute(1, 0, 2)[None].to(self._model.device)
        if flipped:
            batch = batch[:, _EXCHANGED]
        found, damage, self._state = self._model.step(torch.view_as_real(batch), self._state)
        if self._model.levels is not None:
            torch.from_numpy(opened).copy_(opened_of(damage + self._leniency)[0])
        found = torch.view_as_complex(found)[0]
        if flipped:
            found = found.flip(0)
        torch.from_numpy(delta).copy_(found[: self._channels].permute(1, 0, 2))

    def exchange(self) -> None:
        """Go on as if mid and side had always been each other."""
        self._state = exchanged(self._state)

    def clone(self) -> _Runs:
        twin = _Runs(self._model, self._channels)
        # The network returns new tensors and never writes into old ones, so they can be shared.
        twin._state = self._state
        return twin
