"""How caller's arrays are read, and what is refused."""

import numpy as np
import pedalboard
import pytest

from uncodec.effects.arrays import Layout, to_channels_first
from uncodec.errors import InvalidType, InvalidValue

# A delay of one sample at 44.1 kHz, a little longer because pedalboard rounds down.
ONE = 1.0001 / 44100
SHAPES = [
    *((50,), (1, 50), (2, 50), (50, 1), (50, 2), (1, 1)),
    *((1, 2), (2, 1), (3, 2), (2, 3), (6, 50), (9, 8)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f4", ">f8"])
@pytest.mark.parametrize("shape", [*SHAPES, (1,)])
def test_every_layout_comes_back_as_it_was(shape, dtype):
    given = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    audio, layout = to_channels_first(given)
    assert audio.ndim == 2
    assert audio.dtype == np.float32
    assert np.shares_memory(audio, given) == (given.dtype == np.float32)
    back = layout.restore(audio)
    assert back.dtype == np.float32
    assert back.flags.c_contiguous
    np.testing.assert_array_equal(back, given)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2), (1, 0), (0, 1), (0, 0)])
def test_empty_arrays_are_allowed(delayed, shape):
    effect = delayed()
    result = effect(np.zeros(shape), 44100)
    assert result.shape == shape
    assert result.dtype == np.float32
    assert effect.flush().size == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_axes_are_told_apart_as_pedalboard_does(delayed, shape):
    given = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    # A delay shows which axis was taken for time.
    theirs = pedalboard.Delay(delay_seconds=ONE, mix=1.0)(given, 44100)
    audio, layout = to_channels_first(given)
    late = np.pad(audio, ((0, 0), (1, 0)))[:, : audio.shape[1]]
    np.testing.assert_allclose(layout.restore(late), theirs, atol=1e-6)


@pytest.mark.parametrize("before", [(2, 100), (100, 2)])
def test_square_and_tiny_arrays_are_read_as_the_one_before(delayed, before):
    effect, native = delayed(latency=0), pedalboard.Delay(delay_seconds=ONE, mix=1.0)
    effect(np.zeros(before), 44100)
    native(np.zeros(before, np.float32), 44100)
    tiny = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    late = native(tiny, 44100)
    _, layout = to_channels_first(tiny, channels=2, layout=effect._layout)
    expected = np.array([[0.0, 1.0], [0.0, 3.0]] if before[0] == 2 else [[0.0, 0.0], [1.0, 2.0]])
    np.testing.assert_array_equal(late, expected)
    assert (layout is Layout.CHANNELS_FIRST) == (before[0] == 2)
    np.testing.assert_array_equal(effect(tiny, 44100), tiny)
    for shape in [(2, 1), (1, 2)]:
        one = np.array([5.0, 6.0], np.float32).reshape(shape)
        assert effect.process(one, 44100, reset=False).shape == shape
        assert effect._channels == 2
    effect.reset()
    with pytest.raises(InvalidValue, match=r"shape=\(2, 2\): must not be square"):
        effect(tiny, 44100)


@pytest.mark.parametrize(
    "dtype", [np.int16, np.int32, np.uint8, np.bool_, np.float16, np.complex64]
)
def test_other_sample_types_are_refused(delayed, dtype):
    with pytest.raises(InvalidType, match="must be float32 or float64"):
        delayed()(np.zeros(10, dtype), 44100)


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [(np.int16, "divide integers by 32768"), (np.int32, "by 2147483648"), (np.float16, "astype")],
)
def test_sample_types_that_can_be_converted_come_with_the_way(delayed, dtype, hint):
    with pytest.raises(InvalidType, match=rf"dtype={np.dtype(dtype)}: must be .*{hint}"):
        delayed()(np.zeros(10, dtype), 44100)


@pytest.mark.parametrize("given", [[0.0, 1.0], None, "audio", 3.0])
def test_what_is_no_array_is_refused(delayed, given):
    with pytest.raises(InvalidType, match="must be a NumPy array"):
        delayed()(given, 44100)


@pytest.mark.parametrize("shape", [(), (2, 2, 50)])
def test_other_numbers_of_dimensions_are_refused(delayed, shape):
    with pytest.raises(InvalidValue, match=rf"must have 1 or 2 dimensions.*got {len(shape)}"):
        delayed()(np.zeros(shape), 44100)


@pytest.mark.parametrize("shape", [(9, 100), (100, 9), (0, 9), (9, 12)])
def test_more_than_eight_channels_are_refused(delayed, shape):
    with pytest.raises(InvalidValue, match=r"shape=\(.*\): must have 1 to 8 channels, got 9"):
        delayed()(np.zeros(shape), 44100)


@pytest.mark.parametrize("channels", [2, 4, 8, 20])
def test_square_arrays_are_refused(delayed, channels):
    with pytest.raises(InvalidValue, match="must not be square"):
        delayed()(np.zeros((channels, channels)), 44100)


@pytest.mark.parametrize(
    ("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (1e300, r"1e\+300")]
)
def test_samples_that_are_not_finite_are_refused_with_their_place(delayed, value, shown):
    audio = np.zeros((100, 2))
    audio[7, 1] = value
    audio[9, 0] = value
    place = rf"\[channel 1, sample 7\]={shown}: must be finite"
    with pytest.raises(InvalidValue, match=rf"{place} .* \(1 more are not\)"):
        delayed()(audio, 44100)


def test_an_array_of_the_right_form_is_not_copied():
    audio = np.zeros((2, 100), np.float32)
    assert to_channels_first(audio)[0] is audio


@pytest.mark.parametrize("latency", [0, 10])
def test_the_result_shares_no_memory_and_the_input_stays(delayed, latency):
    audio = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    before = audio.copy()
    for reset in (True, False):
        result = delayed(latency)(audio, 44100, reset=reset)
        assert not np.shares_memory(result, audio)
    np.testing.assert_array_equal(audio, before)
