"""The same task for many items: what processes on this machine and on others are given to do."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from uncodec.errors import UncodecError
from uncodec.files.reporting import describe

__all__ = ["Task", "Tell", "portable"]

Tell = Callable[..., None]
"""Called by a task as ``tell(name, *content)`` with what is to be heard in the first process."""


class Task(Protocol):
    """What is done to each item. It is sent to other processes before `begin`."""

    def begin(self) -> None:
        """Load what is needed for all items, once; raises what makes the work impossible."""
        ...

    def do(self, item: Any, tell: Tell) -> Any:
        """Do it and give the result. What it raises ends the run."""
        ...

    def lost(self, item: Any, error: UncodecError, tell: Tell) -> Any:
        """The result of an item whose processes died; called in the first process."""
        ...

    def abandoned(self, item: Any) -> None:
        """Remove what a process that was ended in mid-item has left; called in the first one."""
        ...


def portable(error: BaseException) -> BaseException:
    """An error as it can be sent, with where it came from as a note."""
    where = "".join(traceback.format_exception(error))
    try:
        copy: BaseException = pickle.loads(pickle.dumps(error))
    except Exception:
        copy = UncodecError(describe(error))
    copy.add_note(where)
    return copy
