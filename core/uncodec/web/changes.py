"""What changed since a page last asked."""

from __future__ import annotations

import asyncio
from contextlib import suppress

__all__ = ["Changes"]


class Changes:
    """Counts changes, and lets those wait who want to know of the next one.

    To be used from one thread, that of the event loop.

    Attributes
    ----------
    number : int
        Of the last change.
    """

    def __init__(self) -> None:
        self.number = 1
        self._ended = False
        self._waiting: set[asyncio.Event] = set()

    def bump(self) -> int:
        """Something changed; return the number of this change."""
        self.number += 1
        self._wake()
        return self.number

    def end(self) -> None:
        """Let nobody wait any more."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait(self, since: int, seconds: float) -> None:
        """Return when there is a change after number `since`, or after so many seconds."""
        if self.number > since or self._ended:
            return
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)
        finally:
            self._waiting.discard(event)
