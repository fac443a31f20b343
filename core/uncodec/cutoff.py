"""Where an encoder's low-pass ended a recording."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME", "Edge", "cut_off", "find_edge"]

FRAME = 2048
"""Samples that are looked at together."""

# Levels are mean powers per bin of a Hann window of 2048, in dB; rounding to 16 bits gives -71.7. A
# recording ends where its loudest frames sink below the first; where they fall by the second within
# a kilohertz there, an encoder ended it, else it is as dark as it was made.
_SILENT_DB, _WALL_DB = -60.0, 14.0
_LOUDEST = 99.0
# Low-passes are no walls: what lies right below the edge is already lowered.
_MARGIN = 0.96


class Edge(NamedTuple):
    """Where a recording ends towards the treble.

    Attributes
    ----------
    hz : float
        Half the sample rate where nothing ends it before.
    wall_db : float
        How far it falls there; 0 where it is as dark as it was made.
    """

    hz: float
    wall_db: float


def find_edge(audio: NDArray[np.float32], rate: int) -> Edge | None:
    """Where an encoder's low-pass, or nothing, ended a recording.

    Parameters
    ----------
    audio : ndarray [shape=(samples,)]
        Mono, full scale 1.
    rate : int
        In Hz.

    Returns
    -------
    Edge or None
        Music that fades out towards the treble is taken to be dark, not cut. None where nothing is
        heard anywhere.
    """
    frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
    if not len(frames):
        return None
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(FRAME).astype(np.float32))))
    smooth = np.lib.stride_tricks.sliding_window_view(power, 8, axis=1).mean(-1)
    loudest = 10.0 * np.log10(np.percentile(smooth, _LOUDEST, axis=0) + 1e-12)
    heard = np.flatnonzero(loudest > _SILENT_DB)
    if heard.size == 0 or float(loudest.max()) < -20.0:
        return None
    top, kilohertz = int(heard[-1]), round(1000 * FRAME / rate)
    before = float(loudest[max(0, top - kilohertz) : top].max(initial=-120.0))
    after = float(loudest[min(top + 8, len(loudest) - 1) :].max())
    if top + 8 < len(loudest) - 8 and before - after > _WALL_DB:
        return Edge((top + 4) * rate / FRAME, before - after)
    return Edge(rate / 2, 0.0)


def cut_off(audio: NDArray[np.float32], rate: int) -> int | None:
    """Up to where a recording can be trusted: a little below its edge, see `find_edge`.

    Returns
    -------
    int or None
        In Hz; None where nothing is heard anywhere.
    """
    edge = find_edge(audio, rate)
    return None if edge is None else round(edge.hz * _MARGIN)
