"""Every channel goes to its speaker: read in the order of a WAV, written with the right note."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import soundfile

from uncodec.errors import InvalidType, InvalidValue
from uncodec.io import create_audio, open_audio, read_audio, write_audio

LAYOUTS = {
    "mono": ("FC",),
    "stereo": ("FL", "FR"),
    "2.1": ("FL", "FR", "LFE"),
    "3.0": ("FL", "FR", "FC"),
    "quad": ("FL", "FR", "BL", "BR"),
    "5.0": ("FL", "FR", "FC", "BL", "BR"),
    "5.1": ("FL", "FR", "FC", "LFE", "BL", "BR"),
    "6.1": ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    "7.1": ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}
SIDE = ("FL", "FR", "FC", "LFE", "SL", "SR")


def tones(channels, frames=24000, rate=48000):
    """A tone of its own per channel, at frequencies that a low-frequency channel keeps as well."""
    hertz = 40 + 10 * np.arange(channels)[:, None]
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(frames) / rate).astype(np.float32)


def loudest(audio, rate=48000):
    """Which tone each channel holds."""
    spectrum = np.abs(np.fft.rfft(audio, rate, axis=1))
    return [round((int(peak) - 40) / 10) for peak in spectrum.argmax(axis=1)]


@pytest.mark.parametrize("ending", [".wav", ".flac"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_comes_back(name, ending, tmp_path):
    speakers = LAYOUTS[name]
    audio = tones(len(speakers))
    for given in (name, speakers):
        path = tmp_path / f"{type(given).__name__}{ending}"
        write_audio(path, audio, 48000, layout=given, dither=False)
        with open_audio(path) as reader:
            assert reader.layout == name
            assert reader.speakers in ((), speakers)
            assert np.max(np.abs(reader.read() - audio)) < 2.0**-23
        # Another library finds the channels in the same order.
        assert np.max(np.abs(soundfile.read(path)[0].T - audio)) < 2.0**-23


def test_speakers_at_the_sides_stay_there(tmp_path):
    for ending in (".wav", ".flac"):
        path = tmp_path / f"x{ending}"
        write_audio(path, tones(6), 48000, layout=SIDE)
        with open_audio(path) as reader:
            assert (reader.layout, reader.speakers) == ("5.1", SIDE)


def test_the_mask_of_a_wav_is_the_sum_of_its_speakers(tmp_path):
    path = tmp_path / "x.wav"
    write_audio(path, tones(6), 48000, layout="5.1")
    data = path.read_bytes()
    place = data.index(b"fmt ") + 8
    tag, channels = struct.unpack_from("<HH", data, place)
    assert (tag, channels) == (0xFFFE, 6)
    assert struct.unpack_from("<I", data, place + 20)[0] == 0x3F


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
def test_without_a_layout_the_number_of_channels_decides(channels, tmp_path):
    path = tmp_path / "x.wav"
    write_audio(path, tones(channels), 48000)
    with open_audio(path) as reader:
        assert reader.layout == ("3.0", "quad", "5.0", "5.1", "6.1", "7.1")[channels - 3]


@pytest.mark.parametrize("ending", [".wav", ".caf", ".aiff"])
def test_a_file_that_does_not_say_has_no_layout(ending, tmp_path):
    path = tmp_path / f"x{ending}"
    soundfile.write(path, tones(6).T, 48000)
    with open_audio(path) as reader:
        assert (reader.layout, reader.speakers, reader.channels) == (None, (), 6)
        assert loudest(reader.read()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("container", "codec"), [("ipod", "aac"), ("ac3", "ac3"), ("ogg", "libopus"), ("mov", "alac")]
)
def test_coded_channels_come_in_the_order_of_a_wav(container, codec, tmp_path, mux):
    # AAC and Vorbis families store the centre first; AC-3 puts the low frequencies last.
    path = tmp_path / "x.bin"
    audio = tones(6)
    mux(path, container, codec, audio, kbps=448)
    with open_audio(path) as reader:
        assert reader.layout == "5.1"
        assert reader.speakers[:4] == ("FL", "FR", "FC", "LFE")
        assert loudest(reader.read()) == [0, 1, 2, 3, 4, 5]


def test_an_odd_order_is_put_right(tmp_path):
    """CAF may list its channels in any order (Core Audio Format, channel layout chunk)."""
    path = tmp_path / "x.caf"
    soundfile.write(path, tones(6).T, 48000, subtype="PCM_16")
    data = path.read_bytes()
    # Film order: L, C, R, Ls, Rs, LFE, by Apple's label numbers.
    labels = (1, 3, 2, 5, 6, 4)
    chunk = struct.pack(">III", 0, 0, 6)
    chunk += b"".join(struct.pack(">II12x", label, 0) for label in labels)
    place = data.index(b"data")
    path.write_bytes(data[:place] + b"chan" + struct.pack(">q", len(chunk)) + chunk + data[place:])
    with open_audio(path) as reader:
        assert reader.layout == "5.1"
        assert loudest(reader.read()) == [0, 2, 1, 5, 3, 4]


def test_more_channels_than_any_layout_are_written_to_wav(tmp_path):
    path = tmp_path / "x.wav"
    audio = tones(12)
    write_audio(path, audio, 48000, dither=False)
    with open_audio(path) as reader:
        assert reader.layout is None
    assert np.max(np.abs(read_audio(path)[0] - audio)) < 2.0**-23


@pytest.mark.parametrize(
    ("layout", "error", "words"),
    [
        ("7.1", InvalidValue, r"as many speakers as there are channels \(6\), got 8"),
        ("loud", InvalidValue, "layout='loud': must be one of mono, stereo"),
        (("FR", "FL", "FC", "LFE", "BL", "BR"), InvalidValue, "in the order of a WAV"),
        ((1, 2, 3, 4, 5, 6), InvalidType, "names of the speakers"),
        (7, InvalidType, "layout=7"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(layout, error, words, tmp_path):
    with pytest.raises(error, match=words):
        create_audio(tmp_path / "x.wav", 48000, 6, layout=layout)
    assert list(tmp_path.iterdir()) == []
