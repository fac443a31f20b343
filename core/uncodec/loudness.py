"""Running gated loudness by Recommendation ITU-R BS.1770-4."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from uncodec.cloning import Cloneable
from uncodec.compiled import compiled
from uncodec.signals import Array

__all__ = [
    "ABSOLUTE_GATE_LUFS",
    "BLOCK_S",
    "STEPS_PER_BLOCK",
    "LoudnessMeter",
    "energy_of",
    "k_response",
    "k_weighting",
    "loudness_weights",
    "lufs_of",
    "step_energies",
    "step_length",
]


ABSOLUTE_GATE_LUFS = -70.0
BLOCK_S = 0.4
STEPS_PER_BLOCK = 4
_BINS_PER_LU = 20
_HIGHEST_LUFS = 30.0


def energy_of(lufs: float) -> float:
    """Mean square, channels summed, that reads `lufs`."""
    return float(10.0 ** ((lufs + 0.691) / 10.0))


def lufs_of(energy: float) -> float:
    """Loudness of a positive mean square of K-weighted channels, summed."""
    return float(-0.691 + 10.0 * np.log10(energy))


def k_weighting(sample_rate: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coefficients of the two biquads of the K weighting at any rate.

    BS.1770-4 tables them for 48 kHz only. The analogue prototypes behind the table (a high shelf of
    +4 dB at 1682 Hz and a high-pass at 38 Hz) are put through the bilinear transform again, as
    libebur128 does; at 48 kHz this gives the table back to 1e-6.

    Parameters
    ----------
    sample_rate : float
        In Hz, above 3364.

    Returns
    -------
    b, a : ndarray [shape=(2, 3)]
        Numerators and denominators, shelf first, ``a[:, 0] == 1``.
    """
    k = np.tan(np.pi * 1681.974450955533 / sample_rate)
    q = 0.7071752369554196
    high = 10.0 ** (3.999843853973347 / 20.0)
    middle = high**0.4996667741545416
    norm = 1.0 + k / q + k * k
    shelf_b = np.array(
        [high + middle * k / q + k * k, 2.0 * (k * k - high), high - middle * k / q + k * k]
    )
    shelf_a = np.array([norm, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k])
    k = np.tan(np.pi * 38.13547087602444 / sample_rate)
    q = 0.5003270373238773
    norm_pass = 1.0 + k / q + k * k
    pass_b = np.array([1.0, -2.0, 1.0])
    pass_a = np.array([norm_pass, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k])
    return (
        np.stack([shelf_b / norm, pass_b]),
        np.stack([shelf_a / norm, pass_a / norm_pass]),
    )


@lru_cache(maxsize=8)
def k_response(sample_rate: float, points: int) -> NDArray[np.complex128]:
    """Frequency response of `k_weighting` on the grid of an rfft of `points`, read-only."""
    b, a = k_weighting(sample_rate)
    z = np.exp(-2j * np.pi * np.arange(points // 2 + 1) / points)
    powers = np.stack([np.ones_like(z), z, z * z])
    response: NDArray[np.complex128] = np.prod((b @ powers) / (a @ powers), axis=0)
    response.setflags(write=False)
    return response


def loudness_weights(speakers: Sequence[str]) -> NDArray[np.float64]:
    """What the energy of each channel counts, by Recommendation ITU-R BS.1770-4 (table 4).

    1.41 for speakers between 60 and 120 degrees to the side, 0 for the LFE, 1 for all others. The
    speakers at the back (BL, BR) stand at the side where there is no pair of that name.

    Examples
    --------
    >>> loudness_weights(("FL", "FR", "FC", "LFE", "BL", "BR")).tolist()
    [1.0, 1.0, 1.0, 0.0, 1.41, 1.41]
    """
    sides = {"SL", "SR"} if "SL" in speakers else {"BL", "BR"}
    return np.array(
        [1.41 if name in sides else 0.0 if name.startswith("LFE") else 1.0 for name in speakers]
    )


def _square_sum(
    x: Array,
    b: NDArray[np.float64],
    a: NDArray[np.float64],
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    """Sum of squares behind two biquads in a row; `z` is their state, [shape=(channels, 2, 2)]."""
    total = 0.0
    for c in range(x.shape[0]):
        for i in range(x.shape[1]):
            v = np.float64(x[c, i])
            for k in range(2):
                y = b[k, 0] * v + z[c, k, 0]
                z[c, k, 0] = b[k, 1] * v - a[k, 1] * y + z[c, k, 1]
                z[c, k, 1] = b[k, 2] * v - a[k, 2] * y
                v = y
            total += weights[c] * v * v
    # Silence must not end in denormal numbers, which are slow.
    for c in range(x.shape[0]):
        for k in range(2):
            for j in range(2):
                if abs(z[c, k, j]) < 1e-30:
                    z[c, k, j] = 0.0
    return total


_kernel = compiled(
    "float64(float32[:, :], float64[:, ::1], float64[:, ::1], float64[:, :, ::1], float64[::1])",
    _square_sum,
)


def step_length(sample_rate: float) -> int:
    """Samples from one block of 400 ms to the next."""
    return round(sample_rate * BLOCK_S / STEPS_PER_BLOCK)


def step_energies(
    audio: Array, sample_rate: float, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sums of squares behind the K weighting in each full step, channels weighted and summed.

    Parameters
    ----------
    audio : ndarray [shape=(channels, samples)], float32
    sample_rate : float
        In Hz.
    weights : ndarray [shape=(channels,)]
        See `loudness_weights`.

    Returns
    -------
    ndarray [shape=(samples // step_length(sample_rate),)]
    """
    step, (b, a) = step_length(sample_rate), k_weighting(sample_rate)
    state = np.zeros((len(audio), 2, 2))
    # The kernel is compiled for arrays that may be written to, though it only reads.
    audio = np.require(audio, requirements="W")
    ends = range(step, audio.shape[1] + 1, step)
    return np.array([_kernel(audio[:, end - step : end], b, a, state, weights) for end in ends])


class LoudnessMeter(Cloneable):
    """Gated loudness of everything heard so far, in memory that does not grow.

    Blocks of 400 ms every 100 ms, the gate at -70 LUFS and the one 10 LU below the mean of what
    passed it, as `uncodec.analysis.loudness.integrated_loudness`; but the blocks are kept as a
    histogram with bins of 0.05 LU, as libebur128 does.

    Parameters
    ----------
    sample_rate : float
        In Hz, 8000 or more.
    channels : int
    weights : ndarray [shape=(channels,)], optional
        What the energy of each counts, see `loudness_weights`; 1 without them.

    Attributes
    ----------
    step : int
        Samples between two blocks; `push` takes at most the rest of a step.
    step_energy : float
        Mean square of the step that became full last, channels weighted and summed.
    """

    def __init__(
        self, sample_rate: float, channels: int, weights: NDArray[np.float64] | None = None
    ) -> None:
        self._weights = np.ones(channels) if weights is None else weights
        self.step = step_length(sample_rate)
        self._b, self._a = k_weighting(sample_rate)
        self._state = np.zeros((channels, 2, 2))
        self._filled = 0
        self._steps = 0
        self.step_energy = 0.0
        self._recent = np.zeros(STEPS_PER_BLOCK)
        bins = round((_HIGHEST_LUFS - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU)
        self._counts = np.zeros(bins)
        self._energies = np.zeros(bins)

    @property
    def room(self) -> int:
        """Samples until the step is full, 1 or more."""
        return self.step - self._filled

    def push(self, x: Array) -> bool:
        """Take (channels, n) samples, n at most `room`; tell whether a step became full."""
        self._recent[-1] += _kernel(x, self._b, self._a, self._state, self._weights)
        self._filled += x.shape[1]
        if self._filled < self.step:
            return False
        self._filled = 0
        self._steps += 1
        self.step_energy = float(self._recent[-1]) / self.step
        energy = self._recent.sum() / (self.step * STEPS_PER_BLOCK)
        if self._steps >= STEPS_PER_BLOCK and energy > energy_of(ABSOLUTE_GATE_LUFS):
            place = int((lufs_of(energy) - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU)
            place = min(place, self._counts.size - 1)
            self._counts[place] += 1.0
            self._energies[place] += energy
        self._recent[:-1] = self._recent[1:]
        self._recent[-1] = 0.0
        return True

    @property
    def lufs(self) -> float:
        """Integrated loudness so far; ``-inf`` as long as nothing passed the gate."""
        count = self._counts.sum()
        if count == 0.0:
            return -np.inf
        gate = lufs_of(0.1 * self._energies.sum() / count)
        first = max(0, int((gate - ABSOLUTE_GATE_LUFS) * _BINS_PER_LU))
        return lufs_of(self._energies[first:].sum() / self._counts[first:].sum())
