"""Memory does not grow with the length of a file."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from uncodec.files.restore import restore_file

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "models/live-gan/weights.safetensors"


def test_four_times_the_length_takes_the_same_arrays(put, make_tones, effect, tmp_path):
    peaks = []
    for frames in (600_000, 2_400_000):
        source = put("long.wav", make_tones(1, frames, 44_100))
        tracemalloc.start()
        try:
            restore_file(source, tmp_path / "out.wav", effect, rate=48_000, overwrite=True)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert max(peaks) < 12e6
    assert peaks[1] - peaks[0] < 0.5e6


@pytest.mark.nightly
@pytest.mark.skipif(not WEIGHTS.exists(), reason="the model is not released yet")
def test_a_whole_process_with_the_model_stays_flat():
    """The benchmark compares a minute with four and fails when its goals are missed."""
    command = [sys.executable, str(ROOT / "bench/memory.py"), "--minutes", "1", "4"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
