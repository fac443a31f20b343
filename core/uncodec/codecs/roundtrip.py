"""Encode, decode, and the aligned round trip."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from uncodec.codecs import backends, programs
from uncodec.codecs.resampling import low_pass, output_length, resample
from uncodec.codecs.rules import Plan, find_delay, make_plan
from uncodec.codecs.specs import CODECS, WITHOUT_PYAV, CodecSpec
from uncodec.errors import CodecError, InvalidType, InvalidValue
from uncodec.signals import Array

__all__ = ["available", "decode", "encode", "encoder_of", "round_trip"]


# Below this an encoder may give out no complete frame at all (AAC) or a spoiled one.
_SHORTEST = 4608


def available() -> tuple[str, ...]:
    """Names of the codecs that can be encoded and decoded with what is installed here.

    HE-AAC needs the program ``fdkaac`` on PATH. Without PyAV those that libsndfile codes are left:
    MP3, Opus, Vorbis and GSM.
    """
    return tuple(name for name in CODECS if _is_available(_spec(name)))


def encoder_of(codec: str) -> str:
    """What encodes a codec here, for instance ``"libmp3lame (PyAV 18.1.0)"``.

    Raises
    ------
    CodecError
        Unknown or missing codec.
    """
    spec = _find(codec)
    if spec.backend == "fdkaac":
        return f"{spec.encoder} ({programs.fdkaac_version()})"
    return f"{spec.encoder} ({backends.version_of(spec.backend)})"


def _spec(codec: str) -> CodecSpec:
    if backends.has_pyav():
        return CODECS[codec]
    return WITHOUT_PYAV.get(codec, CODECS[codec])


def _is_available(spec: CodecSpec, *, to_encode: bool = True) -> bool:
    if spec.backend == "fdkaac":
        # Asked anew every time: PATH may change, and looking costs next to nothing.
        return backends.has_pyav() and (not to_encode or programs.find_fdkaac() is not None)
    return (spec.backend == "soundfile" or backends.has_pyav()) and _has_encoder(spec)


@cache
def _has_encoder(spec: CodecSpec) -> bool:
    if spec.backend == "soundfile":
        import soundfile

        return bool(soundfile.check_format(spec.container, spec.encoder))
    import av

    try:
        av.Codec(spec.encoder, "w")
        av.ContainerFormat(spec.container, "w")
    except ValueError:
        return False
    return True


def _find(codec: str, *, to_encode: bool = True) -> CodecSpec:
    if not isinstance(codec, str):
        raise InvalidType(f"codec={codec!r}: must be a name, one of {', '.join(CODECS)}")
    if codec not in CODECS:
        raise CodecError(f"codec={codec!r}: must be one of {', '.join(CODECS)}")
    spec = _spec(codec)
    if not _is_available(spec, to_encode=to_encode):
        if not backends.has_pyav():
            raise CodecError(
                f"codec={codec!r}: must be one of {', '.join(available())} where PyAV is not "
                "installed (pip install av)"
            )
        if spec.backend == "fdkaac":
            raise CodecError(
                f"codec={codec!r}: {spec.title} has no encoder in the installed libraries: the "
                f"program {programs.FDKAAC} must be on PATH (Debian's contrib, Homebrew and Arch "
                "have it), got none"
            )
        raise CodecError(f"codec={codec!r}: {spec.title} has no encoder in the installed libraries")
    return spec


def _as_channels(audio: Any) -> Array:
    data = np.asarray(audio)
    if data.dtype.kind != "f":
        raise InvalidType(f"audio has dtype {data.dtype}: must be float32 or float64")
    if data.ndim not in (1, 2):
        raise InvalidValue(f"audio has shape {data.shape}: must be (n,) or (channels, n)")
    data = np.ascontiguousarray(np.atleast_2d(data), dtype=np.float32)
    if not np.isfinite(data).all():
        channel, sample = np.argwhere(~np.isfinite(data))[0]
        raise InvalidValue(
            f"audio has {data[channel, sample]} at channel {channel}, sample {sample}: "
            "must be finite"
        )
    return data


def _prepare(data: Array, sample_rate: int, plan: Plan) -> Array:
    if plan.cutoff_hz is not None and not plan.native_cutoff:
        data = low_pass(data, sample_rate, plan.cutoff_hz)
    data = resample(data, sample_rate, plan.rate)
    tail = max(plan.spec.tail, _SHORTEST - data.shape[1])
    if plan.spec.lead_in or tail:
        data = np.pad(data, ((0, 0), (plan.spec.lead_in, tail)))
    return data


def _encode(data: Array, plan: Plan) -> bytes:
    if plan.spec.backend == "soundfile":
        return backends.encode_soundfile(data, plan)
    if plan.spec.backend == "fdkaac":
        return programs.encode_fdkaac(data, plan)
    return backends.encode_av(data, plan)


def _decode(
    data: bytes, spec: CodecSpec, rate: int | None = None, packets: list[int] | None = None
) -> tuple[Array, int]:
    if spec.backend == "soundfile":
        if packets is not None and spec.name == "opus":
            packets += backends.ogg_packets(data)
        return backends.decode_soundfile(data)
    return backends.decode_av(data, spec.demuxer, rate, packets)


def _cut(audio: Array, start: int, length: int) -> Array:
    """`length` samples from `start` on (which may be negative); what is not there is silence."""
    before = max(0, -start)
    kept = audio[:, max(0, start) : start + length]
    after = length - before - kept.shape[1]
    return np.ascontiguousarray(np.pad(kept, ((0, 0), (before, after))))


def encode(
    audio: npt.ArrayLike,
    sample_rate: int,
    codec: str,
    *,
    kbps: float | None = None,
    vbr_quality: float | None = None,
    joint_stereo: bool = True,
    cutoff_hz: float | None = None,
    codec_rate: int | None = None,
    average: bool = False,
) -> bytes:
    """Encode audio into a complete file of the codec's usual container, in memory.

    Parameters and errors are those of :func:`round_trip`. Very short audio is padded with silence,
    because some encoders give out nothing for less than a few of their frames.

    Returns
    -------
    bytes
        The file: .mp3, .m4a (AAC), .aac (HE-AAC), .ogg (Opus, Vorbis), .wma, ...
    """
    data = _as_channels(audio)
    plan = make_plan(
        _find(codec),
        sample_rate,
        data.shape[0],
        kbps=kbps,
        vbr_quality=vbr_quality,
        joint_stereo=joint_stereo,
        cutoff_hz=cutoff_hz,
        codec_rate=codec_rate,
        average=average,
    )
    if plan.spec.lead_in or plan.spec.tail:
        plan = dataclasses.replace(plan, spec=dataclasses.replace(plan.spec, lead_in=0, tail=0))
    return _encode(_prepare(data, int(sample_rate), plan), plan)


def decode(data: bytes, codec: str | None = None) -> tuple[Array, int]:
    """Decode a coded file held in memory.

    Parameters
    ----------
    data : bytes
        A complete file.
    codec : str, optional
        What it is, by the names of :data:`CODECS`; needed only for formats without a recognisable
        header.

    Returns
    -------
    audio : ndarray [shape=(channels, n), float32]
        As the decoder gives it, at the codec's own rate; not aligned to anything.
    sample_rate : int
        In Hz.

    Raises
    ------
    CodecError
        If it cannot be decoded or holds no audio.
    """
    if codec is not None:
        return _decode(data, _find(codec, to_encode=False))
    if not backends.has_pyav():
        return backends.decode_soundfile(data)
    return backends.decode_av(data)


def round_trip(
    audio: npt.ArrayLike,
    sample_rate: int,
    codec: str,
    *,
    kbps: float | None = None,
    vbr_quality: float | None = None,
    joint_stereo: bool = True,
    cutoff_hz: float | None = None,
    codec_rate: int | None = None,
    average: bool = False,
) -> Array:
    """Send audio through a real codec and give it back aligned to the sample.

    Parameters
    ----------
    audio : array_like [shape=(n,) or (channels, n), float32 or float64]
        Full scale is 1.0.
    sample_rate : int
        In Hz, 1000 to 768000. A codec that does not run at this rate, or not at this bit rate,
        works at a lower rate of its own, as real encoders do. Opus: always 48 kHz. MP3, stereo (a
        mono bit rate counts double): up to 48 kHz from 80 kb/s on, 32 kHz for 48 to 64, 22.05 or
        24 kHz for 32 and 40, 16 kHz for 24, 11.025 or 12 kHz for 8 and 16. Vorbis: the highest rate
        whose lowest nominal bit rate is not above `kbps`. HE-AAC: 22.05 to 48 kHz. Telephone
        codecs: 8 or 16 kHz.
    codec : str
        A key of :data:`CODECS`. ``"he-aac"`` needs the program ``fdkaac`` on PATH.
    kbps : float, optional
        Bit rate of all channels together in kb/s, constant for MP3, an average for AAC, HE-AAC and
        Opus, nominal for Vorbis (music stays near it, simple material falls far below). Default:
        the codec's own (`kbps_default`).
    vbr_quality : float, optional
        Variable bit rate instead: MP3 0 (best) to 9 as LAME's -V, AAC 0.1 to 5 (best), Vorbis 0 to
        1 (best).
    joint_stereo : bool
        False keeps MP3 and AAC from coding mid and side; the other codecs ignore it. MP3 needs
        PyAV for that.
    cutoff_hz : float, optional
        Low-pass: the encoder's own where it has one (MP3, AAC with PyAV), else before the encoder.
    codec_rate : int, optional
        Sample rate in Hz at which the codec runs, one that it knows. Default: the one described at
        `sample_rate`, as LAME's own front end chooses it. FFmpeg keeps the rate of its input, and
        so do most converters: ``codec_rate=sample_rate`` codes as they do. MP3 then cuts more of
        the treble instead (above 4.4 kHz at 24 kb/s, 5.8 at 32, 7.8 at 48, 11.3 at 64), and below
        32 kb/s LAME spends 32 all the same.
    average : bool
        MP3: `kbps` is what the file has on average (LAME's ABR), frame by frame more or less. Needs
        PyAV.

    Returns
    -------
    ndarray [same shape as audio, float32]

    Notes
    -----
    The level is the decoder's: LAME takes 0.45 dB off up to 160 kb/s (its presets scale by 0.95 to
    avoid clipping), less at 192 and 224, nothing above and nothing with variable bit rate. Speech
    codecs take more off whatever is not speech. Encoder delay is
    taken off as a whole number of samples at the codec's rate, and what is left is below half a
    sample; resampling is linear phase and adds no delay. HE-AAC copies the upper part of its band
    from the lower, with another phase than the original's; in the lower part the encoder's
    resampler turns the phase by a fifth of a sample.

    Examples
    --------
    >>> import numpy as np
    >>> tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    >>> coded = round_trip(tone, 44100, "mp3", kbps=128)
    >>> coded.shape, coded.dtype
    ((44100,), dtype('float32'))

    Raises
    ------
    CodecError
        Unknown or missing codec; rate, channels or bit rate outside the codec's rule; a program
        that fails.
    InvalidValue, InvalidType
        Audio that is not finite, not floating point, or of the wrong shape.
    """
    data = _as_channels(audio)
    shape = np.shape(audio)
    frames = data.shape[1]
    plan = make_plan(
        _find(codec),
        sample_rate,
        data.shape[0],
        kbps=kbps,
        vbr_quality=vbr_quality,
        joint_stereo=joint_stereo,
        cutoff_hz=cutoff_hz,
        codec_rate=codec_rate,
        average=average,
    )
    if frames == 0:
        return np.zeros(shape, np.float32)
    coded = _encode(_prepare(data, int(sample_rate), plan), plan)
    packets: list[int] = []
    decoded, rate = _decode(coded, plan.spec, plan.rate, packets)
    if plan.spec.name == "he-aac" and plan.channels == 1:
        # FFmpeg awaits parametric stereo in mono HE-AAC and gives out two channels, both the same.
        decoded = decoded[:1]
    if rate != plan.rate or decoded.shape[0] != plan.channels:
        raise CodecError(
            f"{codec}: came back as {decoded.shape[0]} channels at {rate} Hz, "
            f"not {plan.channels} at {plan.rate}"
        )
    start = plan.spec.lead_in + find_delay(plan, coded, packets)
    length = output_length(frames, int(sample_rate), plan.rate)
    if plan.spec.backend == "fdkaac" and decoded.shape[1] < start + length:
        # What is not there would be cut as silence. A program may stop early without saying so.
        raise CodecError(
            f"{codec}: came back as {decoded.shape[1]} samples, must be at least {start + length}"
        )
    decoded = _cut(decoded, start, length)
    result = resample(decoded, plan.rate, int(sample_rate))[:, :frames]
    return np.ascontiguousarray(result).reshape(shape)
