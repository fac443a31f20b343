"""The latency law: its terms, its rounding, its refusals (the proof is in the Rust tests)."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncodec._native import latency_samples
from uncodec.errors import InvalidType, InvalidValue


@given(
    delay=st.integers(0, 10_000),
    hop=st.integers(1, 5000),
    block=st.integers(1, 10_000),
    blocks=st.integers(0, 50),
    rate=st.sampled_from([8000, 44_100, 48_000.0, 192_000]),
)
def test_law(delay: int, hop: int, block: int, blocks: int, rate: float) -> None:
    turnaround = blocks * block / rate
    fixed = latency_samples(delay, hop, block, turnaround_s=turnaround, sample_rate=rate)
    assert fixed == delay + hop - math.gcd(block, hop) + block * blocks
    varying = latency_samples(
        delay, hop, block, turnaround_s=turnaround, sample_rate=rate, varying_blocks=True
    )
    assert varying == delay + hop - 1 + block * blocks


def test_a_begun_block_counts_whole() -> None:
    assert latency_samples(0, 1, 480, turnaround_s=0.0101, sample_rate=48_000) == 960
    assert latency_samples(0, 1, 480, turnaround_s=1e-12, sample_rate=48_000) == 480


def test_synchronous_processing_needs_no_rate() -> None:
    assert latency_samples(768, 256, 480) == 768 + 224
    assert latency_samples(model_delay=768, hop=256, block=256) == 768


def simulated_latency(hop: int, block: int) -> int:
    """Smallest delay with which a hop-by-hop identity always has the next block ready."""
    return max(n * block - n * block // hop * hop for n in range(1, hop + 1))


@given(hop=st.integers(1, 60), block=st.integers(1, 60))
def test_a_simulated_host_needs_as_much(hop: int, block: int) -> None:
    assert latency_samples(0, hop, block) == simulated_latency(hop, block)


def test_arguments_are_checked() -> None:
    with pytest.raises(InvalidValue, match=r"^sample_rate=None: must be given"):
        latency_samples(0, 1, 1, turnaround_s=0.1)
    with pytest.raises(InvalidValue, match=r"^turnaround_s=-1: must be finite and not negative$"):
        latency_samples(0, 1, 1, turnaround_s=-1.0, sample_rate=48_000)
    with pytest.raises(InvalidValue, match=r"^sample_rate=0: must be finite and positive$"):
        latency_samples(0, 1, 1, turnaround_s=1.0, sample_rate=0.0)
    with pytest.raises(InvalidValue, match=r"^model_delay=-1: must be a non-negative integer$"):
        latency_samples(-1, 1, 1)
    with pytest.raises(InvalidValue, match=r"^block=0: must be a positive integer$"):
        latency_samples(0, 1, 0)
    with pytest.raises(InvalidType, match=r"^hop=1\.5: must be a positive integer$"):
        latency_samples(0, 1.5, 1)  # type: ignore[arg-type]
    with pytest.raises(InvalidType, match=r"^turnaround_s='1': must be a number$"):
        latency_samples(0, 1, 1, turnaround_s="1")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^latency: does not fit into 64 bits"):
        latency_samples(0, 1, 1, turnaround_s=1e300, sample_rate=48_000)
