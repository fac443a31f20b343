"""Base of the effects that add something to what they hear, and can add less of it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from uncodec.effects.base import Effect
from uncodec.parameters import check_amount

if TYPE_CHECKING:
    from uncodec.live.source import Engine
    from uncodec.live.stream import Stream

__all__ = ["DeltaEffect"]


class DeltaEffect(Effect):
    """Output = delayed input + `amount` * what an engine, at any rate, gives.

    Parameters
    ----------
    amount : float
        From 0 (the input comes back bit for bit) to 1.
    """

    _touches_lfe = False

    def __init__(self, amount: float = 1.0) -> None:
        super().__init__()
        self.amount = amount

    @property
    def amount(self) -> float:
        """How much of the repair is applied, 0 to 1; a change is heard at once."""
        return self._amount

    @amount.setter
    def amount(self, value: float) -> None:
        self._amount = check_amount(value)

    @abstractmethod
    def _engine(self, sample_rate: float, channels: int, number: int) -> Engine:
        """Make the engine; imported on first use, because engines compile their kernels.

        `number` counts the groups of a surround signal.
        """

    def _open(self, sample_rate: float, channels: int) -> Stream:
        return self._open_group(sample_rate, channels, 0)

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        from uncodec.live.source import NativeSource
        from uncodec.live.stream import RestoringStream
        from uncodec.rates import check_rate

        check_rate(sample_rate)
        return RestoringStream(
            NativeSource(self._engine(sample_rate, channels, number)), self._amount
        )

    def _apply(self, stream: Stream) -> None:
        stream.amount = self._amount  # type: ignore[attr-defined]
