"""Heads of WAVs whose length is known, unknown or wrong."""

import io
import struct

import numpy as np
import pytest
import soundfile

from uncodec.errors import AudioFileError
from uncodec.pipes.wav_head import read_wav_head


def fmt(kind=1, channels=2, rate=44100, bits=16, block=None, more=b""):
    block = channels * bits // 8 if block is None else block
    return struct.pack("<HHIIHH", kind, channels, rate, rate * block, block, bits) + more


def extensible(kind, channels, bits, mask):
    tail = struct.pack(
        "<HHIH14s", 22, bits, mask, kind, b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    )
    return fmt(0xFFFE, channels, 48000, bits, more=tail)


def wav(form, size, *, before=b"", magic=b"RIFF"):
    chunk = struct.pack("<4sI", b"fmt ", len(form)) + form
    return (
        struct.pack("<4sI4s", magic, size, b"WAVE")
        + before
        + chunk
        + struct.pack("<4sI", b"data", size)
    )


def read(data):
    source = io.BytesIO(data)
    return read_wav_head(source.read), source


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0, 0x7FFFF000])
def test_a_length_that_the_writer_did_not_know_is_none(size):
    head, source = read(wav(fmt(), size) + b"sound")
    assert (head.sample_rate, head.channels, head.form.name) == (44100, 2, "s16le")
    assert head.data_bytes is None
    assert source.read() == b"sound"
    assert read(head.as_bytes())[0] == head


def test_a_length_that_is_known_is_told_on():
    head, _ = read(wav(fmt(), 4000))
    assert head.data_bytes == 4000
    result = head.as_bytes() + b"\0" * 4000
    assert struct.unpack_from("<I", result, 4)[0] == len(result) - 8
    samples, rate = soundfile.read(io.BytesIO(result))
    assert (samples.shape, rate) == ((1000, 2), 44100)


def test_what_stands_before_the_samples_is_passed_over():
    extra = b"LIST" + struct.pack("<I", 5) + b"INFO!\0" + b"fact" + struct.pack("<II", 4, 9)
    head, source = read(wav(fmt(bits=24), 600, before=extra) + b"!")
    assert (head.form.name, head.data_bytes, source.read()) == ("s24le", 600, b"!")


@pytest.mark.parametrize(
    ("kind", "bits", "name"),
    [(1, 16, "s16le"), (1, 24, "s24le"), (1, 32, "s32le"), (3, 32, "f32le")],
)
def test_kinds_of_samples(kind, bits, name):
    assert read(wav(fmt(kind, bits=bits), 0))[0].form.name == name
    assert read(wav(extensible(kind, 2, bits, 3), 0))[0].form.name == name


def test_speakers_are_those_of_the_mask():
    assert read(wav(extensible(3, 6, 32, 0x60F), 0))[0].layout == (
        "FL",
        "FR",
        "FC",
        "LFE",
        "SL",
        "SR",
    )
    assert read(wav(extensible(3, 6, 32, 3), 0))[0].layout is None


def test_long_files_tell_their_length_elsewhere():
    long = b"ds64" + struct.pack("<IQQQI", 28, 0, 6_000_000_000, 0, 0)
    head, _ = read(wav(fmt(), 0xFFFFFFFF, before=long, magic=b"RF64"))
    assert head.data_bytes == 6_000_000_000
    assert head.as_bytes()[4:8] == b"\xff" * 4


def test_an_odd_number_of_bytes_is_padded():
    head, _ = read(wav(fmt(bits=24, channels=1), 9))
    assert head.padding == b"\0"
    data = head.as_bytes() + bytes(9) + head.padding
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty; raw samples need --format"),
        (b"ID3\x04 and more of it", "begins with b'ID3\\\\x04' and is no WAV; raw samples need"),
        (wav(fmt(), 0)[:30], "ends before its first sample"),
        (wav(fmt(), 0)[:12], "ends before its first sample"),
        (wav(fmt(bits=8), 0), "is a WAV of format 1 with 8 bits: must hold 16, 24 or 32-bit"),
        (wav(fmt(kind=85), 0), "is a WAV of format 85"),
        (wav(fmt(block=3), 0), "is a damaged WAV"),
        (wav(fmt(rate=0), 0), "is a damaged WAV"),
        (wav(b"shorty", 0), "is a damaged WAV"),
        (b"RIFF....WAVEdata\0\0\0\0", "samples before their format"),
        (b"RIFF....WAVEfmt \xff\xff\xff\x7f", "a format of 2147483647 bytes"),
    ],
)
def test_other_heads_are_told_in_one_line(data, told):
    with pytest.raises(AudioFileError, match=f"standard input: .*{told}"):
        read(data)


def test_hostile_heads_end_in_an_answer_or_an_error():
    rng = np.random.default_rng(0)
    good = wav(extensible(3, 2, 32, 3), 4000, before=b"LIST\4\0\0\0INFO")
    refused = 0
    for _ in range(2000):
        data = bytearray(good)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            data[place] = rng.integers(256)
        try:
            head, _ = read(bytes(data[: rng.integers(1, len(data) + 1)]))
        except AudioFileError:
            refused += 1
        else:
            assert head.channels * head.form.bytes > 0
    assert 0 < refused < 2000
