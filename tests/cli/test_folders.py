"""What counts as audio inside a folder, and what is said of the rest."""

from __future__ import annotations

import json
import os

import av
import numpy as np
import pytest

from uncodec.codecs import encode
from uncodec.errors import InvalidValue
from uncodec.files import sources
from uncodec.files.planning import plan

# Name, FFmpeg's container and coding.
KINDS = [
    ("book.m4b", "ipod", "aac"),
    ("ring.3gp", "3gp", "aac"),
    ("clip.mov", "mov", "pcm_s16le"),
    ("clip.mkv", "matroska", "aac"),
    ("clip.mka", "matroska", "libopus"),
    ("clip.webm", "webm", "libopus"),
    ("pack.wv", "wv", "wavpack"),
    ("true.tta", "tta", "tta"),
    ("apple.caf", "caf", "pcm_s16be"),
    ("sun.au", "au", "pcm_s16be"),
    ("long.w64", "w64", "pcm_s16le"),
    ("no extension", "mp3", "libmp3lame"),
    ("odd.dat", "wav", "pcm_s24le"),
]


@pytest.fixture
def write(tmp_path):
    """Write some noise, or a picture, in any container; skip where it cannot be encoded."""

    def write(name, container, codec):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with av.open(str(path), "w", format=container) as file:
                if codec in ("mpeg4", "png"):
                    stream = file.add_stream(codec, rate=25)
                    stream.width = stream.height = 64
                    stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
                    grey = np.full((64, 64, 3), 128, np.uint8)
                    frame = av.VideoFrame.from_ndarray(grey, format="rgb24")
                    file.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
                else:
                    rate = 48_000
                    stream = file.add_stream(codec, rate=rate, layout="mono")
                    noise = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 9600))
                    frame = av.AudioFrame.from_ndarray(
                        noise.astype(np.float32), format="fltp", layout="mono"
                    )
                    frame.sample_rate = rate
                    resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size)
                    for part in [*resampler.resample(frame), *resampler.resample(None)]:
                        file.mux(stream.encode(part))
                file.mux(stream.encode(None))
        except (av.FFmpegError, ValueError) as error:
            path.unlink(missing_ok=True)
            pytest.skip(f"no {codec} in {container}: {error}")
        return path

    return write


@pytest.mark.parametrize(("name", "container", "codec"), KINDS)
def test_what_decodes_is_audio_whatever_its_name(run, write, tmp_path, name, container, codec):
    source = write(f"in/{name}", container, codec)
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert (tmp_path / "out" / source.with_suffix(".flac").name).is_file()


def test_what_is_no_audio_is_passed_over_with_its_reason(run, write, put, tmp_path, only_left):
    noise = np.random.default_rng(1).integers(0, 256, 50_000, dtype=np.uint8).tobytes()
    good = put("in/song.wav")
    rest = [
        write("in/cover.png", "image2", "png"),
        write("in/film.mkv", "matroska", "mpeg4"),
        write("in/film.mp4", "mp4", "mpeg4"),
        put("in/sub/song.restored.flac"),
        put("in/sub/song.mp3.rendered.take2.flac"),
        put("in/.hidden.wav"),
    ]
    for name, data in (
        ("notes.txt", b"Dear reader\n" * 40),
        ("list.m3u", b"#EXTM3U\nsong.wav\n"),
        ("noise.bin", noise),
        ("empty", b""),
    ):
        rest.append(tmp_path / "in" / name)
        rest[-1].write_bytes(data)
    (tmp_path / "in/gone").symlink_to("nowhere")
    os.mkfifo(tmp_path / "in/pipe")
    planned = plan([tmp_path / "in"], tmp_path / "out")
    assert [job.source for job in planned.jobs] == [good]
    told = {
        str(passed.path.relative_to(tmp_path / "in")): passed.reason
        for passed in planned.passed_over
    }
    assert set(told) == {
        *(str(path.relative_to(tmp_path / "in")) for path in rest),
        "gone",
        "pipe",
    }
    assert told["sub/song.restored.flac"] == told["sub/song.mp3.rendered.take2.flac"]
    assert told["sub/song.restored.flac"] == "is an earlier result"
    assert told[".hidden.wav"] == "is hidden"
    assert told["gone"] == "is a broken link"
    assert told["pipe"] == "is not a regular file"
    assert told["empty"] == "is empty"
    assert "playlist" in told["list.m3u"]
    for name in ("cover.png", "film.mkv", "film.mp4"):
        assert "holds no audio" in told[name]
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    passed = [event for event in events if event["event"] == "passed_over"]
    assert {event["path"]: event["reason"] for event in passed} == {
        str(tmp_path / "in" / name): reason for name, reason in told.items()
    }
    assert events[-1]["passed_over"] == len(told)
    only_left(good, *rest, tmp_path / "out/song.flac")


@pytest.mark.parametrize("name", ["bad.mp3", "bad.m4b", "bad.mkv", "bad.WV", "bad.caf"])
def test_a_name_that_promises_audio_is_not_passed_over(run, put, tmp_path, name):
    put("in/good.wav")
    (tmp_path / "in" / name).write_bytes(b"no music")
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out")
    assert outcome.code == 1
    (line,) = outcome.error_lines
    assert name in line
    assert (tmp_path / "out/good.flac").is_file()


def test_a_folder_without_audio_is_refused(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/notes.txt").write_text("no music here")
    outcome = run("restore", tmp_path / "in")
    assert outcome.code == 2
    assert "holds no audio files (1 passed over)" in outcome.stderr


def test_an_earlier_result_is_told_by_its_ending_alone(put, tmp_path):
    put("in/my.restored.tape.wav")
    put("in/restored.wav")
    put("in/song.restored.wav")
    planned = plan([tmp_path / "in"])
    assert [job.source.name for job in planned.jobs] == ["my.restored.tape.wav", "restored.wav"]


def test_the_folder_of_the_results_is_passed_over(run, put, tmp_path, only_left):
    sources_ = [put("d/a.wav"), put("d/sub/b.wav")]
    targets = [tmp_path / "d/out/a.flac", tmp_path / "d/out/sub/b.flac"]
    for more in ([], ["--overwrite"]):
        outcome = run("restore", tmp_path / "d", "-o", tmp_path / "d/out", *more)
        assert (outcome.code, outcome.stderr) == (0, "")
        only_left(*sources_, *targets)
    # Without --overwrite the results of the last run are in the way, and nothing else is.
    outcome = run("restore", tmp_path / "d", "-o", tmp_path / "d/../d/out")
    assert outcome.code == 1
    assert all("exists already" in line for line in outcome.error_lines)
    assert len(outcome.error_lines) == 2
    only_left(*sources_, *targets)


@pytest.mark.parametrize("output", ["d", "d/", "d/../d", "link"])
def test_the_folder_of_the_sources_takes_no_results(put, tmp_path, monkeypatch, output):
    put("d/a.wav")
    (tmp_path / "link").symlink_to("d")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidValue, match="is the folder of the sources"):
        plan(["d"], output)


def test_links_to_folders_are_followed_once(run, put, tmp_path, only_left):
    real = [put("in/a.wav"), put("elsewhere/b.wav"), put("in/z/c.wav")]
    (tmp_path / "in/album").symlink_to("../elsewhere")
    (tmp_path / "in/again").symlink_to("z")  # comes before z by its name
    (tmp_path / "in/z/loop").symlink_to("..")
    (tmp_path / "in/z/self").symlink_to("self")
    planned = plan([tmp_path / "in"], tmp_path / "out")
    targets = [str(job.target.relative_to(tmp_path / "out")) for job in planned.jobs]
    assert targets == ["a.flac", "z/c.flac", "album/b.flac"]
    told = {str(p.path.relative_to(tmp_path / "in")): p.reason for p in planned.passed_over}
    assert told == {
        "again": "leads to a folder that is done already",
        "z/loop": "leads to a folder that is done already",
        "z/self": "is a broken link",
    }
    assert run("restore", tmp_path / "in", "-o", tmp_path / "out").code == 0
    only_left(*real, *(tmp_path / "out" / name for name in targets))


def test_a_link_to_a_file_is_a_source_with_its_own_name(put, tmp_path):
    put("elsewhere/b.wav")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/song.wav").symlink_to("../elsewhere/b.wav")
    planned = plan([tmp_path / "in"])
    assert [job.target for job in planned.jobs] == [tmp_path / "in/song.restored.flac"]


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_done(
    run, put, tmp_path, monkeypatch, only_left
):
    files = [put("in/a.wav"), put("in/locked/b.wav"), put("in/z/c.wav")]
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(sources.os, "scandir", refuse)
    outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out", "--json")
    assert outcome.code == 1
    assert outcome.error_lines == [
        f"uncodec: error: {tmp_path}/in/locked: cannot be read: permission denied"
    ]
    assert json.loads(outcome.stdout.splitlines()[-1])["failed"] == 1
    only_left(*files, tmp_path / "out/a.flac", tmp_path / "out/z/c.flac")


def test_coded_files_with_the_same_stem_are_both_done(run, tmp_path, song, only_left):
    (tmp_path / "in").mkdir()
    both = [tmp_path / "in/a.mp3", tmp_path / "in/a.m4a"]
    for path, codec in zip(both, ("mp3", "aac"), strict=True):
        path.write_bytes(encode(song, 44_100, codec, kbps=96))
    assert run("restore", tmp_path / "in").code == 0
    beside = [path.with_name(path.name + ".restored.flac") for path in both]
    only_left(*both, *beside)
    assert run("restore", tmp_path / "in", "-o", tmp_path / "out").code == 0
    only_left(*both, *beside, tmp_path / "out/a.mp3.flac", tmp_path / "out/a.m4a.flac")
