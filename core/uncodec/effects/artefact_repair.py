"""Removal of coding artefacts: bands that an encoder switches off and on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.effects.delta_effect import DeltaEffect

if TYPE_CHECKING:
    from uncodec.streams.delta import Engine

__all__ = ["ArtefactRepair"]


class ArtefactRepair(DeltaEffect):
    """Fills the holes that make low bit rates warble.

    Short of bits, an encoder drops bands for moments and brings them back: what stays sounds like
    birds. Where a band vanishes for up to a tenth of a second while it sounds before and after, and
    its surroundings go on, noise is put into it, 7 dB below the level around the hole. Recordings
    without such holes pass bit for bit, and so does everything in the first moments of a damaged
    one, until there is no doubt.

    Nothing is added above the cut-off: that is the work of a restorer.

    Parameters
    ----------
    amount : float
        How much is filled in, from 0 (the input comes back bit for bit) to 1.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        A parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import ArtefactRepair
    >>> sound = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    >>> bool((ArtefactRepair()(sound, 44100) == sound).all())
    True
    """

    def _engine(self, sample_rate: float, channels: int, number: int) -> Engine:
        from uncodec.repair.holes import HoleFiller
        from uncodec.streams.channel_groups import group_seed

        return HoleFiller(sample_rate, channels, group_seed(0, number))
