"""The neurogram loss goes with ViSQOL's judgement, and has a gradient that helps."""

import numpy as np
import pytest
import torch
from scipy.signal import freqz, gammatone

from uncodec.codecs import round_trip
from uncodec.training.neurogram import gammatone as responses
from uncodec.training.neurogram import neurogram_dissimilarity

RATE = 44100


@pytest.fixture(scope="module")
def music():
    """Three seconds of struck chords with noise in them, two channels."""
    rng = np.random.default_rng(0)
    time = np.arange(3 * RATE) / RATE
    audio = np.zeros((2, len(time)))
    for start in np.arange(0.1, 2.8, 0.3):
        sounding = np.maximum(time - start, 0)
        envelope = np.exp(-6 * sounding) * (time >= start)
        for pitch in 220 * 2 ** (rng.integers(0, 24, 3) / 12):
            for overtone in range(1, 12):
                tone = np.sin(2 * np.pi * pitch * overtone * time) / overtone
                audio += 0.05 * envelope * tone * rng.uniform(0.5, 1, (2, 1))
        audio += 0.05 * envelope**4 * rng.standard_normal(audio.shape)
    return audio.astype(np.float32)


def unlike(one, other):
    return float(neurogram_dissimilarity(torch.tensor(one)[None], torch.tensor(other)[None], RATE))


def test_equal_signals_are_alike_at_any_level(music):
    assert unlike(music, music) == pytest.approx(0, abs=1e-4)
    assert unlike(music, 0.5 * music) == pytest.approx(0, abs=1e-4)


def test_unrelated_noise_is_as_unlike_as_can_be(music):
    noise = np.random.default_rng(1).standard_normal(music.shape).astype(np.float32)
    assert 0.6 < unlike(music, 0.1 * noise) < 1.3


@pytest.mark.parametrize("band", [20, 25, 31])
def test_bands_are_those_of_gammatone_filters_at_visqols_rate(band):
    window = 3528
    power = responses(window, RATE)[:, band].double().numpy() * window**2 / 2
    frequencies = np.arange(len(power)) * RATE / window
    b, a = gammatone(frequencies[np.argmax(power)], "iir", fs=48000)
    expected = np.abs(freqz(b, a, frequencies, fs=48000)[1]) ** 2
    # The centre lies between two bins, up to 6 Hz from the loudest.
    np.testing.assert_allclose(10 * np.log10(power / expected), 0, atol=0.4)


def test_what_is_missing_on_top_counts_most(music):
    def without(low, high):
        spectrum = np.fft.rfft(music)
        at = np.fft.rfftfreq(music.shape[1], 1 / RATE)
        spectrum[:, (at > low) & (at < high)] *= 0.01
        return np.fft.irfft(spectrum, n=music.shape[1]).astype(np.float32)

    # As many bands wide.
    assert unlike(music, without(9000, 15000)) > 2 * unlike(music, without(1000, 1900)) > 0


def test_what_rises_and_falls_alike_is_alike():
    rng = np.random.default_rng(3)
    time = np.arange(2 * RATE) / RATE
    swell = 10 ** (-3 * np.abs(np.mod(time, 0.5) - 0.25))[None]
    one, other = 0.1 * rng.standard_normal((2, 2, time.size)).astype(np.float32)
    moving = unlike((one * swell).astype(np.float32), (other * swell).astype(np.float32))
    assert moving < 0.7 * unlike(one, other)


def test_lower_rates_are_less_alike(music):
    coded = [round_trip(music, RATE, "mp3", kbps=kbps) for kbps in (32, 64, 128)]
    worst, middle, best = (unlike(music, audio) for audio in coded)
    assert worst > 1.25 * middle > 1.25 * 1.25 * best > 0


def test_orders_codings_as_visqol_does(music):
    pytest.importorskip("visqol")
    from uncodec.analysis.perceptual import visqol

    coded = [
        round_trip(music, RATE, codec, kbps=kbps)
        for codec, kbps in (("mp3", 24), ("mp3", 48), ("mp3", 80), ("mp3", 128))
    ]
    ours = np.argsort([unlike(music, audio) for audio in coded])
    theirs = np.argsort([-visqol(music, audio, RATE) for audio in coded])
    np.testing.assert_array_equal(ours, theirs)


def test_gradient_leads_towards_the_reference(music):
    reference = torch.tensor(music)[None]
    coded = torch.tensor(round_trip(music, RATE, "mp3", kbps=32))[None]
    spectrum = torch.fft.rfft(reference - coded)
    share = torch.full((2,), 0.3, requires_grad=True)  # of what is missing below and above 6 kHz
    high = torch.arange(spectrum.shape[-1]) > 6000 * 3
    parts = torch.stack([spectrum * ~high, spectrum * high])
    added = torch.fft.irfft((share[:, None, None, None] * parts).sum(0), n=coded.shape[-1])
    neurogram_dissimilarity(reference, coded + added, RATE).sum().backward()
    assert torch.isfinite(share.grad).all()
    assert (share.grad < 0).all()


def test_silence_has_a_gradient_too():
    silent = torch.zeros(1, 2, RATE, requires_grad=True)
    reference = torch.zeros(1, 2, RATE)
    neurogram_dissimilarity(reference, silent, RATE).sum().backward()
    assert torch.isfinite(silent.grad).all()


def test_every_item_is_judged_alone(music):
    noisy = music + 0.01 * np.random.default_rng(2).standard_normal(music.shape).astype(np.float32)
    pair = neurogram_dissimilarity(
        torch.tensor(np.stack([music, music])), torch.tensor(np.stack([music, noisy])), RATE
    )
    assert pair[1] == pytest.approx(unlike(music, noisy), rel=1e-3)
    assert pair[0] == pytest.approx(0, abs=1e-4)
