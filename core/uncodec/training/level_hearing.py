"""How near played levels come to the original's, as metrics of sound would judge it.

Both measures need band levels alone, no audio: whatever texture gets these levels, its power in
wide bands and over many milliseconds is theirs.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from uncodec.networks.level_errors import MISSING, OPENING
from uncodec.networks.level_features import BAND, BANDS, WINDOW
from uncodec.training.neurogram import WEIGHTS, gammatone, similarity_of_levels

__all__ = ["level_dissimilarity", "level_distance", "played_power"]

# Difference of the logarithms of the powers of two independent bins of noise: its variance, in
# decades squared. Twice that of one, (pi^2 / 6) / ln(10)^2.
_TEXTURE = 0.62
# Frames of 12 ms in one of the ear's 80 ms, and between two of them.
_FRAMES, _STEP = 7, 2
# Share of an ear's band that must lie where the original can be trusted.
_TRUSTED = 0.9


def played_power(coded: Tensor, played: Tensor) -> Tensor:
    """Power of bands that were filled up to a level; those that hold as much are left alone.

    Parameters
    ----------
    coded, played : Tensor [shape=(..., 64)]
        log10 of mean power.
    """
    there, wanted = torch.pow(10.0, coded), torch.pow(10.0, played)
    filled = torch.sigmoid((played - coded - MISSING) / OPENING)
    return there + filled * (wanted - there).clamp_min(0.0)


def level_dissimilarity(original: Tensor, played: Tensor, trusted: Tensor) -> Tensor:
    """How unlike the ear's spectrograms are, by item, as `neurogram_dissimilarity` of sound.

    Parameters
    ----------
    original, played : Tensor [shape=(batch, frames, 64)]
        Power of the bands of mid, at least 19 frames.
    trusted : Tensor [shape=(batch, 64)], bool
        Bands in which the original's levels are known.

    Returns
    -------
    Tensor [shape=(batch,)]
        0 for equal levels, about 1 for unrelated ones.
    """
    response = _response().to(original)
    similar = similarity_of_levels(_ear(original, response), _ear(played, response))
    known = (trusted.to(response) @ response) / response.sum(0) > _TRUSTED
    weights = response.new_tensor(WEIGHTS) * known
    return 1.0 - (similar * weights).sum(1) / weights.sum(1).clamp_min(1e-3)


def level_distance(original: Tensor, played: Tensor, missing: Tensor, trusted: Tensor) -> Tensor:
    """The log-spectral distance that sound of these levels would have, by item, in decades.

    Parameters
    ----------
    original, played : Tensor [shape=(batch, frames, 2, 64)]
        Power of the bands of mid and side.
    missing : Tensor [shape=(batch, frames, 2, 64)]
        1 where a texture is put in place of the original's.
    trusted : Tensor [shape=(batch, 64)], bool
        Bands in which the original's levels are known.
    """
    # Left and right: the powers of mid and side together.
    error = torch.log10(played.sum(2) + 1e-8) - torch.log10(original.sum(2) + 1e-8)
    squares = error.square() + _TEXTURE * missing[:, :, 0]
    known = trusted[:, None, :].to(squares)
    mean = (squares * known).sum(2) / known.sum(2).clamp_min(1.0)
    return (mean + 1e-4).sqrt().mean(1)


@cache
def _response() -> Tensor:
    """Mean power of a bin in each band to power in the ear's bands, [shape=(64, 32)]."""
    # A bin of white noise has 512 times the power of a sample under the square-root Hann window of
    # 1,024 samples, 0.375 times the window's length under the ear's Hann window.
    scale = 0.375 * WINDOW / (WINDOW // 2)
    with torch.inference_mode(False):
        bins = gammatone(WINDOW, 44100)[1:]
        return scale * bins.reshape(BANDS, BAND, -1).sum(1)


def _ear(power: Tensor, response: Tensor) -> Tensor:
    shape = torch.hann_window(_FRAMES + 2, periodic=False, device=power.device)[1:-1]
    smooth = (power @ response).unfold(1, _FRAMES, _STEP) @ (shape / shape.sum())
    return 5.0 * torch.log10(smooth + 1e-10)
