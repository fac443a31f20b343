"""Parameters of effects: attributes that are checked when they are set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

__all__ = ["Parameter"]

Given = TypeVar("Given", contravariant=True)
Kept = TypeVar("Kept", covariant=True)


class Parameter(Generic[Given, Kept]):
    """An attribute of a class, kept under its name with an underscore.

    Parameters
    ----------
    check : callable
        Gives what is kept of a value, or raises.
    doc : str
        What it means, and when a change is heard.
    changed : callable, optional
        Called with the instance when a value was set.
    """

    def __init__(
        self,
        check: Callable[[Given], Kept],
        doc: str,
        changed: Callable[[Any], None] = lambda instance: None,
    ) -> None:
        self._check = check
        self._changed = changed
        self.__doc__ = doc

    def __set_name__(self, owner: type, name: str) -> None:
        self._place = f"_{name}"

    @overload
    def __get__(self, instance: None, owner: type) -> Parameter[Given, Kept]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Kept: ...
    def __get__(self, instance: object, owner: type) -> Parameter[Given, Kept] | Kept:
        if instance is None:
            return self
        value: Kept = getattr(instance, self._place)
        return value

    def __set__(self, instance: object, value: Given) -> None:
        setattr(instance, self._place, self._check(value))
        self._changed(instance)
