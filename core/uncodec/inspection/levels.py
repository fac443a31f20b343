"""How loud a sound is, how high its peaks are, whether it was clipped, how many bits it uses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.loudness import ABSOLUTE_GATE_LUFS, LoudnessMeter, energy_of, lufs_of
from uncodec.repair.limiter import peak_phases
from uncodec.signals import Array

__all__ = ["LevelMeter", "Levels"]

# Loudness range by EBU Tech 3342: 3 s, a gate 20 LU below the mean, from the 10th to the 95th part.
_SHORT_TERM_STEPS = 30
_BINS_PER_LU = 20
_HIGHEST_LUFS = 30.0
_RANGE_GATE_LU = 20.0
_RANGE = (0.10, 0.95)
_WHOLE_BITS = 24


@dataclass(frozen=True, slots=True)
class Levels:
    """What a `LevelMeter` measured.

    Attributes
    ----------
    lufs : float or None
        Integrated loudness (ITU-R BS.1770-4); None where nothing passed the gate.
    range_lu : float or None
        Loudness range (EBU Tech 3342), from three seconds on.
    true_peak_db : float or None
        In dBTP, of four times the rate; None for silence.
    peak : float
        Largest sample, linear.
    clipped_runs : int
        How often three samples or more in a row stand at the highest peak.
    bits : int or None
        Bits that the samples use; None for samples that are no integers of 24 bits.
    """

    lufs: float | None
    range_lu: float | None
    true_peak_db: float | None
    peak: float
    clipped_runs: int
    bits: int | None


def _scan(
    row: Array,
    taps: Array,
    held: NDArray[np.float64],
    used: NDArray[np.int64],
) -> None:
    """One channel: peaks, runs at the peak and bits; `row` has the taps' reach at either end.

    held: peak, true peak, run length, runs, last sample. used: bits, and whether all are integers.
    """
    before = taps.shape[1] // 2 - 1
    count = row.shape[0] - taps.shape[1]
    peak = held[0]
    true = held[1]
    run = held[2]
    runs = held[3]
    last = held[4]
    bits = used[0]
    whole = used[1]
    for i in range(count):
        v = row[before + i]
        size = abs(v)
        if size > peak:
            if size > peak * 1.001:
                runs = 0.0
            peak = float(size)
            run = 1.0
        elif size >= 0.999 * peak and v == last and size > 0.1:
            run += 1.0
            if run == 3.0:
                runs += 1.0
        else:
            run = 1.0
        last = float(v)
        scaled = float(v) * 8388608.0
        number = int(scaled)
        if float(number) != scaled:
            whole = 0
        bits |= number
    highest = np.float32(0.0)
    for i in range(count):
        for p in range(taps.shape[0]):
            total = np.float32(0.0)
            for t in range(taps.shape[1]):
                total += taps[p, t] * row[i + t]
            highest = max(highest, abs(total))
    held[0] = peak
    held[1] = max(true, float(highest), peak)
    held[2] = run
    held[3] = runs
    held[4] = last
    used[0] = bits
    used[1] = whole


_kernel = compiled(
    "void(float32[::1], float32[:, ::1], float64[::1], int64[::1])",
    _scan,
    fastmath={"reassoc", "contract", "nsz"},
)


class LevelMeter:
    """Measures a stream, block by block, in memory that does not grow.

    Parameters
    ----------
    sample_rate : int
        In Hz, 8000 or more.
    channels : int
    weights : ndarray [shape=(channels,)]
        What each counts for loudness, see `uncodec.loudness.loudness_weights`.
    """

    def __init__(self, sample_rate: int, channels: int, weights: NDArray[np.float64]) -> None:
        self._meter = LoudnessMeter(sample_rate, channels, weights)
        self._taps = peak_phases()
        reach = self._taps.shape[1]
        self._line = np.zeros((channels, reach), np.float32)
        self._held = np.zeros((channels, 5))
        self._used = np.tile(np.array([0, 1], np.int64), (channels, 1))
        self._steps = np.zeros(_SHORT_TERM_STEPS)
        self._count = 0
        bins = round((_HIGHEST_LUFS - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU)
        self._blocks = np.zeros(bins, np.int64)
        self._energy = 0.0

    def push(self, x: Array) -> None:
        """Take (channels, n) samples."""
        line = np.concatenate([self._line, x], axis=1)
        for channel, row in enumerate(line):
            _kernel(row, self._taps, self._held[channel], self._used[channel])
        self._line = line[:, line.shape[1] - self._taps.shape[1] :].copy()
        at = 0
        while at < x.shape[1]:
            part = x[:, at : at + self._meter.room]
            at += part.shape[1]
            if self._meter.push(np.ascontiguousarray(part)):
                self._note(self._meter.step_energy)

    def _note(self, energy: float) -> None:
        """Keep the last three seconds, and what they read."""
        self._steps[self._count % _SHORT_TERM_STEPS] = energy
        self._count += 1
        if self._count < _SHORT_TERM_STEPS:
            return
        mean = float(self._steps.mean())
        if mean > energy_of(ABSOLUTE_GATE_LUFS):
            place = int((lufs_of(mean) - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU)
            self._blocks[min(place, self._blocks.size - 1)] += 1
            self._energy += mean

    def finish(self) -> Levels:
        """What was measured; the meter takes no more after that."""
        # What the taps still hold.
        tail = np.zeros((self._line.shape[0], self._taps.shape[1]), np.float32)
        line = np.concatenate([self._line, tail], axis=1)
        for channel, row in enumerate(line):
            # Zeros behind the end belong to no run and no bits.
            _kernel(row, self._taps, self._held[channel], self._used[channel])
        peak = float(self._held[:, 0].max())
        true = float(self._held[:, 1].max())
        return Levels(
            lufs=float(self._meter.lufs) if math.isfinite(self._meter.lufs) else None,
            range_lu=self._range(),
            true_peak_db=20.0 * math.log10(true) if true > 0.0 else None,
            peak=peak,
            clipped_runs=int(self._held[self._held[:, 0] >= 0.999 * peak, 3].sum()),
            bits=self._bits(),
        )

    def _range(self) -> float | None:
        count = int(self._blocks.sum())
        if count == 0:
            return None
        gate = lufs_of(self._energy / count) - _RANGE_GATE_LU
        first = max(0, int((gate - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU))
        kept = self._blocks[first:].cumsum()
        low, high = (int(np.searchsorted(kept, part * kept[-1])) for part in _RANGE)
        return (high - low) / _BINS_PER_LU

    def _bits(self) -> int | None:
        if not self._used[:, 1].all():
            return None
        bits = int(np.bitwise_or.reduce(self._used[:, 0]))
        if bits == 0:
            return 0
        return _WHOLE_BITS - ((bits & -bits).bit_length() - 1)
