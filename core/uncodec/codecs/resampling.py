"""Whole-signal resampling with exactly zero delay, for material that is in memory anyway."""

from __future__ import annotations

import math

import numpy as np

from uncodec.signals import Array

__all__ = ["low_pass", "output_length", "resample"]


# The transition band, as a fraction of the lower Nyquist frequency. It ends at Nyquist, so nothing
# aliases; a narrower one rings longer.
_TRANSITION = 0.08
# Both ends are padded, because the transform is periodic: the longest ringing that is still above
# -100 dB is a few hundred periods of the lower rate.
_PADDING = 1024


def output_length(frames: int, rate_in: int, rate_out: int) -> int:
    """Samples that `frames` samples at `rate_in` become at `rate_out` (rounded up)."""
    return -(-frames * rate_out // rate_in)


def _smooth_count(minimum: int) -> int:
    """Smallest 2^a 3^b 5^c that is not below `minimum`: fast sizes for the transform."""
    best = 1 << max(0, (minimum - 1).bit_length())
    five = 1
    while five < best:
        three = five
        while three < best:
            two = three << max(0, (-(-minimum // three) - 1).bit_length())
            best = min(best, two)
            three *= 3
        five *= 5
    return best


def resample(audio: Array, rate_in: int, rate_out: int) -> Array:
    """Resample by cutting or extending the spectrum of the whole signal.

    Linear phase with zero delay: sample 0 of the output lies on sample 0 of the input. The pass
    band is flat to 92 % of the lower Nyquist frequency and falls from there as a raised cosine to
    zero at Nyquist.

    Parameters
    ----------
    audio : ndarray [shape=(channels, n), float32]
    rate_in, rate_out : int
        Sample rates in Hz.

    Returns
    -------
    ndarray [shape=(channels, output_length(n, rate_in, rate_out)), float32]
    """
    if rate_in == rate_out:
        return audio
    channels, frames = audio.shape
    divisor = math.gcd(rate_in, rate_out)
    up, down = rate_out // divisor, rate_in // divisor
    pad = -(-max(_PADDING, _PADDING * rate_in // rate_out) // down) * down
    total = _smooth_count(-(-(frames + 2 * pad) // down)) * down
    total_out = total // down * up
    keep = output_length(frames, rate_in, rate_out)
    offset = pad // down * up
    bins = min(total, total_out) // 2 + 1
    position = np.arange(bins) / (bins - 1)
    edge = np.clip((position - (1.0 - _TRANSITION)) / _TRANSITION, 0.0, 1.0)
    gain = (0.5 + 0.5 * np.cos(np.pi * edge)) * (total_out / total)
    out = np.empty((channels, keep), np.float32)
    for channel in range(channels):
        padded = np.zeros(total, np.float32)
        padded[pad : pad + frames] = audio[channel]
        spectrum = np.zeros(total_out // 2 + 1, np.complex64)
        spectrum[:bins] = np.fft.rfft(padded)[:bins] * gain
        out[channel] = np.fft.irfft(spectrum, total_out)[offset : offset + keep]
    return out


def low_pass(audio: Array, sample_rate: int, cutoff_hz: float) -> Array:
    """Cut everything above `cutoff_hz`: linear phase, zero delay, raised cosine from 92 % of it."""
    channels, frames = audio.shape
    total = _smooth_count(frames + 2 * _PADDING)
    position = np.fft.rfftfreq(total, 1.0 / sample_rate) / cutoff_hz
    edge = np.clip((position - (1.0 - _TRANSITION)) / _TRANSITION, 0.0, 1.0)
    gain = (0.5 + 0.5 * np.cos(np.pi * edge)).astype(np.float32)
    out = np.empty((channels, frames), np.float32)
    for channel in range(channels):
        padded = np.zeros(total, np.float32)
        padded[_PADDING : _PADDING + frames] = audio[channel]
        filtered = np.fft.irfft(np.fft.rfft(padded) * gain, total)
        out[channel] = filtered[_PADDING : _PADDING + frames]
    return out
