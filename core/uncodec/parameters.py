"""Checks of the parameters that many callables share: each rule and its words in one place."""

from __future__ import annotations

import numbers
import operator
import os
from typing import Literal

from uncodec.errors import InvalidType, InvalidValue

__all__ = [
    "CHUNK",
    "DEFAULT_STEPS",
    "MAX_STEPS",
    "Sampler",
    "check_amount",
    "check_brightness",
    "check_device",
    "check_integer",
    "check_model",
    "check_name",
    "check_number",
    "check_positive",
    "check_sampler",
    "check_seed",
    "check_steps",
]

Sampler = Literal["ode", "sde"]

DEFAULT_STEPS = 2
"""Calls of the diffusion network unless somebody asks for more."""
CHUNK = 640
"""Frames that the diffusion network computes at once unless somebody asks for others."""
MAX_STEPS = 32
"""Most calls of the diffusion network."""


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


def check_integer(
    name: str, value: int, lowest: int, highest: int, highest_name: str | None = None
) -> int:
    """Return `value` as an int if it is an integer within its range, both ends included.

    `highest_name` stands for `highest` in messages.

    Raises
    ------
    InvalidType
        It is no integer.
    InvalidValue
        It is outside the range.
    """
    span = f"from {lowest} to {highest_name or highest}"
    number = _index(name, value, f"must be an integer {span}")
    if not lowest <= number <= highest:
        raise InvalidValue(f"{name}={value!r}: must be {span}")
    return number


def check_positive(name: str, value: int) -> int:
    """Return `value` as an int if it is an integer of 1 or more; raises as `check_integer`."""
    rule = "must be a positive integer"
    number = _index(name, value, rule)
    if number < 1:
        raise InvalidValue(f"{name}={value!r}: {rule}")
    return number


def _index(name: str, value: int, rule: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidType(f"{name}={value!r}: {rule}") from None
    if isinstance(value, bool):
        raise InvalidType(f"{name}={value!r}: {rule}")
    return number


def check_amount(value: float) -> float:
    """Return the share of a restoration that is added, if it is a number from 0 to 1."""
    return check_number("amount", value, 0.0, 1.0)


def check_brightness(value: float) -> float:
    """Return by how many dB what is added is tilted, if it is a number from -12 to 12."""
    return check_number("brightness_db", value, -12.0, 12.0)


def check_seed(value: int) -> int:
    """Return the seed of a noise, if it is an integer from 0 to 2**64 - 1."""
    return check_integer("seed", value, 0, 2**64 - 1, "2**64 - 1")


def check_name(name: str, value: str) -> str:
    """Return `value` if it is a string with something in it."""
    if not isinstance(value, str):
        raise InvalidType(f"{name}={value!r}: must be a string")
    if not value:
        raise InvalidValue(f"{name}={value!r}: must not be empty")
    return value


def check_model(value: str | os.PathLike[str]) -> str:
    """Return the name or the folder of a model, if it is a string or a path."""
    return check_name("model", os.fspath(value) if isinstance(value, os.PathLike) else value)


def check_device(value: str) -> str:
    """Return where a network runs, if it is a string with something in it."""
    return check_name("device", value)


def check_steps(value: int) -> int:
    """Return the number of calls of the diffusion network, if it is an integer from 1 to 32."""
    return check_integer("steps", value, 1, MAX_STEPS)


def check_sampler(value: str) -> Sampler:
    """Return how the diffusion network is sampled, if it is "ode" or "sde"."""
    name = check_name("sampler", value)
    if name == "ode":
        return "ode"
    if name == "sde":
        return "sde"
    raise InvalidValue(f"sampler={value!r}: must be 'ode' or 'sde'")
