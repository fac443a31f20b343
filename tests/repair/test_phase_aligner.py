"""Delays and polarity between channels: found, undone, and left alone where there are none."""

import numpy as np
import pytest

from uncodec.analysis.metrics import null_depth
from uncodec.codecs import round_trip
from uncodec.errors import InvalidValue
from uncodec.repair.interchannel import ChannelFault, FaultListener
from uncodec.repair.phase_aligner import AligningStream

RATE = 44100
SECONDS = 6


def aligned(audio, rate=RATE, **settings):
    """What comes out, in time with what went in, and the stream."""
    stream = AligningStream(rate, audio.shape[0], **settings)
    late = stream.latency_samples
    out = stream.process(np.pad(audio, ((0, 0), (0, late))))
    return out[:, late:], stream


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize(
    ("rate", "delay"), [(44100, 7.0), (44100, -0.5), (48000, 12.37), (8000, -3.25), (96000, 40.6)]
)
def test_a_delay_of_one_channel_is_found_and_undone(band_noise, delay_by, rate, delay, inverted):
    sound = band_noise(SECONDS * rate)
    right = delay_by(sound, delay) * np.float32(-1 if inverted else 1)
    out, stream = aligned(np.stack([sound, right]), rate)
    assert stream.delay_samples == pytest.approx(delay, abs=0.02)
    assert stream.inverted == inverted
    last = slice(-rate, -100)
    assert null_depth(out[:1, last], out[1:, last]) < -40.0


def test_inverted_polarity_alone_is_undone_to_the_bit(band_noise):
    sound = band_noise(SECONDS * RATE)
    out, stream = aligned(np.stack([sound, -sound]), lookahead_s=4.0)
    assert (stream.delay_samples, stream.inverted) == (0.0, True)
    np.testing.assert_array_equal(out, np.stack([sound, sound]))


def test_the_channel_that_is_late_is_not_touched(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    for delay in (5.5, -5.5):
        audio = np.stack([sound, delay_by(sound, delay)])
        out, _ = aligned(audio)
        late = int(delay > 0)
        np.testing.assert_array_equal(out[late], audio[late])
        assert np.abs(out[1 - late] - audio[1 - late]).max() > 0.01


def test_with_lookahead_a_file_is_aligned_from_its_beginning(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    audio = np.stack([sound, delay_by(sound, 3.5)])
    early, _ = aligned(audio, lookahead_s=4.0)
    assert null_depth(early[:1, 100:-100], early[1:, 100:-100]) < -60.0
    late, _ = aligned(audio)
    np.testing.assert_array_equal(late[:, : 2 * RATE], audio[:, : 2 * RATE])


def test_a_mix_with_panned_sources_is_aligned_by_what_they_share(band_noise, delay_by):
    left, right = np.zeros((2, SECONDS * RATE), np.float32)
    for seed, pan in enumerate([0.5, 0.5, 0.4, 0.65]):
        left += (1 - pan) * band_noise(SECONDS * RATE, seed)
        right += pan * band_noise(SECONDS * RATE, seed)
    out, stream = aligned(np.stack([left, -delay_by(right, 9.3)]))
    assert stream.delay_samples == pytest.approx(9.3, abs=0.02)
    assert stream.inverted
    last = slice(-RATE, -100)
    assert null_depth(np.stack([left, right])[:, last], -out[:, last]) > 0.0
    assert null_depth(delay_by(left, 9.3)[last], out[0, last]) < -40.0


@pytest.mark.parametrize("kbps", [48, 128])
def test_a_delay_is_found_in_coded_sound(band_noise, delay_by, kbps):
    sound = band_noise(SECONDS * RATE)
    audio = np.stack([sound, delay_by(sound, 4.6)])
    coded = round_trip(audio, RATE, "mp3", kbps=kbps, joint_stereo=True)
    _, stream = aligned(coded)
    assert stream.delay_samples == pytest.approx(4.6, abs=0.1)


def spaced_microphones(make, delay_by):
    """Five sources, each nearer to another microphone, in a room that reflects."""
    rng = np.random.default_rng(5)
    channels = np.zeros((2, SECONDS * RATE), np.float32)
    for source in range(5):
        sound = make(SECONDS * RATE, source)
        for channel in channels:
            channel += delay_by(sound, rng.uniform(0, 40))
            for _ in range(6):
                channel += 0.35 * delay_by(sound, rng.uniform(60, 2000))
    return channels / 4


def mono(make, _):
    sound = make(SECONDS * RATE)
    return np.stack([sound, sound])


def nearly_mono(make, _):
    return mono(make, _) + 0.1 * uncorrelated(make, _)


def uncorrelated(make, _):
    return np.stack([make(SECONDS * RATE, 1), make(SECONDS * RATE, 2)])


def partly_inverted(make, _):
    """An effect that widens: above 1 kHz the channels are opposed."""
    spectrum = np.fft.rfft(make(SECONDS * RATE))
    high = np.arange(len(spectrum)) > 1000 * SECONDS
    right = np.fft.irfft(np.where(high, -spectrum, spectrum)).astype(np.float32)
    return np.stack([np.fft.irfft(spectrum).astype(np.float32), right])


def tones(phases):
    """A synthesiser's: every partial has a phase of its own between the channels."""

    def make(*_):
        time = np.arange(SECONDS * RATE) / RATE
        turns = [2 * np.pi * 440 * 2**k * time for k in range(len(phases))]
        left = sum(np.sin(turn) for turn in turns)
        right = sum(np.sin(t - phase) for t, phase in zip(turns, phases, strict=True))
        return 0.1 * np.stack([left, right]).astype(np.float32)

    return make


@pytest.mark.parametrize(
    "sound",
    [
        spaced_microphones,
        mono,
        nearly_mono,
        uncorrelated,
        partly_inverted,
        tones([0.9]),
        tones([0.9, -0.4, 0.5, 1.1]),
    ],
)
def test_what_has_no_such_fault_passes_bit_for_bit(band_noise, delay_by, sound):
    audio = sound(band_noise, delay_by)
    out, stream = aligned(audio)
    assert (stream.delay_samples, stream.inverted) == (0.0, False)
    np.testing.assert_array_equal(out, audio)


def test_a_correction_comes_without_a_click(delay_by):
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(SECONDS * RATE))
    hz = np.arange(len(spectrum)) / SECONDS
    # Smooth sound: whatever is left above 6 kHz was made by the correction.
    sound = np.fft.irfft(spectrum * (hz < 5000)).astype(np.float32)
    sound *= 0.1 / sound.std()
    out, stream = aligned(np.stack([sound, -delay_by(sound, 20.4)]))
    assert stream.inverted
    assert stream.delay_samples == pytest.approx(20.4, abs=0.1)
    inner = out[:, 2000:-2000] * np.hanning(out.shape[1] - 4000)
    spectra = np.abs(np.fft.rfft(inner)) ** 2
    above = np.arange(spectra.shape[1]) * RATE / inner.shape[1] > 6000
    assert 10 * np.log10(spectra[:, above].sum() / spectra.sum()) < -65.0


def test_a_correction_outlasts_silence_and_ends_when_the_fault_does(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    late = np.stack([sound, delay_by(sound, 6.0)])
    stream = AligningStream(RATE, 2)
    stream.process(late)
    stream.process(np.zeros((2, 2 * RATE), np.float32))
    assert stream.delay_samples == pytest.approx(6.0, abs=0.02)
    stream.process(np.stack([sound, sound]))
    last = stream.process(np.stack([sound, sound]))
    assert stream.delay_samples == 0.0
    np.testing.assert_array_equal(last[0, -RATE:], last[1, -RATE:])


def test_half_an_amount_undoes_half_of_a_delay(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    audio = np.stack([sound, delay_by(sound, 8.0)])
    last = slice(-RATE, -100)
    out, _ = aligned(audio, amount=0.5)
    assert null_depth(delay_by(sound, 4.0)[last], out[0, last]) < -50.0


def test_delays_beyond_the_longest_are_left_alone(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    audio = np.stack([sound, delay_by(sound, 30.0)])
    out, stream = aligned(audio, max_delay_ms=0.5)
    assert stream.delay_samples == 0.0
    np.testing.assert_array_equal(out, audio)
    assert aligned(audio)[1].delay_samples == pytest.approx(30.0, abs=0.02)


@pytest.mark.parametrize("rate", [7999, 384001, 44100.5])
def test_rates_that_are_refused(rate):
    with pytest.raises(InvalidValue, match="sample_rate="):
        AligningStream(rate, 2)


def test_a_clone_listens_on_its_own(band_noise, delay_by):
    sound = band_noise(SECONDS * RATE)
    late = np.stack([sound, delay_by(sound, 6.0)])
    listener = FaultListener(RATE, 44.1)
    listener.push(late[:, : 2 * RATE])
    twin = listener.clone()
    twin.push(late[:, 2 * RATE :])
    assert twin.fault.delay == pytest.approx(6.0, abs=0.02)
    assert listener.fault == ChannelFault()
    listener.push(late[:, 2 * RATE :])
    assert listener.fault == twin.fault
