"""Which rate and settings a request leads to (an encoder's front end), and the delay that comes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from uncodec.codecs.specs import MPEG1_KBPS, MPEG2_KBPS, CodecSpec
from uncodec.errors import CodecError

__all__ = ["Plan", "find_delay", "make_plan", "vorbis_nominal_kbps"]

# MP3: highest sample rate used for a stereo bit rate (a mono one counts double). LAME's own front
# end goes lower still (8 kHz for 24 kb/s); the band it keeps is the same, because LAME chooses its
# low-pass (4 kHz at 24 kb/s, 5.5 at 32, 7.5 at 48, 11 at 64, 15 at 96) from the bit rate alone.
_MP3_TOP_RATE = ((16, 12000), (24, 16000), (40, 24000), (64, 32000))

# LAME's encoder is 576 samples late, the decoder 529.
_LAME_DELAY = 1105

# libvorbis: nominal kb/s at quality 0.0, 0.1, ... 1.0, as its headers state them, mono and stereo,
# for the set-ups it keeps per range of sample rates (lower edge of each range in Hz).
_VORBIS_NOMINAL: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = (
    (
        40000,
        (48, 60, 70, 80, 86, 96, 110, 120, 140, 160, 239),
        (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 499),
    ),
    (
        26000,
        (42, 52, 64, 72, 78, 86, 92, 110, 120, 140, 189),
        (56, 70, 90, 112, 120, 150, 180, 200, 230, 300, 379),
    ),
    (
        19000,
        (24, 30, 35, 40, 45, 50, 58, 66, 74, 82, 89),
        (36, 45, 56, 66, 77, 88, 104, 121, 138, 155, 171),
    ),
    (
        15000,
        (24, 32, 40, 48, 56, 64, 71, 78, 85, 92, 99),
        (34, 45, 56, 66, 77, 88, 104, 121, 138, 155, 171),
    ),
    (
        9000,
        (20, 23, 26, 29, 32, 35, 38, 41, 44, 47, 49),
        (26, 32, 38, 44, 50, 57, 63, 69, 75, 81, 87),
    ),
    (
        0,
        (14, 16, 19, 22, 25, 28, 30, 33, 36, 39, 41),
        (18, 22, 27, 31, 36, 41, 45, 50, 54, 59, 63),
    ),
)


@dataclass(frozen=True)
class Plan:
    """Settled settings of one encoding run.

    `bit_rate` is in bit/s, `quality` on the encoder's own scale; one of them is None.
    `cutoff_hz` is left to the encoder where it has such a setting (`native_cutoff`). With `average`
    the bit rate may vary around `bit_rate`.
    """

    spec: CodecSpec
    rate: int
    channels: int
    bit_rate: int | None
    quality: float | None
    joint_stereo: bool
    cutoff_hz: float | None
    average: bool = False

    @property
    def native_cutoff(self) -> bool:
        return self.spec.name in ("mp3", "aac") and self.spec.backend == "av"


def _names(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _check_number(name: str, value: float | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not math.isfinite(value):
        raise CodecError(f"{name}={value!r}: must be a finite number")


def _closest_rate(rates: tuple[int, ...], sample_rate: int, top: int | None = None) -> int:
    """The rate an encoder's front end would take for material at `sample_rate`.

    The same rate if there is one; else the highest that is not above it, of the same family
    (44.1 or 48 kHz and their fractions) if possible; else the lowest there is.
    """
    limit = sample_rate if top is None else min(sample_rate, top)
    below = [rate for rate in rates if rate <= limit]
    if not below:
        return min(rates)
    if sample_rate in below:
        return sample_rate
    family = [rate for rate in below if sample_rate % rate == 0]
    best = max(below)
    # Staying in the family is worth a little band width, not an octave.
    if family and max(family) >= 0.9 * best:
        return max(family)
    return best


def vorbis_nominal_kbps(rate: int, channels: int) -> tuple[int, ...]:
    """Nominal kb/s of libvorbis at quality 0.0, 0.1, ... 1.0."""
    for edge, mono, stereo in _VORBIS_NOMINAL:
        if rate >= edge:
            return mono if channels == 1 else stereo
    raise CodecError(f"sample_rate={rate}: vorbis has no set-up for it")


def _vorbis_quality(rate: int, channels: int, kbps: float) -> float:
    table = vorbis_nominal_kbps(rate, channels)
    if kbps >= table[-1]:
        return 1.0
    for step in range(len(table) - 1):
        low, high = table[step], table[step + 1]
        if kbps < high:
            return max(0.0, (step + (kbps - low) / (high - low)) / 10.0)
    return 1.0


def _choose_rate(spec: CodecSpec, sample_rate: int, channels: int, kbps: float | None) -> int:
    if spec.name == "mp3" and kbps is not None:
        stereo_kbps = kbps * (2 if channels == 1 else 1)
        top = next((rate for limit, rate in _MP3_TOP_RATE if stereo_kbps <= limit), 48000)
        rate = _closest_rate(spec.rates, sample_rate, top)
        if rate >= 32000 and kbps < MPEG1_KBPS[0]:
            rate = _closest_rate(spec.rates, sample_rate, 24000)
        return rate
    if spec.name == "vorbis" and kbps is not None:
        fitting = tuple(r for r in spec.rates if vorbis_nominal_kbps(r, channels)[0] <= kbps)
        return _closest_rate(fitting or spec.rates[:1], sample_rate)
    return _closest_rate(spec.rates, sample_rate)


def _most_kbps(spec: CodecSpec, rate: int, channels: int) -> float:
    """Highest bit rate that fits into the codec's frames at this rate."""
    if spec.name == "aac":  # 6144 bits per channel for 1024 samples
        return 6.144 * channels * rate / 1024
    if spec.name == "he-aac":  # above it the band that is copied would be coded as well
        return 64.0 * channels
    if spec.name == "opus":
        return 256.0 * channels
    if spec.name == "sbc":  # the bit pool of a frame is at most 16 per sub-band
        return min(512.0, 12 * channels * rate / 1000)
    return math.inf


def _check_kbps(
    spec: CodecSpec, rate: int, channels: int, kbps: float, forced: bool = False
) -> None:
    if spec.kbps_range is None:
        raise CodecError(f"kbps={kbps:g}: {spec.name} has one bit rate only, which cannot be set")
    low, high = spec.kbps_range
    if not low <= kbps <= high:
        raise CodecError(f"kbps={kbps:g}: {spec.name} takes {low:g} to {high:g}")
    if spec.name == "mp3":
        steps: tuple[int, ...] = MPEG1_KBPS if rate >= 32000 else MPEG2_KBPS
        if forced and rate >= 32000:
            # LAME takes less at these rates: it cuts the treble for what was asked, and spends 32.
            steps = tuple(sorted({16, 24, *MPEG1_KBPS}))
        if kbps not in steps:
            raise CodecError(f"kbps={kbps:g}: mp3 at {rate} Hz takes {_names(steps)}")
    elif spec.kbps_steps is not None and kbps not in spec.kbps_steps:
        raise CodecError(f"kbps={kbps:g}: {spec.name} takes {_names(spec.kbps_steps)}")
    if spec.name == "ac3" and channels == 6 and kbps < 64:
        raise CodecError(f"kbps={kbps:g}: ac3 with 6 channels takes at least 64")
    if spec.name == "he-aac" and channels == 2 and kbps < 16:
        # The program would take it, and spend 16.
        raise CodecError(f"kbps={kbps:g}: he-aac with 2 channels takes at least 16")
    if spec.name == "opus" and spec.backend == "soundfile" and kbps < 6 * channels:
        raise CodecError(
            f"kbps={kbps:g}: opus with {channels} channels takes at least {6 * channels} where "
            "PyAV is not installed (pip install av)"
        )
    most = _most_kbps(spec, rate, channels)
    if kbps > most:
        raise CodecError(
            f"kbps={kbps:g}: {spec.name} at {rate} Hz, {channels} channels takes at most {most:.0f}"
        )
    if spec.name == "vorbis":
        table = vorbis_nominal_kbps(rate, channels)
        if kbps < table[0]:
            raise CodecError(
                f"kbps={kbps:g}: vorbis takes at least {table[0]} at {rate} Hz, {channels} channels"
            )


def make_plan(
    spec: CodecSpec,
    sample_rate: int,
    channels: int,
    *,
    kbps: float | None,
    vbr_quality: float | None,
    joint_stereo: bool,
    cutoff_hz: float | None,
    codec_rate: int | None = None,
    average: bool = False,
) -> Plan:
    """Check a request against the codec's rules and settle rate, bit rate and quality.

    Raises
    ------
    CodecError
        Where a value is outside the codec's rule; the message gives the rule.
    """
    if isinstance(sample_rate, bool) or sample_rate != int(sample_rate) or sample_rate <= 0:
        raise CodecError(f"sample_rate={sample_rate!r}: must be a positive whole number of Hz")
    if not 1000 <= sample_rate <= 768000:
        raise CodecError(f"sample_rate={sample_rate}: must be 1000 to 768000 Hz")
    _check_number("kbps", kbps)
    _check_number("vbr_quality", vbr_quality)
    _check_number("cutoff_hz", cutoff_hz)
    if channels not in spec.channels:
        raise CodecError(f"channels={channels}: {spec.name} takes {_names(spec.channels)}")
    if kbps is not None and vbr_quality is not None:
        raise CodecError(f"kbps={kbps:g}, vbr_quality={vbr_quality:g}: give only one of them")
    if cutoff_hz is not None and not 0 < cutoff_hz <= sample_rate / 2:
        raise CodecError(f"cutoff_hz={cutoff_hz:g}: must be above 0, at most {sample_rate / 2:g}")
    if vbr_quality is not None:
        if spec.vbr_range is None:
            raise CodecError(f"vbr_quality={vbr_quality:g}: {spec.name} has no variable bit rate")
        low, high = sorted(spec.vbr_range)
        if not low <= vbr_quality <= high:
            worst, best = spec.vbr_range
            raise CodecError(
                f"vbr_quality={vbr_quality:g}: "
                f"{spec.name} takes {worst:g} (worst) to {best:g} (best)"
            )
    if spec.name == "mp3" and spec.backend == "soundfile" and channels == 2 and not joint_stereo:
        raise CodecError(
            "joint_stereo=False: mp3 must be coded in joint stereo where PyAV is not installed "
            "(pip install av)"
        )
    if average and (spec.name != "mp3" or spec.backend != "av" or vbr_quality is not None):
        raise CodecError(
            "average=True: must go with mp3, a bit rate and PyAV (pip install av), "
            f"got {spec.name}, vbr_quality={vbr_quality}, {spec.backend}"
        )
    default = kbps is None and vbr_quality is None
    if default:
        kbps = spec.kbps_default
    if codec_rate is None:
        rate = _choose_rate(spec, int(sample_rate), channels, kbps)
    elif codec_rate not in spec.rates:
        raise CodecError(f"codec_rate={codec_rate!r}: {spec.name} takes {_names(spec.rates)} Hz")
    else:
        rate = int(codec_rate)
    if default and kbps is not None:
        kbps = min(kbps, _most_kbps(spec, rate, channels))
    bit_rate: int | None = None
    quality = vbr_quality
    if kbps is not None:
        _check_kbps(spec, rate, channels, kbps, forced=codec_rate is not None)
        if spec.name == "vorbis":  # its only rate control is the quality
            quality = _vorbis_quality(rate, channels, kbps)
        else:
            bit_rate = round(kbps * 1000)
    return Plan(spec, rate, channels, bit_rate, quality, joint_stereo, cutoff_hz, average)


def find_delay(plan: Plan, data: bytes, packets: Sequence[int]) -> int:
    """Samples at the codec's rate by which its decoded output is late (negative: early).

    Most codecs have one number. WMA's decoder keeps its first frame to itself, SBC's filter bank
    has 4 or 8 bands, and Opus' speech layer is not aligned with its music layer.

    Parameters
    ----------
    plan : Plan
    data : bytes
        The coded file.
    packets : sequence of int
        First byte of every coded packet, where the backend knows them.
    """
    name = plan.spec.name
    if name == "wma":
        return -(512 if plan.rate <= 16000 else 1024 if plan.rate <= 22050 else 2048)
    if name == "sbc":
        # Second header byte, lowest bit: 8 sub-bands or 4. The prototype filter has 10 taps per
        # band: together 9 bands and one sample late.
        return (9 * (8 if data[1] & 1 else 4)) + 1
    if name == "opus":
        return _opus_delay(packets, plan.spec.backend)
    if name == "mp3" and plan.spec.backend == "soundfile":
        return _mp3_delay(data)
    return plan.spec.delay


def _mp3_delay(data: bytes) -> int:
    """What libsndfile leaves of the delay: nothing where LAME's tag tells it, else all of it.

    The tag lies in the first frame, behind the 4 bytes of the header and 9 to 32 of side
    information, where it fits into a frame of that bit rate.
    """
    tagged = any(data[at : at + 4] in (b"Info", b"Xing") for at in (13, 21, 36))
    return 0 if tagged else _LAME_DELAY


def _opus_delay(packets: Sequence[int], backend: str) -> int:
    """Shift of the mode that most packets use (measured against libopus 1.5).

    The music layer is exact. Through FFmpeg's decoder narrow-band speech comes 6 samples (of 48
    kHz) late, wide-band and hybrid speech a third of a sample early, and 3 samples earlier still
    when coded in stereo; through libopus' own (libsndfile) they come 3 late and 2.3 early. Within
    one file the encoder may change modes; the shift then is right for most of it.
    """
    votes: Counter[int] = Counter()
    for first in packets:
        mode, stereo = first >> 3, first >> 2 & 1
        if mode >= 16:
            votes[0] += 1
        elif backend == "soundfile":
            votes[3 if mode < 4 else -2] += 1
        else:
            votes[(6 if mode < 4 else 0) - (3 if stereo else 0)] += 1
    return votes.most_common(1)[0][0] if votes else 0
