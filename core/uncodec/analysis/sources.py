"""What is compared: an original and what a codec made of it, or a coded file alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uncodec.analysis.alignment import MARGIN_S, align
from uncodec.analysis.evaluation import Coding, code
from uncodec.analysis.metrics import MIN_SAMPLES
from uncodec.analysis.report import CLEAN
from uncodec.errors import InvalidValue
from uncodec.io import open_audio
from uncodec.parameters import check_number
from uncodec.rates import network_rate
from uncodec.signals import Array

__all__ = ["LONGEST_S", "Source", "read_source", "source_of"]

LONGEST_S = 60.0
"""The longest excerpt, in seconds: all versions of it lie decoded in the memory of a browser."""

_BLOCK = 65536
_FULL_BAND = 44100


@dataclass(frozen=True)
class Source:
    """A clip to compare.

    Attributes
    ----------
    name : str
        What tables and pages call it.
    original : array, shape (channels, samples), or None
        None where nobody has it.
    coded : array, shape (channels, samples)
        Aligned to the original and as long.
    sample_rate : int
        Of both, in Hz.
    codec, kbps : str, float or None
        What it went through, as far as it is known.
    coding : (str, float or None) or None
        How to send something else through the same codec; None where that is not known.
    notes : tuple of str
        What was done to it, one sentence each.
    """

    name: str
    original: Array | None
    coded: Array
    sample_rate: int
    codec: str
    kbps: float | None = None
    coding: Coding | None = None
    notes: tuple[str, ...] = ()

    @property
    def coded_name(self) -> str:
        """What the coded version is called: "MP3 at 64 kb/s"."""
        if self.codec == CLEAN:
            return "Not coded"
        rate = "" if self.kbps is None else f" at {self.kbps:g} kb/s"
        return f"{self.codec.partition('@')[0].upper()}{rate}"


def source_of(
    audio: Array,
    sample_rate: int,
    *,
    name: str = "clip",
    codec: str = "mp3",
    kbps: float | None = 64.0,
    notes: tuple[str, ...] = (),
) -> Source:
    """A source from an original in memory, sent through a codec.

    Parameters
    ----------
    audio : array, shape (channels, samples)
        One or two channels, at least 2048 samples.
    sample_rate : int
        In Hz.
    name : str
    codec, kbps
        See `uncodec.analysis.evaluation.Coding`.
    notes : tuple of str

    Raises
    ------
    InvalidValue
        Too short, or too many channels.
    CodecError
        The codec refuses the rate, the channels or the bit rate.
    """
    original = np.ascontiguousarray(np.atleast_2d(audio), dtype=np.float32)
    _check(original, name)
    coding = (codec, kbps)
    coded = code(original, sample_rate, coding)
    return Source(name, original, coded, sample_rate, codec, kbps, coding, notes)


def read_source(
    path: str | Path,
    *,
    codec: str = "mp3",
    kbps: float | None = 64.0,
    coded: str | Path | None = None,
    with_reference: bool = True,
    start_s: float = 0.0,
    seconds: float = 20.0,
) -> Source:
    """A source from a file.

    No more than the excerpt is held in memory, however long the file is.

    Parameters
    ----------
    path : path
        The original; the coded file itself where `with_reference` is False.
    codec, kbps
        What the original is sent through, where `coded` is not given.
    coded : path, optional
        What a codec made of the original already. It is aligned to it.
    with_reference : bool
        False: `path` was coded, and nobody has the original.
    start_s, seconds : float
        The excerpt; `seconds` from 0.1 to 60.

    Raises
    ------
    InvalidValue
        No such excerpt, too short, too many channels, or files that do not belong together.
    CodecError
        The codec refuses the rate, the channels or the bit rate.
    AudioFileError
        A file cannot be read.
    """
    start_s = check_number("start", start_s, 0.0, 1e9)
    seconds = check_number("seconds", seconds, 0.1, LONGEST_S)
    place = Path(path)
    first = _read(place, start_s, seconds)
    audio, rate, notes = first.audio, first.sample_rate, first.notes
    if not with_reference:
        if coded is not None:
            raise InvalidValue("coded: goes with an original, not with --no-reference")
        if rate < _FULL_BAND:
            from uncodec.codecs.resampling import resample

            higher = network_rate(rate)
            audio = resample(audio, rate, higher)
            told = f"Converted from {rate} to {higher} Hz, to have room for what was lost."
            notes, rate = (*notes, told), higher
        return Source(place.name, None, audio, rate, first.title, notes=notes)
    if coded is None:
        return source_of(audio, rate, name=place.name, codec=codec, kbps=kbps, notes=notes)
    early = min(start_s, MARGIN_S)
    other = _read(Path(coded), start_s - early, seconds + early + MARGIN_S)
    aligned = align(audio, rate, other.audio, other.sample_rate, lead=round(early * rate))
    if first.length_s and other.length_s and abs(first.length_s - other.length_s) > 1e-4:
        told = f"The files are {first.length_s:.3f} s and {other.length_s:.3f} s long."
        notes = (*notes, told)
    return Source(
        place.name,
        aligned.original,
        aligned.coded,
        rate,
        other.title,
        notes=(*notes, *aligned.notes),
    )


def _check(audio: Array, name: str) -> None:
    if not 1 <= audio.shape[0] <= 2:
        raise InvalidValue(f"{name}: must have one or two channels, has {audio.shape[0]}")
    if audio.shape[1] < MIN_SAMPLES:
        raise InvalidValue(
            f"{name}: must have at least {MIN_SAMPLES} samples, has {audio.shape[1]}"
        )


@dataclass(frozen=True)
class _Excerpt:
    audio: Array
    sample_rate: int
    title: str
    length_s: float | None
    notes: tuple[str, ...]


def _read(path: Path, start_s: float, seconds: float) -> _Excerpt:
    with open_audio(path) as reader:
        rate = reader.sample_rate
        begin, end = round(start_s * rate), round((start_s + seconds) * rate)
        if not 1 <= reader.channels <= 2:
            raise InvalidValue(f"{path}: must have one or two channels, has {reader.channels}")
        parts, at = [], 0
        for block in reader.blocks(_BLOCK):
            if at + block.shape[1] > begin:
                parts.append(block[:, max(0, begin - at) : end - at])
            at += block.shape[1]
            if at >= end:
                break
        notes = [] if at >= end or not reader.problems else [str(reader.problems[0])]
        if not parts:
            raise InvalidValue(f"start={start_s:g}: {path} is {at / rate:.2f} s long")
        audio = np.ascontiguousarray(np.concatenate(parts, axis=1))
        whole = reader.frames / rate if reader.frames else None
        left_out = at > end or (whole is not None and whole > start_s + seconds + 1e-9)
        if left_out or start_s > 0.0:
            of = f" of {whole:.1f} s" if whole else ""
            notes.append(f"An excerpt: {audio.shape[1] / rate:.1f} s from {start_s:g} s on{of}.")
        title = reader.subtype if reader.subtype in ("MP3", "AAC", "VORBIS", "OPUS") else "coded"
        _check(audio, str(path))
        return _Excerpt(audio, rate, title, whole, tuple(notes))
