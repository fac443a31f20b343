"""Which bands a codec left empty, and how far off a level is there.

Levels are those of `uncodec.networks.level_features`: log10 of mean power, 64 bands, mid and side.
The error that a band has on average over a recording is told apart from the one that moves from
frame to frame: they have different causes, and different remedies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DEEP", "MISSING", "OPENING", "LevelErrors", "missing_errors", "weigh"]

DEEP = 7.0
"""Decades below the loudest frame so far at which a level no longer matters."""
MISSING = 0.6
"""Decades by which a band must have fallen to count as missing."""
OPENING = 0.12
"""Decades over which a band changes from kept to filled, around `MISSING` of them."""
_FLOOR = -7.8
# Frames whose mean power is not above this, log10, are silence.
_SILENT = -7.0
# Frames that a band must be missing in to be judged, and levels in all.
_LEAST_FRAMES, _LEAST_LEVELS = 10, 200


@dataclass(frozen=True)
class LevelErrors:
    """Errors of the levels of mid in missing bands, in dB.

    Attributes
    ----------
    mean : float
        Of a band over the recording, without its sign.
    moving : float
        From frame to frame, around that.
    bias : float
        Of a band over the recording, signed: above 0 is too loud.
    movement : float
        Of the original around its own mean: the moving error of one who knows only means.
    """

    mean: float
    moving: float
    bias: float
    movement: float


def weigh(coded: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How much every level counts.

    Parameters
    ----------
    coded, wanted : Tensor [shape=(batch, frames, 2, 64)]
        Levels of what the codec left and of the original.

    Returns
    -------
    weight : Tensor [same shape]
        0 in silence, 1 elsewhere. It must not depend on the level that is wanted: a soft band that
        counts less makes the likeliest level too loud.
    missing : Tensor [same shape]
        1 where the codec took the band, else 0.
    bottom : Tensor [same shape]
        Level below which nothing matters.
    """
    frame = torch.log10(torch.pow(10.0, wanted).mean((2, 3), keepdim=True))
    loud = frame.amax(1, keepdim=True).expand_as(frame)
    bottom = (loud - DEEP).clamp_min(_FLOOR).expand_as(wanted)
    missing = (torch.maximum(wanted, bottom) - coded > MISSING).to(wanted.dtype)
    weight = (frame > _SILENT).to(wanted.dtype).expand_as(wanted)
    return weight, missing, bottom


def missing_errors(
    coded: Tensor, wanted: Tensor, level: Tensor, bands: int | None = None
) -> LevelErrors | None:
    """Compare levels with the original's where the codec took them.

    Parameters
    ----------
    coded, wanted, level : Tensor [shape=(frames, 2, 64)]
        Levels of the coded input, of the original, and those to judge.
    bands : int, optional
        Bands from below in which the original can be trusted; all by default.

    Returns
    -------
    LevelErrors or None
        None where next to nothing is missing.
    """
    weight, missing, bottom = weigh(coded[None], wanted[None])
    counts = (missing * (weight > 0))[0, :, 0, :bands]
    if float(counts.sum()) < _LEAST_LEVELS:
        return None
    truth = torch.maximum(wanted, bottom[0])[:, 0, :bands]
    error = torch.maximum(level, bottom[0])[:, 0, :bands] - truth
    number = counts.sum(0)
    keep = number * (number >= _LEAST_FRAMES)
    keep = keep / keep.sum().clamp_min(1.0)
    number = number.clamp_min(1.0)
    mean, usual = ((counts * x).sum(0) / number for x in (error, truth))
    moving, movement = (
        (counts * (x - m).abs()).sum(0) / number for x, m in ((error, mean), (truth, usual))
    )
    return LevelErrors(
        *(10.0 * float((keep * x).sum()) for x in (mean.abs(), moving, mean, movement))
    )
