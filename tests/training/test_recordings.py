"""Recordings: what cannot be trained on is named, and a split stays what it is."""

import logging

import numpy as np
import pytest
import soundfile as sf

from uncodec.codecs import round_trip
from uncodec.codecs.resampling import low_pass
from uncodec.errors import AudioFileError
from uncodec.training.recordings import scan_folder, split_folder


def write(path, audio, rate=44100, subtype="PCM_16"):
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, audio.T, rate, subtype=subtype)


def noise(seconds=11.0, channels=2, rate=44100, seed=0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((channels, round(seconds * rate)))).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    write(tmp_path / "solo" / "good.flac", noise())
    return tmp_path


def test_kinds_are_the_names_of_the_folders(folder):
    write(folder / "drums" / "kit" / "a.wav", noise(2.0, 1, 96000), 96000)
    found = scan_folder(folder)
    assert [(s.path.name, s.kind, s.seconds) for s in found] == [
        ("a.wav", "kit", 2.0),
        ("good.flac", "solo", 11.0),
    ]


def test_soft_and_dark_recordings_are_taken(folder):
    soft = noise() * np.float32(0.01)
    spectrum = np.fft.rfft(noise(seed=1))
    hz = np.arange(spectrum.shape[1]) / 11.0
    dark = np.fft.irfft(spectrum * np.minimum(1.0, (2000 / np.maximum(hz, 1)) ** 1.5), axis=1)
    clicks = np.zeros((1, 11 * 44100), np.float32)
    clicks[:, ::30000] = 0.5
    for name, audio in (("soft", soft), ("dark", dark), ("clicks", clicks)):
        write(folder / "solo" / f"{name}.wav", audio)
    assert len(scan_folder(folder)) == 4


@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 128), ("aac", 96), ("vorbis", 64)])
def test_recordings_that_were_coded_are_named(folder, codec, kbps):
    coded = round_trip(noise(), 44100, codec, kbps=kbps)
    write(folder / "solo" / "coded16.wav", coded)
    write(folder / "solo" / "coded24.flac", coded, subtype="PCM_24")
    with pytest.raises(AudioFileError) as caught:
        scan_folder(folder)
    message = str(caught.value)
    assert "2 of 3 files cannot be trained on" in message
    for name in ("solo/coded16.wav", "solo/coded24.flac"):
        assert f"{name} (band-limited: nothing above 18 kHz)" in message
    assert "good" not in message


@pytest.mark.parametrize("dither", [False, True])
def test_recordings_with_nothing_above_8_khz_are_named(folder, dither):
    low = low_pass(noise(seed=1), 44100, 8000)
    clipped = np.clip(low * 4, -1, 1) * (np.arange(low.shape[1]) < 10000) + low
    for name, audio in (("low", low), ("clipped", clipped)):
        rng = np.random.default_rng(2)
        # Triangular, as mastering tools do.
        extra = rng.uniform(-0.5, 0.5, (2, *audio.shape)).sum(0) / 32768 if dither else 0
        write(folder / "solo" / f"{name}.wav", np.clip(audio + extra, -1, 1))
    with pytest.raises(AudioFileError, match="2 of 3 files") as caught:
        scan_folder(folder)
    for name in ("low", "clipped"):
        assert f"solo/{name}.wav (silent above 10 kHz)" in str(caught.value)


def test_loud_recordings_that_were_coded_are_named_although_they_clip(folder):
    bursts = np.arange(11 * 44100) % 44100 < 2000
    audio = noise() * (1 + 5 * bursts).astype(np.float32)
    coded = round_trip(np.clip(audio, -1, 1), 44100, "mp3", kbps=128)
    assert (np.abs(coded) > 1).any()
    write(folder / "solo" / "loud.wav", np.clip(coded, -1, 1))
    with pytest.raises(AudioFileError, match=r"loud\.wav \(band-limited: nothing above 18 kHz\)"):
        scan_folder(folder)


def test_samples_that_are_not_finite_are_named(folder):
    audio = noise(seed=1)
    audio[1, 220500] = np.nan
    write(folder / "nan.wav", audio, subtype="FLOAT")
    with pytest.raises(AudioFileError, match=r"nan\.wav \(holds NaN or infinite samples\)"):
        scan_folder(folder)


@pytest.mark.parametrize(
    ("audio", "rate", "reason"),
    [
        (noise(rate=32000), 32000, "32000 Hz: must be 44100 or more"),
        (noise(channels=6), 44100, "6 channels: must be 1 or 2"),
        (noise(seconds=0.05), 44100, "2205 samples: must be 4096 or more"),
        (np.zeros((2, 44100)), 44100, "silent above 10 kHz"),
    ],
)
def test_other_recordings_that_cannot_be_used_are_named(folder, audio, rate, reason):
    write(folder / "other.wav", audio, rate)
    with pytest.raises(AudioFileError) as caught:
        scan_folder(folder)
    assert f"other.wav ({reason})" in str(caught.value)


def test_unreadable_files_are_named(folder):
    whole = (folder / "solo" / "good.flac").read_bytes()
    (folder / "half.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("this is no audio")
    with pytest.raises(AudioFileError) as caught:
        scan_folder(folder)
    assert "2 of 3 files" in str(caught.value)
    assert "half.flac (" in str(caught.value)
    assert "text.wav (cannot be read" in str(caught.value)


def test_a_long_list_is_cut(folder):
    for number in range(8):
        write(folder / f"{number}.wav", noise(rate=22050), 22050)
    with pytest.raises(AudioFileError, match=r"4\.wav \(.*\) and 3 more$"):
        scan_folder(folder)


def test_files_that_cannot_be_used_can_be_skipped(folder, caplog):
    write(folder / "low.wav", noise(rate=22050), 22050)
    with caplog.at_level(logging.WARNING):
        assert [s.path.name for s in scan_folder(folder, skip=True)] == ["good.flac"]
    assert "low.wav: left out (22050 Hz" in caplog.text


def test_too_little_is_refused(tmp_path):
    with pytest.raises(AudioFileError, match="must be a folder"):
        scan_folder(tmp_path / "absent")
    with pytest.raises(AudioFileError, match=r"must hold at least 10 s .* got 0\.0 s"):
        scan_folder(tmp_path)
    write(tmp_path / "a.wav", noise(4.0))
    (tmp_path / "b.mp3").write_bytes(b"another kind")
    with pytest.raises(AudioFileError, match=r"got 4\.0 s in 1 such files of 2$"):
        scan_folder(tmp_path)


def test_a_split_of_the_owner_is_taken(tmp_path):
    write(tmp_path / "train" / "solo" / "a.wav", noise())
    with pytest.raises(AudioFileError, match=r"neither; val/ is missing"):
        split_folder(tmp_path)
    write(tmp_path / "val" / "solo" / "b.wav", noise(seed=1))
    train, validation = split_folder(tmp_path)
    assert [s.path.name for s in train] == ["a.wav"]
    assert [s.path.name for s in validation] == ["b.wav"]


def test_a_flat_folder_is_split_the_same_way_whatever_is_added(tmp_path):
    for number in range(30):
        write(tmp_path / "drums" / f"{number}.wav", noise(0.5, 1, seed=number))
    before = {s.path.name for s in split_folder(tmp_path)[1]}
    train, validation = split_folder(tmp_path)
    assert not {s.path for s in train} & {s.path for s in validation}
    assert len(train) + len(validation) == 30
    assert 0 < len(validation) < 12
    for number in range(30, 40):
        write(tmp_path / "voice" / f"{number}.wav", noise(0.5, 1, seed=number))
    after = {s.path.name for s in split_folder(tmp_path)[1]}
    assert before <= after | {min(before)}
    assert after - before <= {f"{n}.wav" for n in range(30, 40)}


def test_recordings_of_one_source_stay_together(tmp_path):
    for album in range(6):
        for track in range(3):
            write(tmp_path / "solo" / f"album{album}" / f"{track}.wav", noise(1.0, 1))
    train, validation = split_folder(tmp_path)
    assert not {s.kind for s in train} & {s.kind for s in validation}
    assert len(validation) % 3 == 0


def test_one_source_cannot_be_split(tmp_path):
    write(tmp_path / "a.wav", noise())
    with pytest.raises(AudioFileError, match="recordings of two sources at least"):
        split_folder(tmp_path)
