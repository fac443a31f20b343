"""What parameters may be, and what is said of those that are something else."""

import numpy as np
import pytest

from uncodec.errors import InvalidType, InvalidValue
from uncodec.parameters import check_integer, check_positive
from uncodec.rates import check_rate


@pytest.mark.parametrize("value", [3, np.int64(3)])
def test_integers_of_any_kind_are_taken(value):
    for number in (check_integer("n", value, 1, 5), check_positive("n", value)):
        assert number == 3
        assert type(number) is int


@pytest.mark.parametrize("value", [True, 3.0, "3", None])
def test_what_is_no_integer_is_refused(value):
    with pytest.raises(InvalidType, match=r"n=.*: must be an integer from 1 to 5"):
        check_integer("n", value, 1, 5)
    with pytest.raises(InvalidType, match=r"n=.*: must be a positive integer"):
        check_positive("n", value)


def test_integers_out_of_range_are_refused():
    with pytest.raises(InvalidValue, match="n=6: must be from 1 to 5 apples"):
        check_integer("n", 6, 1, 5, "5 apples")
    with pytest.raises(InvalidValue, match="n=0: must be a positive integer"):
        check_positive("n", 0)


def test_rates_are_whole_numbers_within_their_range():
    assert check_rate(44100.0) == 44100
    assert check_rate(4000, lowest=1, highest=5000) == 4000
    for rate in (7999, 384001, 44100.5, float("nan"), float("inf")):
        with pytest.raises(InvalidValue, match="must be a whole number from 8000 to 384000 Hz"):
            check_rate(rate)
    for rate in ("44100", None, True):
        with pytest.raises(InvalidType, match="must be a whole number from 8000 to 384000 Hz"):
            check_rate(rate)
