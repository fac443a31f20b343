"""The live session with its thread: whatever happens to the worker, the audio goes on in place."""

import gc
import logging
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from uncodec.live import LiveSession
from uncodec.live.hop_engine import PassingEngine
from uncodec.live.restored_hops import MOST_FAILURES

HOP, DELAY = 64, 192
RATE, BLOCK = 48000, 96
# Back to wet in 5 ms.
FADE = 240


class Tampered(PassingEngine):
    """A passing engine that does what a test asks for before each hop of the worker."""

    def __init__(self, channels=2, tamper=None):
        super().__init__(channels, HOP, DELAY)
        self.tamper = tamper

    def push_into(self, audio, out):
        # Only the worker: the session also tries a copy when it opens.
        if self.tamper is not None and threading.current_thread().name == "uncodec-live":
            self.tamper(audio)
        super().push_into(audio, out)


def open_session(tamper=None, **options):
    options = {"turnaround_s": 0.01, "block": BLOCK} | options
    return LiveSession(sample_rate=RATE, channels=2, engine=Tampered(tamper=tamper), **options)


def wait(condition):
    """Wait for the other thread; the limit is only there so that a failing test ends."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit, "the worker did not get there"
        time.sleep(0.0005)


def feed(session, audio, settle=None):
    """Feed blocks; after each wait until `settle` holds, so that no test depends on speed."""
    out = []
    for start in range(0, audio.shape[1], BLOCK):
        out.append(session.callback(audio[:, start : start + BLOCK]))
        if settle is not None:
            wait(settle)
    return np.concatenate(out, axis=1)


def keeping_up(session):
    """Whether the worker is through with every hop handed over, or is no more."""
    return lambda: session._network.finished == session._host.submitted or not session.running


def tone(samples, start=0):
    phase = 2 * np.pi * 200 * (np.arange(samples) + start) / RATE
    return (0.5 * np.stack([np.sin(phase), np.cos(phase)])).astype(np.float32)


def later(audio, samples):
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


# A tone of amplitude 0.5 at 200 Hz, at most doubled, under fades over a hop: its own largest step
# and that of the steepest fade. A switch without a fade would step by up to 0.5.
LARGEST_STEP = 2 * 0.5 * 2 * np.pi * 200 / RATE + 0.5 * np.pi / 2 / HOP


def assert_smooth(out, session):
    # The tone itself begins with a step, which comes out at the latency.
    settled = out[:, session.latency_samples + 1 :]
    assert np.abs(np.diff(settled)).max() <= 1.01 * LARGEST_STEP


def assert_between_dry_and_wet(out, audio, session):
    dry = later(audio, session.latency_samples)
    np.testing.assert_array_less(np.abs(out - 1.5 * dry), 0.5 * np.abs(dry) + 1e-6)


def test_a_worker_in_time_gives_the_bits_of_the_work_done_at_once():
    audio = np.random.default_rng(1).standard_normal((2, 40 * BLOCK)).astype(np.float32)
    with open_session() as session:
        out = feed(session, audio, keeping_up(session))
        np.testing.assert_array_equal(out, 2 * later(audio, session.latency_samples))
        assert session.counters.late == 0
        assert session.running


def test_a_stalled_worker_leaves_the_dry_signal_and_comes_back():
    gate = threading.Event()
    gate.set()
    audio = tone(200 * BLOCK)
    with open_session(lambda _: gate.wait()) as session:
        late = session.latency_samples
        dry = later(audio, late)
        first = feed(session, audio[:, : 60 * BLOCK], keeping_up(session))
        gate.clear()
        stalled = feed(session, audio[:, 60 * BLOCK : 100 * BLOCK])
        gate.set()
        wait(keeping_up(session))
        last = feed(session, audio[:, 100 * BLOCK :], keeping_up(session))
        out = np.concatenate([first, stalled, last], axis=1)
        np.testing.assert_array_equal(first, 2 * dry[:, : 60 * BLOCK])
        # What had been computed still plays, its tail fades, and then there is the input alone.
        quiet = 60 * BLOCK + late + HOP
        np.testing.assert_array_equal(out[:, quiet : 100 * BLOCK], dry[:, quiet : 100 * BLOCK])
        wet_again = 102 * BLOCK + 2 * HOP + late + FADE
        np.testing.assert_array_equal(out[:, wet_again:], 2 * dry[:, wet_again:])
        assert_smooth(out, session)
        assert_between_dry_and_wet(out, audio, session)
        counters = session.counters
        assert counters.late > 0
        assert counters.wet > 0
        assert counters.wet + counters.dry == counters.samples - late + DELAY


def test_hops_late_one_by_one_keep_their_places():
    """Every third hop or so is late: nothing steps, nothing shifts."""
    gate = threading.Semaphore(0)
    audio = tone(120 * BLOCK)
    with open_session(lambda _: gate.acquire()) as session:
        out, allowed = [], 0
        rng = np.random.default_rng(2)
        for start in range(0, audio.shape[1], BLOCK):
            out.append(session.callback(audio[:, start : start + BLOCK]))
            # Now the worker may catch up, now it may not.
            if rng.random() < 0.2:
                behind = session.counters.samples // HOP - allowed
                gate.release(behind)
                allowed += behind
                wait(keeping_up(session))
        gate.release(1000)
        out = np.concatenate(out, axis=1)
        assert_smooth(out, session)
        assert_between_dry_and_wet(out, audio, session)
        assert 0 < session.counters.late < session.counters.hops


def test_a_worker_far_behind_goes_on_with_the_newest_hop():
    gate, reached = threading.Event(), threading.Event()
    gate.set()

    def stop_at_the_gate(_):
        reached.set()
        gate.wait()

    audio = tone(1000 * BLOCK)
    with open_session(stop_at_the_gate) as session:
        feed(session, audio[:, : 20 * BLOCK], keeping_up(session))
        gate.clear()
        reached.clear()
        feed(session, audio[:, 20 * BLOCK : 22 * BLOCK])
        wait(reached.is_set)
        # Long enough for the first hops to be overwritten by later ones.
        feed(session, audio[:, 22 * BLOCK : 800 * BLOCK])
        gate.set()
        wait(keeping_up(session))
        assert session.counters.dropped > 0
        out = feed(session, audio[:, 800 * BLOCK :], keeping_up(session))
        assert session.counters.resyncs >= 1
        dry = later(audio, session.latency_samples)[:, 800 * BLOCK :]
        np.testing.assert_array_equal(out[:, -100 * BLOCK :], 2 * dry[:, -100 * BLOCK :])
        # From dry to wet, without a step.
        np.testing.assert_array_equal(out[:, :BLOCK], dry[:, :BLOCK])
        assert np.abs(np.diff(out)).max() <= 1.01 * LARGEST_STEP


def test_an_engine_that_fails_now_and_then_is_put_right(caplog):
    hops = iter(range(10**6))

    def fail_sometimes(_):
        if next(hops) in (30, 31, 32):
            raise RuntimeError("out of luck")

    audio = tone(200 * BLOCK)
    with caplog.at_level(logging.WARNING), open_session(fail_sometimes) as session:
        out = feed(session, audio, keeping_up(session))
        assert session.counters.failures == 3
        assert "out of luck" in str(session.error)
        assert session.running
        assert session.counters.late >= 3
        assert_smooth(out, session)
        assert_between_dry_and_wet(out, audio, session)
    assert [record.message for record in caplog.records] == [
        "a hop failed, the audio goes on dry: RuntimeError('out of luck')"
    ]


def test_an_engine_that_always_fails_is_given_up(caplog):
    broken = True

    def fail(_):
        if broken:
            raise RuntimeError("no use")

    audio = tone(100 * BLOCK)
    with caplog.at_level(logging.WARNING), open_session(fail) as session:
        out = feed(session, audio, keeping_up(session))
        assert not session.running
        assert session.counters.failures == MOST_FAILURES
        np.testing.assert_array_equal(out, later(audio, session.latency_samples))
        assert session.counters.wet == 0
        # A reset starts the worker again.
        broken = False
        session.reset()
        assert session.running
        out = feed(session, audio, keeping_up(session))
        np.testing.assert_array_equal(out, 2 * later(audio, session.latency_samples))
    assert len(caplog.records) == 2


def test_a_worker_that_dies_leaves_the_dry_signal():
    hops = iter(range(10**6))

    def die(_):
        if next(hops) == 20:
            raise SystemExit

    audio = tone(100 * BLOCK)
    with open_session(die) as session:
        out = feed(session, audio, keeping_up(session))
        wait(lambda: not session.running)
        assert isinstance(session.error, SystemExit)
        dry = later(audio, session.latency_samples)
        np.testing.assert_array_equal(out[:, -40 * BLOCK :], dry[:, -40 * BLOCK :])
        assert_smooth(out, session)
        assert_between_dry_and_wet(out, audio, session)


def test_numbers_that_are_not_finite_never_reach_the_output():
    hops = iter(range(10**6))

    def poison(audio):
        if next(hops) == 20:
            audio.fill(np.nan)

    audio = tone(100 * BLOCK)
    with open_session(poison) as session:
        out = feed(session, audio, keeping_up(session))
        assert session.counters.failures == 1
        assert np.isfinite(out).all()
        assert_between_dry_and_wet(out, audio, session)


def test_reset_forgets_what_is_under_way():
    gate = threading.Event()
    gate.set()
    audio = np.random.default_rng(3).standard_normal((2, 60 * BLOCK)).astype(np.float32)
    with open_session(lambda _: gate.wait()) as session:
        feed(session, audio[:, : 10 * BLOCK], keeping_up(session))
        gate.clear()
        feed(session, -audio[:, : 10 * BLOCK])
        session.reset()
        gate.set()
        assert session.counters.samples == 0
        out = feed(session, audio, keeping_up(session))
        # Late at worst, but never with audio of before the reset.
        dry = later(audio, session.latency_samples)
        np.testing.assert_array_less(np.abs(out - 1.5 * dry), 0.5 * np.abs(dry) + 1e-6)


def test_levels_may_be_set_while_the_audio_runs():
    with open_session() as session:
        audio = tone(60 * BLOCK)
        feed(session, audio[:, : 20 * BLOCK], keeping_up(session))
        session.amount = 0.25
        session.bypass = True
        out = feed(session, audio[:, 20 * BLOCK :], keeping_up(session))
        dry = later(audio, session.latency_samples)
        np.testing.assert_array_equal(out[:, 10 * BLOCK :], dry[:, 30 * BLOCK :])
        assert session.counters.late == 0


def test_a_session_that_is_let_go_leaves_no_thread():
    session = open_session()
    thread = session._thread
    session.callback(tone(BLOCK))
    del session
    gc.collect()
    wait(lambda: not thread.is_alive())


def test_close_ends_the_thread():
    with open_session() as session:
        thread = session._thread
        assert thread.daemon
    assert not thread.is_alive()
    assert not session.running


@pytest.mark.parametrize("sizes", [[1], [7, 96, 33]])
def test_calls_of_any_size_with_a_thread(sizes):
    audio = np.random.default_rng(4).standard_normal((2, 1500)).astype(np.float32)
    with open_session(pattern="irregular") as session:
        settle, out, start, turn = keeping_up(session), [], 0, 0
        while start < audio.shape[1]:
            size = sizes[turn % len(sizes)]
            out.append(session.callback(audio[:, start : start + size]))
            wait(settle)
            start, turn = start + size, turn + 1
        out = np.concatenate(out, axis=1)
        np.testing.assert_array_equal(out, 2 * later(audio, session.latency_samples))


OPEN_AT_EXIT = """
import numpy as np
from uncodec.live import LiveSession
from uncodec.live.hop_engine import PassingEngine

session = LiveSession(sample_rate=48000, channels=2, engine=PassingEngine(2, 64, 192))
session.callback(np.zeros((2, 100), np.float32))
"""


def test_a_program_may_end_with_its_session_open():
    done = subprocess.run(
        [sys.executable, "-c", OPEN_AT_EXIT], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
