"""Whatever is wrong with a file: one clear line and no chatter, or as much as there is."""

from __future__ import annotations

import errno
import os
import random

import numpy as np
import pytest
import soundfile

from uncodec.errors import AudioFileError, UncodecError
from uncodec.io import create_audio, open_audio, read_audio

TEXT = b"The quick brown fox jumps over the lazy dog.\n" * 400


def error_of(path):
    with pytest.raises(AudioFileError) as caught, open_audio(path) as reader:
        reader.read()
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, UncodecError)
    return text


def test_what_the_file_system_says(tmp_path):
    assert "does not exist" in error_of(tmp_path / "missing.mp3")
    assert "is a folder" in error_of(tmp_path)
    (tmp_path / "empty.mp3").touch()
    assert "is empty" in error_of(tmp_path / "empty.mp3")
    assert "does not exist" in error_of(tmp_path / "empty.mp3" / "x.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert "not a regular file" in error_of(tmp_path / "pipe.wav")
    with pytest.raises(AudioFileError):
        open_audio("nul\0byte.wav")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "closed.wav"
    path.write_bytes(TEXT)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    assert "permission denied" in error_of(path)


@pytest.mark.parametrize(
    "ending", [".mp3", ".wav", ".m4a", ".ogg", ".flac", ".aac", ".wma", ".opus", ".aiff", ".txt"]
)
@pytest.mark.parametrize("content", ["text", "random", "zeros", "short"])
def test_what_is_no_audio_is_refused_quietly(ending, content, tmp_path, capfd):
    path = tmp_path / f"no{ending}"
    path.write_bytes(
        {
            "text": TEXT,
            "random": random.Random(1).randbytes(30000),
            "zeros": bytes(30000),
            "short": b"hi",
        }[content]
    )
    error_of(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "content",
    [b"ffconcat version 1.0\nfile 'other.wav'\n", b"#EXTM3U\n#EXTINF:1,\nother.wav\n"],
)
def test_playlists_open_nothing_else(content, tmp_path):
    soundfile.write(tmp_path / "other.wav", np.zeros(1000), 8000)
    path = tmp_path / "list.mp3"
    path.write_bytes(content)
    assert "is a playlist" in error_of(path)


@pytest.mark.parametrize("ending", [".wav", ".aiff"])
def test_zero_samples_are_no_audio(ending, tmp_path):
    path = tmp_path / f"none{ending}"
    soundfile.write(path, np.zeros((0, 2)), 44100)
    assert "holds no audio" in error_of(path)


def test_zero_samples_in_flac(tmp_path):
    path = tmp_path / "none.flac"
    with create_audio(path, 44100, 2):
        pass
    assert "holds no audio" in error_of(path)


def written(kind, noise, tmp_path, coded):
    # Long enough for several pages of Opus, which hold a second each.
    audio = noise(150000, 2, 44100, 15000.0)
    if kind in ("wav", "flac", "aiff"):
        path = tmp_path / f"x.{kind}"
        soundfile.write(path, audio.T, 44100, subtype="PCM_16")
        return path, audio
    codec = {"ogg": "vorbis", "opus": "opus", "mp3": "mp3"}[kind]
    return coded(codec, f".{kind}", audio, 44100), audio


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg", "opus"])
def test_a_cut_file_gives_what_is_there_and_says_so(kind, noise, tmp_path, coded, capfd):
    path, audio = written(kind, noise, tmp_path, coded)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with open_audio(path) as reader:
        got = reader.read()
        assert reader.truncated
        assert len(reader.problems) >= 1
        assert all("\n" not in problem for problem in reader.problems)
    assert 0.1 * audio.shape[1] < got.shape[1] < 0.9 * 48000 / 44100 * audio.shape[1]
    if kind in ("wav", "flac", "aiff"):
        assert np.max(np.abs(got - audio[:, : got.shape[1]])) < 1e-4
    assert capfd.readouterr() == ("", "")


def test_a_cut_mp4_cannot_be_read(noise, coded):
    path = coded("aac", ".m4a", noise(60000, 2, 44100), 44100)
    path.write_bytes(path.read_bytes()[:5000])
    assert "not an audio file, or incomplete" in error_of(path)


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg"])
def test_a_damaged_place_does_not_end_the_file(kind, noise, tmp_path, coded, capfd):
    path, audio = written(kind, noise, tmp_path, coded)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 1500] = random.Random(2).randbytes(1500)
    path.write_bytes(bytes(data))
    with open_audio(path) as reader:
        got = reader.read()
        assert reader.truncated
    assert got.shape[1] > 0.7 * audio.shape[1]
    # A stretch from behind the damage is there, though perhaps earlier than it was.
    piece = audio[0, 120000:124000]
    size = 1 << 18
    match = np.fft.irfft(np.fft.rfft(got[0], size) * np.conj(np.fft.rfft(piece, size)))
    place = int(np.argmax(match))
    assert np.corrcoef(got[0, place : place + 4000], piece)[0, 1] > 0.9
    assert 100000 < place <= 120000
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bits", ["PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_flac_that_does_not_match_its_checksum_is_damaged(bits, channels, noise, tmp_path):
    """As for the flac tool: an error, unless what is there is asked for."""
    path = tmp_path / "x.flac"
    audio = noise(30000, channels, 44100)
    soundfile.write(path, audio.T, 44100, subtype=bits)
    with open_audio(path) as reader:
        whole = reader.read()
        assert reader.warnings == []
    data = bytearray(path.read_bytes())
    data[26:42] = bytes(16)  # the encoder did not know it
    path.write_bytes(data)
    with open_audio(path) as reader:
        assert np.array_equal(reader.read(), whole)
        assert reader.warnings == []
    data[30] ^= 1
    path.write_bytes(data)
    with open_audio(path) as reader:
        assert np.array_equal(reader.read(), whole)
        assert reader.truncated
        assert reader.problems == ["is damaged: its audio does not match its own checksum (MD5)"]
    with pytest.warns(RuntimeWarning, match=r"x\.flac: is damaged: its audio does not match"):
        audio, _ = read_audio(path)
    assert np.array_equal(audio, whole)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [(".wav", "RF64"), (".w64", "W64"), (".au", "AU"), (".caf", "CAF"), (".aiff", "AIFF")],
)
@pytest.mark.parametrize("gone", [9, 4000])
def test_cut_uncompressed_files_say_so(ending, kind, gone, noise, tmp_path):
    path = tmp_path / f"x{ending}"
    soundfile.write(path, noise(9000, 2, 44100).T, 44100, format=kind, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-gone])
    with open_audio(path) as reader:
        got = reader.read()
        assert "is cut off" in reader.problems[0]
    # libsndfile leaves out two samples of a CAF.
    assert got.shape[1] == pytest.approx((9000 * 4 - gone) // 4, abs=2)


def test_a_cover_that_is_no_picture_costs_nothing(noise, mux, tmp_path):
    audio = noise(30000, 2, 44100)
    for bad in (b"this is no picture" * 20, b"\xff\xd8\xff\xe0" + bytes(50), b"x"):
        for container, codec in (("mp3", "libmp3lame"), ("flac", "flac")):
            path = mux(tmp_path / "x", container, codec, audio, 44100, picture=bad)
            with open_audio(path) as reader:
                got = reader.read()
                assert reader.problems == []
            assert got.shape[1] == 30000


@pytest.mark.parametrize("gone", [1, 2, 3, 10, 100, 1000])
@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg", "opus"])
def test_files_without_their_first_bytes_are_read_or_refused(kind, gone, noise, tmp_path, coded):
    path, _ = written(kind, noise, tmp_path, coded)
    path.write_bytes(path.read_bytes()[gone:])
    # The next frame is found; without the first page or chunk nobody knows what it is.
    if kind in ("mp3", "flac"):
        with open_audio(path) as reader:
            assert reader.read().shape[1] > 140000
    else:
        assert "not an audio file" in error_of(path)


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg", "opus"])
def test_files_without_their_last_bytes_give_nearly_everything(kind, noise, tmp_path, coded):
    path, audio = written(kind, noise, tmp_path, coded)
    data = path.read_bytes()
    for gone in (1, 2, 3, 10, 100):
        path.write_bytes(data[:-gone])
        with open_audio(path) as reader:
            got = reader.read()
            assert reader.truncated
        # FLAC's frames hold 4096 samples, Opus' pages a second.
        assert got.shape[1] > audio.shape[1] - 50000


def test_every_warning_has_its_kind_and_place(noise, tmp_path, coded):
    path, _ = written("mp3", noise, tmp_path, coded)
    data = path.read_bytes()
    path.write_bytes(bytes(700) + data[:-100])
    with open_audio(path) as reader:
        reader.read()
        junk, cut = reader.warnings
    assert (junk.offset, junk.length, junk.unit, junk.lost) == (0, 700, "bytes", False)
    assert (cut.offset, cut.length, cut.unit, cut.lost) == (len(data) + 600, 100, "bytes", True)
    assert reader.problems == [cut.what]


def test_a_header_alone_is_no_audio(noise, tmp_path, coded):
    for kind in ("mp3", "flac", "opus", "ogg"):
        path, _ = written(kind, noise, tmp_path, coded)
        path.write_bytes(path.read_bytes()[:50])
        error_of(path)


def test_a_healthy_neighbour_is_still_read(noise, tmp_path):
    (tmp_path / "bad.mp3").write_bytes(TEXT)
    error_of(tmp_path / "bad.mp3")
    soundfile.write(tmp_path / "good.wav", noise(500, 1, 8000).T, 8000)
    assert read_audio(tmp_path / "good.wav")[0].shape == (1, 500)


@pytest.mark.parametrize("kind", ["mp3", "ogg"])
def test_a_disk_that_fails_is_told_as_such(kind, noise, tmp_path, coded, monkeypatch):
    path, _ = written(kind, noise, tmp_path, coded)
    with open_audio(path) as reader:

        def fail(*_):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(reader._decoder, "read", fail)
        with pytest.raises(AudioFileError, match="cannot be read: Input/output error"):
            reader.read()
