"""``restore_file`` from a coded file to a finished FLAC file, in multiples of real time."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

from measure import Row
from uncodec import GANRestorer
from uncodec.codecs import encode
from uncodec.files import restore_file

SAMPLE_RATE = 44_100


def programme(seconds: float) -> np.ndarray:
    """Something for the codec to work on: decaying tones over noise that comes and goes."""
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * f * t) * np.exp(-3 * (t % 0.5)) for f in (220, 277, 330, 2200))
    noise = rng.normal(0, 1, (2, t.size)) * np.exp(-20 * (t % 0.25))
    return (0.1 * tones + 0.1 * noise).astype(np.float32)


def rows(seconds: float = 60.0, repeats: int = 3) -> list[Row]:
    """Decode MP3, restore, encode FLAC; model loading is done once, before."""
    torch.set_num_threads(1)  # as the command line does
    effect = GANRestorer()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "programme.mp3")
        source.write_bytes(encode(programme(seconds), SAMPLE_RATE, "mp3", kbps=96))
        short = Path(folder, "short.mp3")
        short.write_bytes(encode(programme(2.0), SAMPLE_RATE, "mp3", kbps=96))
        target = Path(folder, "restored.flac")
        restore_file(short, target, effect)
        speeds = [
            restore_file(source, target, effect, overwrite=True).times_real_time
            for _ in range(repeats)
        ]
    speed = statistics.median(speeds)
    return [
        Row(
            f"MP3 to FLAC, {seconds:.0f} s of stereo, one thread of the network",
            f"{speed:.1f} x real time",
            ">= 10 x",
            speed >= 10,
        )
    ]
