"""Stereo repair: width back where joint-stereo coding took it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.effects.delta_effect import DeltaEffect

if TYPE_CHECKING:
    from uncodec.streams.delta import Engine

__all__ = ["StereoRepair"]


class StereoRepair(DeltaEffect):
    """Gives back the side signal that Opus and Vorbis drop at low rates.

    In their upper bands these codecs keep one signal and its level in either channel: the image
    narrows towards the middle. Where a spectrum ends as a codec's does, and the bands below that
    end are as coherent as such coding makes them, a new side is made out of the mid signal by a
    fixed all-pass, about as loud as that of the bands below 3 kHz. The mono sum never changes.

    It is for decoded sound as it comes: a restorer fills the band above the codec's cut-off, after
    which there is no telling. Sound without that damage passes bit for bit, mono always.

    Parameters
    ----------
    amount : float
        How much of the new side is added, from 0 (the input comes back bit for bit) to 1.

    Raises
    ------
    InvalidType
        `amount` is no number.
    InvalidValue
        `amount` is out of range.

    See Also
    --------
    PhaseAligner : undoes delays and inverted polarity between the channels.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import Board, GANRestorer, StereoRepair
    >>> board = Board([StereoRepair(), GANRestorer()])
    >>> coded = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    >>> bool(np.array_equal(StereoRepair()(coded, 44100), coded))
    True
    """

    def _engine(self, sample_rate: float, channels: int, number: int) -> Engine:
        from uncodec.repair.side_filler import SideFiller

        return SideFiller(sample_rate, channels)
