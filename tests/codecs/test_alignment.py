"""What comes back lies where it lay, to the sample and its fraction, at the same level."""

from __future__ import annotations

import numpy as np
import pytest

from uncodec.codecs import CODECS, available, backends, round_trip
from uncodec.codecs.rules import make_plan

# Bit rates high enough for most of the wave to survive, so that the phase can be read, and those
# low ones at which a codec changes its rate or its mode.
MUSIC = [
    ("mp3", {"kbps": 24}),
    ("mp3", {"kbps": 32}),
    ("mp3", {"kbps": 48}),
    ("mp3", {"kbps": 64}),
    ("mp3", {"kbps": 128}),
    ("mp3", {"kbps": 320}),
    ("mp3", {"vbr_quality": 4}),
    ("mp3", {"kbps": 128, "joint_stereo": False, "cutoff_hz": 8000}),
    ("aac", {"kbps": 64}),
    ("aac", {"kbps": 128}),
    ("aac", {"vbr_quality": 3}),
    ("he-aac", {"kbps": 32}),
    ("he-aac", {"kbps": 48}),
    ("he-aac", {"kbps": 64}),
    ("opus", {"kbps": 16}),
    ("opus", {"kbps": 24}),
    ("opus", {"kbps": 32}),
    ("opus", {"kbps": 64}),
    ("opus", {"kbps": 128}),
    ("vorbis", {"kbps": 48}),
    ("vorbis", {"kbps": 96}),
    ("vorbis", {"vbr_quality": 0.5}),
    ("wma", {"kbps": 64}),
    ("wma", {"kbps": 128}),
    ("ac3", {"kbps": 192}),
    ("sbc", {"kbps": 198}),
    ("sbc", {"kbps": 512}),
    ("aptx", {}),
    ("aptx-hd", {}),
]


def assert_in_place(codec, settings, shift, level):
    # Opus' wide-band speech layer is a third of a sample early, and HE-AAC's resampler turns the
    # phase; everything else is exact, and what is seen above 0.02 is coding noise.
    speech = codec == "opus" and settings["kbps"] < 64
    assert abs(shift) < (0.5 if speech else 0.3 if codec == "he-aac" else 0.1)
    if not speech and settings.get("kbps", 128) >= 96:
        # Below that, encoders put noise of their own in place of noise. LAME's presets scale by
        # 0.95, which is -0.45 dB.
        assert abs(level) < 0.5


def _title(case):
    return case if isinstance(case, str) else "-".join(f"{k}{v}" for k, v in case.items())


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("codec", "settings"), MUSIC, ids=_title)
def test_music_codecs_give_back_the_wave_in_place(
    codec, settings, channels, rate, noise, lag, delay
):
    if codec not in available():
        pytest.skip(f"{codec} has no encoder here")
    if channels not in CODECS[codec].channels:
        pytest.skip(f"{codec} does not take {channels} channels")
    audio = noise(rate + 4801, channels, rate, 3500.0)
    coded = round_trip(audio, rate, codec, **settings)
    assert coded.shape == audio.shape
    assert coded.dtype == np.float32
    assert lag(audio, coded) == 0
    shift, level = delay(audio, coded, rate, 300.0, 3000.0)
    assert_in_place(codec, settings, shift, level)


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("codec", ["amr-nb", "gsm"])
def test_telephone_codecs_give_back_the_wave_in_place(codec, rate, noise, lag, delay):
    if codec not in available():
        pytest.skip(f"{codec} has no encoder here")
    audio = noise(2 * rate + 1, 1, rate, 3000.0)
    coded = round_trip(audio, rate, codec)
    shift, _ = delay(audio, coded, rate, 300.0, 2800.0)
    # Half a sample of the codec's own 8 kHz.
    assert abs(shift) < 0.5 * rate / 8000
    assert abs(lag(audio, coded)) <= 0.5 * rate / 8000


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_six_channels_stay_in_their_order(codec, noise, lag):
    audio = noise(48000, 6, 48000, 100.0 + 3000.0)
    coded = round_trip(audio, 48000, codec, kbps=512)
    likeness = np.corrcoef(audio, coded)[:6, 6:]
    for channel in (0, 1, 2, 4, 5):  # channel 3 is the LFE: encoders keep its lowest part only
        assert likeness[channel, channel] > 0.98
        assert lag(audio[channel : channel + 1], coded[channel : channel + 1]) == 0


@pytest.mark.parametrize("rate", [8000, 22050, 96000, 192000])
@pytest.mark.parametrize("codec", ["mp3", "aac", "he-aac", "opus", "vorbis", "wma"])
def test_other_rates_come_back_in_place(codec, rate, noise, lag, delay):
    if codec not in available():
        pytest.skip(f"{codec} has no encoder here")
    audio = noise(max(rate, 24000), 1, rate, 3500.0)
    coded = round_trip(audio, rate, codec, kbps=48)
    assert coded.shape == audio.shape
    shift, _ = delay(audio, coded, rate, 300.0, 3000.0)
    plan = make_plan(
        CODECS[codec],
        rate,
        1,
        kbps=48,
        vbr_quality=None,
        joint_stereo=True,
        cutoff_hz=None,
    )
    assert abs(shift) < 0.5 * max(1.0, rate / plan.rate)


def test_a_click_stays_where_it_is():
    """Independent of any spectrum estimate: one click, through every codec that keeps one."""
    audio = np.zeros(30011, np.float32)
    audio[15000] = 0.9
    for codec in ("mp3", "aac", "opus", "vorbis", "wma", "ac3"):
        kbps = 192 if codec != "aac" else 160
        coded = round_trip(audio, 48000, codec, kbps=kbps)
        assert int(np.argmax(np.abs(coded))) == 15000, codec


@pytest.mark.parametrize("codec", sorted(CODECS))
@pytest.mark.parametrize("frames", [1, 2, 100, 1153, 4409, 10007])
def test_awkward_lengths_come_back_as_long(codec, frames, noise):
    if codec not in available():
        pytest.skip(f"{codec} has no encoder here")
    source = noise(12000, 2, 44100, 3500.0)[:, :frames]
    for channels in (1, 2):
        if channels not in CODECS[codec].channels:
            continue
        for rate in (44100, 48000):
            audio = np.ascontiguousarray(source[:channels])
            coded = round_trip(audio, rate, codec)
            assert coded.shape == audio.shape
            assert np.isfinite(coded).all()


def test_nothing_in_nothing_out():
    assert round_trip(np.zeros((2, 0), np.float32), 44100, "mp3").shape == (2, 0)
    assert round_trip(np.zeros(0), 44100, "mp3").shape == (0,)


def test_the_end_is_not_lost(noise):
    """A codec that drops its last frame would give silence there."""
    for codec in available():
        channels = max(c for c in CODECS[codec].channels if c <= 2)
        audio = noise(20000, channels, 44100, 3000.0)
        coded = round_trip(audio, 44100, codec)
        before, after = np.std(audio[:, -400:]), np.std(coded[:, -400:])
        assert after > 0.5 * before, codec


WITHOUT_PYAV = [
    *(("mp3", {"kbps": kbps}) for kbps in (16, 24, 32, 48, 64, 128, 320)),
    ("mp3", {"vbr_quality": 2}),
    ("mp3", {"vbr_quality": 9}),
    ("mp3", {"kbps": 128, "cutoff_hz": 8000}),
    *(("opus", {"kbps": kbps}) for kbps in (12, 16, 24, 32, 48, 64, 96)),
    ("vorbis", {"kbps": 96}),
]


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("codec", "settings"), WITHOUT_PYAV, ids=_title)
def test_libsndfile_alone_gives_back_the_wave_in_place(
    codec, settings, channels, rate, noise, lag, delay, without_pyav
):
    audio = noise(2 * rate + 4801, channels, rate, 3500.0)
    coded = round_trip(audio, rate, codec, **settings)
    assert coded.shape == audio.shape
    assert lag(audio, coded) == 0
    shift, level = delay(audio, coded, rate, 300.0, 3000.0)
    assert_in_place(codec, settings, shift, level)


@pytest.mark.parametrize(("kbps", "db"), [(64, -0.45), (128, -0.45), (256, 0.0)])
def test_libsndfile_and_pyav_change_the_level_alike(kbps, db, noise, delay, monkeypatch):
    audio = noise(2 * 44100, 2, 44100, 3500.0)
    levels = []
    for pyav in (True, False):
        monkeypatch.setattr(backends, "has_pyav", lambda pyav=pyav: pyav)
        coded = round_trip(audio, 44100, "mp3", kbps=kbps)
        levels.append(delay(audio, coded, 44100, 300.0, 3000.0)[1])
    assert levels[0] == pytest.approx(levels[1], abs=0.03)
    assert levels[1] == pytest.approx(db, abs=0.06)
