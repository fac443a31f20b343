"""A stream that undoes a delay or an inverted polarity between left and right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.parameters import check_amount
from uncodec.rates import check_rate
from uncodec.repair.interchannel import FaultListener
from uncodec.signals import Array
from uncodec.streams.line import Line
from uncodec.streams.stream import BlockStream

__all__ = ["AligningStream"]


_HALF = 32
"""Half the taps of the interpolation: what it needs of the future, in samples."""
_PHASES = 1024
_GLIDE = 1e-3
"""Samples per sample by which a delay grows or shrinks: a pitch off by less than 2 cents."""
_TURN_S = 0.05
"""Duration of a change of polarity, in seconds."""


def _interpolators() -> Array:
    """Kaiser-windowed sinc kernels, [shape=(_PHASES + 1, 2 * _HALF)].

    Row p reads `p / _PHASES` of a sample behind tap ``_HALF - 1``; the first and the last row are
    a single 1, so that whole delays cost no accuracy at all.
    """
    behind = np.arange(_PHASES + 1)[:, np.newaxis] / _PHASES
    at = np.arange(1 - _HALF, _HALF + 1) - behind
    window = np.i0(9.0 * np.sqrt(np.maximum(0.0, 1.0 - (at / _HALF) ** 2))) / np.i0(9.0)
    table = np.sinc(at) * window
    table /= table.sum(axis=1, keepdims=True)
    table[np.abs(table) < 1e-12] = 0.0
    return np.ascontiguousarray(table, np.float32)


def _read(
    line: Array,
    first: int,
    table: Array,
    now: NDArray[np.float64],
    wanted: NDArray[np.float64],
    steps: NDArray[np.float64],
    out: Array,
) -> None:
    """Read both channels at delays that glide along, place `first` of `line` being due first.

    `now` and `wanted` hold the delay of the left channel, that of the right one, and the gain of
    the right one; `steps` by how much each may change from one sample to the next.
    """
    taps = table.shape[1]
    phases = table.shape[0] - 1
    for i in range(out.shape[1]):
        for k in range(3):
            away = wanted[k] - now[k]
            if abs(away) <= steps[k]:
                now[k] = wanted[k]
            else:
                now[k] += np.copysign(steps[k], away)
        for channel in range(2):
            whole = int(np.ceil(now[channel]))
            behind = (whole - now[channel]) * phases
            centre = first + i - whole
            if behind == 0.0:
                out[channel, i] = line[channel, centre]
            else:
                row = int(behind)
                more = np.float32(behind - row)
                value = np.float32(0.0)
                for k in range(taps):
                    weight = table[row, k] + more * (table[row + 1, k] - table[row, k])
                    value += weight * line[channel, centre + 1 - taps // 2 + k]
                out[channel, i] = value
        out[1, i] *= np.float32(now[2])


_kernel = compiled(
    "void(float32[:, :], int64, float32[:, ::1], float64[::1], float64[::1], float64[::1],"
    " float32[:, :])",
    _read,
)
_TABLE = _interpolators()


class AligningStream(BlockStream):
    """Listens for a fault between the channels and undoes it, gliding.

    The channel that comes first is delayed until the other has come; of two channels with opposite
    polarity the right one is turned over. A mono stream passes.

    Parameters
    ----------
    sample_rate : float
        In Hz, a whole number from 8000 to 384000.
    channels : int
        1 or 2.
    amount : float
        Share of the delay that is undone, from 0 to 1; polarity is turned from 0.5 on.
    max_delay_ms : float
        The longest delay looked for.
    lookahead_s : float
        The output waits this much longer, for verdicts to come in time.

    Attributes
    ----------
    amount : float
        May be changed between calls.
    latency_samples : int

    Raises
    ------
    InvalidValue
        The rate is outside its range.
    """

    def __init__(
        self,
        sample_rate: float,
        channels: int,
        amount: float = 1.0,
        max_delay_ms: float = 1.0,
        lookahead_s: float = 0.0,
    ) -> None:
        check_rate(sample_rate)
        self.channels = channels
        self.amount = check_amount(amount)
        self.latency_samples = _HALF + round(lookahead_s * sample_rate)
        longest = 1e-3 * max_delay_ms * sample_rate
        self._listener = FaultListener(sample_rate, longest) if channels == 2 else None
        self._kept = self.latency_samples + int(np.ceil(longest)) + _HALF
        self._line = Line(channels, self._kept)
        self._now = np.array([0.0, 0.0, 1.0])
        turn = 2.0 / (_TURN_S * sample_rate)
        self._steps = np.array([_GLIDE, _GLIDE, turn])
        self._seen = 0

    @property
    def delay_samples(self) -> float:
        """Measured delay of the right channel behind the left one; 0 as long as none is certain."""
        return 0.0 if self._listener is None else self._listener.fault.delay

    @property
    def inverted(self) -> bool:
        """Whether one channel was found to have the wrong polarity."""
        return self._listener is not None and self._listener.fault.inverted

    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many."""
        count = x.shape[1]
        self._line.append(x)
        first = self._kept - self.latency_samples
        if self._listener is None:
            out[:] = self._line.view(first, first + count)
        else:
            line = self._line.view(0, len(self._line))
            hop = self._listener.hop
            done = 0
            # Verdicts fall at whole hops, however the audio is cut.
            while done < count:
                stop = min(count, done + hop - self._seen % hop)
                self._align(line, first + done, out[:, done:stop])
                self._listener.push(np.ascontiguousarray(x[:, done:stop], np.float32))
                self._seen += stop - done
                done = stop
        self._line.drop(count)

    def _align(self, line: Array, first: int, out: Array) -> None:
        delay = self.amount * self.delay_samples
        gain = -1.0 if self.inverted and self.amount >= 0.5 else 1.0
        wanted = np.array([max(delay, 0.0), max(-delay, 0.0), gain])
        if self._seen < self.latency_samples - _HALF:
            # Nothing has come out yet that could glide.
            self._now[:] = wanted
        _kernel(line, first, _TABLE, self._now, wanted, self._steps, out)
