"""Base of the effects that add something to what they hear, and can add less of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.effects.base import Effect
from uncodec.effects.parameter import Parameter
from uncodec.parameters import check_amount
from uncodec.rates import check_rate

if TYPE_CHECKING:
    from uncodec.streams.delta import Engine
    from uncodec.streams.stream import Stream

__all__ = ["DeltaEffect"]


class DeltaEffect(Effect):
    """Output = delayed input + `amount` * what an engine gives.

    A subclass gives the engine (`_engine`), which then runs at any rate, or a stream that has one
    (`_open_group`).

    Parameters
    ----------
    amount : float
        From 0 (the input comes back bit for bit) to 1.
    """

    amount = Parameter(
        check_amount, "How much of the change is applied, 0 to 1; another is heard at once."
    )
    _touches_lfe = False

    def __init__(self, amount: float = 1.0) -> None:
        super().__init__()
        self.amount = amount

    def _engine(self, sample_rate: float, channels: int, number: int) -> Engine:
        """Make the engine; imported on first use, because engines compile their kernels.

        `number` counts the groups of a surround signal.
        """
        raise NotImplementedError(type(self).__name__)

    def _open(self, sample_rate: float, channels: int) -> Stream:
        return self._open_group(sample_rate, channels, 0)

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        from uncodec.streams.delta import DeltaStream, HopSource

        check_rate(sample_rate)
        return DeltaStream(HopSource(self._engine(sample_rate, channels, number)), self.amount)

    def _apply(self, stream: Stream) -> None:
        stream.amount = self.amount  # type: ignore[attr-defined]
