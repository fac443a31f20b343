"""What a board returns: as pedalboard for native plugins, aligned and complete for mixtures."""

import threading

import numpy as np
import pedalboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec import Board
from uncodec.effects.chain import _ZERO_LATENCY
from uncodec.errors import InvalidValue

RATE = 44100
LENGTH = 6000
CUTS = st.lists(st.integers(3, LENGTH), max_size=6)

ECHO = np.zeros((1, 400), np.float32)
ECHO[0, [0, 37, 399]] = 0.5, 0.3, -0.2

NATIVE = {
    "gain": lambda: [pedalboard.Gain(-6.0)],
    "reverb": lambda: [pedalboard.Reverb()],
    "filters": lambda: [pedalboard.HighpassFilter(200), pedalboard.LowpassFilter(3000)],
    "modulation": lambda: [pedalboard.Chorus(), pedalboard.Phaser()],
    "dynamics": lambda: [pedalboard.Compressor(-30, 4), pedalboard.Limiter(-20)],
    "delay": lambda: [pedalboard.Delay(0.01, 0.4), pedalboard.Distortion()],
    "convolution": lambda: [pedalboard.Convolution(ECHO, 0.7, RATE)],
    "lookahead": lambda: [pedalboard.BrickwallLimiter(-20.0)],
    "resampled": lambda: [pedalboard.Resample(22050.0)],
    "late then reverb": lambda: [pedalboard.BrickwallLimiter(-20.0), pedalboard.Reverb()],
    "nested": lambda: [
        pedalboard.Pedalboard([pedalboard.Chain([pedalboard.Gain(3.0)]), pedalboard.Reverb()]),
        pedalboard.Mix([pedalboard.Gain(-6.0), pedalboard.Delay(0.005, 0.0)]),
    ],
    "none": lambda: [None, pedalboard.Gain(2.0), None],
    "empty": lambda: [],
}


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("buffer_size", [8192, 300])
def test_native_boards_equal_pedalboard_on_whole_calls(kind, noise, channels, buffer_size):
    audio = noise(LENGTH, channels)
    board, theirs = Board(NATIVE[kind]()), pedalboard.Pedalboard(NATIVE[kind]())
    for _ in range(2):
        expected = theirs(audio, RATE, buffer_size)
        np.testing.assert_array_equal(board(audio, RATE, buffer_size), expected)


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("block", [64, 1000])
def test_native_boards_equal_pedalboard_when_streaming(kind, noise, channels, block):
    audio = noise(LENGTH, channels)
    board, theirs = Board(NATIVE[kind]()), pedalboard.Pedalboard(NATIVE[kind]())
    for start in range(0, LENGTH, block):
        part = audio[:, start : start + block]
        expected = theirs.process(part, RATE, reset=False)
        result = board.process(part, RATE, reset=False)
        if kind == "convolution":  # its partitions, and so its rounding, depend on the block size
            np.testing.assert_allclose(result, expected, atol=1e-6)
        else:
            np.testing.assert_array_equal(result, expected)


# pedalboard.Resample gives something else when its first block is short, on a Pedalboard as well.
@pytest.mark.parametrize("kind", [kind for kind in NATIVE if kind != "resampled"])
@pytest.mark.parametrize("first_resets", [False, True])
@settings(max_examples=6, deadline=None)
@given(cuts=CUTS)
def test_native_boards_stream_what_a_whole_call_gives(
    kind, noise, stream_through, cuts, first_resets
):
    # pedalboard itself does not: it resets its plugins when blocks grow, leaves a gap behind a call
    # with reset=True, and keeps the end.
    audio = noise(LENGTH)
    whole = Board(NATIVE[kind]())(audio, RATE)
    result = stream_through(Board(NATIVE[kind]()), audio, cuts, first_resets=first_resets)
    assert result.shape == whole.shape
    assert np.isfinite(result).all()
    unknown = slice(0, 0)
    if first_resets:
        first = min(cuts, default=LENGTH)
        unknown = slice(max(0, first - 600), first)
    difference = np.abs(result - whole)
    difference[:, unknown] = 0
    assert difference.max() < 1e-5


def test_the_list_of_plugins_without_latency_is_true(noise):
    extra = {pedalboard.Convolution: (ECHO, 1.0, RATE)}
    for kind in _ZERO_LATENCY:
        if kind is pedalboard.IIRFilter:  # the base of the filters, not to be made
            continue
        plugin = kind(*extra.get(kind, ()))
        assert plugin.process(noise(3), RATE, reset=False).shape == (2, 3), kind


MIXED = {
    "effect": lambda delayed, fir: [delayed(100)],
    "effect effect": lambda delayed, fir: [delayed(100), fir(31)],
    "native effect": lambda delayed, fir: [pedalboard.Reverb(), delayed(100)],
    "effect native": lambda delayed, fir: [fir(61), pedalboard.Delay(0.003, 0.5)],
    "between": lambda delayed, fir: [
        fir(61),
        pedalboard.Phaser(),
        pedalboard.Reverb(),
        delayed(700),
    ],
    "around": lambda delayed, fir: [
        pedalboard.Chorus(),
        delayed(9),
        pedalboard.LowpassFilter(2000),
    ],
    "late native": lambda delayed, fir: [
        pedalboard.BrickwallLimiter(-20),
        fir(61),
        pedalboard.BrickwallLimiter(),
    ],
    "nested": lambda delayed, fir: [
        Board([fir(21), pedalboard.Reverb()]),
        pedalboard.Gain(3),
        Board([delayed(5)]),
    ],
}


@pytest.mark.parametrize("kind", MIXED)
@pytest.mark.parametrize("first_resets", [False, True])
@settings(max_examples=6, deadline=None)
@given(cuts=CUTS)
def test_mixtures_stream_what_a_whole_call_gives(
    kind, delayed, fir, noise, stream_through, cuts, first_resets
):
    audio = noise(LENGTH)
    whole = Board(MIXED[kind](delayed, fir))(audio, RATE)
    assert whole.shape == audio.shape
    result = stream_through(
        Board(MIXED[kind](delayed, fir)), audio, cuts, first_resets=first_resets
    )
    assert result.shape == whole.shape
    difference = np.abs(result - whole)
    if first_resets:
        # What the call with reset=True could not know: as much as the board holds at most.
        first = min(cuts, default=LENGTH)
        difference[:, max(0, first - 1000) : first] = 0
    assert difference.max() < 1e-5


def test_whole_calls_align_each_plugin(delayed, noise):
    audio = noise(3000)
    board = Board([delayed(500), pedalboard.Gain(-6), delayed(70), pedalboard.Invert()])
    np.testing.assert_allclose(board(audio, RATE), -audio * 10 ** (-6 / 20), rtol=1e-5)


def test_whole_calls_equal_one_plugin_after_another(fir, noise):
    audio = noise(LENGTH)
    board = Board(
        [pedalboard.Reverb(), fir(), pedalboard.BrickwallLimiter(-25), pedalboard.Phaser()]
    )
    step = pedalboard.Reverb()(audio, RATE)
    step = fir()(step, RATE)
    step = pedalboard.Pedalboard([pedalboard.BrickwallLimiter(-25), pedalboard.Phaser()])(
        step, RATE
    )
    np.testing.assert_array_equal(board(audio, RATE), step)


def test_loop_that_resets_first_has_no_gap_where_pedalboard_has_one(noise):
    audio = noise(LENGTH)
    whole = pedalboard.BrickwallLimiter()(audio, RATE)

    def loop(board):
        blocks = range(0, LENGTH, 500)
        return [board.process(audio[:, i : i + 500], RATE, reset=i == 0) for i in blocks]

    theirs = np.concatenate(loop(pedalboard.Pedalboard([pedalboard.BrickwallLimiter()])), axis=1)
    assert np.abs(theirs - whole)[:, 500:].max() > 0.1
    board = Board([pedalboard.BrickwallLimiter()])
    ours = np.concatenate([*loop(board), board.flush()], axis=1)
    np.testing.assert_allclose(ours[:, 500:], whole[:, 500:], atol=1e-6)
    assert np.abs(ours[:, :500]).min(axis=0).max() > 0


def test_growing_blocks_do_not_reset_native_plugins(noise):
    audio = noise(LENGTH)
    whole = pedalboard.Reverb()(audio, RATE)
    theirs, board = pedalboard.Pedalboard([pedalboard.Reverb()]), Board([pedalboard.Reverb()])
    parts = [audio[:, :600], audio[:, 600:]]
    cut = np.concatenate([theirs.process(part, RATE, reset=False) for part in parts], axis=1)
    assert np.abs(cut - whole).max() > 0.01
    ours = np.concatenate([board.process(part, RATE, reset=False) for part in parts], axis=1)
    np.testing.assert_allclose(ours, whole, atol=1e-6)


@pytest.mark.parametrize("shape", [(LENGTH,), (LENGTH, 1), (1, LENGTH), (LENGTH, 2), (2, LENGTH)])
def test_layouts_come_back(delayed, shape):
    audio = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    board = Board([delayed(50), pedalboard.Gain(0.0)])
    np.testing.assert_allclose(board(audio, RATE), audio, rtol=1e-6)
    assert board(audio.astype(np.float64), RATE).dtype == np.float32


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_effects_may_hand_on_very_short_blocks(delayed, noise, frames):
    # Two frames of stereo look like two channels of anything to a native plugin.
    audio = noise(200)
    board = Board([delayed(10), pedalboard.Gain(0.0), delayed(1), pedalboard.Delay(0.001, 0, 0)])
    first = board.process(audio[:, : 10 + frames], RATE, reset=False)
    rest = [
        board.process(audio[:, i : i + 1].copy(), RATE, reset=False)
        for i in range(10 + frames, 200)
    ]
    result = np.concatenate([first, *rest, board.flush()], axis=1)
    np.testing.assert_allclose(result, audio, rtol=1e-6)


@pytest.mark.parametrize("frames", [1, 2])
def test_very_short_whole_calls(delayed, noise, frames):
    board = Board([pedalboard.Gain(0.0), delayed(10), pedalboard.Gain(0.0)])
    board(noise(50), RATE)
    audio = noise(frames)
    np.testing.assert_allclose(board(audio, RATE), audio, rtol=1e-6)


def test_empty_arrays_reach_no_native_plugin(noise):
    # An empty array crashes the process in pedalboard.Convolution.
    board = Board([pedalboard.Convolution(ECHO, 1.0, RATE)])
    for reset in (True, False):
        assert board.process(np.zeros((2, 0), np.float32), RATE, reset=reset).shape == (2, 0)
    assert board(noise(100), RATE).shape == (2, 100)


def test_reset_silences_native_plugins_and_forgets_the_stream(delayed, noise):
    board = Board([pedalboard.Reverb(), delayed(50)])
    board.process(noise(1000), RATE, reset=False)
    board.reset()
    assert board.flush().size == 0
    board.process(np.zeros((2, 1000), np.float32), RATE, reset=False)
    assert not board.flush().any()
    plugin = board[0]
    board.process(noise(1000), RATE, reset=False)
    board.reset()
    assert not plugin.process(np.zeros((2, 1000), np.float32), RATE, reset=False).any()


def test_a_new_stream_starts_silent(noise):
    board = Board([pedalboard.Reverb()])
    board.process(noise(1000), RATE, reset=False)
    board.flush()
    assert not board.process(np.zeros((2, 1000), np.float32), RATE, reset=False).any()


def test_latency_is_that_of_effects_and_of_what_natives_hold(delayed, noise):
    board = Board([delayed(100), pedalboard.BrickwallLimiter(), Board([delayed(20)])])
    assert board.latency_samples == 120
    got = board.process(noise(2000), RATE, reset=False)
    assert board.latency_samples == 2000 - got.shape[1] > 120


def test_parameters_change_in_mid_stream(delayed, noise):
    board = Board([pedalboard.Gain(0.0), delayed(0, 1.0)])
    audio = noise(1000)
    board.process(audio, RATE, reset=False)
    board[1].gain = 0.5
    np.testing.assert_allclose(board.process(audio, RATE, reset=False), audio * 0.5, rtol=1e-6)
    board[0].gain_db = 20.0
    board.process(audio, RATE, reset=False)  # pedalboard fades gains in
    np.testing.assert_allclose(board.process(audio, RATE, reset=False), audio * 5, rtol=1e-5)


def test_the_list_changes_in_mid_stream(delayed, noise):
    board = Board([pedalboard.Delay(0.01, 0.0, 0.5)])
    audio = noise(4000)
    expected = pedalboard.Delay(0.01, 0.0, 0.5)(audio, RATE)
    out = [board.process(audio[:, :1000], RATE, reset=False)]
    board.append(pedalboard.Invert())
    out.append(-board.process(audio[:, 1000:2000], RATE, reset=False))
    board.insert(1, delayed(100))
    out.append(-board.process(audio[:, 2000:3000], RATE, reset=False))
    assert out[-1].shape == (2, 900)
    board.append(delayed(50))
    out.append(-board.process(audio[:, 3000:], RATE, reset=False))
    out.append(-board.flush())
    # The echo was kept: the plugin went on while the list around it changed.
    np.testing.assert_allclose(np.concatenate(out, axis=1), expected, atol=1e-6)


def test_the_same_instance_twice_is_refused(delayed, noise):
    gain, effect = pedalboard.Gain(), delayed()
    for plugins in (
        [gain, delayed(), gain],
        [gain, gain],
        [pedalboard.Chain([gain]), delayed(), gain],
        [effect, Board([effect])],
    ):
        with pytest.raises(InvalidValue, match="same instance twice"):
            Board(plugins)(noise(10), RATE)


def test_boards_within_each_other_are_refused(noise):
    inner, outer = Board(), Board()
    inner.append(outer)
    outer.append(inner)
    with pytest.raises(InvalidValue, match="same instance twice"):
        outer(noise(10), RATE)
    with pytest.raises(InvalidValue, match="must not be the board itself"):
        outer.append(outer)


def test_another_rate_in_mid_stream_is_refused(noise):
    board = Board([pedalboard.Reverb()])
    board.process(noise(100), RATE, reset=False)
    with pytest.raises(InvalidValue, match="sample_rate=48000"):
        board.process(noise(100), 48000, reset=False)


def test_calls_from_several_threads_do_not_mix(delayed, noise):
    board = Board([delayed(100), pedalboard.Gain(0.0), delayed(7)])
    failures = []

    def work(seed):
        audio = noise(2000, seed=seed)
        for _ in range(5):
            if not np.allclose(board(audio, RATE, 256), audio, rtol=1e-6):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


LATE = {
    "pitch": lambda: pedalboard.PitchShift(3),
    "mix": lambda: pedalboard.Mix([pedalboard.BrickwallLimiter(), pedalboard.Gain(0.0)]),
    "gsm": lambda: pedalboard.GSMFullRateCompressor(),
    "mp3": lambda: pedalboard.MP3Compressor(4.0),
    "resample": lambda: pedalboard.Resample(16000.0),
}


@pytest.mark.parametrize("kind", LATE)
def test_plugins_that_hold_samples(kind, delayed, noise, stream_through):
    audio = noise(LENGTH)
    expected = delayed(30)(LATE[kind]()(audio, RATE), RATE)
    np.testing.assert_array_equal(Board([LATE[kind](), delayed(30)])(audio, RATE), expected)
    # What some of them give when streaming is another matter, but the length is kept.
    for first_resets in (False, True):
        board = Board([LATE[kind](), delayed(30)])
        result = stream_through(board, audio, [100, 1000, 4000], first_resets=first_resets)
        assert result.shape == audio.shape


def test_mp3_streams_as_a_whole_call_in_equal_blocks(delayed, noise, stream_through):
    audio = noise(LENGTH)
    whole = Board([pedalboard.MP3Compressor(4.0), delayed(30)])(audio, RATE)
    board = Board([pedalboard.MP3Compressor(4.0), delayed(30)])
    result = stream_through(board, audio, range(1000, LENGTH, 1000))
    np.testing.assert_allclose(result, whole, atol=1e-6)
