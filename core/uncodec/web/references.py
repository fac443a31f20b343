"""References that restorations are drawn towards, measured once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uncodec.balance import Balance, Like

__all__ = ["Measured", "named"]

_MOST = 50


class Measured:
    """Measures references, and remembers them as long as they stay as they are."""

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int, int], Balance] = {}

    def like(self, path: Path | None, amount: float) -> Like | None:
        """What a file says about tonal balance; None without a file.

        Raises
        ------
        AudioFileError, InvalidValue
            It cannot be read, or holds no sound.
        """
        if path is None:
            return None
        from uncodec.balance import Like
        from uncodec.effects.reference import as_balance

        key = (path, *_stamp(path))
        if key not in self._known:
            while len(self._known) >= _MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = as_balance(path)
        return Like(self._known[key], amount)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0  # told by who opens it
    return status.st_mtime_ns, status.st_size


def named(path: str | Path | None, amount: float) -> Like | None:
    """A reference of which nothing but the name is known: for what is told about a result."""
    if path is None:
        return None
    from uncodec.balance import Balance, Like

    return Like(Balance(str(path), (), (), 0.0), amount)
