"""Base of the restorers: what they add can be tilted as well as turned down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.effects.delta_effect import DeltaEffect
from uncodec.effects.parameter import Parameter
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
    """

    brightness_db = Parameter(
        check_brightness,
        "Tilt of what is added in dB, -12 to 12, full from 16 kHz on; another is heard from the "
        "next block on, and with `DiffusionRestorer` from the next call on.",
    )

    def __init__(self, amount: float = 1.0, brightness_db: float = 0.0) -> None:
        super().__init__(amount)
        self.brightness_db = brightness_db

    def _apply(self, stream: Stream) -> None:
        super()._apply(stream)
        stream.brightness_db = self.brightness_db  # type: ignore[attr-defined]
