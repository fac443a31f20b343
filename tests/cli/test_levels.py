"""What becomes of the samples' values: nothing is clipped unsaid, nothing changed for nothing."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import soundfile

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.files.headroom import check_headroom
from uncodec.files.restore import restore_file


class Unchanged:
    """An effect whose delta has vanished, 700 samples late inside."""

    def __init__(self):
        self.held = None

    def open_stream(self, sample_rate, channels, channel_layout=None):
        self.held = np.zeros((channels, 0), np.float32)
        return self

    def push(self, audio):
        block = np.concatenate([self.held, audio], axis=1)
        ready = max(0, block.shape[1] - 700)
        self.held = block[:, ready:]
        return block[:, :ready]

    def finish(self):
        return self.held

    def reset(self):
        self.held = None


class Touching(Unchanged):
    """Changes samples 40000 to 50000, a little."""

    def __init__(self):
        super().__init__()
        self.position = 0

    def push(self, audio):
        block = audio.copy()
        at = self.position + np.arange(block.shape[1])
        block[:, (at >= 40_000) & (at < 50_000)] += np.float32(1e-3 / 3)
        self.position += block.shape[1]
        return super().push(block)


def read_steps(path):
    """Samples as 32-bit integers, whatever the depth of the file."""
    return soundfile.read(path, dtype="int32", always_2d=True)[0]


@pytest.fixture
def steps():
    """Random 16-bit samples, the lowest and the highest among them, (frames, 2)."""
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, (150_001, 2)).astype(np.int16)
    samples[:2, 0] = -(2**15), 2**15 - 1
    return samples


def write_steps(path, samples, subtype="PCM_16", scale=16):
    soundfile.write(path, samples.astype(np.int32) << scale, 44_100, subtype=subtype)
    return path


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [("in.wav", "PCM_16"), ("in.flac", "PCM_16"), ("in.wav", "PCM_24"), ("in.wav", "FLOAT")],
)
def test_a_source_that_fits_comes_out_bit_for_bit(tmp_path, steps, bits, name, subtype):
    """Also where a finer format holds no more than 16 bits."""
    if subtype == "FLOAT":
        data = (steps / 2.0**15).astype(np.float32)
        soundfile.write(tmp_path / name, data, 44_100, subtype=subtype)
    else:
        write_steps(tmp_path / name, steps, subtype)
    for target in ("out.wav", "out.flac"):
        restore_file(tmp_path / name, tmp_path / target, Unchanged(), bits=bits)
        np.testing.assert_array_equal(read_steps(tmp_path / target), steps.astype(np.int32) << 16)


def test_8_and_24_bits_come_out_bit_for_bit(tmp_path, steps):
    fine = np.random.default_rng(1).integers(-(2**23), 2**23, (70_001, 2)).astype(np.int32)
    write_steps(tmp_path / "fine.wav", fine, "PCM_24", 8)
    restore_file(tmp_path / "fine.wav", tmp_path / "out.flac", Unchanged(), bits=24)
    np.testing.assert_array_equal(read_steps(tmp_path / "out.flac"), fine << 8)
    write_steps(tmp_path / "coarse.wav", steps // 256, "PCM_U8", 24)
    restore_file(tmp_path / "coarse.wav", tmp_path / "coarse.flac", Unchanged(), bits=16)
    expected = (steps // 256).astype(np.int32) << 24
    np.testing.assert_array_equal(read_steps(tmp_path / "coarse.flac"), expected)


def test_dither_is_where_something_was_changed_and_nowhere_else(tmp_path, steps):
    source = write_steps(tmp_path / "in.wav", steps // 2)
    restore_file(source, tmp_path / "out.wav", Touching(), bits=16)
    error = (read_steps(tmp_path / "out.wav") - read_steps(source)) / 2.0**16
    assert not error[:40_000].any()
    assert not error[50_000:].any()
    # 10.9 steps were added: with dither the error averages to that and not to 11.
    added = error[40_000:50_000]
    assert abs(added.mean() - 2**15 * 1e-3 / 3) < 0.02
    assert len(np.unique(added)) >= 3


@pytest.mark.parametrize(
    ("subtype", "bits"), [("PCM_24", 16), ("FLOAT", 16), ("FLOAT", 24), ("PCM_32", 24)]
)
def test_a_depth_that_is_reduced_is_dithered(tmp_path, subtype, bits):
    """A constant between two steps comes out as several values, and in its place on average."""
    level = np.full((40_000, 1), 100.3 / 2 ** (bits - 1))
    soundfile.write(tmp_path / "in.wav", level, 44_100, subtype=subtype)
    restore_file(tmp_path / "in.wav", tmp_path / "out.wav", Unchanged(), bits=bits)
    found = read_steps(tmp_path / "out.wav") / 2.0 ** (32 - bits)
    assert abs(found.mean() - 100.3) < 0.02
    assert len(np.unique(found)) >= 3


def test_a_converted_rate_is_dithered(tmp_path, steps):
    source = write_steps(tmp_path / "in.wav", steps // 2)
    report = restore_file(source, tmp_path / "out.wav", Unchanged(), bits=16, rate=48_000)
    assert report.target_frames == round(150_001 * 48_000 / 44_100)


@pytest.mark.parametrize("length", [1, 2])
@pytest.mark.parametrize("bits", [16, 24])
def test_a_very_short_stereo_file_comes_out_bit_for_bit(tmp_path, steps, length, bits):
    source = write_steps(tmp_path / "in.wav", steps[:length])
    restore_file(source, tmp_path / "out.wav", Unchanged(), bits=bits)
    expected = steps[:length].astype(np.int32) << 16
    np.testing.assert_array_equal(read_steps(tmp_path / "out.wav"), expected)


@pytest.fixture
def loud(put, song):
    """Halved, its peak is 4.4 dB above full scale."""
    return put("loud.wav", 8.33 * song, subtype="FLOAT")


def done_of(outcome):
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    return next(event for event in events if event["event"] == "done")


@pytest.mark.parametrize("options", [[], ["--quiet"], ["--json"], ["--json", "--quiet"]])
def test_clipping_is_told_once_whoever_listens(run, loud, song, tmp_path, options):
    outcome = run("restore", loud, *options)
    assert outcome.code == 0
    count = int((np.abs(8.33 / 2 * song) > 1).sum())
    (line,) = outcome.error_lines
    assert line == (
        f"uncodec: warning: {tmp_path}/loud.restored.flac: {count} samples were clipped (peak "
        "+4.4 dBFS); --headroom auto turns the result down, --bits 32 keeps them"
    )
    if "--json" in options:
        done = done_of(outcome)
        assert done["clipped"] == count
        assert done["peak"] == pytest.approx(0.4 * 8.33 / 2, abs=1e-3)
        assert done["headroom_db"] == 0.0


def test_clipping_into_a_pipe_is_told_by_name(run, loud):
    outcome = run("restore", "-", stdin=loud.read_bytes())
    assert outcome.code == 0
    (line,) = outcome.error_lines
    assert line.startswith("uncodec: warning: standard output: ")


@pytest.mark.parametrize("bits", [16, 24])
def test_headroom_auto_turns_down_by_what_it_takes(run, loud, song, tmp_path, bits):
    outcome = run("restore", loud, "--headroom", "auto", "--bits", bits, "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    done = done_of(outcome)
    peak = 0.5 * 8.33 * np.abs(song).max()
    assert done["clipped"] == 0
    assert done["headroom_db"] == pytest.approx(20 * np.log10(peak), abs=0.01)
    assert 0.9998 < done["peak"] <= 1.0
    found = soundfile.read(tmp_path / "loud.restored.flac")[0]
    np.testing.assert_allclose(found, 0.5 * 8.33 * song.T / peak, atol=2e-4)
    # No sample stands at the end of the scale, where a clipped one would.
    steps = read_steps(tmp_path / "loud.restored.flac") >> (32 - bits)
    assert steps.max() < 2 ** (bits - 1) - 1
    assert steps.min() > -(2 ** (bits - 1))


def test_headroom_auto_leaves_alone_what_fits(tmp_path, steps):
    source = write_steps(tmp_path / "in.wav", steps)
    report = restore_file(source, tmp_path / "out.flac", Unchanged(), bits=16, headroom="auto")
    assert (report.headroom_db, report.clipped) == (0.0, 0)
    np.testing.assert_array_equal(read_steps(tmp_path / "out.flac"), steps.astype(np.int32) << 16)


def test_headroom_in_db(run, loud, song, tmp_path):
    outcome = run("restore", loud, "--headroom", "6", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert done_of(outcome)["headroom_db"] == 6.0
    found = soundfile.read(tmp_path / "loud.restored.flac")[0]
    np.testing.assert_allclose(found, 0.5 * 8.33 * song.T * 10 ** (-6 / 20), atol=1e-5)


def test_too_little_headroom_is_told(run, loud):
    outcome = run("restore", loud, "--headroom", "2.5")
    assert outcome.code == 0
    assert "samples were clipped (peak +1.9 dBFS)" in outcome.stderr


@pytest.mark.parametrize("options", [[], ["--headroom", "auto"]])
def test_float_results_are_never_clipped_nor_turned_down(run, loud, song, tmp_path, options):
    outcome = run("restore", loud, "--bits", 32, "--json", *options)
    assert (outcome.code, outcome.stderr) == (0, "")
    done = done_of(outcome)
    assert (done["clipped"], done["headroom_db"]) == (0, 0.0)
    assert done["peak"] > 1.6
    found = soundfile.read(tmp_path / "loud.restored.wav", dtype="float32")[0]
    np.testing.assert_array_equal(found, 0.5 * soundfile.read(loud, dtype="float32")[0])


def test_float_results_are_turned_down_where_that_was_asked_for(run, loud, song, tmp_path):
    assert run("restore", loud, "--bits", 32, "--headroom", "12").code == 0
    found = soundfile.read(tmp_path / "loud.restored.wav")[0]
    np.testing.assert_allclose(found, 0.5 * 8.33 * song.T * 10 ** (-12 / 20), atol=1e-5)


@pytest.mark.parametrize("value", ["loud", "-1", "41", "nan", "", "Auto"])
def test_wrong_headroom(run, put, value, only_left):
    source = put("song.wav")
    outcome = run("restore", source, f"--headroom={value}")
    assert outcome.code == 2
    (line,) = outcome.error_lines
    assert "headroom=" in line
    assert "must be auto, or from 0 to 40 dB" in line
    only_left(source)


def test_headroom_is_checked():
    assert check_headroom("auto") == "auto"
    assert check_headroom(3) == 3.0
    for wrong, kind in ((None, InvalidType), (True, InvalidType), (-0.1, InvalidValue)):
        with pytest.raises(kind, match="headroom="):
            check_headroom(wrong)


def test_a_disk_that_is_full_for_the_spool(put, full_disk, tmp_path, only_left):
    """The floats that are put aside do not fit, the file would."""
    source = put("song.wav")
    told = pytest.raises(AudioFileError, match=r"out\.flac: cannot be written: the file grew")
    with full_disk(400_000), told:
        restore_file(source, tmp_path / "out.flac", Unchanged(), bits=16, headroom="auto")
    only_left(source)


def test_headroom_through_a_pipe(run, loud):
    outcome = run("restore", "-", "--headroom", "auto", stdin=loud.read_bytes())
    assert (outcome.code, outcome.stderr) == (0, "")
    found = soundfile.read(io.BytesIO(outcome.stdout_bytes))[0]
    assert 0.9998 < np.abs(found).max() < 1.0
