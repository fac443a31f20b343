"""Neurogram similarity: what ViSQOL judges audio by, as something to train with."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from uncodec.training.losses import short_time_spectra

__all__ = ["WEIGHTS", "gammatone", "neurogram_dissimilarity", "similarity_of_levels"]

BANDS = 32
LOWEST_HZ = 50.0
# ViSQOL's rate, up to half of which the bands reach. Laid out up to half of another, the upper ones
# hear other frequencies than its.
RATE = 48000
# What a band's similarity counts: rounded slopes of ViSQOL's regression (audio mode), in mean
# opinion scores for similarities of 0 to 1, averaged over coded and restored music (MP3 64, Opus 32
# kb/s). Those of the bands up to 7 kHz lie between -0.01 and 0.06; they are raised, for ears.
WEIGHTS = (0.08,) * 23 + (0.1, 0.3, 0.37, 0.46, 0.54, 0.55, 0.43, 0.36, 0.24)
# Tens of decades of amplitude (half the dB), as in ViSQOL: the floor is 90 dB below a frame's peak
# and at -90 dBFS.
FLOOR = 45.0
# Bounds what two neighbourhoods without any spread count. ViSQOL's own (0.00045) is too small for
# gradients in single precision.
STILL = 1e-3

# A Gaussian over three frames and three bands.
_NEAR = torch.tensor([[0.0113, 0.0838, 0.0113], [0.0838, 0.6196, 0.0838], [0.0113, 0.0838, 0.0113]])


def neurogram_dissimilarity(
    reference: Tensor, estimate: Tensor, sample_rate: float = 44100
) -> Tensor:
    """How unlike the ear's spectrograms of two signals are, per item; differentiable.

    One minus the neurogram similarity index (A. Hines and N. Harte, "Speech intelligibility
    prediction using a neurogram similarity index measure", Speech Communication 54, 2012) in the
    form that ViSQOL gives it for audio (M. Chinen et al., "ViSQOL v3", QoMEX 2020): levels of 32
    gammatone bands over 80 ms, of which means and correlations within neighbourhoods of three
    frames and three bands are compared. It hears the mono down-mix, at the reference's level. Bands
    count as they do to ViSQOL's regression, but those up to 7 kHz, which are next to nothing to it,
    are raised to a third of the whole.

    Parameters
    ----------
    reference, estimate : Tensor [shape=(batch, channels, samples)]
        240 ms at least, full scale 1.
    sample_rate : float
        In Hz.

    Returns
    -------
    Tensor [shape=(batch,)]
        0 for equal signals, about 1 for unrelated ones.
    """
    window = 2 * round(0.04 * sample_rate)
    one, other = reference.mean(1), estimate.mean(1)
    gain = (one.square().mean(1) + 1e-12) / (other.square().mean(1) + 1e-12)
    levels = [_levels(audio, window, sample_rate) for audio in (one, other * gain.sqrt()[:, None])]
    weights = one.new_tensor(WEIGHTS)
    return 1 - similarity_of_levels(*levels) @ weights / weights.sum()


def similarity_of_levels(one: Tensor, other: Tensor) -> Tensor:
    """Neurogram similarity of each band, [shape=(batch, 32)].

    Parameters
    ----------
    one, other : Tensor [shape=(batch, frames, 32)]
        Levels of the ear's bands in tens of decades of amplitude, at least three frames.
    """
    with torch.no_grad():
        peak = torch.maximum(one, other).amax(2, keepdim=True)
        floor = (peak - FLOOR).clamp_min(-FLOOR)
        lowest = floor.amin((1, 2), keepdim=True)
    one, other = (torch.maximum(level, floor) - lowest for level in (one, other))
    one, other = _neighbourhoods(one), _neighbourhoods(other)
    near = _NEAR.to(one)
    mean_one, mean_other = ((x * near).sum((3, 4)) for x in (one, other))
    # Around each neighbourhood's own mean. Differences of squares would need double precision, and
    # a mean over more than the neighbourhood would take away what rises and falls in it.
    one, other = one - mean_one[..., None, None], other - mean_other[..., None, None]
    spread_one, spread_other = ((x.square() * near).sum((3, 4)) + STILL for x in (one, other))
    shared = (one * other * near).sum((3, 4)) + STILL
    intensity = (2 * mean_one * mean_other + 1e-4) / (
        mean_one.square() + mean_other.square() + 1e-4
    )
    structure = shared / (spread_one * spread_other).sqrt()
    return (intensity * structure).mean(1)


def _levels(audio: Tensor, window: int, sample_rate: float) -> Tensor:
    """Levels of the bands, [shape=(batch, frames, bands)], tens of decades of amplitude."""
    spectra = short_time_spectra(audio, window, window // 4)
    power = spectra.real.square() + spectra.imag.square()
    return 5 * torch.log10(power @ gammatone(window, sample_rate).to(power) + 1e-10)


def _neighbourhoods(image: Tensor) -> Tensor:
    """Three frames by three bands around each place, [shape=(batch, frames - 2, bands, 3, 3)].

    The outermost bands are their own neighbours.
    """
    wide = torch.cat([image[..., :1], image, image[..., -1:]], dim=2)
    return wide.unfold(1, 3, 1).unfold(2, 3, 1)


@cache
def gammatone(window: int, sample_rate: float) -> Tensor:
    """Power responses of fourth-order gammatone filters, [shape=(window // 2 + 1, BANDS)].

    Bandwidths are equivalent rectangular ones (B. R. Glasberg and B. C. J. Moore, Hearing Research
    47, 1990), by which the centres are spaced. The filters are digital ones of four sections
    (M. Slaney, "An efficient implementation of the Patterson-Holdsworth auditory filter bank",
    Apple technical report 35, 1993) at ViSQOL's rate, whose skirts are not those of the analogue
    filter in the upper bands.
    """
    corner = 9.26449 * 24.7
    low, high = math.log(LOWEST_HZ + corner), math.log(RATE / 2 + corner)
    centres = np.exp(np.linspace(low, high, BANDS + 1)[:-1]) - corner
    width = 1.019 * (centres / 9.26449 + 24.7)
    frequencies = np.arange(window // 2 + 1)[:, None] * (sample_rate / window)

    def response(at: np.ndarray) -> np.ndarray:
        back = np.exp(-2j * np.pi * at / RATE)
        pole = np.exp((-width + 1j * centres) * (2 * np.pi / RATE))
        section = 1 / ((1 - pole * back) * (1 - pole.conj() * back))
        whole = np.ones_like(section)
        for root in (1 + 2**0.5, -1 - 2**0.5, 2**0.5 - 1, 1 - 2**0.5):
            whole = whole * section * (1 - (pole.real + root * pole.imag) * back)
        power: np.ndarray = whole.real**2 + whole.imag**2
        return power

    power = response(frequencies) / response(centres) * (frequencies <= RATE / 2)
    # Kept for all calls, also for those with gradients.
    with torch.inference_mode(False):
        return torch.from_numpy((power * (2 / window**2)).astype(np.float32))
