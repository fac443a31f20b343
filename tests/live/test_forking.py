"""Engines work in a process that was forked from one in which they worked."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

BEGIN = """
import multiprocessing
import os
import signal
import time
import numpy as np
import torch
from uncodec import GANRestorer
from uncodec.live import LiveSession

audio = (0.1 * np.random.default_rng(0).standard_normal((2, 88200))).astype(np.float32)

# A child that hangs must not outlive the test.
os.register_at_fork(after_in_child=lambda: signal.alarm(150))

def child(work):
    number = os.fork()
    if number == 0:
        try:
            work()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]))
"""

AN_EFFECT = """
effect = GANRestorer()
# Large enough for torch to share it out among threads.
expected = effect(audio, 44100)
assert torch.get_num_threads() == 2

def work():
    np.testing.assert_allclose(effect(audio, 44100), expected, atol=1e-6)
    np.testing.assert_allclose(GANRestorer()(audio, 44100), expected, atol=1e-6)

child(work)
"""

A_POOL = """
GANRestorer()(audio, 44100)

def peak(seed):
    return float(np.abs(GANRestorer(seed=seed)(audio, 44100)).max())

with multiprocessing.get_context("fork").Pool(2) as pool:
    assert min(pool.map(peak, range(4))) > 0.1
"""

A_SESSION = """
GANRestorer()(audio, 44100)
session = LiveSession(sample_rate=44100, channels=2, block=512)
assert session.running and session.error is None

def work():
    block = audio[:, :512]
    session.callback(block)
    assert not session.running
    assert "reset starts another" in str(session.error)
    session.reset()
    assert session.running and session.error is None
    give_up = time.monotonic() + 60
    while session.counters.wet == 0:
        assert time.monotonic() < give_up
        session.callback(block)
        time.sleep(0.01)
    session.close()

child(work)
"""


@pytest.mark.parametrize(
    "script", [AN_EFFECT, A_POOL, A_SESSION], ids=["effect", "pool", "session"]
)
def test_a_forked_process_restores(script):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BEGIN + script],
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
