"""Removal of coding artefacts: bands that an encoder switches off and on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.effects.base import Effect
from uncodec.effects.parameters import check_number

if TYPE_CHECKING:
    from uncodec.live.stream import Stream

__all__ = ["ArtefactRepair"]


class ArtefactRepair(Effect):
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

    def __init__(self, amount: float = 1.0) -> None:
        super().__init__()
        self.amount = amount

    @property
    def amount(self) -> float:
        """How much is filled in, 0 to 1; a change is heard at once."""
        return self._amount

    @amount.setter
    def amount(self, value: float) -> None:
        self._amount = check_number("amount", value, 0.0, 1.0)

    def _open(self, sample_rate: float, channels: int) -> Stream:
        # Imported on first use, like every engine.
        from uncodec.live.source import NativeSource
        from uncodec.live.stream import RestoringStream
        from uncodec.repair.holes import HoleFiller

        return RestoringStream(NativeSource(HoleFiller(sample_rate, channels)), self._amount)

    def _apply(self, stream: Stream) -> None:
        stream.amount = self._amount  # type: ignore[attr-defined]
