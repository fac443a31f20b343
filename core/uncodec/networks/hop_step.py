"""The generator one frame at a time, for a live stream.

`Generator.forward` is made for runs of many frames. For a single one nearly all of its time goes
into starting hundreds of small operations. Here a frame goes through three compiled kernels: the
first makes what the layers hear, the second is the layers, the third makes the delta of what they
say. Most of the time is then reading the weights. Parameters, state and result are those of
`forward`; only rounding differs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from uncodec.compiled import compiled
from uncodec.errors import InvalidValue
from uncodec.networks.encoder_gain import GROUP, STATISTICS, EncoderGain
from uncodec.networks.gate_step import GateStep
from uncodec.networks.gated import LENIENCY
from uncodec.networks.generator import (
    AROUND,
    BAND,
    CHANNELS,
    LEVELS,
    PATCH,
    Generator,
    GeneratorConfig,
)
from uncodec.networks.level_step import LevelStep
from uncodec.networks.levelled import OPENED_AT_EVEN, OPENED_SLOPE
from uncodec.signals import Array

__all__ = ["HopStep"]

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
_FAST = {"reassoc", "contract"}

_HEAR = (
    "boolean(complex64[:, :], float32[::1], float32[::1], float32[:, ::1], float32[:, ::1],"
    " float32[::1], float32[:, ::1], float32[::1], float32[:, :], float32[::1], float32[:, ::1],"
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
    keep, rise, enough, most, leniency = numbers[4:]
    sounds = _ONE if sounding else _ZERO
    gate = _ONE + _QUARTER * (damage[0] + leniency)
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


_hear_kernel = compiled(_HEAR, _hear, fastmath=_FAST)
_sound_kernel = compiled(_SOUND, _sound, fastmath=_FAST)


def _product(weight: Array, bias: Array, x: Array, out: Array) -> None:
    """A linear layer of one vector, its weights [shape=(out, in)]."""
    for row in range(len(out)):
        total = _ZERO
        line = weight[row]
        for column in range(len(x)):
            total += line[column] * x[column]
        out[row] = bias[row] + total


def _products(weight: Array, bias: Array, x: Array, out: Array) -> None:
    """A linear layer of many vectors, its weights [shape=(in, out)].

    Of vectors an even number, of numbers that go in a multiple of 4.
    """
    wide = out.shape[1]
    for row in range(0, len(out), 2):
        upper, lower, one, two = x[row], x[row + 1], out[row], out[row + 1]
        for i in range(wide):
            one[i] = two[i] = bias[i]
        for k in range(0, len(weight), 4):
            a, b, c, d = weight[k], weight[k + 1], weight[k + 2], weight[k + 3]
            p, q, r, s = upper[k], upper[k + 1], upper[k + 2], upper[k + 3]
            t, u, v, w = lower[k], lower[k + 1], lower[k + 2], lower[k + 3]
            for i in range(wide):
                one[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i]
                two[i] += t * a[i] + u * b[i] + v * c[i] + w * d[i]


def _silu(x: Array) -> None:
    for i in range(len(x)):
        x[i] = x[i] / (_ONE + np.exp(-x[i]))


_PRODUCT = "void(float32[:, ::1], float32[::1], float32[::1], float32[::1])"
_PRODUCTS = "void(float32[:, ::1], float32[::1], float32[:, ::1], float32[:, ::1])"
_product_kernel = compiled(_PRODUCT, _product, fastmath=_FAST)
_products_kernel = compiled(_PRODUCTS, _products, fastmath=_FAST)
_silu_kernel = compiled("void(float32[::1])", _silu, fastmath=_FAST)

_THINK = (
    "void(int64, UniTuple(float32[:, ::1], 7), UniTuple(float32[::1], 7),"
    " UniTuple(float32[::1], 7), UniTuple(float32[::1], 7), UniTuple(float32[:, ::1], 3),"
    " UniTuple(float32[::1], 3), UniTuple(float32[:, ::1], 4))"
)


def _think(
    patches: int,
    weights: tuple[Array, ...],
    biases: tuple[Array, ...],
    heard: tuple[Array, ...],
    said: tuple[Array, ...],
    patch_weights: tuple[Array, ...],
    patch_biases: tuple[Array, ...],
    rooms: tuple[Array, ...],
) -> None:
    """All layers of a frame.

    `heard` and `said` are what goes into layers of one vector and what comes out, in the order of
    `_packed`; what the recurrent layer remembers is among them and is brought up to date. `rooms`
    lie between the layers of patches. Loops rather than calls one by one: each call that is written
    out takes time to compile.
    """
    for number in range(2):
        _product_kernel(weights[number], biases[number], heard[number], said[number])
        _silu_kernel(said[number])
    for number in range(2, 5):
        _product_kernel(weights[number], biases[number], heard[number], said[number])
    gates, new, known, hidden = said[2], said[3], said[4], heard[4]
    width = len(hidden)
    for i in range(width):
        forget = _ONE / (_ONE + np.exp(-gates[i]))
        keep = _ONE / (_ONE + np.exp(-gates[width + i]))
        fresh = _ONE - _TWO / (np.exp(_TWO * (new[i] + forget * known[i])) + _ONE)
        hidden[i] = fresh + keep * (hidden[i] - fresh)
    for number in range(5, 7):
        _product_kernel(weights[number], biases[number], heard[number], said[number])

    laid, local = said[5], rooms[0]
    context = (len(laid) - 1) // patches
    for patch in range(patches):
        for i in range(context):
            local[patch, _NEAR + _PLACE + i] = laid[patch * context + i]
    for number in range(3):
        out = rooms[number + 1]
        _products_kernel(patch_weights[number], patch_biases[number], rooms[number], out)
        if number < 2:
            for row in range(len(out)):
                _silu_kernel(out[row])


_think_kernel = compiled(_THINK, _think, fastmath=_FAST)


class HopStep:
    """A generator that goes through a stream frame by frame, with its state inside.

    Parameters
    ----------
    generator : Generator
        Its weights are copied.
    levels : LevelStep, optional
        Sets the levels of the delta, as in `LevelledGenerator`; it is copied.
    gate : GateStep, optional
        The delta passes it, as in `GatedGenerator`; it is copied. It goes with `levels`.

    Attributes
    ----------
    opened : float
        How far the level network had its say in the last frame, from 0 to 1; 0 without one.
    """

    def __init__(
        self,
        generator: Generator,
        levels: LevelStep | None = None,
        gate: GateStep | None = None,
    ) -> None:
        gain = generator.encoder_gain
        numbers = (
            generator.floor,
            generator.silence,
            generator.decay,
            generator.band_decay,
            gain.keep,
            gain.rise,
            gain.enough,
            gain.gain,
            LENIENCY if gate is not None else 0.0,
        )
        self._numbers: Array = np.array(numbers, np.float32)
        self._weights = _packed(generator)
        self._begin(generator.config, levels, gate)

    def _begin(
        self, config: GeneratorConfig, levels: LevelStep | None, gate: GateStep | None
    ) -> None:
        def room(*shape: int) -> Array:
            return np.zeros(shape, np.float32)

        bins = config.bins - 1
        patches, groups = bins // PATCH, bins // GROUP
        # Even numbers of patches, and multiples of 4 of what each sees, see `_products`.
        rows, wide = patches + patches % 2, _fours(config.local)
        self.config = config
        self.opened = 0.0
        self._levels = None if levels is None else levels.clone()
        self._gate = None if gate is None else gate.clone()
        self._whole = room(6 * patches + 1)
        self._holes = room(STATISTICS * groups)
        self._level, self._lowered = room(2, bins), room(2, bins // BAND)
        self._unit = room(4, patches)
        rooms = (
            room(rows, _fours(_NEAR + _PLACE + config.context)),
            room(rows, wide),
            room(rows, wide),
            room(rows, LEVELS * PATCH),
        )
        both = room(config.encoder + config.hidden)
        encoded, self._hidden = both[: config.encoder], both[config.encoder :]
        said = (
            encoded,
            room(len(self._weights[1][1])),
            room(2 * config.hidden),
            room(config.hidden),
            room(config.hidden),
            room(config.context * patches + 1),
            room(1),
        )
        heard = (self._whole, self._holes, both, encoded, self._hidden, both, said[1])
        self._rooms = heard, said, rooms
        # What the layers hear of patches that there are, and what they say, as parts of that.
        self._seen = rooms[0][:patches, : _NEAR + _PLACE]
        self._chosen, self._odds = rooms[3][:patches], said[6]
        self._laid, self._damage = said[5][:-1].reshape(patches, -1), said[5][-1:]
        self.load(config.initial_state(1))

    def load(self, state: tuple[Tensor, ...]) -> None:
        """Go on from a state of the network, of batch 1; it is copied."""
        hidden, held, previous, peaks, heard = (
            tensor.detach().to("cpu", torch.float32, copy=True).contiguous() for tensor in state[:5]
        )
        if self._levels is not None and len(state) > 5:
            self._levels.load((state[5], state[6]))
        if self._gate is not None and len(state) > 7:
            self._gate.load((state[7], state[8], state[9]))
        self._hidden[:] = hidden.numpy()[0, 0]
        self._held: Array = held.numpy()[0]
        self._previous: Array = previous.numpy()[0, :, 0]
        self._peaks: Array = peaks.numpy()[0, :, 0]
        self._heard: Array = heard.numpy()[0]

    def state(self) -> tuple[Tensor, ...]:
        """A copy of the state, as the network keeps it."""
        levels = () if self._levels is None else self._levels.state()
        gate = () if self._gate is None else self._gate.state()
        return (
            torch.from_numpy(self._hidden.copy())[None, None],
            torch.from_numpy(self._held.copy())[None],
            torch.from_numpy(self._previous.copy())[None, :, None],
            torch.from_numpy(self._peaks.copy())[None, :, None],
            torch.from_numpy(self._heard.copy())[None],
            *levels,
            *gate,
        )

    def clone(self) -> HopStep:
        """An independent copy that goes on from the same state; the weights are shared."""
        twin: HopStep = object.__new__(HopStep)
        twin._numbers, twin._weights = self._numbers, self._weights
        twin._begin(self.config, self._levels, self._gate)
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

        Raises
        ------
        InvalidValue
            A shape does not fit; nothing was done then.
        """
        bins = self.config.bins
        if spectra.shape != (CHANNELS, bins):
            raise InvalidValue(
                f"spectra: must have shape ({CHANNELS}, {bins}), got {spectra.shape}"
            )
        if delta.shape not in ((1, bins), (2, bins)):
            raise InvalidValue(f"delta: must have shape (1 or 2, {bins}), got {delta.shape}")
        lowered, unit, past = self._lowered, self._unit, self._heard
        sounding = _hear_kernel(
            spectra,
            self._numbers,
            self._held,
            self._previous,
            self._peaks,
            past,
            self._level,
            self._whole,
            self._seen,
            self._holes,
            lowered,
            unit,
        )
        heard, said, rooms = self._rooms
        weights, biases, patch_weights, patch_biases = self._weights
        _think_kernel(
            len(self._laid),
            weights,
            biases,
            heard,
            said,
            patch_weights,
            patch_biases,
            rooms,
        )
        gain = _sound_kernel(
            spectra,
            sounding,
            self._numbers,
            self._chosen,
            self._laid,
            self._damage,
            self._odds,
            past,
            lowered,
            unit,
            delta,
        )
        if self._levels is not None:
            self._levels.hear(spectra)
            damage = float(self._damage[0] + self._numbers[-1])
            opened = OPENED_SLOPE * damage + OPENED_AT_EVEN
            self.opened = min(max(opened, 0.0), 1.0)
            self._levels.fill_into(spectra, delta, self.opened, gain)
        if self._gate is not None:
            delta *= self._gate.hear(spectra, sounding, float(self._damage[0]))


def _fours(count: int) -> int:
    """The next multiple of 4."""
    return -(-count // 4) * 4


_Layers = tuple[Array, ...]


def _packed(generator: Generator) -> tuple[_Layers, _Layers, _Layers, _Layers]:
    """Weights and biases of the layers of one vector, then those of the layers of patches."""

    def plain(tensor: Tensor) -> Array:
        made: Array = np.array(tensor.detach().cpu().numpy(), np.float32, order="C")
        return made

    def layer(linear: nn.Linear) -> tuple[Array, Array]:
        return plain(linear.weight), plain(linear.bias)

    def of_patches(linear: nn.Linear) -> tuple[Array, Array]:
        (out, into), weight = linear.weight.shape, plain(linear.weight)
        # Filled up with numbers that change nothing, see `_products`.
        made = np.zeros((_fours(into), _fours(out)), np.float32)
        made[:into, :out] = weight.T
        return made, np.pad(plain(linear.bias), (0, _fours(out) - out))

    into, back, into_bias, back_bias = (plain(part) for part in generator.recur.all_weights[0])
    # The two gates come first, then what is new.
    split = 2 * generator.config.hidden
    gates = np.concatenate([into[:split], back[:split]], axis=1)
    layout, gate = layer(generator.layout), layer(generator.gate)
    vectors = (
        layer(generator.encode),
        layer(generator.encoder_gain.weigh),
        (gates, into_bias[:split] + back_bias[:split]),
        (into[split:].copy(), into_bias[split:].copy()),
        (back[split:].copy(), back_bias[split:].copy()),
        (np.concatenate([layout[0], gate[0]]), np.concatenate([layout[1], gate[1]])),
        layer(generator.encoder_gain.judge),
    )
    patches = [of_patches(part) for part in (generator.look, generator.fuse, generator.decide)]
    (weights, biases), (patch_weights, patch_biases) = (
        zip(*vectors, strict=True),
        zip(*patches, strict=True),
    )
    return weights, biases, patch_weights, patch_biases
