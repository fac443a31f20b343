"""Checks that the parameters of several effects share."""

from __future__ import annotations

import numbers
import operator

from uncodec.errors import InvalidType, InvalidValue

__all__ = ["check_name", "check_number", "check_seed"]


def check_number(name: str, value: float, lowest: float, highest: float) -> float:
    """Return `value` as a float if it is a number within its range, both ends included.

    Raises
    ------
    InvalidType
        It is no number.
    InvalidValue
        It is outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise InvalidType(f"{name}={value!r}: must be a number from {lowest:g} to {highest:g}")
    if not lowest <= value <= highest:
        raise InvalidValue(f"{name}={value!r}: must be from {lowest:g} to {highest:g}")
    return float(value)


def check_seed(value: int) -> int:
    """Return `value` if it is an integer from 0 to 2**64 - 1."""
    if isinstance(value, bool):
        raise InvalidType(f"seed={value!r}: must be an integer, 0 or more")
    try:
        seed = operator.index(value)
    except TypeError:
        raise InvalidType(f"seed={value!r}: must be an integer, 0 or more") from None
    if not 0 <= seed < 2**64:
        raise InvalidValue(f"seed={value!r}: must be from 0 to 2**64 - 1")
    return seed


def check_name(name: str, value: str) -> str:
    """Return `value` if it is a string with something in it."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}={value!r}: must be a string")
    if not value:
        raise InvalidValue(f"{name}={value!r}: must not be empty")
    return value
