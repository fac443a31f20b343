"""How the music of a library of levels is coded, and what people do with it afterwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uncodec.rates import NETWORK_RATES
from uncodec.signals import Array
from uncodec.training.codings import Coding
from uncodec.training.mixing import resample

__all__ = [
    "HE_AAC_CODINGS",
    "VALIDATION_CODINGS",
    "Handling",
    "draw_handling",
    "draw_level_coding",
]

_MP3 = (24, 32, 32, 40, 48, 56, 64, 64, 80, 96, 112, 128, 160, 192)
_AAC = (32, 40, 48, 48, 64, 80, 96, 128)
_OPUS = (16, 24, 32, 48, 64, 96)
_VORBIS = (48, 56, 64, 80, 96, 112, 128)
_WMA = (48, 64, 64, 96, 128)
_HE_AAC = (24, 32, 32, 48, 48, 64)
_HE_AAC_SHARE = 0.08
# What a level network is judged by while it trains: codec, rate in kb/s, and whether the codec runs
# at the rate of its input.
VALIDATION_CODINGS = (
    *(("mp3", kbps, True) for kbps in (24, 32, 48, 64, 96)),
    *(("mp3", kbps, False) for kbps in (32, 64)),
    ("aac", 48, True),
    ("opus", 24, False),
    ("vorbis", 64, False),
)
# And by these where the library has HE-AAC, for which a program must be installed.
HE_AAC_CODINGS = (("he-aac", 32, False), ("he-aac", 48, False))
_AGAIN = (("mp3", 128), ("mp3", 192), ("aac", 128), ("vorbis", 160), ("opus", 96))


def draw_level_coding(rng: np.random.Generator, rate: int, *, he_aac: bool = False) -> Coding:
    """Draw a coding as people make them: LAME's front end, FFmpeg's, and twice at times.

    With `he_aac` a twelfth of them is HE-AAC. What is drawn does not depend on what is installed.
    """
    if he_aac and rng.random() < _HE_AAC_SHARE:
        kbps = int(rng.choice(_HE_AAC))
        # Radio at the lowest rates runs it at 32 kHz.
        return Coding("he-aac", kbps, codec_rate=32000 if kbps < 32 else None)
    names = ["clean", "mp3", "aac", "opus", "vorbis", "wma"]
    codec = str(rng.choice(names, p=[0.05, 0.47, 0.19, 0.13, 0.12, 0.04]))
    if codec == "clean":
        return Coding("clean", 0)
    before = Coding(*_AGAIN[int(rng.integers(len(_AGAIN)))]) if rng.random() < 0.08 else None
    if codec == "mp3":
        joint = bool(rng.random() < 0.9)
        if rng.random() < 0.1:
            quality = int(rng.integers(2, 10))
            return Coding("mp3", 0, vbr_quality=quality, joint_stereo=joint, before=before)
        kbps = int(rng.choice(_MP3))
        # FFmpeg keeps the rate of what it is given; most files below 80 kb/s come from there.
        kept = rate if rng.random() < 0.65 else None
        average = bool(rng.random() < 0.1)
        return Coding(
            "mp3", kbps, joint_stereo=joint, before=before, codec_rate=kept, average=average
        )
    if codec == "aac":
        kept = None if rng.random() < 0.75 else int(rng.choice([22050, 32000]))
        return Coding("aac", int(rng.choice(_AAC)), before=before, codec_rate=kept)
    if codec == "opus":
        # Calls and radio run it at a lower rate of their own.
        inner = int(rng.choice([24000, 32000])) if rng.random() < 0.2 else None
        cutoff = None if inner is None else inner // 2
        return Coding("opus", int(rng.choice(_OPUS)), before=before, cutoff_hz=cutoff)
    return Coding(codec, int(rng.choice(_VORBIS if codec == "vorbis" else _WMA)), before=before)


@dataclass(frozen=True)
class Handling:
    """What happened to a sound before and after it was coded.

    Attributes
    ----------
    trim : int
        Samples taken off its start: nobody knows where a codec's frames begin.
    mono : bool
        Left and right were mixed before.
    clip_db : float
        The coded sound was turned up by so much and clipped at full scale.
    resampled : int or None
        Rate in Hz that it was brought to.
    """

    trim: int = 0
    mono: bool = False
    clip_db: float = 0.0
    resampled: int | None = None

    def before(self, clean: Array) -> Array:
        """What is coded, of [shape=(2, samples)]."""
        if not self.mono:
            return clean
        middle = clean.mean(axis=0, keepdims=True)
        return np.ascontiguousarray(np.broadcast_to(middle, clean.shape))

    def after(self, clean: Array, coded: Array, rate: int) -> tuple[Array, Array, int]:
        """The pair as it is learned from, and its rate."""
        if self.clip_db > 0.0:
            gain = np.float32(10.0 ** (self.clip_db / 20.0) / max(float(np.abs(coded).max()), 1e-6))
            clean, coded = gain * clean, np.clip(gain * coded, -1.0, 1.0)
        if self.resampled is not None and self.resampled != rate:
            clean, coded = (resample(x, rate, self.resampled) for x in (clean, coded))
            rate = self.resampled
        return clean[:, self.trim :], coded[:, self.trim :], rate


def draw_handling(rng: np.random.Generator, rate: int) -> Handling:
    """Draw what people do with a sound of a rate; loudness is varied when it is learned from."""
    other = next(known for known in NETWORK_RATES if known != rate)
    return Handling(
        trim=int(rng.integers(0, 2304)),
        mono=bool(rng.random() < 0.06),
        clip_db=float(rng.uniform(0.5, 6.0)) if rng.random() < 0.06 else 0.0,
        resampled=other if rng.random() < 0.08 else None,
    )
