"""Everything a user can feed the command line by mistake ends in one clear line, and in no file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from uncodec.codecs import encode


def assert_refused(outcome, *words, code=1):
    """One line that names what is wrong, no traceback, the exit code."""
    assert outcome.code == code
    assert len(outcome.error_lines) == 1, outcome.stderr
    (line,) = outcome.error_lines
    assert line.startswith("uncodec: error: ")
    for word in words:
        assert word in line


def write_bytes(path, data):
    path.write_bytes(data)
    return path


def test_missing(run, tmp_path, only_left):
    assert_refused(run("restore", tmp_path / "gone.mp3"), "gone.mp3")
    only_left()


@pytest.mark.parametrize("name", ["bad.mp3", "bad.wav", "bad.flac", "bad.m4a", "bad.ogg", "bad"])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Dear reader, this is no music.\n" * 50,
        bytes(20_000),
        b"RIFF",
        b"fLaC" + b"\xff" * 500,
    ],
    ids=["empty", "text", "zeros", "four-bytes", "corrupt"],
)
def test_no_audio_inside(run, tmp_path, only_left, name, data):
    source = write_bytes(tmp_path / name, data)
    assert_refused(run("restore", source), name)
    only_left(source)


def test_noise_is_no_audio(run, tmp_path, only_left):
    data = np.random.default_rng(1).integers(0, 256, 30_000, dtype=np.uint8).tobytes()
    source = write_bytes(tmp_path / "noise.m4a", data)
    assert_refused(run("restore", source), "noise.m4a")
    only_left(source)


def cut_off(path, codec):
    """Two thirds of a file of noise, 4.5 s when it was whole."""
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (2, 200_000)).astype(np.float32)
    if codec is None:
        soundfile.write(path, noise.T, 44_100)
        data = path.read_bytes()
    else:
        data = encode(noise, 44_100, codec, kbps=96)
    path.write_bytes(data[: len(data) * 2 // 3])
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("c.wav", None), ("c.flac", None), ("c.mp3", "mp3"), ("c.ogg", "vorbis")]
)
def test_truncated_is_refused_or_salvaged(run, tmp_path, only_left, name, codec):
    source = cut_off(tmp_path / name, codec)
    refused = run("restore", source)
    assert_refused(refused, name, "salvage")
    assert refused.stderr.count("is cut off") + refused.stderr.count("is damaged") == 1
    only_left(source)
    outcome = run("restore", source, "--salvage", "--json")
    assert outcome.code == 0
    target = tmp_path / "c.restored.flac"
    only_left(source, target)
    assert 100_000 < soundfile.info(target).frames < 170_000
    done = next(line for line in outcome.stdout.splitlines() if '"done"' in line)
    assert len(json.loads(done)["problems"]) == 1


def test_truncated_beyond_reading(run, tmp_path, only_left):
    # The index of this container stands at its end.
    source = cut_off(tmp_path / "c.m4a", "aac")
    assert_refused(run("restore", source, "--salvage"), "c.m4a", "incomplete")
    only_left(source)


def test_header_without_samples(run, put, only_left):
    source = put("zero.wav", np.zeros((2, 0), dtype=np.float32))
    assert_refused(run("restore", source), "zero.wav", "no audio")
    only_left(source)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(run, put, song, only_left, value):
    song[1, 70_000] = value
    source = put("nan.wav", song, subtype="FLOAT")
    assert_refused(run("restore", source), "nan.wav", "1.587 s", "must be a finite number")
    only_left(source)


@pytest.mark.parametrize(
    ("channels", "frames", "rate"),
    [(1, 1, 44_100), (2, 1, 44_100), (2, 90_000, 192_000), (1, 20_000, 44_100)],
)
def test_unusual_but_sound(run, put, make_tones, tmp_path, channels, frames, rate):
    source = put("odd.wav", make_tones(channels, frames, rate), rate)
    assert run("restore", source).code == 0
    info = soundfile.info(tmp_path / "odd.restored.flac")
    assert (info.channels, info.frames, info.samplerate) == (channels, frames, rate)


@pytest.mark.parametrize(
    ("rate", "wide"), [(8_000, 48_000), (22_050, 44_100), (32_000, 48_000), (11_025, 44_100)]
)
def test_a_low_rate_is_widened_unless_it_is_asked_for(run, put, make_tones, tmp_path, rate, wide):
    source = put("low.wav", make_tones(1, rate, rate), rate)
    assert run("restore", source).code == 0
    info = soundfile.info(tmp_path / "low.restored.flac")
    assert (info.frames, info.samplerate) == (wide, wide)
    assert run("restore", source, "-o", tmp_path / "same.flac", "--rate", str(rate)).code == 0
    info = soundfile.info(tmp_path / "same.flac")
    assert (info.frames, info.samplerate) == (rate, rate)


@pytest.mark.parametrize("command", ["restore", "render"])
def test_a_rate_of_a_few_hertz_is_refused(
    run, put, make_tones, only_left, command, diffusion_folder
):
    source = put("slow.wav", make_tones(1, 9000, 8000), 2)
    model = ["--model", diffusion_folder] if command == "render" else []
    done = run(command, source, *model)
    assert_refused(done, "slow.wav", "sample rate of 2 Hz", "at least 1000 Hz")
    only_left(source)


def test_silence_stays_silent(run, put, tmp_path):
    source = put("silent.wav", np.zeros((2, 30_000), dtype=np.float32))
    assert run("restore", source, "--bits", "32").code == 0
    assert not soundfile.read(tmp_path / "silent.restored.wav")[0].any()


def test_clipped_samples_are_accepted(run, put, song, tmp_path):
    source = put("loud.wav", 4 * song, subtype="FLOAT")
    assert run("restore", source, "--bits", "32").code == 0
    result, _ = soundfile.read(tmp_path / "loud.restored.wav", dtype="float32")
    np.testing.assert_allclose(result, 2 * song.T, atol=1e-6)


def test_channels_the_effect_refuses(run, put, make_tones, only_left):
    source = put("surround.wav", make_tones(6, 20_000, 48_000), 48_000)
    assert_refused(run("restore", source), "surround.wav", "channels=6")
    only_left(source)


def test_more_channels_than_there_are_speakers_for(run, put, make_tones, only_left):
    source = put("wide.wav", make_tones(12, 20_000, 48_000), 48_000)
    outcome = run("restore", source)
    assert_refused(outcome, "wide.wav: has 12 channels, and at most 8 can be restored")
    assert "shape" not in outcome.stderr
    only_left(source)


def test_existing_output_is_kept(run, put, tmp_path):
    source = put("song.wav")
    target = tmp_path / "song.restored.flac"
    target.write_bytes(b"precious")
    assert_refused(run("restore", source), "song.restored.flac: exists", "--overwrite")
    assert target.read_bytes() == b"precious"


def test_failed_overwrite_keeps_the_old_file(run, put, song, tmp_path, only_left):
    song[0, 80_000] = np.nan
    source = put("song.wav", song, subtype="FLOAT")
    target = tmp_path / "song.restored.flac"
    target.write_bytes(b"precious")
    assert_refused(run("restore", source, "--overwrite"), "must be a finite number")
    assert target.read_bytes() == b"precious"
    only_left(source, target)


@pytest.mark.parametrize("name", ["song.wav", "./song.wav", "sub/../song.wav"])
def test_output_that_is_the_source(run, put, tmp_path, song, name):
    source = put("song.wav")
    (tmp_path / "sub").mkdir()
    outcome = run("restore", source, "-o", f"{tmp_path}/{name}", "--overwrite")
    assert_refused(outcome, "sources", code=2)
    np.testing.assert_allclose(soundfile.read(source)[0], song.T, atol=1e-4)


def test_output_linked_to_the_source(run, put, tmp_path, song):
    source = put("song.wav")
    link = tmp_path / "link.wav"
    os.link(source, link)
    assert_refused(run("restore", source, "-o", link, "--overwrite"), "source")
    np.testing.assert_allclose(soundfile.read(source)[0], song.T, atol=1e-4)


@pytest.mark.parametrize("place", ["missing/out.flac", "file.txt/out.flac", "folder.flac"])
def test_target_that_cannot_be_written(run, put, tmp_path, only_left, place):
    source = put("song.wav")
    file = write_bytes(tmp_path / "file.txt", b"")
    (tmp_path / "folder.flac").mkdir()
    # A folder takes the result under the source's name, and that is fine: ask for a file instead.
    target = tmp_path / place
    if target.is_dir():
        (target / "song.flac").mkdir()
    outcome = run("restore", source, "-o", target, "--overwrite")
    assert_refused(outcome, str(target))
    only_left(source, file)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_read_only_folder(run, put, tmp_path, only_left):
    source = put("in/song.wav")
    folder = tmp_path / "out"
    folder.mkdir(mode=0o555)
    assert_refused(run("restore", source, "-o", folder), "song.flac")
    only_left(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_what_may_not_be_read(run, put, tmp_path, only_left):
    """A file, a folder, and a file in a folder: each is told, and the rest is done."""
    good, secret, inside = put("in/a.wav"), put("in/b.wav"), put("in/locked/c.wav")
    secret.chmod(0)
    inside.parent.chmod(0)
    try:
        outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out")
        assert outcome.code == 1
        assert outcome.error_lines == [
            f"uncodec: error: {tmp_path}/in/locked: cannot be read: permission denied",
            f"uncodec: error: {secret}: permission denied",
        ]
        assert_refused(run("restore", inside), f"{inside}: permission denied")
        assert_refused(run("restore", good, "-o", inside.with_name("x.flac")), "permission denied")
    finally:
        inside.parent.chmod(0o700)
    only_left(good, secret, inside, tmp_path / "out/a.flac")


def test_output_format_that_is_unknown(run, put, tmp_path, only_left):
    source = put("song.wav")
    assert_refused(run("restore", source, "-o", tmp_path / "out.xyz"), "out.xyz")
    only_left(source)


def test_full_disk(run, put, full_disk, tmp_path, only_left):
    """The kernel refuses to let the file grow, as it does when the disk is full."""
    rng = np.random.default_rng(3)
    source = put("song.wav", rng.uniform(-1, 1, (2, 200_000)).astype(np.float32))
    with full_disk(300_000):
        outcome = run("restore", source, "-o", tmp_path / "out.wav")
    assert_refused(outcome, "out.wav")
    only_left(source)


def test_other_files_of_the_batch_are_done(run, put, tmp_path, only_left):
    good = [put("in/a.wav"), put("in/c.wav")]
    bad = write_bytes(tmp_path / "in/b.mp3", b"no music")
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out")
    assert_refused(outcome, "b.mp3")
    only_left(*good, bad, tmp_path / "out/a.flac", tmp_path / "out/c.flac")


def test_failure_leaves_no_empty_folder(run, tmp_path):
    source = write_bytes(tmp_path / "bad.mp3", b"no music")
    assert run("restore", source, "-o", f"{tmp_path}/new/folder/").code == 1
    assert not (tmp_path / "new").exists()


def test_fault_of_the_program_is_one_line_too(run, put, effect, monkeypatch, only_left):
    def fail(*arguments, **options):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(effect, "push", fail)
    source = put("song.wav")
    assert_refused(run("restore", source), "unexpected ZeroDivisionError", "--debug")
    only_left(source)
    outcome = run("restore", source, "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr


def test_traceback_only_with_debug(run, tmp_path):
    outcome = run("restore", tmp_path / "gone.mp3", "--debug")
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr
    assert outcome.error_lines[-1].startswith("uncodec: error: ")


@pytest.mark.parametrize(
    "options",
    [
        ["--bits", "8"],
        ["--bits", "x"],
        ["--rate", "1"],
        ["--rate", "-44100"],
        ["--amount", "loud"],
        ["--unknown"],
    ],
)
def test_wrong_use(run, put, only_left, options):
    source = put("song.wav")
    outcome = run("restore", source, *options)
    assert outcome.code == 2
    assert "Traceback" not in outcome.stderr
    assert options[0].lstrip("-") in outcome.stderr
    only_left(source)


def test_float_flac_is_refused(run, put, tmp_path, only_left):
    source = put("song.wav")
    outcome = run("restore", source, "-o", tmp_path / "out.flac", "--bits", "32")
    assert_refused(outcome, "FLAC")
    only_left(source)


def test_bad_standard_input(run):
    for data in (b"", b"no music"):
        outcome = run("restore", "-", stdin=data)
        assert_refused(outcome, "standard input")
        assert "/" not in outcome.stderr
        assert outcome.stdout_bytes == b""


def test_console_script_is_installed():
    command = shutil.which("uncodec", path=os.path.dirname(sys.executable))  # noqa: PTH120
    if command is None:
        pytest.skip("the package is on the path but not installed")
    done = subprocess.run([command, "restore", "gone.mp3"], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("uncodec: error: ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep names as text")
@pytest.mark.parametrize("ending", ["wav", "flac", "mp3", "m4a", "ogg", "dat"])
def test_a_name_that_is_no_text(run, tmp_path, song, ending):
    """Bytes that are no UTF-8 in the name of the source, and of the result, and of the folders."""
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    source = folder / os.fsdecode(b"\xff\xe9." + ending.encode())
    if ending in ("mp3", "m4a", "ogg"):
        coded = encode(song, 44_100, {"mp3": "mp3", "m4a": "aac", "ogg": "vorbis"}[ending], kbps=96)
        source.write_bytes(coded)
    else:
        kind = "FLAC" if ending == "flac" else "WAV"
        soundfile.write(tmp_path / "x.wav", song.T, 44_100, format=kind)
        (tmp_path / "x.wav").rename(source)
    outcome = run("restore", folder, "-o", tmp_path / "out", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    target = tmp_path / "out" / os.fsdecode(b"\xff\xe9.flac")
    assert target.is_file()
    assert json.loads(outcome.stdout.splitlines()[-2])["target"] == str(target)
    # It is shown as an escape where something is wrong with it.
    source.write_bytes(b"no music")
    source = source.rename(source.with_suffix(".mp3"))
    outcome = run("restore", source)
    assert_refused(outcome, r"caf\udce9/\udcff\udce9.mp3: ")


def test_a_name_that_is_too_long(run, put, tmp_path, only_left):
    """The result's name would be longer than the system takes, the source's is not."""
    long, good = put("x" * 245 + ".wav"), put("b.wav")
    outcome = run("restore", long, good)
    assert_refused(outcome, "the name is too long")
    only_left(long, good, tmp_path / "b.restored.flac")
    assert_refused(run("restore", tmp_path / ("y" * 300 + ".wav")), "yyy")
    assert_refused(run("restore", good, "-o", tmp_path / ("y" * 300 + ".flac")), "name is too long")
    outcome = run("restore", good, "-o", f"{tmp_path}/new/{'y' * 300}/")
    assert_refused(outcome, "cannot create this folder", "name is too long")
    only_left(long, good, tmp_path / "b.restored.flac")
    assert not (tmp_path / "new").exists()


def test_a_file_that_vanishes_before_its_turn(run, put, effect, monkeypatch, only_left, tmp_path):
    first, second, third = put("a.wav"), put("b.wav"), put("c.wav")
    finish = effect.finish

    def remove_next():
        second.unlink(missing_ok=True)
        return finish()

    monkeypatch.setattr(effect, "finish", remove_next)
    outcome = run("restore", first, second, third)
    assert_refused(outcome, "b.wav: does not exist")
    only_left(first, third, tmp_path / "a.restored.flac", tmp_path / "c.restored.flac")


def test_a_file_that_is_cut_while_it_is_read(run, put, make_tones, effect, monkeypatch, only_left):
    source, other = put("a.wav", make_tones(2, 400_000, 44_100)), put("b.wav")
    push = effect.push

    def cut(*arguments, **options):
        os.truncate(source, 300_000)
        return push(*arguments, **options)

    monkeypatch.setattr(effect, "push", cut)
    outcome = run("restore", source, other)
    assert_refused(outcome, "a.wav: holds only ", "salvage")
    only_left(source, other, other.with_name("b.restored.flac"))


@pytest.mark.parametrize("command", ["restore", "render"])
def test_the_folder_of_the_results_vanishes(
    run, put, effect, monkeypatch, only_left, tmp_path, command, diffusion_folder
):
    source, other = put("a.wav"), put("b.wav")
    out = tmp_path / "out"

    def removing(call):
        def remove(*arguments, **options):
            shutil.rmtree(out, ignore_errors=True)
            return call(*arguments, **options)

        return remove

    if command == "restore":
        monkeypatch.setattr(effect, "finish", removing(effect.finish))
        options = []
    else:
        from uncodec.files.chunks import GroupStore

        monkeypatch.setattr(GroupStore, "save", removing(GroupStore.save))
        options = ["--model", diffusion_folder, "--steps", 1]
    outcome = run(command, source, other, "-o", f"{out}/", *options)
    assert outcome.code == 1
    assert len(outcome.error_lines) == 2
    assert all("the folder does not exist" in line for line in outcome.error_lines)
    only_left(source, other)


def test_full_disk_of_temporary_files(run, put, full_disk, tmp_path):
    """What goes through a pipe is told by the pipe's name, not by that of the copy."""
    rng = np.random.default_rng(3)
    data = put("song.wav", rng.uniform(-1, 1, (2, 200_000)).astype(np.float32)).read_bytes()
    with full_disk(300_000):
        outcome = run("restore", "-", "-o", tmp_path / "out.flac", stdin=data)
    assert_refused(outcome, "standard input: ", "the file grew")
    with full_disk(300_000):
        outcome = run("restore", tmp_path / "song.wav", "-o", "-")
    assert_refused(outcome, "standard output: cannot be written: the file grew")
    assert "/" not in outcome.stderr
    assert outcome.stdout_bytes == b""
    assert not (tmp_path / "out.flac").exists()


def test_a_package_that_cannot_be_loaded_is_told_in_a_line(run, monkeypatch):
    def broken(*_):
        raise ImportError("libatomic.so.1: cannot open shared object file")

    monkeypatch.setattr("uncodec.cli.doctor.examine", broken)
    outcome = run("doctor")
    assert outcome.code == 1
    assert outcome.stderr == (
        "uncodec: error: libatomic.so.1: cannot open shared object file "
        "(uncodec doctor tells what is missing)\n"
    )
