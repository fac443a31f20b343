"""The plugin and the engine agree on the network's rate, at every rate there is."""

import math

import pytest

from uncodec._native import session_timing
from uncodec.errors import InvalidValue
from uncodec.rates import HIGHEST_RATE, LOWEST_RATE, network_rate

LONGEST_HOP = 1 << 16


def expected_hop(rate, hop):
    """Of a session: whole hops of the network, in whole samples at the host's rate."""
    inner = network_rate(rate)
    step = inner // math.gcd(rate, inner)
    return step // math.gcd(hop, step) * hop * rate // inner


@pytest.mark.parametrize("hop", [64, 441, 512])
def test_sessions_are_laid_out_for_the_rate_that_the_engine_runs_at(hop):
    possible = 0
    for rate in range(LOWEST_RATE, HIGHEST_RATE + 1):
        expected = expected_hop(rate, hop)
        if expected <= LONGEST_HOP:
            possible += 1
            assert session_timing(2 * hop, hop, float(rate))[0] == expected, rate
    assert possible > 100


def test_a_rate_whose_hops_would_be_too_long_is_refused_on_both_counts():
    assert expected_hop(44101, 512) > LONGEST_HOP
    with pytest.raises(InvalidValue, match="44101"):
        session_timing(1024, 512, 44101.0)


@pytest.mark.parametrize("rate", [7999, 384001, 44100.5])
def test_both_refuse_the_same_rates(rate):
    with pytest.raises(InvalidValue, match="sample_rate="):
        network_rate(rate)
    with pytest.raises(InvalidValue, match="sample_rate="):
        session_timing(1024, 512, float(rate))
