"""A plain DSP restorer for comparison: the exciter that stands beside the models in every table."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_rate, check_signal
from uncodec.analysis.spectra import hann, power_spectra

__all__ = ["EXCITER", "exciter"]

EXCITER = "DSP exciter"
"""What its rows are called."""

_FRAME = 2048
_HOP = 512
_TILT_DB_PER_OCTAVE = -12.0
_MEMORY_S = 0.5
_EDGE_HZ = 700.0
_EDGE_DB = 20.0
_RANGE_DB = 90.0


def exciter(audio: ArrayLike, sample_rate: float, *, amount: float = 1.0) -> NDArray[np.float32]:
    """Fill what is missing above the cut-off with harmonics of the octave below it.

    The classic recipe of an aural exciter (Knoppel, US patent 4 150 253, 1979; "nonlinear device"
    in Larsen and Aarts, *Audio Bandwidth Extension*, 2004), frame by frame: find the cut-off in the
    running spectrum, take the octave below it, rectify, keep what comes out above the cut-off, and
    set its level so that the spectrum goes on where it broke off and falls by 12 dB per octave.
    Nothing below the cut-off is touched, and nothing happens where the spectrum has no sharp edge.

    Causal: a frame depends on itself and the past, which is a latency of 2048 samples in a
    stream. Here the result is given aligned.

    Parameters
    ----------
    audio : array, shape (samples,) or (channels, samples)
        Any length.
    sample_rate : float
        In Hz.
    amount : float
        0 gives the input back, 1 the whole fill.

    Returns
    -------
    array, float32
        Of the shape of `audio`.

    Raises
    ------
    InvalidType, InvalidValue
        See `uncodec.analysis.checks.check_signal`.
    """
    rate = check_rate(sample_rate)
    signal = check_signal(audio, "audio", at_least=0)
    samples = signal.shape[1]
    frames = 1 + -(-samples // _HOP)
    ahead = _FRAME - _HOP
    padded = np.pad(signal, ((0, 0), (ahead, frames * _HOP - samples)))
    out = np.zeros_like(padded)
    window = np.sqrt(hann(_FRAME))
    # Hann squared through two square roots adds up to FRAME / (2 HOP).
    scale = 2.0 * _HOP / _FRAME
    memory = np.exp(-_HOP / (_MEMORY_S * rate))
    average = np.zeros(_FRAME // 2 + 1)
    weight = 0.0
    for frame in range(frames):
        span = slice(frame * _HOP, frame * _HOP + _FRAME)
        spectrum = np.fft.rfft(padded[:, span] * window, axis=-1)
        power = power_spectra(spectrum)
        average = memory * average + (1.0 - memory) * power.sum(axis=0)
        weight = memory * weight + (1.0 - memory)
        cutoff = _find_cutoff(average / weight, rate)
        if cutoff is not None:
            fill = np.fft.irfft(_fill(spectrum, power, cutoff), n=_FRAME, axis=-1)
            out[:, span] += fill * (window * scale)
    result: NDArray[np.float32] = signal + np.float32(amount) * out[:, ahead : ahead + samples]
    return result.reshape(np.shape(audio))


def _find_cutoff(power: NDArray[np.float64], rate: float) -> int | None:
    """Bin above which there is nothing, or None where the spectrum has no sharp upper edge."""
    width = max(2, round(_EDGE_HZ * _FRAME / rate))
    gap = width // 4
    total = np.concatenate([[0.0], np.cumsum(power)])
    mean = np.maximum((total[width:] - total[:-width]) / width, 1e-20)
    # mean[k - width] ends at bin k, mean[k + gap] begins shortly behind it.
    edges = np.arange(width, power.size - width - gap)
    drop = 10.0 * np.log10(mean[edges - width] / mean[edges + gap])
    hz = edges * rate / _FRAME
    below_is_music = mean[edges - width] > mean.max() * 10.0 ** (-_RANGE_DB / 10.0)
    usable = (drop > _EDGE_DB) & (hz > 2000.0) & (hz < 0.45 * rate) & below_is_music
    if not usable.any():
        return None
    last = int(np.flatnonzero(usable)[-1])
    first = max(0, last - 2 * width)
    steepest = int(edges[first + int(np.argmax(drop[first : last + 1]))])
    # The drop is as steep for a gap and more around the edge: it is where the level has gone.
    around = power[steepest - width : steepest + gap]
    alive = np.flatnonzero(around > 0.1 * mean[steepest - width])
    return steepest - width + int(alive[-1]) + 1


def _fill(
    spectrum: NDArray[np.complexfloating], power: NDArray[np.floating], cutoff: int
) -> NDArray[np.complexfloating]:
    octave = np.zeros_like(spectrum)
    octave[:, cutoff // 2 : cutoff] = spectrum[:, cutoff // 2 : cutoff]
    rectified = np.abs(np.fft.irfft(octave, n=_FRAME, axis=-1))
    harmonics = np.fft.rfft(rectified, axis=-1)
    harmonics[:, :cutoff] = 0.0
    # A third of an octave on either side of the edge is compared.
    low, high = max(1, round(cutoff * 0.8)), min(round(cutoff * 1.25), harmonics.shape[-1])
    wanted = power[:, low:cutoff].mean(axis=-1, keepdims=True)
    # The harmonics of a few tones may all lie above that: then the octave above the edge counts, or
    # what is next to nothing would be raised to the level below the edge, and all else with it.
    near, far = (
        power_spectra(harmonics[:, cutoff:end]).mean(axis=-1, keepdims=True)
        for end in (high, min(2 * cutoff, harmonics.shape[-1]))
    )
    made = np.maximum(near, far)
    gain = np.sqrt(wanted / np.maximum(made, 1e-20))
    octaves = np.log2(np.maximum(np.arange(harmonics.shape[-1]), cutoff) / cutoff)
    filled: NDArray[np.complexfloating] = harmonics * (
        gain * 10.0 ** (_TILT_DB_PER_OCTAVE * octaves / 20.0)
    )
    return filled
