"""A plugin session in the worker, driven by a plugin's own audio path."""

import time

import numpy as np
import pytest

from uncodec.balance import Balance, Like
from uncodec.bridge.packed_reference import pack, read
from uncodec.bridge.plugin_session import PluginSession
from uncodec.live import open_stream
from uncodec.live.restored_hops import MOST_FAILURES

HOP = 64


def serve(session):
    """Answer all that is waiting."""
    while session.look(time.monotonic_ns()):
        session.work(time.monotonic_ns)


@pytest.fixture
def serving(open_side, loaded, make_host):
    """Makes a host that is served whenever it waits."""

    def serving(*, seed=0, balance=None, **options):
        host = make_host(**options)
        packed = None if balance is None else pack(balance)
        kept, side = open_side(host, seed=seed, reference=packed)
        reference = None if packed is None else read(packed)
        session = PluginSession(side, loaded, number=1, seed=seed, host_pid=1, reference=reference)
        host.answer = lambda: serve(session)
        host.kept = kept
        return host, session

    return serving


def assert_equal_to_100_db(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("rate", "channels", "block"),
    [(44100, 2, 100), (48000, 1, 512), (48000, 2, 64), (96000, 2, 333), (32000, 1, 200)],
)
def test_the_plugin_gives_what_the_stream_gives(
    serving, small_model, rate, channels, block, noise, later
):
    audio = noise(block * (12000 // block), channels)
    host, _ = serving(rate=rate, channels=channels, block=block, seed=5)
    host.path.set_parameters(amount=0.8, seed=5, brightness_db=-6.0)
    host.path.activate()
    out = host.run(audio)
    stream = open_stream(
        small_model, sample_rate=rate, channels=channels, seed=5, amount=0.8, brightness_db=-6.0
    )
    expected = stream.process(audio)
    late = host.late - stream.latency_samples
    assert late >= 0
    assert_equal_to_100_db(out, later(expected, late))
    assert np.abs(out - later(audio, host.late)).max() > 0.01, "the delta is to be heard"
    assert host.path.counters()["dry"] == 0


def test_nothing_of_the_delta_is_the_delayed_input_bit_for_bit(serving, noise, later):
    audio = noise(100 * 70)
    host, _ = serving(block=100)
    host.path.set_parameters(amount=0.0)
    host.path.activate()
    np.testing.assert_array_equal(host.run(audio), later(audio, host.late))


def test_amounts_change_without_a_step(serving, noise):
    """The output is affine in the amount: what a change adds is a ramp over one hop."""
    audio = noise(HOP * 60)
    outs = {}
    for amounts in [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0)]:
        host, _ = serving()
        host.path.set_parameters(amount=amounts[0])
        host.path.activate()
        first = host.run(audio[:, : 30 * HOP])
        host.path.set_parameters(amount=amounts[1])
        outs[amounts] = np.concatenate([first, host.run(audio[:, 30 * HOP :])], axis=1)
    buffering = host.late - host.path.model_delay
    gain = np.zeros(60 * HOP)
    gain[30 * HOP + buffering :] = 1
    gain[30 * HOP + buffering : 31 * HOP + buffering] = np.arange(1, HOP + 1) / HOP
    dry, wet = outs[0.0, 0.0], outs[1.0, 1.0]
    np.testing.assert_allclose(outs[0.0, 1.0], dry + gain * (wet - dry), atol=1e-6)
    np.testing.assert_allclose(outs[1.0, 0.0], wet + gain * (dry - wet), atol=1e-6)


def test_brightness_changes_from_a_hop_on(serving, noise):
    audio = noise(HOP * 60)
    outs = {}
    for tilts in [(0.0, 0.0), (9.0, 9.0), (0.0, 9.0)]:
        host, _ = serving()
        host.path.set_parameters(brightness_db=tilts[0])
        host.path.activate()
        first = host.run(audio[:, : 30 * HOP])
        host.path.set_parameters(brightness_db=tilts[1])
        outs[tilts] = np.concatenate([first, host.run(audio[:, 30 * HOP :])], axis=1)
    plain, bright, changed = outs.values()
    assert np.abs(plain - bright).max() > 1e-3
    np.testing.assert_array_equal(changed[:, : 30 * HOP], plain[:, : 30 * HOP])
    np.testing.assert_allclose(changed[:, 45 * HOP :], bright[:, 45 * HOP :], atol=1e-5)


def dull(audio, rate, above_hz=5000):
    """Nothing above: only of what a band lacks a reference says anything."""
    spectrum = np.fft.rfft(audio)
    spectrum[:, round(above_hz / rate * audio.shape[1]) :] = 0
    return np.fft.irfft(spectrum, audio.shape[1]).astype(np.float32)


DARK = Balance("dark.flac", (100.0, 4000.0, 6000.0, 22000.0), (0.0, -5.0, -60.0, -80.0), 22000.0)


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (48000, 1), (96000, 2), (32000, 1)])
@pytest.mark.parametrize("likeness", [1.0, 0.25])
def test_a_reference_does_what_it_does_in_the_stream(
    serving, small_model, rate, channels, likeness, noise, later
):
    block = 200
    audio = dull(noise(block * (rate * 3 // 2 // block), channels), rate)
    stream = open_stream(
        small_model, sample_rate=rate, channels=channels, like=Like(DARK, likeness)
    )
    expected = stream.process(audio)
    host, session = serving(rate=rate, channels=channels, block=block, balance=DARK)
    host.path.set_parameters(likeness=likeness)
    host.path.activate()
    late = host.late - stream.latency_samples
    out = host.run(audio)
    assert_equal_to_100_db(out, later(expected, late))
    plain = open_stream(small_model, sample_rate=rate, channels=channels).process(audio)
    assert np.abs(expected - plain).max() > 1e-3, "the reference is to be heard"
    assert session.describe()["reference"] == "dark.flac"


def test_likeness_changes_from_a_hop_on_and_none_is_no_reference(serving, noise):
    audio = dull(noise(HOP * 1200), 48000)
    half = 900 * HOP
    outs = {}
    for shares in [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0), (1.0, 0.0), None]:
        host, _ = serving(balance=None if shares is None else DARK)
        host.path.set_parameters(likeness=1.0 if shares is None else shares[0])
        host.path.activate()
        first = host.run(audio[:, :half])
        host.path.set_parameters(likeness=0.5 if shares is None else shares[1])
        outs[shares] = np.concatenate([first, host.run(audio[:, half:])], axis=1)
    plain, dark, without = outs[0.0, 0.0], outs[1.0, 1.0], outs[None]
    assert np.abs(plain - dark).max() > 1e-3
    np.testing.assert_array_equal(without, plain)
    for changed, before, after in [
        (outs[0.0, 1.0], plain, dark),
        (outs[1.0, 0.0], dark, plain),
    ]:
        np.testing.assert_array_equal(changed[:, :half], before[:, :half])
        # What is remembered of the music does not depend on the share.
        np.testing.assert_allclose(
            changed[:, half + 15 * HOP :], after[:, half + 15 * HOP :], atol=1e-5
        )
        # No step is larger than those of the two by themselves.
        own = max(np.abs(np.diff(out[:, half // 2 :])).max() for out in (plain, dark))
        assert np.abs(np.diff(changed[:, half - HOP : half + 20 * HOP])).max() <= own


def test_a_failure_forgets_no_reference(serving, noise, monkeypatch):
    audio = dull(noise(HOP * 600), 48000)
    host, session = serving(balance=DARK)
    host.path.set_parameters(likeness=0.25)
    host.path.activate()
    host.run(audio[:, : 20 * HOP])
    with monkeypatch.context() as patch:
        patch.setattr(type(session._hops._engine), "push_into", lambda *_: 1 / 0)
        host.push(audio[:, :HOP])
        host.pull(HOP, 2)
        serve(session)
    assert session.describe()["failures"] == 1
    host.run(audio[:, 20 * HOP : 100 * HOP])
    assert session._hops._engine._likeness.amount == 0.25


def test_another_activation_begins_afresh_and_may_bring_another_seed(serving, noise):
    audio = noise(HOP * 40)
    host, session = serving(seed=1)
    outs = []
    for seed in (1, 1, 2):
        host.path.set_parameters(seed=seed)
        host.path.activate()
        outs.append(host.run(audio))
    np.testing.assert_array_equal(outs[0], outs[1])
    assert np.abs(outs[0] - outs[2]).max() > 1e-4
    assert session.describe()["resyncs"] == 0


def test_when_results_stop_the_tail_leads_to_the_dry_signal(serving, noise, later):
    host, _ = serving()
    host.path.activate()
    audio = noise(HOP * 80)
    half = 40 * HOP
    wet = host.run(audio[:, :half])
    rest = host.run(audio[:, half:], waits=False)
    out = np.concatenate([wet, rest], axis=1)
    dry = later(audio, host.late)
    # The results under way are still played, then the tail, which is as long as the delay.
    end = half + host.late
    np.testing.assert_array_equal(out[:, end:], dry[:, end:])
    assert np.abs(out - dry)[:, half : half + HOP].max() > 0.01
    # The difference goes on from the last wet sample and shrinks to nothing: no step is larger than
    # those that the wet signal makes by itself.
    difference = out - dry
    own = np.abs(np.diff(difference[:, host.late : half])).max()
    assert np.abs(np.diff(difference[:, half - 1 :])).max() <= 1.5 * own


def test_after_a_hole_the_hops_stay_dry_until_the_model_has_seen_enough(serving, noise, later):
    host, session = serving()
    host.path.activate()
    audio = noise(HOP * 400)
    half = 200 * HOP
    host.run(audio[:, : 10 * HOP])
    # Nobody answers: the slots run over.
    host.run(audio[:, 10 * HOP : half], waits=False)
    before = host.path.counters()
    out = []
    for start in range(half, audio.shape[1], HOP):
        host.push(audio[:, start : start + HOP])
        serve(session)
        out.append(host.pull(HOP, 2))
    told, counters = session.describe(), host.path.counters()
    assert told["resyncs"] == 1
    memory = session._hops.memory
    assert told["published_hops"] == 10 + 200 - memory
    assert counters["wet"] > before["wet"]
    dry = later(audio, host.late)[:, half:]
    blind = memory * HOP + host.late - host.path.model_delay
    out = np.concatenate(out, axis=1)
    np.testing.assert_array_equal(out[:, :blind], dry[:, :blind])
    assert np.abs(out - dry)[:, blind : blind + 10 * HOP].max() > 0.01


def test_a_core_that_comes_late_serves_the_running_plugin(
    open_side, loaded, small_model, make_host, noise, later
):
    host = make_host()
    host.path.activate()
    audio = noise(HOP * 120)
    third = 40 * HOP
    first = host.run(audio[:, :third], waits=False)
    np.testing.assert_array_equal(first, later(audio, host.late)[:, :third])
    _, side = open_side(host)
    session = PluginSession(side, loaded, number=1, seed=0, host_pid=1)
    out = []
    for start in range(third, audio.shape[1], HOP):
        host.push(audio[:, start : start + HOP])
        serve(session)
        out.append(host.pull(HOP, 2))
    out = np.concatenate(out, axis=1)
    assert host.path.counters()["wet"] > 0
    settled = np.abs(out - later(audio, host.late)[:, third:])[:, 60 * HOP :]
    assert settled.max() > 0.01


def test_an_engine_that_fails_leaves_hops_dry_and_then_gives_up(serving, monkeypatch, noise):
    host, session = serving()
    host.path.activate()
    audio = noise(HOP * (MOST_FAILURES + 20))
    host.run(audio[:, : 10 * HOP])
    broken = RuntimeError("no more")

    def fail(*_):
        raise broken

    monkeypatch.setattr(type(session._hops._engine), "push_into", fail)

    def go_on(start):
        host.push(audio[:, start : start + HOP])
        host.pull(HOP, 2)
        serve(session)

    starts = range(10 * HOP, audio.shape[1], HOP)
    for start in starts[: MOST_FAILURES - 1]:
        go_on(start)
    with pytest.raises(RuntimeError, match="no more"):
        go_on(starts[MOST_FAILURES - 1])
    assert session.describe()["failures"] == MOST_FAILURES
    assert session.describe()["published_hops"] == 10


def test_the_turnaround_counts_from_when_a_hop_came_not_from_when_it_was_seen(
    serving, noise, monkeypatch
):
    host, session = serving()
    waits = []
    monkeypatch.setattr(session.turnarounds, "add", waits.append)
    host.path.activate()
    period = round(HOP / 48000 * 1e9)
    zero = time.monotonic_ns()

    def at(periods):
        return zero + round(periods * period)

    assert not session.look(at(0))
    host.push(noise(HOP))
    host.pull(HOP, 2)
    for hop in range(3):
        # Each is seen late; the queue was not empty in between.
        host.push(noise(HOP))
        host.pull(HOP, 2)
        assert session.look(at(3))
        session.work(lambda: at(3))
        assert len(waits) == hop + 1
    np.testing.assert_allclose(np.array(waits) / period, [3, 2, 1], atol=1e-3)
    # One that is taken before it could be expected came just then.
    assert session.look(at(3.1))
    session.work(lambda: at(3.2))
    assert waits[3] / period == pytest.approx(0.2, abs=1e-3)
    # After a pause it came since the last look.
    assert not session.look(at(50))
    host.push(noise(HOP))
    assert session.look(at(50.1))
    session.work(lambda: at(50.5))
    assert waits[4] / period == pytest.approx(0.5, abs=1e-3)


def test_the_status_has_the_host_s_counts_and_the_times(serving, noise):
    host, session = serving()
    host.path.activate()
    host.run(noise(HOP * 50))
    host.path.record_callback(12345)
    told = session.describe()
    assert told["published_hops"] == 50
    assert told["wet_samples"] == host.path.counters()["wet"]
    assert told["latency_samples"] == host.late
    assert told["worst_callback_s"] == pytest.approx(12345e-9)
    assert 0 < told["work"]["p50_s"] <= told["work"]["p999_s"] <= told["work"]["max_s"]
    assert 0 < told["turnaround"]["p50_s"] <= told["turnaround"]["max_s"]
    assert told["load"] == pytest.approx(told["work"]["p999_s"] * 48000 / HOP)
