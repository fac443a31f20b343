"""Sound through a pipe: as it comes, to its end, and no further than its reader wants."""

import os
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tests.pipes.light_pipe import LATENCY, Halving
from tests.pipes.test_wav_head import fmt, wav

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.pipes.ends import Ends
from uncodec.pipes.pump import Raw, pump
from uncodec.pipes.samples import sample_format

HERE = Path(__file__).parent
MONO = Raw(sample_format("f32le"), 48000, 1)


class Pipe:
    """A pump in a thread of its own between two pipes of the system."""

    def __init__(self, raw=MONO, effect=None):
        self.source, self.sink = os.pipe(), os.pipe()
        self.told, self.warned = [], []
        self.error = self.report = None
        self.effect = effect or Halving()
        self._raw = raw
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        ends = Ends(self.source[0], self.sink[1])
        try:
            self.report = pump(
                self.effect, ends, self._raw, tell=self.told.append, warn=self.warned.append
            )
        except Exception as error:
            self.error = error
        finally:
            os.close(self.source[0])
            os.close(self.sink[1])

    def write(self, data):
        os.write(self.source[1], data)

    def read(self, count):
        data = b""
        while len(data) < count and (more := os.read(self.sink[0], count - len(data))):
            data += more
        return data

    def end(self):
        """End the input; give all that comes after that."""
        os.close(self.source[1])
        rest = self.read(1 << 30)
        self._thread.join()
        os.close(self.sink[0])
        return rest


def floats(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, count).astype("<f4")


def through(data, raw, effect=None):
    pipe = Pipe(raw, effect)
    writer = threading.Thread(target=lambda: pipe.write(data))
    writer.start()
    writer.join()
    found = pipe.end()
    return pipe, found


@pytest.mark.parametrize("count", [0, 1, 500, 5000])
def test_the_result_is_aligned_and_as_long(count):
    audio = floats(count)
    pipe, found = through(audio.tobytes(), MONO)
    assert np.array_equal(np.frombuffer(found, "<f4"), 0.5 * audio)
    assert pipe.error is None
    assert (pipe.report.frames, pipe.report.latency_samples) == (count, LATENCY)
    assert pipe.told[0] == "f32le, 48000 Hz, 1 channels; latency 700 samples (14.6 ms)"


def test_each_sample_comes_as_soon_as_the_latency_is_over():
    audio = floats(LATENCY + 300)
    pipe = Pipe()
    done = 0
    for step in (LATENCY + 1, 1, 98, 200):
        pipe.write(audio[done : done + step].tobytes())
        done += step
        ready = done - LATENCY
        # The input stays open: nothing but what was written can have brought it.
        found = np.frombuffer(pipe.read(4 * min(step, ready)), "<f4")
        assert np.array_equal(found, 0.5 * audio[ready - len(found) : ready])
    assert np.array_equal(np.frombuffer(pipe.end(), "<f4"), 0.5 * audio[done - LATENCY :])


def test_samples_may_be_cut_anywhere():
    audio = floats(2000)
    pipe = Pipe()
    data = audio.tobytes()
    for at in range(0, len(data), 13):
        pipe.write(data[at : at + 13])
    assert np.array_equal(np.frombuffer(pipe.end(), "<f4"), 0.5 * audio)


def test_half_a_frame_at_the_end_is_told_and_the_rest_is_there():
    raw = Raw(sample_format("s16le"), 44100, 2)
    pipe, found = through(b"\0" * (4 * 900 + 3), raw)
    assert len(found) == 3600
    assert isinstance(pipe.error, AudioFileError)
    assert str(pipe.error) == (
        "standard input: ends within a frame: 3 of its 4 bytes came; all frames before it were "
        "restored"
    )


def test_a_wav_of_unknown_length_comes_out_as_one():
    audio = floats(1800)
    head = wav(fmt(3, 2, 44100, 32), 0xFFFFFFFF)
    pipe, found = through(head + audio.tobytes(), None)
    assert pipe.effect.asked == (44100, 2, None)
    assert found[: len(head)] == head
    assert np.array_equal(np.frombuffer(found[len(head) :], "<f4"), 0.5 * audio)


def test_a_wav_of_known_length_ends_there():
    samples = np.arange(1000, dtype="<i2") * 2
    head = wav(fmt(1, 1, 44100, 16), 2000)
    pipe, found = through(head + samples.tobytes() + b"LIST\4\0\0\0INFO", None, Halving(1.0))
    assert found[44:] == samples.tobytes()
    assert struct.unpack_from("<I", found, 40)[0] == 2000
    assert pipe.error is None


def test_a_wav_that_is_cut_is_told():
    head = wav(fmt(1, 1, 44100, 16), 2000)
    pipe, found = through(head + b"\0" * 900, None)
    assert len(found) == 44 + 900
    assert "ends 1100 bytes before the length that its head tells" in str(pipe.error)


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (fmt(1, 9, 44100, 16), "has 9 channels, and at most 8 can be restored"),
        (fmt(1, 1, 4000, 16), "has a sample rate of 4000 Hz: must be from 8000 to 384000 Hz"),
    ],
)
def test_a_wav_that_cannot_be_restored_is_told(form, told):
    pipe, found = through(wav(form, 0), None)
    assert (str(pipe.error), found) == (f"standard input: {told}", b"")


def test_what_is_no_number_is_told_at_once_and_at_the_end():
    audio = floats(2000)
    audio[[3, 1500]] = np.nan
    pipe, found = through(audio.tobytes(), MONO)
    assert np.isfinite(np.frombuffer(found, "<f4")).all()
    assert pipe.warned[-1] == "standard input: 2 samples were no numbers, and silence in the result"
    assert len(pipe.warned) == 2


def test_clipped_samples_are_told():
    raw = Raw(sample_format("s16le"), 44100, 1)
    pipe, _ = through(np.full(1000, 30000, "<i2").tobytes(), raw, Halving(2.0))
    assert pipe.warned == ["1000 samples of the result were clipped; --format f32le keeps them"]


def test_a_reader_that_does_not_read_holds_the_writer_up():
    pipe = Pipe()
    os.set_blocking(pipe.source[1], False)
    chunk, taken, waited = floats(4096).tobytes(), 0, 0
    while waited < 20:
        try:
            taken += os.write(pipe.source[1], chunk)
            waited = 0
        except BlockingIOError:
            waited += 1
            time.sleep(0.02)
    # Two pipes of the system, and a block on its way.
    assert taken < 6 * 65536
    os.set_blocking(pipe.source[1], True)
    assert len(pipe.end()) == taken


def test_a_reader_that_goes_away_ends_it_while_the_source_is_paused():
    pipe = Pipe()
    pipe.write(floats(2000).tobytes())
    pipe.read(4 * 1300)
    os.close(pipe.sink[0])
    pipe._thread.join(60)
    assert isinstance(pipe.error, BrokenPipeError)
    os.close(pipe.source[1])


def test_ends_that_do_not_block_are_waited_for():
    pipe = Pipe()
    for end in (pipe.source[0], pipe.sink[1]):
        os.set_blocking(end, False)
    audio = floats(200_000)
    writer = threading.Thread(target=lambda: pipe.write(audio.tobytes()))
    writer.start()
    time.sleep(0.1)
    found = np.frombuffer(pipe.read(4 * (len(audio) - LATENCY)), "<f4")
    writer.join()
    assert np.array_equal(found, 0.5 * audio[: len(found)])
    assert len(pipe.end()) == 4 * LATENCY


@pytest.mark.parametrize(
    ("rate", "channels", "error", "told"),
    [
        (7999, 2, InvalidValue, "rate=7999: must be from 8000 to 384000"),
        (48000, 0, InvalidValue, "channels=0: must be from 1 to 8"),
        (48000, 9, InvalidValue, "channels=9: must be from 1 to 8"),
        (48000.5, 2, InvalidType, "rate=48000.5: must be an integer from 8000"),
    ],
)
def test_raw_sound_that_cannot_be_restored_is_refused(rate, channels, error, told):
    with pytest.raises(error, match=told):
        Raw(sample_format("s16le"), rate, channels)


@pytest.fixture
def process():
    command = [sys.executable, str(HERE / "light_pipe.py"), "s16le", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.kill()


def used(process):
    """Seconds of processor time, and resident KiB."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{process.pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"), int(resident)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_paused_source_costs_no_processor_time(process):
    process.stdin.write(bytes(4 * 2000))
    process.stdin.flush()
    assert len(process.stdout.read(4 * 1300)) == 4 * 1300
    before, _ = used(process)
    time.sleep(1.5)
    assert used(process)[0] - before <= 0.02
    process.stdin.write(bytes(4 * 100))
    process.stdin.flush()
    assert len(process.stdout.read(4 * 100)) == 4 * 100


def run_through(process, seconds):
    """Write and read so many seconds; give the memory after a tenth of them and at the end."""
    block, found = np.random.default_rng(0).bytes(4 * 4800), []
    process.stdout.read1(1)
    for number in range(seconds * 10):
        process.stdin.write(block)
        process.stdin.flush()
        process.stdout.read(len(block))
        if number in (seconds, seconds * 10 - 1):
            found.append(used(process)[1])
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_memory_stays_flat(process):
    process.stdin.write(bytes(4 * 4800))
    process.stdin.flush()
    early, late = run_through(process, 120)
    assert late - early < 4096


def test_a_reader_that_goes_away_is_seen_by_its_process(process):
    process.stdin.write(bytes(4 * 2000))
    process.stdin.flush()
    process.stdout.close()
    assert process.wait(60) == 141
