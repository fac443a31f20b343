"""Every sample stays in its place: the first one is the first, and none is put in or left out."""

from __future__ import annotations

import struct

import av
import numpy as np
import pytest

from uncodec.codecs import CODECS, available, encode
from uncodec.codecs.resampling import resample
from uncodec.errors import AudioFileError
from uncodec.io import open_audio, read_audio

RATE = 44100
FRAMES = 90021


@pytest.fixture
def attacks(noise):
    """Noise whose level jumps and dies away again and again: codecs switch blocks on it."""

    def make(frames=FRAMES, channels=2, rate=RATE, seed=3):
        rng = np.random.default_rng(seed)
        level = np.full(frames, 0.02)
        place = 0
        while place < frames:
            length = int(rng.integers(rate // 20, rate // 3))
            part = level[place : place + length]
            fall = rng.uniform(0.3, 1.0) * np.exp(-np.arange(part.size) / (0.01 * rate))
            np.maximum(part, fall, out=part)
            place += length
        return (noise(frames, channels, rate, seed=seed) * level).astype(np.float32)

    return make


def lag(reference, other):
    """Samples by which `other` is late."""
    size = 1 << (reference.shape[1] + other.shape[1]).bit_length()
    cross = np.conj(np.fft.rfft(reference, size)) * np.fft.rfft(other, size)
    peak = int(np.argmax(np.fft.irfft(cross, size).sum(axis=0)))
    return peak if peak < size // 2 else peak - size


def check(path, audio, spare=0, most=None):
    """Aligned at both ends, not a sample short, and at most `spare` samples longer."""
    with open_audio(path) as reader:
        got = reader.read()
        assert reader.frames in (None, got.shape[1])
        assert reader.problems == []
    assert 0 <= got.shape[1] - audio.shape[1] <= spare
    part = min(20000, audio.shape[1])
    assert lag(audio[:, :part], got[:, :part]) == 0
    assert lag(audio[:, -part:], got[:, audio.shape[1] - part : audio.shape[1]]) == 0
    return got


# How much of the padding of the last frames may stay, where the file does not tell its length.
SPARE = {"mp3": 0, "aac": 0, "opus": 0, "vorbis": 0, "wma": 4096, "ac3": 1536, "gsm": 639}


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_keeps_length_and_place(codec, attacks, tmp_path):
    if codec not in available():
        pytest.skip(f"no encoder for {codec}")
    spec = CODECS[codec]
    rate = max(rate for rate in spec.rates if rate <= 48000)
    audio = attacks(rate * 2 + 21, 2 if 2 in spec.channels else 1, rate)
    # Formats without any header are found by their names alone.
    path = tmp_path / f"x.{ {'aptx-hd': 'aptxhd'}.get(codec, codec) }"
    path.write_bytes(encode(audio, rate, codec))
    if codec.startswith("aptx"):
        with open_audio(path) as reader:  # nothing in the file tells its rate
            got = reader.read()
        assert lag(audio, got) == 0
        assert -128 <= got.shape[1] - audio.shape[1] <= 0
    elif codec == "sbc":
        got, _ = read_audio(path)
        assert lag(audio, got) == 0
        assert -128 <= got.shape[1] - audio.shape[1] <= 128
    elif codec == "he-aac":
        # ADTS does not tell the delay. That of FFmpeg's encoder is taken off; this one has more.
        got, _ = read_audio(path)
        assert lag(audio, got) == 5057 - 2 * 1024
        assert got.shape[1] > audio.shape[1] + 5057 - 2 * 1024
    else:
        check(path, audio, SPARE.get(codec, 320))


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("seed", [1, 2])
def test_block_switches_of_vorbis_are_no_gaps(rate, seed, attacks, tmp_path):
    audio = attacks(rate * 4 + 77, 2, rate, seed)
    path = tmp_path / "x.ogg"
    path.write_bytes(encode(audio, rate, "vorbis"))
    check(path, audio)


@pytest.mark.parametrize("frames", [1, 100, 1000, 3000])
def test_short_vorbis_keeps_its_length(frames, attacks, tmp_path):
    # The encoder pads what is shorter than a few of its blocks.
    path = tmp_path / "x.ogg"
    path.write_bytes(encode(attacks(frames), RATE, "vorbis"))
    with open_audio(path) as reader:
        assert reader.read().shape[1] == max(frames, 4608)
        assert reader.warnings == []


@pytest.mark.parametrize(
    ("container", "codec", "rate", "spare"),
    [
        ("mp3", "libmp3lame", RATE, 0),
        ("mp2", "mp2", RATE, 1152),
        ("mp2", "mp2", 24000, 1152),
        ("adts", "aac", RATE, 1024),
        ("adts", "aac", 16000, 1024),
        ("ipod", "aac", RATE, 0),
        ("mov", "aac", RATE, 0),
        ("mov", "alac", RATE, 0),
        ("caf", "alac", RATE, 0),
        ("mp4", "flac", RATE, 0),
        ("mp4", "libopus", 48000, 0),
        ("mp4", "libmp3lame", RATE, 1152),
        ("mp4", "ac3", 48000, 1536),
        ("matroska", "aac", RATE, 1024),
        ("matroska", "libopus", 48000, 0),
        ("matroska", "libmp3lame", RATE, 0),
        ("matroska", "flac", RATE, 0),
        ("webm", "libopus", 48000, 0),
        ("ogg", "libopus", 48000, 0),
        ("ogg", "flac", RATE, 0),
        ("mpegts", "aac", RATE, 1024),
        ("mpegts", "mp2", 48000, 1152),
        ("flv", "aac", RATE, 1024),
        ("avi", "libmp3lame", RATE, 1152),
        ("wav", "libmp3lame", RATE, 1152),
        ("wav", "mp2", RATE, 1152),
        ("asf", "wmav2", RATE, 4096),
        ("asf", "wmav1", 22050, 4096),
        ("asf", "wmav2", 16000, 4096),
        ("wav", "wmav2", RATE, 4096),
        ("ac3", "ac3", RATE, 1536),
        ("eac3", "eac3", RATE, 1536),
        ("tta", "tta", RATE, 0),
        ("wv", "wavpack", RATE, 0),
    ],
)
def test_every_container_keeps_length_and_place(
    container, codec, rate, spare, attacks, mux, tmp_path
):
    audio = attacks(FRAMES, 2, rate)
    # WMA's encoder drops an unfinished last frame.
    given = np.pad(audio, ((0, 0), (0, 4096))) if codec.startswith("wma") else audio
    path = mux(tmp_path / "x.bin", container, codec, given, rate)
    check(path, audio, spare + given.shape[1] - FRAMES)


def test_mp3_without_a_header_keeps_its_place(attacks, mux, tmp_path):
    audio = attacks()
    check(mux(tmp_path / "x.mp3", "mp3", "libmp3lame", audio, RATE, write_xing="0"), audio, 1152)


@pytest.mark.parametrize("count", [0, 1, 20, 10**6])
def test_a_wrong_frame_count_loses_nothing(count, attacks, mux, tmp_path):
    audio = attacks()
    path = mux(tmp_path / "x.mp3", "mp3", "libmp3lame", audio, RATE)
    data = bytearray(path.read_bytes())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    struct.pack_into(">I", data, at, count)
    path.write_bytes(data)
    with open_audio(path) as reader:
        got = reader.read()
        # More than is there was promised: that is for the owner to know.
        assert reader.truncated == (count > 1000)
        assert reader.frames == got.shape[1]
    assert 0 <= got.shape[1] - FRAMES <= 1152
    assert lag(audio, got) == 0


@pytest.mark.parametrize("codec", ["vorbis", "opus", "flac"])
def test_chained_streams_are_joined(codec, attacks, mux, tmp_path):
    rate = 48000 if codec == "opus" else RATE
    pieces = [attacks(40000 + 777 * seed, 2, rate, seed) for seed in range(3)]
    data = b""
    for piece in pieces:
        if codec == "flac":
            data += mux(tmp_path / "part", "ogg", "flac", piece, rate).read_bytes()
        else:
            data += encode(piece, rate, codec)
    path = tmp_path / "x.ogg"
    path.write_bytes(data)
    got = check(path, np.concatenate(pieces, axis=1))
    with open_audio(path) as reader:
        blocks = list(reader.blocks(1000))
    assert np.array_equal(np.concatenate(blocks, axis=1), got)


def test_chained_streams_of_two_kinds_are_refused_by_name(attacks, tmp_path):
    path = tmp_path / "x.ogg"
    first, second = attacks(40000), attacks(40000, 1)
    path.write_bytes(encode(first, RATE, "vorbis") + encode(second, RATE, "vorbis"))
    with pytest.raises(AudioFileError, match=r"from 44100 Hz, 2 channels to 44100 Hz, 1 channel"):
        read_audio(path)
    path.write_bytes(encode(first, RATE, "vorbis") + encode(first, RATE, "opus"))
    with pytest.raises(AudioFileError, match=r"to 48000 Hz, 2 channels at 0\.907 s: a file must"):
        read_audio(path)


def test_mp3_behind_mp3_is_joined(attacks, mux, tmp_path):
    pieces = [attacks(40000 + 777 * seed, 2, RATE, seed) for seed in range(3)]
    data = b"".join(
        mux(tmp_path / "part", "mp3", "libmp3lame", piece, RATE).read_bytes() for piece in pieces
    )
    path = tmp_path / "x.mp3"
    path.write_bytes(data)
    check(path, np.concatenate(pieces, axis=1))


def test_mp3_that_changes_its_rate_is_refused_by_name(attacks, mux, tmp_path):
    parts = [
        mux(tmp_path / str(rate), "mp3", "libmp3lame", attacks(40000, 2, rate), rate)
        for rate in (44100, 48000)
    ]
    path = tmp_path / "x.mp3"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(AudioFileError, match=r"44100 Hz, 2 channels to 48000 Hz, 2 channels at 0"):
        read_audio(path)


@pytest.mark.parametrize(
    ("codec", "rate"),
    [("aac", RATE), ("alac", RATE), ("flac", RATE), ("libopus", 48000), ("pcm_s16le", RATE)],
)
@pytest.mark.parametrize("start", [0, 5000])
@pytest.mark.parametrize("seconds", [None, 1])
def test_edit_lists_are_followed(codec, rate, start, seconds, attacks, mux, tmp_path):
    audio = attacks(FRAMES, 2, rate)
    container = "mov" if codec == "pcm_s16le" else "mp4"
    path = mux(tmp_path / "x.mp4", container, codec, audio, rate)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12
    length, begin = struct.unpack_from(">Ii", data, at)
    (scale,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    struct.pack_into(">Ii", data, at, length if seconds is None else scale, begin + start)
    path.write_bytes(data)
    wanted = audio[:, start:] if seconds is None else audio[:, start : start + rate]
    check(path, wanted, 0 if seconds is None else rate // 500)


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    [
        ("mp4", "aac", RATE),
        ("matroska", "aac", RATE),
        ("matroska", "libopus", 48000),
        ("matroska", "flac", RATE),
        ("mov", "pcm_s16le", RATE),
        ("mpegts", "mp2", 48000),
    ],
)
def test_sound_that_begins_after_the_pictures_stays_there(
    container, codec, rate, attacks, mux, tmp_path
):
    audio = attacks(FRAMES, 2, rate)
    for start in (0, 30000):
        path = mux(tmp_path / "x.bin", container, codec, audio, rate, start=start, video=True)
        with open_audio(path) as reader:
            got = reader.read()
            assert reader.problems == []
            assert [w.lost for w in reader.warnings] == [False] * (start > 0)
        # Containers count in thousandths of a second.
        assert lag(audio, got) == pytest.approx(start, abs=rate // 1000 + 1)
        assert got.shape[1] - start == pytest.approx(FRAMES, abs=1200)


def test_gaps_in_the_times_of_a_container_are_silence(attacks, tmp_path):
    """Recorders leave packets out where nothing was said."""
    audio = attacks(96000, 1, 48000)
    path = tmp_path / "x.mka"
    with av.open(str(path), "w", format="matroska") as file:
        stream = file.add_stream("libopus", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(audio, format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        packets = [*stream.encode(frame), *stream.encode(None)]
        for number, packet in enumerate(packets):
            if not 30 <= number < 60:
                file.mux(packet)
    with open_audio(path) as reader:
        got = reader.read()
        (warning,) = reader.warnings
        assert not warning.lost
        assert warning.length == 30 * 960
    assert got.shape[1] == 96000
    assert not got[:, warning.offset + 500 : warning.offset + warning.length].any()
    assert lag(audio[:, 70000:], got[:, 70000:]) == 0


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_a_lost_page_is_silence_as_long_as_it_was(codec, attacks, tmp_path):
    rate = 48000
    audio = attacks(rate * 8, 2, rate)
    data = encode(audio, rate, codec)
    pages = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    middle = len(pages) // 2
    path = tmp_path / "x.ogg"
    path.write_bytes(data[: pages[middle]] + data[pages[middle + 1] :])
    with open_audio(path) as reader:
        got = reader.read()
        (warning,) = reader.warnings
        assert warning.lost
        assert warning.length > 10000
    assert got.shape == audio.shape
    behind = warning.offset + warning.length + 5000
    assert lag(audio[:, behind:], got[:, behind:]) == 0
    assert lag(audio[:, : warning.offset], got[:, : warning.offset]) == 0


def test_damaged_flac_keeps_every_frame_in_its_place(noise, mux, tmp_path):
    audio = noise(FRAMES, 2, RATE)
    path = mux(tmp_path / "x.flac", "flac", "flac", audio, RATE)
    whole, _ = read_audio(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 20000] = bytes(20000)
    path.write_bytes(data)
    with open_audio(path) as reader:
        got = reader.read()
        assert reader.truncated
    assert got.shape == whole.shape
    assert np.array_equal(got[:, :20000], whole[:, :20000])
    assert np.array_equal(got[:, -20000:], whole[:, -20000:])


def test_opus_at_its_own_rate_is_not_resampled(attacks, tmp_path):
    audio = attacks(FRAMES, 2, RATE)
    path = tmp_path / "x.opus"
    path.write_bytes(encode(audio, RATE, "opus"))
    check(path, resample(audio, RATE, 48000))
