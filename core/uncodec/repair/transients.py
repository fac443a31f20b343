"""Pre-echo taken away: the noise that a codec's block spreads in front of an attack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.repair.spectral import SpectralEngine
from uncodec.signals import Array

__all__ = ["TransientEngine"]

Spectra = NDArray[np.complex64]

HOPS_PER_SECOND = 1378.125
"""32 samples at 44.1 kHz; the window is four hops."""
BANDS, LOWEST_HZ = 8, 300.0

# All in hops of 0.73 ms.
AFTER = 14  # in which an attack reaches its peak
NEAR = 6  # in which it rises from the threshold to a tenth of that peak
GUARD = 3  # not touched before it: the window's own rise, and masked by the attack
REACH = 30  # that pre-echo lasts at most
PAST = 41  # before them, in which the level is what it was before the attack
LOOKAHEAD = REACH + GUARD + AFTER - 1
RING = 128  # holds all of these

SOFTEST = 1e-6
"""Mean square, after emphasis, of attacks that count: -60 dBFS."""
STANDS_OUT = 4.0
"""Power over that of the past from which on something counts as pre-echo: 6 dB."""
RISES = 10**1.5
"""By how much an attack rises above pre-echo within its band: 15 dB."""
LOWEST_GAIN = 0.01
FLOOR = 1e-14

_SIGNATURE = (
    "void(complex64[:, :, ::1], complex64[:, :, ::1], int64[::1], float64[::1], float64, "
    "complex64[:, :, ::1], float64[:, ::1], float64[::1], float32[:, ::1], float64[::1], "
    "int64[::1])"
)


def _repair(
    spectra: Spectra,
    out: Spectra,
    band: NDArray[np.int64],
    emphasis: NDArray[np.float64],
    threshold: float,
    held: Spectra,
    levels: NDArray[np.float64],
    sharp: NDArray[np.float64],
    gains: Array,
    past: NDArray[np.float64],
    count: NDArray[np.int64],
) -> None:
    """Take frames, decide about the attack that is then known, give the changes of `LOOKAHEAD` ago.

    `held`, `levels`, `sharp` and `gains` are rings of frames: spectra, powers of the bands, power
    of the emphasised whole, gains of the bands. `past` is scratch space.
    """
    frames, channels, bins = spectra.shape
    scale = 1.0 / (bins - 1) ** 2
    for i in range(frames):
        now = count[0]
        place = now % RING
        levels[place] = FLOOR
        sharp[place] = FLOOR
        gains[place] = 1.0
        for channel in range(channels):
            for k in range(bins):
                value = spectra[i, channel, k]
                held[place, channel, k] = value
                power = (value.real * value.real + value.imag * value.imag) * scale
                levels[place, band[k]] += power
                sharp[place] += power * emphasis[k]
        onset = now - AFTER + 1
        peak = 0.0
        for t in range(max(onset, 0), now + 1):
            peak = max(peak, sharp[t % RING])
        begins = (
            onset >= NEAR
            and peak >= SOFTEST
            and sharp[onset % RING] >= 0.1 * peak
            and sharp[(onset - 1) % RING] < 0.1 * peak
            and sharp[(onset - NEAR) % RING] < threshold * peak
        )
        if begins:
            # Back from the attack to where it is no longer quiet all along.
            first = onset - NEAR
            while first > max(0, onset - GUARD - REACH):
                if sharp[(first - 1) % RING] >= threshold * peak:
                    break
                first -= 1
            for b in range(BANDS):
                for n in range(PAST):
                    value_then = levels[(onset - GUARD - REACH - 1 - n) % RING, b]
                    # Sorted as they come.
                    m = n
                    while m > 0 and past[m - 1] > value_then:
                        past[m] = past[m - 1]
                        m -= 1
                    past[m] = value_then
                before = past[PAST // 2]
                most = 0.0
                for t in range(onset, now + 1):
                    most = max(most, levels[t % RING, b])
                for t in range(first, onset - GUARD):
                    level = levels[t % RING, b]
                    quiet = sharp[t % RING] < threshold * peak
                    if quiet and level > STANDS_OUT * before and level * RISES < most:
                        gain = np.float32(max(np.sqrt(before / level), LOWEST_GAIN))
                        gains[t % RING, b] = min(gains[t % RING, b], gain)
        ready = now - LOOKAHEAD
        for channel in range(channels):
            for k in range(bins):
                if ready >= 0:
                    less = gains[ready % RING, band[k]] - np.float32(1.0)
                    out[i, channel, k] = held[ready % RING, channel, k] * less
                else:
                    out[i, channel, k] = 0.0
        count[0] = now + 1


_kernel = compiled(_SIGNATURE, _repair)


class TransientEngine(SpectralEngine):
    """Takes pre-echo away, in hops of 0.73 ms.

    An attack is where the emphasised power rises within a few milliseconds, by `threshold_db` and
    more, to what it then reaches. What came before it is compared with what came 24 ms earlier
    still, band by band: where it stands out from that, and the attack stands out far more, it is
    brought down to it. In undamaged sound an attack begins out of what was there before; only a
    codec, which spreads quantisation noise over its whole block, puts a step in front of it. That
    a decoder may bring such noise down by gains over time is known from speech codecs (the pre-echo
    reduction of ITU-T G.729.1); here nothing but the decoded sound tells where.

    Parameters
    ----------
    channels : int
        1 or 2; both get the same gains.
    sample_rate : float
        In Hz.
    threshold_db : float
        How far an attack has to rise.
    """

    def __init__(self, channels: int, sample_rate: float, threshold_db: float = 25.0) -> None:
        hop = max(4, round(sample_rate / HOPS_PER_SECOND))
        super().__init__(channels, 4 * hop, hop, LOOKAHEAD)
        self.sample_rate = sample_rate
        self.threshold_db = threshold_db
        hertz = np.arange(self.bins) * (sample_rate / self.window)
        edges = np.geomspace(LOWEST_HZ, min(sample_rate / 2, 22050.0), BANDS + 1)[1:-1]
        self._band = np.searchsorted(edges, hertz, side="right").astype(np.int64)
        # Up to 8 kHz 6 dB per octave: else the bass of a mix would hide every attack in it.
        self._emphasis = np.minimum(hertz / 8000.0, 1.0) ** 2
        self._held = np.zeros((RING, channels, self.bins), np.complex64)
        self._levels = np.full((RING, BANDS), FLOOR)
        self._sharp = np.full(RING, FLOOR)
        self._gains: Array = np.ones((RING, BANDS), np.float32)
        self._past = np.zeros(PAST)
        self._count = np.zeros(1, np.int64)

    def _change(self, spectra: Spectra) -> Spectra:
        out = np.empty_like(spectra)
        _kernel(
            spectra,
            out,
            self._band,
            self._emphasis,
            10.0 ** (-self.threshold_db / 10.0),
            self._held,
            self._levels,
            self._sharp,
            self._gains,
            self._past,
            self._count,
        )
        return out
