"""Sample rates: which are taken, and at which one the network runs for each."""

from __future__ import annotations

import numbers

from uncodec.errors import InvalidType, InvalidValue

__all__ = ["HIGHEST_RATE", "LOWEST_RATE", "NETWORK_RATES", "check_rate", "network_rate"]

LOWEST_RATE, HIGHEST_RATE = 8000, 384000
"""Of sounds that effects take, in Hz."""

NETWORK_RATES = (44100, 48000)
"""At which networks run, in Hz."""


def check_rate(sample_rate: float, lowest: int = LOWEST_RATE, highest: int = HIGHEST_RATE) -> int:
    """Return a rate as an integer.

    Raises
    ------
    InvalidType
        `sample_rate` is no number.
    InvalidValue
        It is no whole number from `lowest` to `highest`, in Hz.
    """
    rule = f"must be a whole number from {lowest} to {highest} Hz"
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, numbers.Real):
        raise InvalidType(f"sample_rate={sample_rate!r}: {rule}")
    if not lowest <= sample_rate <= highest or sample_rate != int(sample_rate):
        raise InvalidValue(f"sample_rate={sample_rate}: {rule}")
    return int(sample_rate)


def network_rate(sample_rate: float) -> int:
    """Rate at which the network runs for a host rate: 44100 or 48000 Hz.

    Raises
    ------
    InvalidValue
        `sample_rate` is no whole number from 8000 to 384000.
    """
    rate = check_rate(sample_rate)
    low, high = NETWORK_RATES
    return low if rate % low == 0 or low % rate == 0 else high
