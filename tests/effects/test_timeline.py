"""Alignment and length of what an effect returns, whatever the calls."""

import copy
import pickle
import re
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.errors import InvalidType, InvalidValue

LENGTH = 1500
# The first block of a stream must be longer than it is wide for its layout to be known.
CUTS = st.lists(st.integers(3, LENGTH), max_size=8)


def filtered(effect, audio):
    """The zero-phase result of the `fir` effect."""
    wide = np.pad(audio, ((0, 0), (effect.length // 2, effect.length // 2)))
    return np.stack([np.convolve(channel, effect.taps, "valid") for channel in wide])


@pytest.mark.parametrize("latency", [0, 1, 100, 5000])
def test_a_whole_call_is_aligned_and_as_long(delayed, noise, latency):
    audio = noise(LENGTH)
    effect = delayed(latency, 0.5)
    for _ in range(2):
        np.testing.assert_array_equal(effect(audio, 44100), audio * np.float32(0.5))


@settings(max_examples=40, deadline=None)
@given(cuts=CUTS, latency=st.integers(0, 2000), first_resets=st.booleans())
def test_any_partition_joins_to_the_input(
    delayed, noise, stream_through, cuts, latency, first_resets
):
    audio = noise(LENGTH)
    result = stream_through(delayed(latency, 2.0), audio, cuts, first_resets=first_resets)
    np.testing.assert_array_equal(result, 2 * audio)


@settings(max_examples=40, deadline=None)
@given(cuts=CUTS, size=st.integers(7, 2000))
def test_any_partition_of_a_filter_joins_to_the_whole(fir, noise, stream_through, cuts, size):
    audio = noise(LENGTH)
    effect = fir()
    whole = effect(audio, 44100)
    np.testing.assert_allclose(whole, filtered(effect, audio), atol=1e-6)
    effect.reset()
    result = stream_through(effect, audio, cuts, buffer_size=size)
    np.testing.assert_array_equal(result, whole)


@settings(max_examples=40, deadline=None)
@given(cuts=CUTS)
def test_a_loop_that_resets_first_differs_only_where_it_could_not_know(
    fir, noise, stream_through, cuts
):
    audio = noise(LENGTH)
    effect = fir()
    whole = filtered(effect, audio)
    result = stream_through(effect, audio, cuts, first_resets=True)
    assert result.shape == whole.shape
    # The call that reset had to guess what follows: silence.
    first = min(cuts, default=LENGTH)
    known = np.ones(LENGTH, bool)
    known[max(0, first - effect.latency_samples) : first] = False
    np.testing.assert_allclose(result[:, known], whole[:, known], atol=1e-6)
    guessed = filtered(effect, audio[:, :first])
    np.testing.assert_allclose(result[:, :first], guessed, atol=1e-6)


def test_streaming_gives_what_is_ready(delayed, noise):
    effect = delayed(100)
    audio = noise(400)
    lengths = [
        effect.process(audio[:, i : i + 80], 44100, reset=False).shape[1] for i in (0, 80, 160)
    ]
    assert lengths == [0, 60, 80]
    assert effect.flush().shape == (2, 100)


def test_flush_ends_the_stream(delayed, noise):
    effect = delayed(100)
    assert effect.flush().shape == (0,)
    audio = noise(300)
    for _ in range(2):
        head = effect.process(audio, 44100, reset=False)
        np.testing.assert_array_equal(np.concatenate([head, effect.flush()], axis=1), audio)
        assert effect.flush().shape == (2, 0)
    effect(audio, 44100)
    assert effect.flush().shape == (2, 0), "a whole call has given everything"


@pytest.mark.parametrize("shape", [(300,), (300, 2), (2, 300), (300, 1)])
def test_flush_keeps_the_layout(delayed, shape):
    effect = delayed(100)
    audio = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    head = effect.process(audio, 44100, reset=False)
    axis = int(np.argmin(shape) == 0) if len(shape) == 2 else 0
    np.testing.assert_array_equal(np.concatenate([head, effect.flush()], axis=axis), audio)


def test_reset_forgets_audio_but_not_parameters(delayed, noise):
    effect = delayed(100, 3.0)
    audio = noise(300)
    effect.process(audio, 44100, reset=False)
    effect.reset()
    assert effect.flush().size == 0
    np.testing.assert_array_equal(effect(audio, 44100), 3 * audio)


def test_empty_blocks_change_nothing(delayed, noise, stream_through):
    audio = noise(300)
    effect = delayed(100)
    result = stream_through(effect, audio, [0, 0, 150, 150, 300, 300])
    np.testing.assert_array_equal(result, audio)


def test_a_parameter_changes_within_one_block_of_the_stream(delayed, noise):
    effect = delayed(0)
    audio = noise(300)
    effect.process(audio, 44100, reset=False)
    effect.gain = 0.25
    np.testing.assert_array_equal(
        effect.process(audio, 44100, reset=False), audio * np.float32(0.25)
    )


def test_blocks_are_bounded_by_buffer_size(delayed, noise):
    effect = delayed(100)
    effect.process(noise(1000), 44100, buffer_size=64)
    assert effect.streams[0].largest == 64


def test_another_rate_in_mid_stream_is_refused_and_loses_nothing(delayed, noise):
    effect = delayed(100)
    audio = noise(400)
    head = effect.process(audio[:, :200], 44100, reset=False)
    with pytest.raises(
        InvalidValue, match=r"sample_rate=48000.0: must stay 44100.0 within a stream"
    ):
        effect.process(audio[:, 200:], 48000, reset=False)
    with pytest.raises(InvalidValue, match=r"must keep 2 channel\(s\) within a stream, got 1"):
        effect.process(audio[0], 44100, reset=False)
    middle = effect.process(audio[:, 200:], 44100, reset=False)
    np.testing.assert_array_equal(np.concatenate([head, middle, effect.flush()], axis=1), audio)
    effect.process(audio[0], 48000, reset=False)
    effect.process(audio, 44100, reset=True)


@pytest.mark.parametrize("rate", [0, -44100, np.nan, np.inf])
def test_rates_that_are_not_positive_are_refused(delayed, rate):
    with pytest.raises(InvalidValue, match=re.escape(f"sample_rate={rate!r}: must be positive")):
        delayed()(np.zeros(10), rate)


@pytest.mark.parametrize("rate", ["44100", None, True, 1j])
def test_rates_that_are_no_numbers_are_refused(delayed, rate):
    with pytest.raises(InvalidType, match="must be a number in Hz"):
        delayed()(np.zeros(10), rate)


def test_rates_may_be_numpy_numbers(delayed):
    for rate in (np.float32(44100), np.int64(44100), 44100.0):
        assert delayed()(np.zeros(10), rate, np.int32(16)).shape == (10,)


def test_buffer_size_must_be_a_positive_integer(delayed):
    with pytest.raises(InvalidValue, match="buffer_size=0: must be a positive integer"):
        delayed()(np.zeros(10), 44100, 0)
    with pytest.raises(InvalidType, match=r"buffer_size=1.5: must be a positive integer"):
        delayed()(np.zeros(10), 44100, 1.5)


def test_latency_is_exact_before_within_and_between_streams(delayed, noise):
    effect = delayed(123)
    assert effect.latency_samples == 123
    assert isinstance(effect.latency_samples, int)
    effect.process(noise(50), 48000, reset=False)
    assert effect.latency_samples == 123
    effect.flush()
    assert effect.latency_samples == 123


def test_latency_is_that_of_the_rate_last_used(noise):
    from uncodec.effects.base import Effect

    class Rated(Effect):
        def _open(self, sample_rate, channels):
            stream = type("S", (), {})()
            stream.channels, stream.latency_samples = channels, int(sample_rate // 100)
            stream.process, stream.clone = (lambda x: x), (lambda: stream)
            return stream

    effect = Rated()
    assert effect.latency_samples == 441
    effect(noise(10), 48000)
    assert effect.latency_samples == 480
    effect.reset()
    assert effect.latency_samples == 480


def test_an_error_on_the_way_ends_the_stream(delayed, noise, monkeypatch):
    effect = delayed(10)
    audio = noise(100)
    effect.process(audio, 44100, reset=False)

    def broken(x):
        raise RuntimeError("broken")

    monkeypatch.setattr(effect.streams[-1], "process", broken)
    with pytest.raises(RuntimeError, match="broken"):
        effect.process(audio, 44100, reset=False)
    head = effect.process(audio, 44100, reset=False)
    np.testing.assert_array_equal(np.concatenate([head, effect.flush()], axis=1), audio)


def test_calls_from_several_threads_do_not_mix(delayed, noise):
    effect = delayed(100)
    failures = []

    def work(seed):
        audio = noise(3000, seed=seed)
        for _ in range(10):
            if not np.array_equal(effect(audio, 44100, buffer_size=128), audio):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_flags_and_repr(delayed):
    effect = delayed(7, 0.5)
    assert effect.is_effect
    assert not effect.is_instrument
    assert re.fullmatch(r"<uncodec.Delayed latency=7 gain=0.5 at 0x[0-9a-f]+>", repr(effect))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_copies_have_the_parameters_and_not_the_audio(delayed, noise, duplicate):
    effect = delayed(7, 0.5)
    effect.process(noise(50), 44100, reset=False)
    twin = duplicate(effect)
    assert (twin.latency, twin.gain) == (7, 0.5)
    assert twin.flush().size == 0
    assert effect.flush().shape == (2, 7)


def test_effects_can_be_pickled():
    from uncodec import GANRestorer

    twin = pickle.loads(pickle.dumps(GANRestorer(amount=0.3, seed=4, model="m", device="d")))
    assert (twin.amount, twin.seed, twin.model, twin.device) == (0.3, 4, "m", "d")
