"""Pages of small sounds."""

from __future__ import annotations

import numpy as np

from uncodec.analysis.loudness import integrated_loudness
from uncodec.analysis.spectrogram import spectrogram_db
from uncodec.listening import Clip, Version

RATE = 44100
HOSTILE = "</script><script>window.hit=1</script><img src=x onerror=\"window.hit=2\"> & 'x' ‮"


def noise(seed, seconds=1.2, level=0.1, channels=2):
    """Noise that 16 bits hold exactly."""
    samples = np.random.default_rng(seed).normal(0, level, (channels, round(seconds * RATE)))
    return (np.rint(np.clip(samples, -0.99, 0.99) * 32768) / 32768).astype(np.float32)


def version(name, role, audio):
    levels, _ = spectrogram_db(audio, RATE)
    return Version(name, role, audio, levels, integrated_loudness(audio, RATE))


def clip(name="A clip", *, with_original=True, names=None, seconds=1.2, channels=2):
    roles = ["original", "coded", "restored", "anchor"]
    names = names or ["Original", "MP3 at 64 kb/s", "live-gan", "Anchor, 3.5 kHz"]
    versions = [
        version(title, role, noise(seed, seconds, 0.05 * (seed + 1), channels))
        for seed, (title, role) in enumerate(zip(names, roles, strict=True))
        if with_original or role in ("coded", "restored")
    ]
    hop = spectrogram_db(versions[0].audio, RATE)[1]
    return Clip(name, RATE, hop, versions, ["All is aligned."])
