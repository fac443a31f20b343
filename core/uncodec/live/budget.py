"""What a live session may be asked for, and the latency that follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from uncodec._native import LiveHost, latency_samples
from uncodec.errors import InvalidValue
from uncodec.live.hop_engine import HopEngine
from uncodec.parameters import check_integer, check_number
from uncodec.rates import NETWORK_RATES

__all__ = ["LONGEST_BLOCK", "Latency", "Pattern", "check_settings", "latency_of", "open_host"]

Pattern = Literal["fixed", "varying", "irregular"]

LONGEST_BLOCK = 1 << 16


@dataclass(frozen=True)
class Latency:
    """Parts of the constant delay from input to output, in samples.

    Attributes
    ----------
    algorithmic : int
        Of the model itself.
    buffering : int
        From collecting hops out of blocks.
    turnaround : int
        Given to the network, in whole blocks.
    """

    algorithmic: int
    buffering: int
    turnaround: int

    @property
    def total(self) -> int:
        """Sum of the parts."""
        return self.algorithmic + self.buffering + self.turnaround


def check_settings(
    sample_rate: float, channels: int, block: int, turnaround_s: float, pattern: str
) -> None:
    """Raise `InvalidValue` or `InvalidType` for what a session cannot do."""
    if sample_rate not in NETWORK_RATES:
        raise InvalidValue(
            f"sample_rate={sample_rate}: a live session runs at 44100 or 48000 Hz; "
            "open_stream takes other rates"
        )
    if channels not in (1, 2):
        raise InvalidValue(f"channels={channels}: must be 1 or 2")
    check_integer("block", block, 1, LONGEST_BLOCK, f"{LONGEST_BLOCK} samples")
    check_number("turnaround_s", turnaround_s, 0.0, 1.0)
    if pattern not in get_args(Pattern):
        raise InvalidValue(f"pattern={pattern!r}: must be one of {', '.join(get_args(Pattern))}")


def open_host(
    engine: HopEngine, block: int, turnaround_s: float, sample_rate: int, pattern: Pattern
) -> LiveHost:
    """The callback's end of a session for an engine, with the latency that the one law gives.

    Calls that come irregularly can skip a deadline by up to one block more, which is added to the
    turnaround; see `uncodec._native.latency_samples`.
    """
    if pattern == "irregular":
        turnaround_s += (block - 1) / sample_rate
    return LiveHost(
        sample_rate=sample_rate,
        channels=engine.channels,
        hop=engine.hop,
        tail=engine.tail_length,
        model_delay=engine.delay,
        max_block=block,
        turnaround_s=turnaround_s,
        varying_blocks=pattern != "fixed",
    )


def latency_of(host: LiveHost, engine: HopEngine, block: int, pattern: Pattern) -> Latency:
    """The latency of a session, split into its parts."""
    waiting = latency_samples(0, engine.hop, block, varying_blocks=pattern != "fixed")
    return Latency(engine.delay, waiting, host.latency_samples - engine.delay - waiting)
