"""Every kind of file gives the samples it was made from, in their places."""

from __future__ import annotations

import ast
import io
import struct
import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile

from uncodec.codecs.resampling import resample
from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.io import open_audio, read_audio

RATE = 44100
FRAMES = 50021


def find_lag(reference, other):
    size = 1 << (reference.shape[1] + other.shape[1]).bit_length()
    cross = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(other, size)
    peak = int(np.argmax(np.fft.irfft(cross, size).sum(axis=0)))
    return peak if peak < size // 2 else peak - size


@pytest.mark.parametrize(
    ("codec", "ending", "settings", "subtype"),
    [
        ("mp3", ".mp3", {"kbps": 128}, "MP3"),
        ("mp3", ".mp3", {"vbr_quality": 2}, "MP3"),
        ("aac", ".m4a", {"kbps": 128}, "AAC"),
        ("vorbis", ".ogg", {"kbps": 128}, "VORBIS"),
    ],
)
def test_gapless_formats_have_the_length_and_place_of_the_original(
    codec, ending, settings, subtype, noise, coded
):
    audio = noise(FRAMES, 2, RATE)
    path = coded(codec, ending, audio, RATE, **settings)
    with open_audio(path) as reader:
        assert (reader.sample_rate, reader.channels, reader.subtype) == (RATE, 2, subtype)
        assert reader.frames in (None, FRAMES)
        assert reader.seconds == pytest.approx(FRAMES / RATE, abs=0.001)
        got = reader.read()
        assert not reader.truncated
    assert got.shape == audio.shape
    assert got.dtype == np.float32
    assert find_lag(audio, got) == 0


def test_opus_has_the_length_and_place_of_the_original(noise, coded):
    audio = noise(FRAMES, 2, RATE)
    path = coded("opus", ".opus", audio, RATE, kbps=128)
    with open_audio(path) as reader:
        assert reader.sample_rate == 48000
        got = reader.read()
        assert got.shape[1] == reader.frames == -(-FRAMES * 48000 // RATE)
        assert not reader.truncated
    assert find_lag(resample(audio, RATE, 48000), got) == 0


def test_the_gapless_note_of_itunes_sets_the_end(noise, tmp_path):
    audio = noise(20000, 2, RATE)
    path = tmp_path / "noted.m4a"
    with av.open(
        str(path), "w", format="ipod", options={"movflags": "use_metadata_tags"}
    ) as container:
        note = " 00000000 00000400 00000000 0000000000004C00 00000000"  # 0x4C00 = 19456
        container.metadata["iTunSMPB"] = note
        stream = container.add_stream("aac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(audio, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_audio(path) as reader:
        assert reader.frames == 19456
        assert reader.read().shape == (2, 19456)


@pytest.mark.parametrize(("codec", "ending"), [("wma", ".wma"), ("ac3", ".ac3")])
def test_formats_without_a_gapless_note_are_read(codec, ending, noise, coded):
    audio = noise(FRAMES, 2, RATE)
    with open_audio(coded(codec, ending, audio, RATE)) as reader:
        got = reader.read()
    assert abs(got.shape[1] - FRAMES) < 8192
    assert np.std(got) == pytest.approx(np.std(audio), rel=0.1)


def test_bare_aac_is_read(noise, tmp_path):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise(FRAMES, 1, RATE), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    path = tmp_path / "bare.aac"
    path.write_bytes(buffer.getvalue())
    assert read_audio(path)[0].shape[1] == pytest.approx(FRAMES, abs=4096)


@pytest.mark.parametrize(
    ("ending", "subtype", "step"),
    [
        (".wav", "PCM_U8", 2**-7),
        (".wav", "PCM_16", 2**-15),
        (".wav", "PCM_24", 2**-23),
        (".wav", "PCM_32", 2**-23),
        (".wav", "FLOAT", 0),
        (".wav", "DOUBLE", 1e-7),
        (".flac", "PCM_16", 2**-15),
        (".flac", "PCM_24", 2**-23),
        (".aiff", "PCM_16", 2**-15),
        (".aiff", "PCM_24", 2**-23),
        (".caf", "PCM_16", 2**-15),
        (".rf64", "PCM_24", 2**-23),
        (".w64", "PCM_16", 2**-15),
    ],
)
def test_lossless_formats_give_every_sample(ending, subtype, step, noise, tmp_path):
    audio = noise(10007, 2, RATE)
    path = tmp_path / f"plain{ending}"
    soundfile.write(path, audio.T, RATE, subtype=subtype)
    with open_audio(path) as reader:
        assert reader.frames == 10007
        assert reader.subtype == subtype
        got = reader.read()
    assert got.shape == audio.shape
    assert np.max(np.abs(got - audio)) <= step


@pytest.mark.parametrize("ending", [".wav", ".flac", ".mp3", ".m4a", ".opus"])
def test_blocks_are_the_whole_in_pieces(ending, noise, tmp_path, coded):
    audio = noise(20011, 2, 48000)
    if ending in (".wav", ".flac"):
        path = tmp_path / f"x{ending}"
        soundfile.write(path, audio.T, 48000)
    else:
        path = coded({".mp3": "mp3", ".m4a": "aac", ".opus": "opus"}[ending], ending, audio, 48000)
    whole, _ = read_audio(path)
    for size in (1000, 4096, 65536):
        with open_audio(path) as reader:
            blocks = list(reader.blocks(size))
            assert reader.position == whole.shape[1]
        assert all(block.shape[1] == size for block in blocks[:-1])
        assert all(block.flags.c_contiguous and block.dtype == np.float32 for block in blocks)
        assert np.array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize("rate", [8000, 192000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("ending", [".wav", ".flac"])
def test_all_rates_and_channel_counts(ending, channels, rate, tmp_path):
    audio = np.linspace(-0.9, 0.9, channels * 101).reshape(channels, 101).astype(np.float32)
    path = tmp_path / f"x{ending}"
    soundfile.write(path, audio.T, rate, subtype="PCM_24")
    got, got_rate = read_audio(path)
    assert got_rate == rate
    assert got.shape == audio.shape
    assert np.max(np.abs(got - audio)) < 1e-6


@pytest.mark.parametrize("ending", [".wav", ".flac", ".aiff"])
def test_one_sample_is_enough(ending, tmp_path):
    path = tmp_path / f"one{ending}"
    soundfile.write(path, np.array([[0.5]]), 44100)
    assert read_audio(path)[0].tolist() == [[0.5]]


def test_coded_audio_with_six_channels(noise, coded):
    audio = noise(20000, 6, 48000)
    got, _ = read_audio(coded("aac", ".m4a", audio, 48000, kbps=400))
    assert got.shape == audio.shape
    likeness = np.corrcoef(audio, got)[:6, 6:]
    assert all(likeness[c, c] > 0.9 for c in (0, 1, 2, 4, 5))


@pytest.mark.parametrize("channels", [8, 16])
def test_more_channels_than_a_frame_has_room_for(channels, noise, tmp_path):
    """Vorbis decodes into one plane a channel, and FFmpeg's frame lists eight of them itself."""
    audio = noise(9000, channels, RATE, 15000.0)
    path = tmp_path / "wide.ogg"
    with soundfile.SoundFile(path, "w", RATE, channels, "VORBIS") as file:
        for start in range(0, audio.shape[1], 1000):
            file.write(np.ascontiguousarray(audio[:, start : start + 1000].T))
    got, _ = read_audio(path)
    assert got.shape[0] == channels
    likeness = np.corrcoef(audio[:, :4000], got[:, :4000])[:channels, channels:]
    assert np.all(likeness.max(axis=0) > 0.5)


def test_integers_of_64_bits(noise, tmp_path):
    audio = noise(5000, 2, RATE)
    whole = np.rint(audio.astype(np.float64) * 2.0**63).astype("<i8").T.tobytes()
    head = struct.pack("<HHIIHH", 1, 2, RATE, RATE * 16, 16, 64)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(whole))
    path = tmp_path / "wide.wav"
    path.write_bytes(
        b"RIFF" + struct.pack("<I", 4 + len(chunks) + len(whole)) + b"WAVE" + chunks + whole
    )
    assert np.array_equal(read_audio(path)[0], audio)


def test_what_lies_above_full_scale_survives(tmp_path):
    path = tmp_path / "hot.wav"
    soundfile.write(path, np.array([1.5, -3.0, 0.1], np.float32), 44100, subtype="FLOAT")
    assert read_audio(path)[0][0] == pytest.approx([1.5, -3.0, 0.1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_place(bad, tmp_path):
    audio = np.zeros((5000, 2), np.float32)
    audio[4410, 1] = bad
    path = tmp_path / "bad.wav"
    soundfile.write(path, audio, 44100, subtype="FLOAT")
    with (
        open_audio(path) as reader,
        pytest.raises(AudioFileError, match=r"channel 1, sample 4410 \(0\.100 s\)"),
    ):
        list(reader.blocks(1000))


def test_tags_and_cover_are_found(tagged_mp3, jpeg):
    with open_audio(tagged_mp3) as reader:
        assert reader.tags["title"] == ("Ein Lied",)
        assert reader.tags["artist"] == ("Jürgen 山",)
        assert reader.tags["tracknumber"] == ("3",)
        assert reader.tags["totaltracks"] == ("12",)
        (picture,) = reader.all_tags.pictures
        assert reader.read().shape == (2, 30000)
    assert picture.data == jpeg
    assert (picture.mime, picture.width, picture.height) == ("image/jpeg", 64, 48)
    assert picture.kind == 3


def test_names_that_look_like_something_else(noise, tmp_path):
    for name in ("with space é.wav", "concat:x.wav", "%03d.wav", "-.wav", "pipe:1.flac"):
        path = tmp_path / name
        soundfile.write(path, noise(500, 1, 8000).T, 8000, format=name.rsplit(".", 1)[1])
        assert read_audio(path)[0].shape == (1, 500)


def test_block_size_and_path_are_checked(noise, tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, noise(500, 1, 8000).T, 8000)
    with open_audio(path) as reader:
        with pytest.raises(InvalidValue, match="size=0"):
            reader.blocks(0)
        with pytest.raises(InvalidType, match=r"size=1\.5"):
            reader.blocks(1.5)
    with pytest.raises(AudioFileError, match="is closed"):
        list(reader.blocks())
    with pytest.raises(InvalidType, match="path=7"):
        open_audio(7)


def test_reading_needs_no_codecs_and_no_engine():
    code = "import sys, uncodec.io; print([m for m in sys.modules if m.startswith('uncodec.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in ast.literal_eval(done.stdout)}
    others = "analysis bridge cli codecs diffusion effects files live networks repair training"
    assert not rooms & set(others.split())


def test_a_film_with_two_sounds_gives_the_first_and_says_so(noise, tmp_path):
    path = tmp_path / "x.mka"
    sounds = [noise(30000, 1, 48000, seed=seed) for seed in (1, 2)]
    with av.open(str(path), "w", format="matroska") as file:
        streams = [file.add_stream("flac", rate=48000, layout="mono") for _ in sounds]
        for stream, sound in zip(streams, sounds, strict=True):
            data = np.rint(sound * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(data, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48000, 0
            file.mux([*stream.encode(frame), *stream.encode(None)])
    with open_audio(path) as reader:
        assert np.max(np.abs(reader.read() - sounds[0])) < 1e-3
        (warning,) = reader.warnings
    assert not warning.lost
    assert "holds 2 streams of audio" in str(warning)
