"""Inspecting a file or an array: one pass over the samples, then the search for evidence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.inspection.evidence import Evidence, gather
from uncodec.inspection.excerpts import Excerpt, Excerpts
from uncodec.inspection.levels import LevelMeter, Levels
from uncodec.inspection.results import Inspection, Stereo, Verdict
from uncodec.inspection.verdict import Judgement, judge
from uncodec.io import open_audio
from uncodec.loudness import loudness_weights
from uncodec.rates import HIGHEST_RATE, LOWEST_RATE, check_rate
from uncodec.signals import Array
from uncodec.speakers import speakers_by_count

__all__ = ["Examined", "examine", "inspect"]

Progress = Callable[[int, int | None], None]

_LOSSLESS = frozenset(
    ("FLOAT", "DOUBLE", "ALAC", "FLAC", "WAVPACK", "TTA", "APE", "TAK", "SHORTEN", "MLP", "TRUEHD")
)
_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
# A restorer has something to give back up to such rates, or below such a treble.
_RESTORED_KBPS, _RESTORED_HZ = 192, 17000.0


class Examined:
    """An inspection with what it rests on, for pictures and tests.

    Attributes
    ----------
    inspection : Inspection
    evidence : Evidence
    excerpts : list of Excerpt
    """

    def __init__(self, inspection: Inspection, evidence: Evidence, excerpts: list[Excerpt]) -> None:
        self.inspection, self.evidence, self.excerpts = inspection, evidence, excerpts


def inspect(
    source: str | os.PathLike[str] | ArrayLike,
    sample_rate: float | None = None,
    *,
    progress: Progress | None = None,
) -> Inspection:
    """Find out what happened to a sound: whether it was coded lossily, how, and how loud it is.

    Frames of lossy codecs are searched for in the samples: a transform codec leaves coefficients
    that are zero at its own frames and nowhere else. The spectrum is looked at as well, and trees
    that were fitted to round trips of recordings join both. The verdict never comes from the
    file's name; the same samples get the same answer in any container.

    Parameters
    ----------
    source : path, or array of shape (samples,), (channels, samples) or (samples, channels)
        An audio file, or float samples with full scale at 1.
    sample_rate : float, optional
        In Hz; of an array, for which it must be given.
    progress : callable, optional
        Told ``(frames_done, frames_total)`` while a file is read; the total may be None.

    Returns
    -------
    Inspection

    Raises
    ------
    AudioFileError
        The file cannot be read, or its rate is not from 8000 to 384000 Hz.
    InvalidValue, InvalidType
        An array without its rate, of another shape, or with samples that are not finite.
    ModelError
        The model of the inspector is missing.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(0, 0.1, 88200)
    >>> uncodec.inspect(noise, 44100).codings  # doctest: +SKIP
    ()
    """
    return examine(source, sample_rate, progress=progress).inspection


def examine(
    source: str | os.PathLike[str] | ArrayLike,
    sample_rate: float | None = None,
    *,
    progress: Progress | None = None,
) -> Examined:
    """As `inspect`, and give the evidence and the excerpts, too."""
    if isinstance(source, (str, os.PathLike)):
        if sample_rate is not None:
            raise InvalidValue(f"sample_rate={sample_rate!r}: is for arrays; a file has its own")
        return _of_file(Path(source), progress)
    return _of_array(source, sample_rate)


class _Listener:
    """Takes samples block by block, and keeps what the verdict needs."""

    def __init__(self, rate: int, channels: int, speakers: tuple[str, ...]) -> None:
        self.rate, self.channels, self.frames = rate, channels, 0
        names = speakers or speakers_by_count(channels)
        self._meter = LevelMeter(rate, channels, loudness_weights(names))
        self._excerpts = Excerpts(rate)

    def take(self, block: Array) -> None:
        self._meter.push(block)
        # The front pair stands for all.
        self._excerpts.push(block[:2])
        self.frames += block.shape[1]

    def finish(self) -> tuple[Levels, list[Excerpt], Evidence, Judgement]:
        levels, excerpts = self._meter.finish(), self._excerpts.finish()
        evidence = gather(excerpts, self.rate, levels.bits)
        return levels, excerpts, evidence, judge(evidence)


def _of_file(path: Path, progress: Progress | None) -> Examined:
    with open_audio(path) as reader:
        rate = reader.sample_rate
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            rule = f"must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz to be inspected"
            raise AudioFileError(f"{path}: has a sample rate of {rate} Hz: {rule}")
        listener = _Listener(rate, reader.channels, reader.speakers)
        for block in reader.blocks():
            listener.take(block)
            if progress is not None:
                progress(listener.frames, reader.frames)
        container, coding = reader.format, reader.subtype
        problems = tuple(reader.problems)
    size = path.stat().st_size
    return _joined(listener, path, container, coding, size, problems)


def _of_array(source: ArrayLike, sample_rate: float | None) -> Examined:
    if sample_rate is None:
        raise InvalidValue("sample_rate=None: must be given with an array")
    rate = check_rate(sample_rate)
    audio = np.asarray(source)
    if audio.dtype.kind != "f":
        raise InvalidType(f"audio has dtype {audio.dtype}: must be float32 or float64")
    if audio.ndim not in (1, 2) or audio.size == 0:
        rule = "must be (samples,), (channels, samples) or (samples, channels), not empty"
        raise InvalidValue(f"audio has shape {audio.shape}: {rule}")
    audio = np.atleast_2d(audio)
    if audio.shape[0] > audio.shape[1]:
        audio = audio.T
    if audio.shape[0] > 32:
        raise InvalidValue(f"audio has {audio.shape[0]} channels: must be at most 32")
    if not np.isfinite(audio).all():
        raise InvalidValue("audio has samples that are not finite: every one must be a number")
    samples = np.ascontiguousarray(audio, dtype=np.float32)
    listener = _Listener(rate, samples.shape[0], ())
    for at in range(0, samples.shape[1], 65536):
        listener.take(np.ascontiguousarray(samples[:, at : at + 65536]))
    return _joined(listener, None, "", "", None, ())


def _joined(
    listener: _Listener,
    path: Path | None,
    container: str,
    coding: str,
    size: int | None,
    problems: tuple[str, ...],
) -> Examined:
    levels, excerpts, evidence, found = listener.finish()
    seconds = listener.frames / listener.rate
    declared_lossy = bool(coding) and not coding.startswith("PCM_") and coding not in _LOSSLESS
    verdict: Verdict = found.sound
    if declared_lossy:
        verdict = "lossy"
    elif found.sound == "lossy" and path is not None:
        verdict = "fake"
    picture = evidence.picture
    cutoff = picture.edge_hz if picture.wall_db > 0.0 else None
    kbps = 0.008 * size / seconds if size and seconds else None
    coded = declared_lossy or found.sound == "lossy"
    low = bool(found.kbps and found.kbps[0] <= _RESTORED_KBPS)
    low |= bool(declared_lossy and kbps and kbps <= _RESTORED_KBPS)
    return Examined(
        Inspection(
            path=path,
            container=container,
            coding=coding,
            declared_lossy=declared_lossy,
            file_kbps=kbps,
            sample_rate=listener.rate,
            channels=listener.channels,
            frames=listener.frames,
            seconds=seconds,
            verdict=verdict,
            sound=found.sound,
            confidence=found.confidence,
            lossy_probability=found.probability,
            reasons=found.reasons,
            codec=found.codec,
            kbps=found.kbps,
            cutoff_hz=cutoff,
            stereo=_stereo(listener.channels, evidence, found),
            inner_rate=found.inner_rate,
            codings=found.codings,
            clipped_runs=levels.clipped_runs,
            bits=levels.bits,
            declared_bits=_BITS.get(coding),
            lufs=levels.lufs,
            range_lu=levels.range_lu,
            true_peak_db=levels.true_peak_db,
            spans=found.spans,
            restore=coded and (low or (cutoff or listener.rate / 2) < _RESTORED_HZ),
            problems=problems,
        ),
        evidence,
        excerpts,
    )


def _stereo(channels: int, evidence: Evidence, found: Judgement) -> Stereo:
    if channels == 1:
        return "mono"
    if channels > 2:
        return "surround"
    if evidence.picture.same:
        return "same"
    # A mix may have its treble in the middle of its own accord.
    if evidence.picture.intensity_hz and found.sound == "lossy":
        # LAME and FFmpeg have no intensity stereo: in an MP3 it is a side that was dropped.
        return "mid/side" if found.codec == "mp3" else "intensity"
    return "mid/side" if found.mid_side else "left/right"
