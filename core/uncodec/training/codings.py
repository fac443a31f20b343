"""What training pairs go through: codecs and their settings, drawn from a menu."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from uncodec.codecs import available, backends, encoder_of, round_trip
from uncodec.signals import Array

__all__ = ["VALIDATION_MENU", "Coding", "draw_coding", "left_out"]

# (share of the pairs, rates in kb/s). Low rates are drawn as often as high ones: each is one step
# of damage to learn, whatever its popularity.
CODEC_MENU: dict[str, tuple[float, tuple[int, ...]]] = {
    "clean": (0.10, (0,)),
    "mp3": (0.46, (16, 24, 24, 32, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160)),
    "aac": (0.18, (24, 32, 40, 48, 64, 80, 96, 128)),
    "opus": (0.15, (12, 16, 24, 32, 48, 64, 96)),
    "vorbis": (0.11, (32, 40, 48, 56, 64, 80, 96, 112)),
}
# How often a coded signal was coded before, at a higher rate: what is sent on and uploaded again.
TWICE = 0.08
FIRST_MENU = (
    *(("mp3", kbps) for kbps in (128, 160, 192, 256, 320)),
    *(("aac", kbps) for kbps in (96, 128, 192, 256)),
    *(("opus", kbps) for kbps in (96, 128)),
    *(("vorbis", kbps) for kbps in (112, 160, 192)),
)

JOINT_ONLY = "mp3 without joint stereo"

# What a restorer is judged by while it trains.
VALIDATION_MENU = (
    *(("mp3", kbps) for kbps in (24, 32, 48, 64, 96, 128)),
    *(("aac", kbps) for kbps in (32, 64, 96)),
    *(("opus", kbps) for kbps in (16, 32, 64)),
    *(("vorbis", kbps) for kbps in (48, 96)),
    ("clean", 0),
)


@dataclass(frozen=True)
class Coding:
    """What one pair went through.

    Attributes
    ----------
    codec : str
        A name of `uncodec.codecs.CODECS`, or "clean" for no coding at all.
    kbps : int
        Bit rate in kb/s; 0 for clean and for variable bit rate.
    vbr_quality : int or None
        MP3 variable bit rate quality, 0 (best) to 9.
    joint_stereo : bool
    cutoff_hz : int or None
        Low-pass of the encoder where it was not left to the encoder.
    codec_rate : int or None
        Sample rate at which the codec runs, where that was not left to LAME's rule.
    before : Coding or None
        What the signal went through before this.
    average : bool
        MP3: `kbps` is an average (ABR).
    """

    codec: str
    kbps: int
    vbr_quality: int | None = None
    joint_stereo: bool = True
    cutoff_hz: int | None = None
    before: Coding | None = None
    codec_rate: int | None = None
    average: bool = False

    def apply(self, audio: Array, sample_rate: int) -> Array:
        """Code and decode `audio`, [shape=(2, samples)]."""
        if self.before is not None:
            audio = self.before.apply(audio, sample_rate)
        if self.codec == "clean":
            return audio.copy()
        return round_trip(
            audio,
            sample_rate,
            self.codec,
            kbps=self.kbps if self.vbr_quality is None else None,
            vbr_quality=self.vbr_quality,
            joint_stereo=self.joint_stereo,
            cutoff_hz=self.cutoff_hz,
            codec_rate=self.codec_rate,
            average=self.average,
        )

    def encoders(self) -> list[str]:
        """What encodes it here, in the order of the codings; empty for none."""
        first = [] if self.before is None else self.before.encoders()
        return first if self.codec == "clean" else [*first, encoder_of(self.codec)]


def draw_coding(rng: np.random.Generator, rate: int) -> Coding:
    """Draw a codec and its settings from the menu, as far as it can be coded here.

    Half of what goes through MP3 keeps the sample rate of its source, `rate` in Hz, as FFmpeg does;
    the other half goes down with the bit rate, as LAME does.
    """
    absent = left_out()
    names = [name for name in CODEC_MENU if name not in absent]
    shares = np.array([CODEC_MENU[name][0] for name in names])
    codec = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    kbps = int(rng.choice(CODEC_MENU[codec][1]))
    if codec == "clean":
        return Coding(codec, kbps)
    before = None
    if rng.random() < TWICE:
        first = [entry for entry in FIRST_MENU if entry[0] not in absent]
        before = Coding(*first[int(rng.integers(len(first)))])
    if codec not in ("mp3", "aac"):
        return Coding(codec, kbps, before=before)
    if codec == "mp3" and rng.random() < 0.1:
        return Coding(codec, 0, vbr_quality=int(rng.integers(2, 10)), before=before)
    cutoff = int(rng.integers(10, 19)) * 1000 if kbps >= 64 and rng.random() < 0.1 else None
    joint = bool(rng.random() < 0.85) or JOINT_ONLY in absent
    kept = rate if codec == "mp3" and rng.random() < 0.5 else None
    return Coding(codec, kbps, joint_stereo=joint, cutoff_hz=cutoff, before=before, codec_rate=kept)


def left_out() -> list[str]:
    """What of the menu cannot be coded with the libraries installed here.

    Returns
    -------
    list of str
        Names of codecs, and `JOINT_ONLY` where MP3 cannot be coded without joint stereo. Empty
        where PyAV is installed; ["aac", "mp3 without joint stereo"] where libsndfile is alone.
    """
    here = available()
    absent = [name for name in CODEC_MENU if name != "clean" and name not in here]
    return absent if backends.has_pyav() else [*absent, JOINT_ONLY]
