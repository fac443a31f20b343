"""A command that is stopped, or whose streams are gone, ends with few words and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest


def test_interrupt_inside_a_file(run, put, effect, monkeypatch, only_left):
    sources = [put("a.wav"), put("b.wav")]

    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(effect, "finish", interrupt)
    outcome = run("restore", *sources)
    assert outcome.code == 130
    assert outcome.error_lines == ["uncodec: stopped"]
    only_left(*sources)


SLOW_COMMAND = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
from conftest import Halving
from uncodec import cli
from uncodec.catalogue import work

class Slow(Halving):
    def push(self, *arguments, **options):
        time.sleep(0.2)
        return super().push(*arguments, **options)

work.open_effect = lambda *options: Slow()
cli.main()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_real_signal(put, make_tones, tmp_path, only_left, number, code):
    source = put("long.wav", make_tones(1, 3_000_000, 44_100))
    here = os.path.dirname(__file__)  # noqa: PTH120
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COMMAND, here, "restore", str(source)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background inherits that the signal is ignored, and so would the command.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)  # until the temporary file is there
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in stderr
    only_left(source)


def test_ignored_signal_stays_ignored(run, put, effect, monkeypatch):
    seen = []
    monkeypatch.setattr(effect, "reset", lambda: seen.append(signal.getsignal(signal.SIGHUP)))
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("restore", put("song.wav")).code == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        assert set(seen) == {signal.SIG_IGN}
        # Set here too, because the test itself may run under nohup.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        assert run("restore", put("other.wav")).code == 0
        assert callable(seen[-1])
    finally:
        signal.signal(signal.SIGHUP, before)
    assert signal.getsignal(signal.SIGHUP) is before


def test_reader_of_the_pipe_goes_away(put, tmp_path):
    here = os.path.dirname(__file__)  # noqa: PTH120
    source = put("long.wav")
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_COMMAND, here, "restore", str(source), "-o", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(timeout=20) == 141


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")  # noqa: PTH110
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "-"], "standard output: cannot be written: no space left"),
        (["--json"], "the report cannot be written: no space left"),
    ],
)
def test_standard_output_is_full(put, only_left, options, words):
    here = os.path.dirname(__file__)  # noqa: PTH120
    source = put("song.wav")
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-c", SLOW_COMMAND, here, "restore", str(source), *options],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"uncodec: error: {words} on the disk"]
    only_left(source)


@pytest.mark.parametrize(
    ("closed", "arguments", "code", "word"),
    [
        ("stdin", ["-"], 2, "standard input is closed"),
        ("stdout", ["song.wav", "-o", "-"], 2, "standard output is closed"),
        ("stdout", ["song.wav", "--json"], 1, "its stream is closed"),
        ("stderr", ["song.wav", "gone.wav"], 1, ""),
    ],
)
def test_closed_streams(put, tmp_path, closed, arguments, code, word):
    put("song.wav")
    here = os.path.dirname(__file__)  # noqa: PTH120
    number = {"stdin": 0, "stdout": 1, "stderr": 2}[closed]
    done = subprocess.run(
        [sys.executable, "-c", SLOW_COMMAND, here, "restore", *arguments],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        preexec_fn=lambda: os.close(number),
        timeout=60,
    )
    assert done.returncode == code
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
