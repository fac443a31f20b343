"""The live session without its thread: timing, bits, levels, layouts, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.errors import InvalidType, InvalidValue, ModelError, UncodecError
from uncodec.live import LiveSession, open_stream
from uncodec.live.hop_engine import PassingEngine

HOP, DELAY = 64, 192
BLOCKS = [1, 16, 17, 64, 100, 128, 256, 441, 512, 1000, 4096]


def music(samples, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def open_passing(block, channels=2, **options):
    """A session whose wet output is exactly twice its dry one."""
    options = {"sample_rate": 48000, "turnaround_s": 0.0, "realtime": False} | options
    engine = PassingEngine(channels, HOP, DELAY)
    return LiveSession(channels=channels, block=block, engine=engine, **options)


def run(session, audio, sizes):
    """Feed blocks of the given sizes, over and over, until the audio is used up."""
    out, start, turn = [], 0, 0
    while start < audio.shape[1]:
        size = sizes[turn % len(sizes)]
        out.append(session.callback(audio[:, start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate(out, axis=1)


def later(audio, samples):
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


@pytest.mark.parametrize("turnaround_s", [0.0, 0.007])
@pytest.mark.parametrize("pattern", ["fixed", "varying", "irregular"])
@pytest.mark.parametrize("block", BLOCKS)
def test_an_impulse_comes_out_at_the_reported_latency_dry_and_wet(block, pattern, turnaround_s):
    with open_passing(block, pattern=pattern, turnaround_s=turnaround_s) as session:
        calls = -(-(session.latency_samples + 1000) // block)
        audio = np.zeros((2, calls * block), np.float32)
        audio[:, 321] = 1
        out = run(session, audio, [block])
        expected = np.zeros_like(audio)
        # Wet and dry on one sample: apart they would be two impulses of 1.
        expected[:, 321 + session.latency_samples] = 2
        np.testing.assert_array_equal(out, expected)
        assert session.latency.total == session.latency_samples
        assert session.latency.algorithmic == DELAY


def test_latency_by_hand():
    # 192 of the engine; 64 - gcd(48, 64) to collect hops; ceil(480 / 48) blocks of turnaround.
    fixed = open_passing(48, pattern="fixed", turnaround_s=0.01)
    assert fixed.latency_samples == 192 + 48 + 480
    varying = open_passing(48, pattern="varying", turnaround_s=0.01)
    assert varying.latency_samples == 192 + 63 + 480
    # One block more, less a sample, for calls that come when they like.
    irregular = open_passing(48, pattern="irregular", turnaround_s=0.01)
    assert irregular.latency_samples == 192 + 63 + 528


def test_less_latency_than_the_law_gives_would_not_do():
    """The impulse test can fail: blocks that were not promised skip deadlines, hops are late."""
    with open_passing(48, pattern="fixed") as session:
        run(session, music(48 * 100), [31, 17])
        assert session.counters.late > 0


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 700), min_size=1, max_size=8).filter(any))
@pytest.mark.parametrize("channels", [1, 2])
def test_any_partition_is_twice_the_delayed_input_bit_for_bit(channels, sizes):
    audio = music(3000, channels)
    with open_passing(700, channels, sample_rate=44100) as session:
        out = run(session, audio, sizes)
        expected = 2 * later(audio, session.latency_samples)
        # Before the first sample of the delta there is nothing to add.
        np.testing.assert_array_equal(out, expected)
        assert session.counters.dry == 0


@pytest.mark.parametrize("channels", [1, 2])
def test_a_model_gives_the_bits_of_the_stream(model, channels):
    audio = music(6400, channels)
    stream = open_stream(model, sample_rate=44100, channels=channels, seed=5)
    # The stream computes several hops at once if it is given them; the session never does.
    expected = run(Calls(stream), audio, [HOP])
    for sizes in ([HOP], [17, 200, 1, 99], [6400]):
        with LiveSession(
            model,
            sample_rate=44100,
            channels=channels,
            block=6400,
            seed=5,
            turnaround_s=0.0,
            realtime=False,
        ) as session:
            assert session.latency_samples == stream.latency_samples
            np.testing.assert_array_equal(run(session, audio, sizes), expected)


class Calls:
    """A stream with the session's way of being called."""

    def __init__(self, stream):
        self.callback = stream.process


def test_bypass_and_amount_zero_are_the_delayed_input_bit_for_bit(model):
    audio = music(4000)
    options = {"sample_rate": 48000, "channels": 2, "realtime": False}
    with LiveSession(model, **options, amount=0.0) as session:
        np.testing.assert_array_equal(
            run(session, audio, [100]), later(audio, session.latency_samples)
        )
    with LiveSession(model, **options) as session:
        session.bypass = True
        run(session, audio, [100])
        session.reset()
        np.testing.assert_array_equal(
            run(session, audio, [100]), later(audio, session.latency_samples)
        )


def test_level_changes_are_ramps_of_10_ms():
    session = open_passing(100)
    late = session.latency_samples
    audio = np.ones((2, 4000), np.float32)
    run(session, audio[:, :1000], [100])
    session.amount = 0.5
    down = run(session, audio[:, :1000], [100])
    session.bypass = True
    off = run(session, audio[:, :1000], [100])
    session.bypass = False
    up = run(session, audio[:, :1000], [100])
    whole = np.concatenate([down, off, up], axis=1)
    assert late < 1000
    assert np.abs(np.diff(whole)).max() <= 1.01 / 480
    np.testing.assert_allclose([down[0, -1], off[0, -1], up[0, -1]], [1.5, 1.0, 1.5], atol=1e-6)


def test_layouts_and_types_come_back_as_they_went_in():
    audio = music(1200)
    expected = run(open_passing(1200), audio, [1200])
    by_sample = open_passing(1200).callback(np.ascontiguousarray(audio.T))
    np.testing.assert_array_equal(by_sample, expected.T)
    double = open_passing(1200).callback(audio.astype(np.float64))
    np.testing.assert_array_equal(double, expected)
    assert double.dtype == np.float32
    mono = open_passing(1200, channels=1).callback(audio[0])
    np.testing.assert_array_equal(mono, expected[0])


def test_in_place_and_into_give_the_same():
    audio = music(1280)
    expected = run(open_passing(128), audio, [128])
    session, place = open_passing(128), audio.copy()
    for start in range(0, 1280, 128):
        block = place[:, start : start + 128]
        session.callback_into(block, block)
    np.testing.assert_array_equal(place, expected)


def test_input_that_must_not_be_written_to_is_welcome():
    audio = music(1200)
    expected = run(open_passing(1200), audio, [1200])
    # As a sound library gives it: an array over bytes, sample by sample.
    given = np.frombuffer(audio.T.tobytes(), np.float32).reshape(-1, 2)
    out = np.zeros((1200, 2), np.float32)
    open_passing(1200).callback_into(given, out)
    np.testing.assert_array_equal(out, expected.T)
    with pytest.raises(InvalidType, match="out be writable"):
        open_passing(1200).callback_into(given, given)


def test_reset_is_a_new_beginning():
    session = open_passing(128)
    first = run(session, music(1000), [100])
    session.callback(music(77, seed=1))
    session.reset()
    assert session.counters.samples == 0
    np.testing.assert_array_equal(run(session, music(1000), [100]), first)


def test_counts_add_up():
    session = open_passing(100, turnaround_s=0.003)
    run(session, music(5000), [100, 3, 50])
    counters = session.counters
    lead_in = session.latency_samples - session.latency.algorithmic
    assert counters.samples == 5000
    assert counters.wet + counters.dry == 5000 - lead_in
    assert counters.hops == -(-(5000 - lead_in) // HOP)
    assert (counters.late, counters.dropped, counters.resyncs, counters.failures) == (0, 0, 0, 0)
    assert counters.worst_callback_s == pytest.approx(session.callback_times.max)
    assert session.calls >= 5000 // 100
    assert 0 <= session.late_calls <= session.calls
    assert 0 < session.turnaround_times.p50 <= session.turnaround_times.max


def test_after_close_the_audio_goes_on_dry():
    session = open_passing(100)
    audio = music(3000)
    before = run(session, audio[:, :1000], [100])
    session.close()
    session.close()
    after = run(session, audio[:, 1000:], [100])
    late = session.latency_samples
    dry = later(audio, late)
    np.testing.assert_array_equal(before, 2 * dry[:, :1000])
    settled = 1000 + late + DELAY + HOP
    np.testing.assert_array_equal(after[:, settled - 1000 :], dry[:, settled:])
    assert not session.running
    with pytest.raises(UncodecError, match="closed"):
        session.reset()


def test_without_a_thread_errors_reach_the_caller():
    class Broken(PassingEngine):
        def push_into(self, audio, out):
            out.fill(np.nan)

        def clone(self):
            return Broken(self.channels, self.hop, self.delay)

    session = LiveSession(
        sample_rate=48000, channels=2, engine=Broken(2, HOP, DELAY), realtime=False
    )
    with pytest.raises(UncodecError, match="hop 0: the engine gave numbers that are not finite"):
        session.callback(music(100))


def test_silent_and_empty_calls():
    session = open_passing(100)
    assert session.callback(np.zeros((2, 0), np.float32)).shape == (2, 0)
    assert not run(session, np.zeros((2, 1000), np.float32), [100]).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"sample_rate": 96000}, InvalidValue, "sample_rate=96000: .* 44100 or 48000 Hz"),
        ({"sample_rate": float("nan")}, InvalidValue, "sample_rate=nan"),
        ({"channels": 3}, InvalidValue, "channels=3: must be 1 or 2"),
        ({"block": 0}, InvalidValue, "block=0: must be from 1 to 65536 samples"),
        ({"block": 65537}, InvalidValue, "block=65537"),
        ({"block": 12.5}, InvalidType, "block=12.5: must be an integer"),
        ({"turnaround_s": -0.1}, InvalidValue, "turnaround_s=-0.1: must be from 0 to 1"),
        ({"turnaround_s": float("nan")}, InvalidValue, "turnaround_s=nan"),
        ({"pattern": "wild"}, InvalidValue, "pattern='wild': must be one of fixed, varying"),
        ({"amount": 1.1}, InvalidValue, "amount=1.1: must be from 0 to 1"),
        ({"engine": PassingEngine(1, HOP, DELAY)}, InvalidValue, "must have 2 channels, got 1"),
        ({"seed": -1, "engine": None}, InvalidValue, "seed=-1"),
        ({"model": "nowhere", "engine": None}, ModelError, "model='nowhere'"),
    ],
)
def test_settings_are_checked(model, change, error, message):
    engine = PassingEngine(2, HOP, DELAY)
    options = {"model": model, "sample_rate": 48000, "channels": 2, "engine": engine} | change
    with pytest.raises(error, match=message):
        LiveSession(**options, realtime=False)


def test_wrong_blocks_are_refused_and_nothing_is_consumed():
    session = open_passing(100)
    good, out = music(100), np.zeros((2, 100), np.float32)
    for block, target, error, message in [
        (music(101), np.zeros((2, 101), np.float32), InvalidValue, "at most 100 samples, got 101"),
        (music(100, 3), out, InvalidValue, r"block: must have shape \(2, samples\)"),
        (good, out[:, :99], InvalidValue, "out: must have the shape of block"),
        (good.astype(np.float64), out, InvalidType, "must be float32, got float64"),
        (good[0], out, InvalidValue, r"got \(100,\)"),
    ]:
        with pytest.raises(error, match=message):
            session.callback_into(block, target)
    with pytest.raises(InvalidType, match="must be float32 or float64, got int16"):
        session.callback(np.zeros((2, 100), np.int16))
    with pytest.raises(InvalidValue, match="amount=2"):
        session.amount = 2
    assert session.counters.samples == 0
    assert session.amount == 1.0


def test_a_misspelt_attribute_is_refused_with_the_nearest_name():
    session = open_passing(100)
    with pytest.raises(AttributeError, match=r"amout: LiveSession has no .*did you mean amount\?"):
        session.amout = 0.5
    session.amount = 0.5
    assert session.amount == 0.5
