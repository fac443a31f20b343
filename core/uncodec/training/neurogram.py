"""Neurogram similarity: what ViSQOL judges audio by, as something to train with."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from uncodec.training.losses import short_time_spectra

__all__ = ["neurogram_dissimilarity"]

BANDS = 32
LOWEST_HZ = 50.0
# Tens of decades of amplitude (half the dB), as in ViSQOL: the floor is 90 dB below a frame's peak
# and at -90 dBFS.
FLOOR = 45.0
# Bounds what two neighbourhoods without any spread count. ViSQOL's own (0.00045) is too small for
# gradients in single precision.
STILL = 1e-3

# A Gaussian over three frames and three bands.
_NEAR = torch.tensor(
    [[0.0113, 0.0838, 0.0113], [0.0838, 0.6196, 0.0838], [0.0113, 0.0838, 0.0113]]
)[None, None]


def neurogram_dissimilarity(
    reference: Tensor, estimate: Tensor, sample_rate: float = 44100
) -> Tensor:
    """How unlike the ear's spectrograms of two signals are, per item; differentiable.

    One minus the neurogram similarity index (A. Hines and N. Harte, "Speech intelligibility
    prediction using a neurogram similarity index measure", Speech Communication 54, 2012) in the
    form that ViSQOL gives it for audio (M. Chinen et al., "ViSQOL v3", QoMEX 2020): levels of 32
    gammatone bands over 80 ms, of which means and correlations within neighbourhoods of three
    frames and three bands are compared. It hears the mono down-mix, at the reference's level.

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
    with torch.no_grad():
        peak = torch.maximum(levels[0], levels[1]).amax(2, keepdim=True)
        floor = (peak - FLOOR).clamp_min(-FLOOR)
        lowest = floor.amin((1, 2), keepdim=True)
    one, other = ((torch.maximum(level, floor) - lowest)[:, None] for level in levels)
    mean_one, mean_other = _near(one), _near(other)
    # Spreads are differences of squares, so they are taken around a level close by.
    with torch.no_grad():
        base = torch.nn.functional.avg_pool2d(one, 9, 1, 4, count_include_pad=False)
    one, other = one - base, other - base
    flat_one, flat_other = _near(one), _near(other)
    spread_one = (_near(one.square()) - flat_one.square()).clamp_min(0) + STILL
    spread_other = (_near(other.square()) - flat_other.square()).clamp_min(0) + STILL
    shared = _near(one * other) - flat_one * flat_other + STILL
    intensity = (2 * mean_one * mean_other + 1e-4) / (
        mean_one.square() + mean_other.square() + 1e-4
    )
    structure = shared / (spread_one * spread_other).sqrt()
    return 1 - (intensity * structure).mean((1, 2, 3))


def _levels(audio: Tensor, window: int, sample_rate: float) -> Tensor:
    """Levels of the bands, [shape=(batch, frames, bands)], tens of decades of amplitude."""
    spectra = short_time_spectra(audio, window, window // 4)
    power = spectra.real.square() + spectra.imag.square()
    return 5 * torch.log10(power @ _gammatone(window, sample_rate).to(power) + 1e-10)


def _near(image: Tensor) -> Tensor:
    """Weighted mean of each place's neighbourhood."""
    return torch.nn.functional.conv2d(image, _NEAR.to(image))


@cache
def _gammatone(window: int, sample_rate: float) -> Tensor:
    """Power responses of fourth-order gammatone filters, [shape=(window // 2 + 1, BANDS)].

    Bandwidths are equivalent rectangular ones (B. R. Glasberg and B. C. J. Moore, Hearing Research
    47, 1990), by which the centres are spaced, from `LOWEST_HZ` up to half the sample rate.
    """
    corner = 9.26449 * 24.7
    low, high = math.log(LOWEST_HZ + corner), math.log(sample_rate / 2 + corner)
    centres = torch.exp(torch.linspace(low, high, BANDS + 1)[:-1]) - corner
    width = 1.019 * (centres / 9.26449 + 24.7)
    frequencies = torch.arange(window // 2 + 1) * (sample_rate / window)
    return (1 + ((frequencies[:, None] - centres) / width).square()) ** -4 * (2 / window**2)
