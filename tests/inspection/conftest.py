"""Small music of noise and notes, clean and coded, and files of it."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile as sf

from uncodec.codecs import round_trip
from uncodec.codecs.resampling import low_pass, resample

RATE = 44100


def music(seconds=4.0, channels=2, seed=0, rate=RATE):
    """Notes with overtones over a coloured noise that swells, up to the top of the spectrum."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    time = np.arange(count) / rate
    hz = np.fft.rfftfreq(count, 1 / rate)
    out = np.zeros((channels, count))
    for channel in range(channels):
        spectrum = np.fft.rfft(rng.normal(0, 1, count)) / (1 + hz / 1500)
        out[channel] += 0.05 * np.fft.irfft(spectrum, count) * (1.2 + np.sin(2 * np.pi * time))
    for start in np.arange(0, seconds - 0.4, 0.25):
        note = 110 * 2 ** (rng.integers(0, 36) / 12)
        held = np.clip(time - start, 0, None)
        shape = np.where(time >= start, np.exp(-6 * held), 0)
        for overtone in range(1, 12):
            out += 0.08 / overtone * shape * np.sin(2 * np.pi * note * overtone * held)
    return sixteen_bits(out)


def sixteen_bits(x):
    return (np.round(np.clip(x, -1, 32767 / 32768) * 32768) / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def clean():
    return music()


@pytest.fixture(scope="session")
def coded(clean):
    """Of a codec and its rate: 16 bits, an odd number of samples cut off."""
    made = {}

    def give(codec, kbps, **more):
        key = (codec, kbps, *sorted(more.items()))
        if key not in made:
            made[key] = sixteen_bits(round_trip(clean, RATE, codec, kbps=kbps, **more))[:, 777:]
        return np.ascontiguousarray(made[key])

    return give


@pytest.fixture(scope="session")
def at_half_rate(clean):
    """AAC at half of the rate, brought back to the whole, whose treble is empty."""
    low = round_trip(resample(clean, RATE, RATE // 2), RATE // 2, "aac", kbps=48)
    return resample(low, RATE // 2, RATE)[:, : clean.shape[1]]


@pytest.fixture(scope="session")
def extended(at_half_rate, clean):
    """What stands in for HE-AAC: its core's frames, and treble that has none, up to a wall."""
    treble = low_pass(clean, RATE, 15000.0) - low_pass(clean, RATE, 9000.0)
    return sixteen_bits(at_half_rate + treble)


@pytest.fixture
def save(tmp_path):
    def write(name, audio, rate=RATE, subtype="PCM_16"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # As integers: libsndfile rounds floats differently from format to format.
        whole = np.round(audio.T * 2.0**31).astype(np.int64).clip(-(2**31), 2**31 - 1)
        data = audio.T if subtype in ("FLOAT", "VORBIS") else whole.astype(np.int32)
        sf.write(path, data, rate, subtype=subtype)
        return path

    return write
