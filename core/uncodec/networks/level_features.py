"""Band levels: what a level network hears and what it says.

A frame is one window of the live generator (1,024 samples, hop 512, square-root Hann). Its bins but
the one at 0 Hz fall into 64 bands of 8 bins. All levels are log10 of mean power of an un-normalised
FFT, for mid and side, and never below `FLOOR`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from uncodec.networks.spectra import audio_to_frames, mid_side

__all__ = [
    "BAND",
    "BANDS",
    "FEATURES",
    "FLOOR",
    "HOP",
    "LOW_BINS",
    "WINDOW",
    "band_levels",
    "level_features",
    "stream_frames",
]

WINDOW, HOP = 1024, 512
BAND = 8
"""Bins of a band."""
BANDS = WINDOW // 2 // BAND
LOW_BINS = 32
"""Bins at the bottom that are also heard one by one: pitch and chords lie there."""
FEATURES = 2 * BANDS + LOW_BINS
"""Numbers that describe one frame of mid or of side."""
FLOOR = -8.0
"""log10 of power below which there is nothing: near the rounding noise of a 16-bit file."""


def stream_frames(audio: Tensor) -> Tensor:
    """Frames of mid and side as a stream sees them: the first holds one hop and what was before.

    Parameters
    ----------
    audio : Tensor [shape=(..., 2, samples)]
        Left and right.

    Returns
    -------
    Tensor [shape=(..., 2, frames, 513)], complex
        ``frames = samples // 512``.
    """
    padded = torch.nn.functional.pad(mid_side(audio), (WINDOW - HOP, 0))
    return audio_to_frames(padded, WINDOW, HOP)


def band_levels(spectra: Tensor) -> Tensor:
    """Level of every band.

    Parameters
    ----------
    spectra : Tensor [shape=(..., 513)], complex

    Returns
    -------
    Tensor [shape=(..., 64)]
        log10 of mean power, at least -8.
    """
    power = torch.view_as_real(spectra[..., 1:]).square().sum(-1)
    return torch.log10(_bands(power) + 10.0**FLOOR)


def level_features(spectra: Tensor) -> Tensor:
    """What a level network hears of frames.

    Parameters
    ----------
    spectra : Tensor [shape=(..., 513)], complex

    Returns
    -------
    Tensor [shape=(..., 160)]
        Levels of the 64 bands; how far the mean of their bins' levels lies below that (the
        flatness of noise is about -0.25, tones and holes lie lower); levels of the lowest 32 bins.
    """
    power = torch.view_as_real(spectra[..., 1:]).square().sum(-1) + 10.0**FLOOR
    bins = torch.log10(power)
    level = torch.log10(_bands(power))
    flatness = _bands(bins) - level
    return torch.cat([level, flatness, bins[..., :LOW_BINS]], dim=-1)


def _bands(values: Tensor) -> Tensor:
    """Mean of every band's bins."""
    return values.reshape(*values.shape[:-1], BANDS, BAND).mean(-1)
