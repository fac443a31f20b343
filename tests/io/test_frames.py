"""MP3, MP2 and ADTS: what is audio is read, what is not is passed over, what is lost is told."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tests.corpus import mpeg

from uncodec.errors import AudioFileError
from uncodec.io import open_audio, read_audio

RATE = 44100
FRAMES = 60000
JUNK = {
    "zeros": bytes(5000),
    "a few zeros": bytes(60),
    "html": mpeg.html(),
    "chance": random.Random(5).randbytes(4000),
    "ones": b"\xff" * 3000,
}
APE, ONE, LYRICS = mpeg.ape_tag(), mpeg.id3v1(), mpeg.lyrics3()
OLD_LYRICS = b"LYRICSBEGIN" + b"La la la\r\n" * 20 + b"LYRICSEND"
ID3 = b"ID3\x03\0\0\0\0\x02\x00" + b"TIT2\0\0\0\x06\0\0\0Title" + bytes(256 - 16)


@pytest.fixture(scope="module")
def audio():
    rng = np.random.default_rng(7)
    smooth = np.convolve(rng.standard_normal(FRAMES), np.hanning(24), "same")
    return np.stack([smooth, -0.5 * smooth]).astype(np.float32) * np.float32(0.05)


@pytest.fixture
def mp3(audio, mux, tmp_path):
    return mux(tmp_path / "sound.mp3", "mp3", "libmp3lame", audio, RATE).read_bytes()


def read(tmp_path, data, ending=".mp3"):
    path = tmp_path / f"x{ending}"
    path.write_bytes(data)
    with open_audio(path) as reader:
        got = reader.read()
        assert reader.frames == got.shape[1]
        return got, reader.warnings


@pytest.mark.parametrize("junk", JUNK)
def test_junk_around_frames_costs_nothing_and_is_told_once(junk, mp3, tmp_path):
    whole, warnings = read(tmp_path, mp3)
    assert warnings == []
    middle = len(b"".join(mpeg.frames_of(mp3)[: len(mpeg.frames_of(mp3)) // 2]))
    middle += len(mp3) - len(b"".join(mpeg.frames_of(mp3)))
    content = JUNK[junk]
    for data, offset in (
        (content + mp3, 0),
        (mp3 + content, len(mp3)),
        (mp3[:middle] + content + mp3[middle:], middle),
    ):
        got, warnings = read(tmp_path, data)
        assert np.array_equal(got, whole)
        (warning,) = warnings
        assert (warning.offset, warning.length) == (offset, len(content))
        assert (warning.unit, warning.lost) == ("bytes", False)
        assert f"holds {len(content)} bytes that are no audio" in str(warning)


def test_junk_in_many_places_is_one_warning(mp3, tmp_path):
    whole, _ = read(tmp_path, mp3)
    frames = mpeg.frames_of(mp3)
    places = range(8, len(frames), 8)
    for place in reversed(places):
        frames.insert(place, b"junk")
    got, warnings = read(tmp_path, b"".join(frames))
    assert np.array_equal(got, whole)
    (warning,) = warnings
    assert warning.length == 4 * len(places)
    assert f"in {len(places)} places" in str(warning)


@pytest.mark.parametrize(
    "tail",
    [
        ONE,
        APE,
        LYRICS + ONE,
        APE + ONE,
        ONE + APE,
        APE + LYRICS + ONE,
        LYRICS + APE + ONE,
        OLD_LYRICS + ONE,
        ONE + ONE,
        b"TAG+" + bytes(223) + ONE,
        ID3,
    ],
)
def test_tags_behind_the_frames_are_no_junk(tail, mp3, tmp_path):
    whole, _ = read(tmp_path, mp3)
    got, warnings = read(tmp_path, mp3 + tail)
    assert np.array_equal(got, whole)
    assert warnings == []


@pytest.mark.parametrize("head", [ID3, ID3 + ID3])
def test_tags_in_front_and_in_the_middle_are_no_junk(head, mp3, tmp_path):
    whole, _ = read(tmp_path, mp3)
    frames = mpeg.frames_of(mp3)
    for data in (head + mp3, b"".join([*frames[:20], head, *frames[20:]])):
        got, warnings = read(tmp_path, data)
        assert np.array_equal(got, whole)
        assert warnings == []


def test_zeros_before_a_tag_are_junk_and_the_tag_is_not(mp3, tmp_path):
    _, warnings = read(tmp_path, mp3 + bytes(1000) + APE + ONE)
    (warning,) = warnings
    assert warning.length == 1000


@pytest.mark.parametrize("noted", [True, False])
@pytest.mark.parametrize("count", [1, 3])
def test_frames_with_a_damaged_header_are_silence(noted, count, mp3, tmp_path):
    """At a constant bit rate the bytes tell how many, else the header of the file does."""
    frames = mpeg.frames_of(mp3)
    if not noted:
        frames = frames[1:]
    whole, _ = read(tmp_path, b"".join(frames))
    place = len(frames) // 2
    for number in range(place, place + count):
        frames[number] = b"abcd" + frames[number][4:]
    got, warnings = read(tmp_path, b"".join(frames))
    (warning,) = warnings
    assert warning.lost
    assert warning.length == count * 1152
    assert got.shape == whole.shape
    assert not np.any(got[:, warning.offset + 600 : warning.offset + warning.length - 10])
    # The frames behind it want bits of those that are lost.
    behind = warning.offset + warning.length + 3 * 1152
    assert np.array_equal(got[:, behind:], whole[:, behind:])
    assert np.array_equal(got[:, : warning.offset - 1152], whole[:, : warning.offset - 1152])


def test_a_file_that_ends_inside_a_frame_is_cut_off(mp3, tmp_path):
    for data in (mp3[:-100], mpeg.without_info(mp3)[:-100]):
        got, (warning,) = read(tmp_path, data)
        assert warning.lost
        assert "the last frame lacks 100 bytes" in str(warning)
        assert (warning.offset, warning.length) == (len(data), 100)
        assert FRAMES - 2304 < got.shape[1] < FRAMES + 1152


def test_a_file_that_ends_between_frames_is_cut_off_if_its_header_says_so(mp3, tmp_path):
    frames = mpeg.frames_of(mp3)
    _, (warning,) = read(tmp_path, b"".join(frames[:-10]))
    assert warning.lost
    assert f"{len(frames) - 11} of {len(frames) - 1} frames" in str(warning)
    _, warnings = read(tmp_path, b"".join(frames[1:-10]))
    assert warnings == []


@pytest.mark.parametrize("junk", ["zeros", "html", "chance"])
def test_adts_and_mp2_take_junk_as_well(junk, audio, mux, tmp_path):
    for container, codec in (("adts", "aac"), ("mp2", "mp2")):
        data = mux(tmp_path / "sound", container, codec, audio, RATE).read_bytes()
        whole, warnings = read(tmp_path, data, ".bin")
        assert warnings == []
        got, (warning,) = read(tmp_path, data + JUNK[junk], ".bin")
        assert np.array_equal(got, whole)
        assert (warning.offset, warning.length) == (len(data), len(JUNK[junk]))


@pytest.mark.parametrize(("codec", "name"), [("libmp3lame", "MP3"), ("mp2", "MP2")])
def test_mp3_inside_a_wav_is_the_same_as_without(codec, name, audio, mux, tmp_path):
    bare = mux(
        tmp_path / "bare",
        codec.removeprefix("lib").replace("mp3lame", "mp3"),
        codec,
        audio,
        RATE,
        **({"write_xing": "0"} if name == "MP3" else {}),
    )
    wrapped = mux(tmp_path / "x.wav", "wav", codec, audio, RATE)
    with open_audio(wrapped) as reader:
        assert (reader.format, reader.subtype) == ("WAV", name)
        assert np.array_equal(reader.read(), read_audio(bare)[0])
        assert reader.warnings == []


def test_a_mono_file_that_turns_stereo_is_refused_by_name(audio, mux, tmp_path):
    data = b""
    for count in (1, 2):
        part = mux(tmp_path / "part", "mp3", "libmp3lame", audio[:count], RATE, write_xing="0")
        data += part.read_bytes()
    path = tmp_path / "x.mp3"
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match=r"44100 Hz, 1 channel to 44100 Hz, 2 channels at 1\."):
        read_audio(path)
