"""Objects that take no attributes but their own, so that a misspelt parameter is not lost."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from uncodec.errors import UnknownAttribute

__all__ = ["Sealed"]


class Sealed:
    """Base of classes whose instances get no new public attributes after ``__init__``.

    What the class has or declares and what ``__init__`` has set can be set later; names that begin
    with an underscore are free.

    Raises
    ------
    UnknownAttribute
        On setting any other attribute; the message names the nearest one.
    """

    _sealed = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = _sealing(cls.__init__)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        if self._sealed and not name.startswith("_") and not _has(self, name):
            raise UnknownAttribute(_refusal(self, name))
        super().__setattr__(name, value)


def _sealing(init: Callable[..., None]) -> Callable[..., None]:
    # Not a metaclass: that would hide the signatures of all classes from editors and type checkers.
    @wraps(init)
    def wrapper(self: Sealed, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        # A subclass that calls this __init__ from its own is not ready yet.
        if type(self).__init__ is wrapper:
            self._sealed = True

    return wrapper


def _has(instance: object, name: str) -> bool:
    if name in vars(instance):
        return True
    classes = type(instance).__mro__
    return any(name in vars(cls) or name in inspect.get_annotations(cls) for cls in classes)


def _is_settable(member: object) -> bool:
    return hasattr(member, "__set__") and getattr(member, "fset", member) is not None


def _refusal(instance: object, name: str) -> str:
    settable = sorted(
        {
            attribute
            for cls in type(instance).__mro__
            for attribute, member in vars(cls).items()
            if not attribute.startswith("_") and _is_settable(member)
        }
        | {attribute for attribute in vars(instance) if not attribute.startswith("_")}
    )
    near = difflib.get_close_matches(name, settable, 1)
    hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(settable)}"
    return f"{name}: {type(instance).__name__} has no such attribute; {hint}"
