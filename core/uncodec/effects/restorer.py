"""Base of the restorers: what they add can be turned down, tilted, and drawn to a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.balance import Like
from uncodec.effects.delta_effect import DeltaEffect
from uncodec.effects.parameter import Parameter
from uncodec.effects.reference import Reference, check_like, check_like_amount
from uncodec.parameters import check_brightness

if TYPE_CHECKING:
    from uncodec.streams.stream import Stream

__all__ = ["Restorer"]


class Restorer(DeltaEffect):
    """An effect whose streams are `uncodec.streams.delta.DeltaStream` over an engine that can tilt.

    Parameters
    ----------
    amount : float
        From 0 (the input comes back bit for bit) to 1.
    brightness_db : float
        From -12 to 12.
    like : path, tuple or Balance, optional
        The reference.
    like_amount : float
        From 0 to 1.
    """

    brightness_db = Parameter(
        check_brightness,
        "Tilt of what is added in dB, -12 to 12, full from 16 kHz on; another is heard from the "
        "next block on, and with `DiffusionRestorer` from the next call on.",
    )

    like = Parameter(
        check_like,
        "Tonal balance that what is added is drawn towards; what is set is measured, see "
        "`as_balance`. A change is heard from the next stream on.",
    )
    like_amount = Parameter(
        check_like_amount,
        "How far it is drawn there, 0 to 1; a change is heard from the next stream on.",
    )

    def __init__(
        self,
        amount: float = 1.0,
        brightness_db: float = 0.0,
        like: Reference | None = None,
        like_amount: float = 1.0,
    ) -> None:
        super().__init__(amount)
        self.brightness_db = brightness_db
        self.like = like
        self.like_amount = like_amount

    @property
    def _wanted_like(self) -> Like | None:
        """What engines are told."""
        balance = self.like
        return None if balance is None else Like(balance, self.like_amount)

    def _apply(self, stream: Stream) -> None:
        super()._apply(stream)
        stream.brightness_db = self.brightness_db  # type: ignore[attr-defined]
