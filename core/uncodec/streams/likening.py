"""How far an engine draws what it adds towards its reference, changed while audio runs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["Likening", "liken"]


@runtime_checkable
class Likening(Protocol):
    """What may draw its delta towards a reference."""

    def liken(self, amount: float) -> None:
        """Draw what comes from now on so far, 0 to 1; without a reference it does nothing."""
        ...


def liken(source: object, amount: float) -> None:
    """Draw what an engine or a source gives from now on so far; one without a reference goes on."""
    if isinstance(source, Likening):
        source.liken(amount)
