"""``uncodec pipe``: the released model between two pipes."""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.cli.conftest import run_command, tones
from tests.pipes.test_pump import run_through

from uncodec import GANRestorer

COMMAND = [sys.executable, "-m", "uncodec", "pipe"]


def pipe(*options, stdin=b""):
    """Run the command between pipes; give its exit code and what it wrote."""
    done = subprocess.run([*COMMAND, *map(str, options)], input=stdin, capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode().splitlines()


def test_the_result_is_that_of_the_effect():
    audio = tones(2, 60_000, 44_100)
    source = io.BytesIO()
    soundfile.write(source, audio.T, 44_100, format="WAV", subtype="FLOAT")
    code, found, told = pipe("--amount", 0.7, "--brightness", 2, "-v", stdin=source.getvalue())
    assert code == 0
    samples, rate = soundfile.read(io.BytesIO(found), dtype="float32")
    assert (samples.shape, rate) == ((60_000, 2), 44_100)
    wanted = GANRestorer(amount=0.7, brightness_db=2)(audio, 44_100)
    assert np.abs(samples.T - wanted).max() < 1e-5
    latency = GANRestorer().latency_samples
    ms = 1000 * latency / 44100
    assert told == [
        f"uncodec: f32le, 44100 Hz, 2 channels; latency {latency} samples ({ms:.1f} ms)"
    ]


def test_nothing_is_changed_without_an_amount():
    data = np.random.default_rng(0).bytes(6 * 30_000)
    arguments = ("--format", "s24le", "--rate", 48000, "--channels", 2, "--amount", 0)
    assert pipe(*arguments, stdin=data) == (0, data, [])
    code, found, told = pipe(*arguments, stdin=data + b"odd")
    assert (code, found) == (1, data)
    assert told == [
        "uncodec: error: standard input: ends within a frame: 3 of its 6 bytes came; all frames "
        "before it were restored"
    ]


def test_a_reader_that_has_had_enough_ends_it_with_141():
    with subprocess.Popen(
        [*COMMAND, "--format", "s16le", "--rate", "48000", "--channels", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(bytes(2 * 10_000))
        process.stdin.flush()
        process.stdout.read(100)
        process.stdout.close()
        assert process.wait(120) == 141
        assert process.stderr.read() == b""


RAW = ("--format", "s16le", "--rate", 48000, "--channels", 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "mp3"), "format='mp3': must be wav or one of f32le, s16le, s24le, s32le"),
        (("--format", "s16le"), "rate: must be given with raw samples (--format s16le)"),
        (RAW[:4], "channels: must be given with raw samples (--format s16le)"),
        (RAW[2:], "rate, channels: a WAV tells its own; raw samples need --format"),
        ((*RAW[:2], "--rate", 100, "--channels", 2), "rate=100: must be from 8000 to 384000"),
        ((*RAW[:4], "--channels", 12), "channels=12: must be from 1 to 8"),
        ((*RAW, "--amount", 2), "amount=2.0: must be from 0 to 1"),
        ((*RAW, "--brightness", 20), "brightness_db=20.0: must be from -12 to 12"),
    ],
)
def test_wrong_use_is_told_in_one_line(options, message):
    outcome = run_command("pipe", *options, stdin=b"")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.error_lines == [f"uncodec: error: {message}"]


def test_input_and_models_that_cannot_be_used_are_told_in_one_line():
    assert pipe(stdin=b"no sound at all") == (
        1,
        b"",
        [
            "uncodec: error: standard input: begins with b'no s' and is no WAV; raw samples need "
            "--format (f32le, s16le, s24le, s32le), --rate and --channels"
        ],
    )
    code, found, told = pipe(*RAW, "--model", "absent", stdin=bytes(400))
    assert (code, found, len(told)) == (2, b"", 1)
    assert "absent" in told[0]


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_an_hour_runs_in_flat_memory():
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*COMMAND, *map(str, RAW)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        process.stdin.write(bytes(4 * 4800))
        process.stdin.flush()
        early, late = run_through(process, 3600)
        process.stdin.close()
        process.stdout.read()
        assert process.wait() == 0
    assert late - early < 16 * 1024
