"""Checks that the parameters of several effects share."""

from __future__ import annotations

import numbers

from uncodec.errors import InvalidType, InvalidValue

__all__ = ["check_number"]


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
