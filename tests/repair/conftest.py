"""Sound to damage."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def delay_by():
    """Delays a channel by any number of samples, also by parts of one, circularly."""

    def delay(audio, samples):
        spectrum = np.fft.rfft(audio)
        turn = np.exp(-2j * np.pi * np.arange(len(spectrum)) / len(audio) * samples)
        return np.fft.irfft(spectrum * turn, len(audio)).astype(np.float32)

    return delay


@pytest.fixture(scope="session")
def band_noise():
    """Makes (samples,) of noise that falls with frequency and ends below half the rate."""

    def make(samples, seed=0):
        rng = np.random.default_rng(seed)
        spectrum = np.fft.rfft(rng.standard_normal(samples))
        place = np.arange(len(spectrum)) / samples
        spectrum *= (place < 0.45) / np.sqrt(0.002 + place)
        audio = np.fft.irfft(spectrum, samples)
        return (0.1 * audio / np.std(audio)).astype(np.float32)

    return make
