"""Transient repair: attacks that begin out of what was there before, not out of a codec's noise."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from uncodec.effects.delta_effect import DeltaEffect
from uncodec.effects.parameter import Parameter
from uncodec.parameters import check_number

if TYPE_CHECKING:
    from uncodec.streams.delta import Engine

__all__ = ["TransientRepair"]


class TransientRepair(DeltaEffect):
    """Takes the pre-echo away that transform codecs put in front of attacks.

    Such a codec spreads its quantisation noise over a whole block, so that up to 20 ms of it are
    heard before a drum or a plucked string. Where an attack rises steeply out of something much
    softer, and that something stands out from what came before it, it is brought down to that, in
    eight bands, up to 2 ms before the attack. Everything else, attacks that grow and notes that
    are held among it, passes bit for bit.

    It works on decoded sound as it comes and after a restorer.

    Parameters
    ----------
    amount : float
        How much of the repair is applied, from 0 (the input comes back bit for bit) to 1.
    threshold_db : float
        How far an attack must rise above what lies before it, from 15 to 40 dB, treble weighing
        more. Lower ones repair more attacks, and more often take a natural beginning for damage.

    Raises
    ------
    InvalidType
        A parameter is no number.
    InvalidValue
        A parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import TransientRepair
    >>> time = np.arange(44100) / 44100
    >>> drum = np.sin(700 * time) * np.exp(-20 * (time - 0.5)) * (time >= 0.5)
    >>> hiss = 0.003 * np.random.default_rng(0).normal(size=44100) * (abs(time - 0.49) < 0.01)
    >>> repaired = TransientRepair()((drum + hiss).astype(np.float32), 44100)
    >>> before = slice(21300, 21800)
    >>> bool(np.std(repaired[before]) < 0.1 * np.std(hiss[before]))
    True
    """

    threshold_db = Parameter(
        partial(check_number, "threshold_db", lowest=15.0, highest=40.0),
        "How far an attack must rise, 15 to 40 dB; a change is heard from the next stream on.",
    )

    def __init__(self, amount: float = 1.0, threshold_db: float = 25.0) -> None:
        super().__init__(amount)
        self.threshold_db = threshold_db

    def _engine(self, sample_rate: float, channels: int, number: int) -> Engine:
        from uncodec.repair.transients import TransientEngine

        return TransientEngine(channels, sample_rate, self.threshold_db)
