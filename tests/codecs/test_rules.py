"""What a codec refuses, and what its settings do."""

from __future__ import annotations

import multiprocessing

import numpy as np
import pytest

from uncodec.codecs import (
    CODECS,
    available,
    backends,
    decode,
    encode,
    encoder_of,
    round_trip,
)
from uncodec.codecs.rules import make_plan
from uncodec.errors import CodecError, InvalidType, InvalidValue, UncodecError


def plan_of(codec, rate, channels, **settings):
    asked = {"kbps": None, "vbr_quality": None, "joint_stereo": True, "cutoff_hz": None}
    return make_plan(CODECS[codec], rate, channels, **(asked | settings))


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "settings", "words"),
    [
        ("mp3", 44100, 2, {"kbps": 100}, "kbps=100: mp3 at 44100 Hz takes 32, 40"),
        ("mp3", 44100, 2, {"kbps": 330}, "kbps=330: mp3 takes 8 to 320"),
        ("mp3", 22050, 2, {"kbps": 320}, "kbps=320: mp3 at 22050 Hz takes 8, 16"),
        ("mp3", 44100, 3, {}, "channels=3: mp3 takes 1, 2"),
        ("mp3", 44100, 2, {"vbr_quality": 11}, "0 (best)"),
        ("mp3", 44100, 2, {"kbps": 64, "vbr_quality": 2}, "give only one"),
        ("mp3", 44100, 2, {"kbps": float("nan")}, "finite"),
        ("mp3", 44100, 2, {"cutoff_hz": 30000}, "cutoff_hz=30000: must be above 0, at most 22050"),
        ("mp3", 0, 2, {}, "sample_rate=0"),
        ("mp3", 44100.5, 2, {}, "sample_rate=44100.5"),
        ("mp3", 44100, 2, {"average": True, "vbr_quality": 2}, "average=True: must go with mp3"),
        ("aac", 44100, 2, {"average": True}, "got aac"),
        ("mp3", 500, 2, {}, "sample_rate=500"),
        ("aac", 44100, 1, {"kbps": 300}, "kbps=300: aac at 44100 Hz, 1 channels takes at most 265"),
        ("opus", 48000, 1, {"kbps": 300}, "kbps=300: opus at 48000 Hz, 1 channels"),
        ("opus", 48000, 1, {"vbr_quality": 3}, "opus has no variable bit rate"),
        ("vorbis", 44100, 2, {"kbps": 15}, "vorbis takes at least 18"),
        ("ac3", 48000, 2, {"kbps": 100}, "kbps=100: ac3 takes 32, 40"),
        ("ac3", 48000, 6, {"kbps": 48}, "ac3 with 6 channels takes at least 64"),
        ("sbc", 16000, 1, {"kbps": 300}, "sbc at 16000 Hz, 1 channels takes at most 192"),
        ("aptx", 44100, 1, {}, "channels=1: aptx takes 2"),
        ("aptx", 44100, 2, {"kbps": 352}, "one bit rate only"),
        ("gsm", 8000, 2, {}, "channels=2: gsm takes 1"),
        ("amr-nb", 8000, 1, {"kbps": 5}, "kbps=5: amr-nb takes 4.75, 5.15"),
    ],
)
def test_a_request_outside_the_rule_is_refused_in_one_line(codec, rate, channels, settings, words):
    audio = np.zeros((channels, 1000), np.float32)
    with pytest.raises(CodecError) as caught:
        round_trip(audio, rate, codec, **settings)
    assert "\n" not in str(caught.value)
    if "has no encoder in the installed libraries" in str(caught.value):
        pytest.skip(f"no encoder for {codec}")
    assert words in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_unknown_and_missing_codecs_are_named():
    with pytest.raises(CodecError, match="codec='mp4': must be one of mp3, aac"):
        round_trip(np.zeros(100, np.float32), 44100, "mp4")
    with pytest.raises(InvalidType, match="codec=3"):
        round_trip(np.zeros(100, np.float32), 44100, 3)
    for codec in set(CODECS) - set(available()):
        with pytest.raises(CodecError, match=f"codec='{codec}'.*has no encoder"):
            round_trip(np.zeros(100, np.float32), 8000, codec)


def test_the_common_codecs_are_there():
    assert {"mp3", "aac", "opus", "vorbis", "wma", "ac3"} <= set(available())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_audio_that_is_not_finite_is_refused_with_its_place(bad):
    audio = np.zeros((2, 500), np.float32)
    audio[1, 321] = bad
    with pytest.raises(InvalidValue, match="channel 1, sample 321"):
        round_trip(audio, 44100, "mp3")


def test_audio_of_the_wrong_kind_is_refused():
    with pytest.raises(InvalidType, match="int16"):
        round_trip(np.zeros(100, np.int16), 44100, "mp3")
    with pytest.raises(InvalidValue, match="shape"):
        round_trip(np.zeros((1, 1, 100), np.float32), 44100, "mp3")


def test_low_mp3_rates_go_to_a_sample_rate_that_has_them():
    table = {16: 12000, 24: 16000, 32: 24000, 40: 24000, 48: 32000, 64: 32000, 96: 48000}
    for kbps, rate in table.items():
        assert plan_of("mp3", 48000, 2, kbps=kbps).rate == rate
    assert plan_of("mp3", 44100, 2, kbps=32).rate == 22050
    assert plan_of("mp3", 44100, 2, kbps=128).rate == 44100
    assert plan_of("mp3", 44100, 1, kbps=32).rate == 32000
    assert plan_of("mp3", 96000, 2, kbps=320).rate == 48000
    assert plan_of("mp3", 88200, 2, kbps=320).rate == 44100
    assert plan_of("opus", 44100, 2).rate == 48000
    assert plan_of("vorbis", 44100, 2, kbps=64).rate == 44100
    assert plan_of("vorbis", 44100, 2, kbps=48).rate == 22050


def test_constant_bit_rates_are_kept(noise):
    audio = noise(44100 * 2, 2, 44100, 16000.0)
    for kbps in (24, 64, 128, 320):
        measured = len(encode(audio, 44100, "mp3", kbps=kbps)) * 8 / 2000
        assert abs(measured - kbps) < 0.05 * kbps + 4


def test_an_average_bit_rate_varies_around_what_is_asked_for(noise):
    audio = noise(44100 * 4, 2, 44100, 16000.0)
    audio[:, : 44100 * 2] *= 1e-3
    constant = encode(audio, 44100, "mp3", kbps=96)
    average = encode(audio, 44100, "mp3", kbps=96, average=True)
    assert average != constant
    assert len(average) * 8 / 4000 == pytest.approx(96, rel=0.25)


def test_better_quality_takes_more_bytes(noise):
    audio = noise(44100, 2, 44100, 16000.0)
    for codec, ladder in (("mp3", (9, 4, 0)), ("aac", (0.2, 1, 3)), ("vorbis", (0, 0.4, 0.9))):
        sizes = [len(encode(audio, 44100, codec, vbr_quality=quality)) for quality in ladder]
        assert sizes == sorted(sizes), codec
        assert sizes[-1] > 1.3 * sizes[0]


@pytest.mark.parametrize("codec", ["mp3", "aac", "opus", "vorbis"])
def test_the_cutoff_cuts(codec, noise):
    audio = noise(48000, 1, 48000, 20000.0)
    kbps = 128
    full = round_trip(audio, 48000, codec, kbps=kbps)
    cut = round_trip(audio, 48000, codec, kbps=kbps, cutoff_hz=6000)
    above = np.fft.rfftfreq(48000, 1 / 48000) > 8000
    power = [np.sum(np.abs(np.fft.rfft(x[0]))[above] ** 2) for x in (full, cut)]
    assert power[1] < 0.01 * power[0]


def test_joint_stereo_off_changes_the_stream(noise):
    audio = np.repeat(noise(44100, 1, 44100, 15000.0), 2, axis=0)
    audio[1] *= 0.9
    joint = round_trip(audio, 44100, "mp3", kbps=96)
    apart = round_trip(audio, 44100, "mp3", kbps=96, joint_stereo=False)
    # A nearly mono pair has nothing in its side signal: coding it apart wastes half of the bits.
    assert np.std(joint - audio) < 0.9 * np.std(apart - audio)


def test_the_layout_of_the_input_comes_back(noise):
    audio = noise(6000, 1, 44100, 3000.0)[0]
    assert round_trip(audio, 44100, "mp3").shape == (6000,)
    assert round_trip(audio.astype(np.float64), 44100, "mp3").dtype == np.float32
    assert round_trip(np.stack([audio, audio])[:, ::2], 22050, "mp3").shape == (2, 3000)


def test_encode_then_decode_is_a_plain_file(noise):
    audio = noise(20000, 2, 44100, 3000.0)
    decoded, rate = decode(encode(audio, 44100, "mp3", kbps=128))
    assert rate == 44100
    assert decoded.shape == audio.shape
    assert np.corrcoef(decoded[0], audio[0])[0, 1] > 0.99


@pytest.mark.parametrize("data", [b"", b"nothing of the kind" * 50, bytes(5000)])
def test_bytes_that_are_no_audio_are_refused(data):
    with pytest.raises(CodecError) as caught:
        decode(data)
    assert "\n" not in str(caught.value)


def test_silence_and_full_scale_survive():
    for codec in available():
        channels = max(c for c in CODECS[codec].channels if c <= 2)
        silent = round_trip(np.zeros((channels, 5000), np.float32), 44100, codec)
        assert np.max(np.abs(silent)) < 0.02, codec
        loud = np.sign(np.sin(np.arange(5000) * 0.05)).astype(np.float32)
        assert np.isfinite(round_trip(np.tile(loud, (channels, 1)), 44100, codec)).all()


def _in_a_process(seed):
    audio = 0.1 * np.random.default_rng(seed).standard_normal((2, 8000))
    return [round_trip(audio, 44100, codec) for codec in ("mp3", "aac", "opus", "vorbis")]


def test_several_processes_give_the_same_as_one():
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for there, seed in zip(pool.map(_in_a_process, [1, 2]), [1, 2], strict=True):
            for a, b in zip(there, _in_a_process(seed), strict=True):
                assert np.array_equal(a, b)


def test_errors_have_one_root():
    assert issubclass(CodecError, UncodecError)


@pytest.mark.parametrize("kbps", [8, 16, 24, 32, 64, 96, 160, 320])
def test_libsndfile_keeps_constant_bit_rates(kbps, noise, without_pyav):
    audio = noise(44100 * 2, 2, 44100, 16000.0)
    measured = len(encode(audio, 44100, "mp3", kbps=kbps)) * 8 / 2000
    assert abs(measured - kbps) < 0.05 * kbps + 2


def test_libsndfile_spends_on_opus_and_variable_rates_what_it_is_told(noise, without_pyav):
    audio = noise(44100 * 2, 2, 44100, 16000.0)
    sizes = [len(encode(audio, 44100, "mp3", vbr_quality=quality)) for quality in (9, 4, 0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]
    for kbps in (12, 32, 96):
        measured = len(encode(audio, 44100, "opus", kbps=kbps)) * 8 / 2000
        # Pages of one packet each cost 2 kb/s; what noise costs below the rate is the encoder's.
        assert 0.9 * kbps < measured < kbps + 6


@pytest.mark.parametrize(
    ("codec", "settings", "words"),
    [
        (
            "aac",
            {},
            "codec='aac': must be one of mp3, opus, vorbis, gsm where PyAV",
        ),
        ("wma", {}, "(pip install av)"),
        ("mp3", {"joint_stereo": False}, "joint_stereo=False: mp3 must be coded in joint stereo"),
        ("opus", {"kbps": 8}, "kbps=8: opus with 2 channels takes at least 12"),
    ],
)
def test_what_needs_pyav_says_so(codec, settings, words, without_pyav):
    with pytest.raises(CodecError) as caught:
        round_trip(np.zeros((2, 1000), np.float32), 44100, codec, **settings)
    assert words in str(caught.value)
    assert "pip install av" in str(caught.value)


def test_the_encoder_is_told(monkeypatch):
    assert encoder_of("mp3").startswith("libmp3lame (PyAV ")
    assert encoder_of("vorbis").startswith("VORBIS (libsndfile ")
    monkeypatch.setattr(backends, "has_pyav", lambda: False)
    assert encoder_of("mp3").startswith("MPEG_LAYER_III (libsndfile ")
    assert available() == ("mp3", "opus", "vorbis", "gsm")


def test_decoding_does_without_pyav(noise, without_pyav):
    audio = noise(20000, 2, 44100, 3000.0)
    decoded, rate = decode(encode(audio, 44100, "mp3", kbps=128))
    assert (rate, decoded.shape) == (44100, audio.shape)
    for data in (b"", b"OggS", b"OggS" + bytes(40)):
        with pytest.raises(CodecError):
            decode(data, "opus")


def _highest(audio, rate):
    """Frequency of the highest bin within 50 dB of the loudest, in Hz."""
    frames = audio[0][: audio.shape[1] // 4096 * 4096].reshape(-1, 4096) * np.hanning(4096)
    power = np.square(np.abs(np.fft.rfft(frames))).mean(0)
    return np.flatnonzero(power > 1e-5 * power.max())[-1] * rate / 4096


@pytest.mark.parametrize(("kbps", "top"), [(24, 4400), (32, 5800), (48, 7800), (64, 11300)])
def test_mp3_at_the_rate_of_its_input_cuts_the_treble_instead(kbps, top):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 44100)).astype(np.float32)
    kept = round_trip(noise, 44100, "mp3", kbps=kbps, codec_rate=44100)
    assert _highest(kept, 44100) == pytest.approx(top, rel=0.06)


def test_a_rate_asked_for_is_the_rate_of_the_file():
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 22050)).astype(np.float32)
    coded = encode(noise, 44100, "aac", kbps=48, codec_rate=32000)
    assert decode(coded)[1] == 32000


def test_a_rate_asked_for_keeps_the_alignment():
    click = np.zeros((2, 22050), np.float32)
    click[:, 9000] = 0.9
    for codec, rate in (("mp3", 44100), ("aac", 44100), ("vorbis", 32000)):
        kept = round_trip(click, 44100, codec, kbps=64, codec_rate=rate)
        assert abs(int(np.argmax(np.abs(kept[0]))) - 9000) <= 1, codec


def test_a_rate_the_codec_does_not_know_is_refused():
    with pytest.raises(CodecError, match="codec_rate=44100: opus takes 48000 Hz"):
        round_trip(np.zeros((2, 100), np.float32), 44100, "opus", codec_rate=44100)
