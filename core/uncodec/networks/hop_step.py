"""The generator one frame at a time, for a live stream.

`Generator.forward` is made for runs of many frames. For a single one nearly all of its time goes
into starting hundreds of small operations. Here a frame passes through two compiled kernels with
the network's layers between them: the first kernel makes what the layers hear, the layers are a few
products of matrices in TorchScript, the second kernel makes the delta of what they say. Parameters,
state and result are those of `forward`; only rounding differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from uncodec.compiled import compiled
from uncodec.networks.encoder_gain import GROUP, STATISTICS, EncoderGain
from uncodec.networks.generator import AROUND, BAND, PATCH, Generator
from uncodec.networks.level_step import LevelStep
from uncodec.networks.levelled import opened
from uncodec.signals import Array

__all__ = ["HopLayers", "HopStep"]

Spectrum = NDArray[np.complex64]

_NEAR = 4 * (PATCH + 2 * AROUND)
_PLACE = 4 * (PATCH // BAND)
# Single precision throughout: a bare number would make Numba compute in double.
_ZERO, _ONE, _TWO = np.float32(0.0), np.float32(1.0), np.float32(2.0)
_QUARTER, _HALF, _SPAN = np.float32(0.25), np.float32(0.5), np.float32(1.5)
_SLOPE, _EDGE, _CARRY = np.float32(0.08), np.float32(-6.5), np.float32(0.024)
_LEAST, _EMPTY = np.float32(EncoderGain.FLOOR), np.float32(EncoderGain.EMPTY)
_FEW, _FEWER = np.float32(-1.5), np.float32(-3.0)
_UNIT, _TENTH = np.float32(1e-12), np.float32(0.31622777)
_KEPT, _DECADES = np.float32(0.02), np.float32(1.1512925)
_LOWEST, _HIGHEST, _ODDS = np.float32(-13.0), np.float32(7.0), np.float32(8.0)


class _OfVector(nn.Module):
    """A linear layer of one vector."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        # Laid out column by column, which a product with one vector gets through faster.
        self.weight = nn.Buffer(weight.detach().t().contiguous().t())
        self.bias = nn.Buffer(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmv(self.bias, self.weight, x)


class _OfPatches(nn.Module):
    """A linear layer of a vector of each patch."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Buffer(weight.detach().t().contiguous())
        self.bias = nn.Buffer(bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        return torch.addmm(self.bias, x, self.weight)


class HopLayers(nn.Module):
    """The layers of a generator, their weights packed for single frames.

    Parameters
    ----------
    generator : Generator
        In evaluation mode.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        recur, gain = generator.recur, generator.encoder_gain
        into, back, into_bias, back_bias = recur.all_weights[0]
        width = len(into) // 3
        forget, keep, new = (slice(gate * width, (gate + 1) * width) for gate in range(3))
        both, shift = torch.cat([into, back], dim=1), into_bias + back_bias
        self.encode = _OfVector(generator.encode.weight, generator.encode.bias)
        self.forget = _OfVector(both[forget], shift[forget])
        self.keep = _OfVector(both[keep], shift[keep])
        self.heard = _OfVector(into[new], into_bias[new])
        self.known = _OfVector(back[new], back_bias[new])
        self.layout = _OfVector(generator.layout.weight, generator.layout.bias)
        self.gate = _OfVector(generator.gate.weight, generator.gate.bias)
        self.look = _OfPatches(generator.look.weight, generator.look.bias)
        self.fuse = _OfPatches(generator.fuse.weight, generator.fuse.bias)
        self.decide = _OfPatches(generator.decide.weight, generator.decide.bias)
        self.weigh = _OfVector(gain.weigh.weight, gain.weigh.bias)
        self.judge = _OfVector(gain.judge.weight, gain.judge.bias)

    def forward(
        self, whole: Tensor, hidden: Tensor, local: Tensor, holes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """All layers of one frame.

        Parameters
        ----------
        whole : Tensor [shape=(6 * patches + 1,)]
            What the recurrent stage hears.
        hidden : Tensor [shape=(hidden,)]
            What it remembers.
        local : Tensor [shape=(patches, 72)]
            What each patch sees of its bins and of the outline.
        holes : Tensor [shape=(8 * groups,)]
            Averages of the statistics of holes.

        Returns
        -------
        chosen : Tensor [shape=(patches, 48)]
            What the patches decide, without what is laid out.
        laid : Tensor [shape=(patches, context)]
        damage, odds : Tensor [shape=(1,)]
            Log odds that the signal is damaged, and that it was turned down.
        hidden : Tensor [shape=(hidden,)]
        """
        silu = torch.nn.functional.silu
        encoded = silu(self.encode(whole), inplace=True)
        both = torch.cat([encoded, hidden])
        forget, keep = self.forget(both).sigmoid_(), self.keep(both).sigmoid_()
        new = torch.addcmul(self.heard(encoded), forget, self.known(hidden)).tanh_()
        hidden = torch.lerp(new, hidden, keep)
        both = torch.cat([encoded, hidden])
        laid = self.layout(both).view(local.size(0), -1)
        seen = torch.cat([local, laid], dim=1)
        seen = silu(self.look(seen), inplace=True)
        seen = silu(self.fuse(seen), inplace=True)
        found = silu(self.weigh(holes), inplace=True)
        return self.decide(seen), laid, self.gate(both), self.judge(found), hidden


_HEAR = (
    "boolean(complex64[:, :], float32[::1], float32[::1], float32[:, ::1], float32[:, ::1],"
    " float32[::1], float32[:, ::1], float32[::1], float32[:, ::1], float32[::1], float32[:, ::1],"
    " float32[:, ::1])"
)


def _hear(
    spectra: Spectrum,
    numbers: Array,
    held: Array,
    previous: Array,
    peaks: Array,
    heard: Array,
    level: Array,
    whole: Array,
    local: Array,
    holes: Array,
    lowered: Array,
    unit: Array,
) -> bool:
    """Write what the layers hear of a frame and bring the state up to date.

    The steps are those of `Generator.repair`, `Generator.outline` and `EncoderGain`, which tell
    what they are good for. `lowered` gets the outline as the additive part uses it, `unit` what
    brings each patch of an excitation to unit level; whether the frame is not silent is returned.
    """
    floor, silence, decay, band_decay, keep = numbers[:5]
    bins, bands, patches = previous.shape[1], peaks.shape[1], len(local)
    total = _ZERO
    for channel in range(2):
        row = spectra[channel, 1:]
        for i in range(bins):
            power = row[i].real * row[i].real + row[i].imag * row[i].imag
            level[channel, i] = power
            total += power
    energy = np.log10(total / np.float32(2 * bins) + floor)
    sounding = energy > silence
    sounds = _ONE if sounding else _ZERO
    held[0] = max(energy, held[0] - decay)
    shift = _HALF - _QUARTER * held[0]
    whole[6 * patches] = _QUARTER * held[0]

    groups = len(holes) // STATISTICS
    last = len(heard) - 1
    heard[last] = keep * heard[last] + sounds
    count = max(heard[last], _ONE)
    for channel in range(2):
        for group in range(groups):
            part = level[channel, group * GROUP : (group + 1) * GROUP]
            most = _ZERO
            for i in range(GROUP):
                most = max(most, part[i])
            peak = np.log10(most + _LEAST)
            few = fewer = depth = _ZERO
            for i in range(GROUP):
                below = np.log10(part[i] + _LEAST) - peak
                fewer += _ONE if below < _FEWER else _ZERO
                few += _ONE if below < _FEW else _ZERO
                depth += below
            place = STATISTICS // 2 * groups * channel + group
            for number, value in enumerate(
                (
                    fewer / np.float32(GROUP),
                    few / np.float32(GROUP),
                    _ONE if peak < _EMPTY else _ZERO,
                    _QUARTER * (depth / np.float32(GROUP)),
                )
            ):
                at = place + number * groups
                heard[at] = keep * heard[at] + sounds * value
                holes[at] = heard[at] / count

    for channel in range(2):
        now = level[channel]
        for i in range(bins):
            now[i] = np.log10(now[i] + floor)
        line = peaks[channel]
        for band in range(bands):
            most = line[band] - band_decay
            for i in range(BAND * band, BAND * band + BAND):
                most = max(most, now[i])
            line[band] = most
        filled, envelope, base = 0, np.float32(-np.inf), line[0]
        for band in range(bands):
            around = max(line[max(band - 1, 0)], line[band], line[min(band + 1, bands - 1)])
            if band == 0:
                base = around
            slope = _SLOPE * np.float32(band)
            envelope = max(envelope, around + slope)
            content = _ZERO
            if around > max(envelope - slope - _ONE, _EDGE):
                content, filled, base = _ONE, band, around
            outline = base - _CARRY * np.float32(band - filled)
            lowered[channel, band] = outline - _TWO * content
            carried = min(max(_QUARTER * outline + shift, -_SPAN), _SPAN)
            local[band // 2, _NEAR + 2 * channel + band % 2] = carried
            local[band // 2, _NEAR + 4 + 2 * channel + band % 2] = content
            if band % 2 == 0:
                whole[(2 + channel) * patches + band // 2] = carried
                whole[(4 + channel) * patches + band // 2] = content

        # Its neighbours' bins, of this frame and of the one before.
        width = PATCH + 2 * AROUND
        before = previous[channel]
        for patch in range(patches):
            first = PATCH * patch - AROUND
            for i in range(max(first, 0), min(first + width, bins)):
                local[patch, (2 + channel) * width + i - first] = before[i]
        for i in range(bins):
            before[i] = min(max(_QUARTER * now[i] + shift, -_SPAN), _SPAN)
        for patch in range(patches):
            first = PATCH * patch - AROUND
            for i in range(max(first, 0), min(first + width, bins)):
                local[patch, channel * width + i - first] = before[i]
            mean = _ZERO
            for i in range(PATCH * patch, PATCH * patch + PATCH):
                mean += before[i]
            whole[channel * patches + patch] = mean / np.float32(PATCH)

    for channel in range(4):
        row = spectra[2 + channel, 1:]
        for patch in range(patches):
            power = _ZERO
            for i in range(PATCH * patch, PATCH * patch + PATCH):
                power += row[i].real * row[i].real + row[i].imag * row[i].imag
            unit[channel, patch] = _ONE / np.sqrt(power / np.float32(PATCH) + _UNIT)
    return bool(sounding)


_SOUND = (
    "float32(complex64[:, :], boolean, float32[::1], float32[:, ::1], float32[:, ::1],"
    " float32[::1], float32[::1], float32[::1], float32[:, ::1], float32[:, ::1], complex64[:, :])"
)


def _sound(
    spectra: Spectrum,
    sounding: bool,
    numbers: Array,
    chosen: Array,
    laid: Array,
    damage: Array,
    odds: Array,
    heard: Array,
    lowered: Array,
    unit: Array,
    delta: Spectrum,
) -> np.float32:
    """Write the delta of what the layers say of a frame, as `Generator.forward` does.

    The encoder gain less 1 is returned.
    """
    keep, rise, enough, most = numbers[4:]
    sounds = _ONE if sounding else _ZERO
    gate = _ONE + _QUARTER * damage[0]
    # Comparisons rather than min and max, so that what is not a number stays it and is noticed.
    if gate < _ZERO:
        gate = _ZERO
    elif gate > _ONE:
        gate = _ONE
    gate *= sounds
    last = len(heard) - 1
    heard[last - 1] = keep * heard[last - 1] + sounds * min(max(damage[0], -_ODDS), _ODDS)
    sure = min(odds[0], heard[last - 1] / max(heard[last], _ONE))
    gain = min(max(sure - enough, _ZERO), _ONE) * min(heard[last] / rise, _ONE) * most
    whole = gate * (_ONE + gain)
    added = whole * _TENTH

    patches = len(chosen)
    for channel in range(len(delta)):
        delta[channel, 0] = 0
        coded, noise, tones = (
            spectra[channel, 1:],
            spectra[2 + channel, 1:],
            spectra[4 + channel, 1:],
        )
        out = delta[channel, 1:]
        for patch in range(patches):
            said, base = chosen[patch], laid[patch]
            loud = added * unit[channel, patch]
            clear = added * unit[2 + channel, patch]
            for k in range(PATCH):
                i = PATCH * patch + k
                bent = said[PATCH * channel + k] + base[channel]
                bent = _ONE - _TWO / (np.exp(_TWO * bent) + _ONE)
                bent -= min(max(bent, -_KEPT), _KEPT)
                bend = (np.exp(_SPAN * bent) - _ONE) * whole + gain
                low = lowered[channel, i // BAND]
                one = low + _TWO * (said[PATCH * (2 + channel) + k] + base[2 + channel])
                two = low + _TWO * (said[PATCH * (4 + channel) + k] + base[4 + channel])
                one = np.exp(_DECADES * min(max(one, _LOWEST), _HIGHEST)) * loud
                two = np.exp(_DECADES * min(max(two, _LOWEST), _HIGHEST)) * clear
                out[i] = bend * coded[i] + one * noise[i] + two * tones[i]
    return np.float32(gain)


_hear_kernel = compiled(_HEAR, _hear, fastmath={"reassoc", "contract"})
_sound_kernel = compiled(_SOUND, _sound, fastmath={"reassoc", "contract"})


class HopStep:
    """A generator that goes through a stream frame by frame, with its state inside.

    Parameters
    ----------
    generator : Generator
        On the CPU, in single precision.
    layers : callable
        `HopLayers` of it, compiled or not; clones share them.
    levels : LevelStep, optional
        Sets the levels of the delta, as in `LevelledGenerator`; it is copied.
    """

    def __init__(self, generator: Generator, layers: Any, levels: LevelStep | None = None) -> None:
        config, gain = generator.config, generator.encoder_gain
        bins, patches = config.bins - 1, generator.patches
        numbers = (
            generator.floor,
            generator.silence,
            generator.decay,
            generator.band_decay,
            gain.keep,
            gain.rise,
            gain.enough,
            gain.gain,
        )
        self.config = config
        self._generator = generator
        self._layers = layers
        self._levels = None if levels is None else levels.clone()
        self._numbers: Array = np.array(numbers, np.float32)
        self._whole: Array = np.zeros(6 * patches + 1, np.float32)
        self._local: Array = np.zeros((patches, _NEAR + _PLACE), np.float32)
        self._holes: Array = np.zeros(gain.statistics, np.float32)
        # The layers read what the kernels write.
        self._heard_whole = torch.from_numpy(self._whole)
        self._heard_local = torch.from_numpy(self._local)
        self._heard_holes = torch.from_numpy(self._holes)
        self._level: Array = np.zeros((2, bins), np.float32)
        self._lowered: Array = np.zeros((2, bins // BAND), np.float32)
        self._unit: Array = np.zeros((4, patches), np.float32)
        self.load(config.initial_state(1))

    def load(self, state: tuple[Tensor, ...]) -> None:
        """Go on from a state of the network, of batch 1; it is copied."""
        hidden, held, previous, peaks, heard = (
            tensor.detach().to("cpu", torch.float32, copy=True).contiguous() for tensor in state[:5]
        )
        if self._levels is not None and len(state) > 5:
            self._levels.load((state[5], state[6]))
        self._hidden = hidden.flatten()
        self._held: Array = held.numpy()[0]
        self._previous: Array = previous.numpy()[0, :, 0]
        self._peaks: Array = peaks.numpy()[0, :, 0]
        self._heard: Array = heard.numpy()[0]

    def state(self) -> tuple[Tensor, ...]:
        """A copy of the state, as the network keeps it."""
        levels = () if self._levels is None else self._levels.state()
        return (
            self._hidden.clone()[None, None],
            torch.from_numpy(self._held.copy())[None],
            torch.from_numpy(self._previous.copy())[None, :, None],
            torch.from_numpy(self._peaks.copy())[None, :, None],
            torch.from_numpy(self._heard.copy())[None],
            *levels,
        )

    def clone(self) -> HopStep:
        """An independent copy that goes on from the same state."""
        twin = HopStep(self._generator, self._layers, self._levels)
        twin.load(self.state())
        return twin

    def step_into(self, spectra: Spectrum, delta: Spectrum) -> None:
        """Compute the delta of the next frame.

        Parameters
        ----------
        spectra : ndarray [shape=(6, bins)], complex64
            As `Generator.forward` takes them.
        delta : ndarray [shape=(1 or 2, bins)], complex64
            Written: mid, or mid and side.
        """
        lowered, unit, heard = self._lowered, self._unit, self._heard
        sounding = _hear_kernel(
            spectra,
            self._numbers,
            self._held,
            self._previous,
            self._peaks,
            heard,
            self._level,
            self._whole,
            self._local,
            self._holes,
            lowered,
            unit,
        )
        chosen, laid, damage, odds, self._hidden = self._layers(
            self._heard_whole, self._hidden, self._heard_local, self._heard_holes
        )
        gain = _sound_kernel(
            spectra,
            sounding,
            self._numbers,
            chosen.numpy(),
            laid.numpy(),
            damage.numpy(),
            odds.numpy(),
            heard,
            lowered,
            unit,
            delta,
        )
        if self._levels is not None:
            self._levels.hear(spectra)
            self._levels.fill_into(spectra, delta, float(opened(damage)[0]), gain)
