"""Scores of restorers on a folder of clean recordings, sent through real codecs.

Every clip is coded, restored and scored against what it was before; the untouched coded input is
always in the table. `uncodec.analysis.campaign` does so for many clips, with several processes and
going on where it was stopped; it is what ``uncodec evaluate`` runs.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uncodec.analysis.dullness import score_dullness
from uncodec.analysis.levels import LevelReference
from uncodec.analysis.metrics import MIN_SAMPLES, Reference, null_depth
from uncodec.analysis.report import CLEAN, UNTOUCHED, ClipScore
from uncodec.analysis.restorers import Restore
from uncodec.errors import AudioFileError, CodecError, InvalidValue
from uncodec.signals import Array

__all__ = [
    "DEFAULT_CODECS",
    "Clip",
    "Coding",
    "Judge",
    "code",
    "find_recordings",
    "read_clip",
    "read_clips",
    "score_clip",
]

Coding = tuple[str, float | None]
"""Codec and bit rate in kb/s; None is the codec's own. ``"mp3@same"`` keeps the sample rate of the
recording, as FFmpeg does, ``"mp3@32000"`` codes at that rate; else the rate is LAME's choice."""

DEFAULT_CODECS: tuple[Coding, ...] = (
    *(("mp3", float(kbps)) for kbps in (24, 32, 48, 64, 96, 128)),
    *(("mp3@same", float(kbps)) for kbps in (24, 32, 48, 64)),
    *(("aac", float(kbps)) for kbps in (32, 64, 96)),
    *(("opus", float(kbps)) for kbps in (16, 32, 64)),
    *(("vorbis", float(kbps)) for kbps in (48, 96)),
    (CLEAN, None),
)
"""The codecs and rates (kb/s) of the quality bar, and clean material, which must not change."""

SUFFIXES = frozenset({".flac", ".wav", ".aiff", ".aif"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clip:
    """An excerpt of a clean recording.

    Attributes
    ----------
    name : str
        Path within the folder.
    material : str
        First sub-folder of `name`, empty for a file directly in the folder.
    audio : array, shape (channels, samples), float32
    sample_rate : int
        In Hz.
    """

    name: str
    material: str
    audio: Array
    sample_rate: int


def read_clips(
    folder: str | Path, *, seconds: float = 8.0, seed: int = 0, files: int | None = None
) -> Iterator[Clip]:
    """Excerpts of the lossless files in a folder and below, in the order of their names.

    Parameters
    ----------
    folder : path
        With .flac, .wav or .aiff files, possibly in a sub-folder for each kind of material.
    seconds : float
        Length of an excerpt; shorter files are used whole.
    seed : int
        Chooses where an excerpt begins, for each file by itself: another file more or less changes
        nothing for the others.
    files : int, optional
        Use so many files only, spread evenly over the sorted list.

    Yields
    ------
    Clip
        Files that are silent there, shorter than 2048 samples or of more than two channels are left
        out with a warning in the log.

    Raises
    ------
    InvalidValue
        `seconds` or `files` not positive, or no such folder.
    AudioFileError
        No lossless file in the folder, or one that cannot be read.
    """
    for path in find_recordings(folder, files=files):
        clip = read_clip(folder, path, seconds=seconds, seed=seed)
        if clip is not None:
            yield clip


def find_recordings(folder: str | Path, *, files: int | None = None) -> list[Path]:
    """The lossless files in a folder and below, sorted; see `read_clips`."""
    root = Path(folder)
    if not root.is_dir():
        raise InvalidValue(f"folder={str(root)!r}: must be an existing folder")
    if files is not None and files < 1:
        raise InvalidValue(f"files={files}: must be a positive integer")
    found = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not found:
        raise AudioFileError(f"{root}: holds no {', '.join(sorted(SUFFIXES))} file")
    if files is not None and files < len(found):
        found = [found[round(i * len(found) / files)] for i in range(files)]
    return found


def read_clip(folder: str | Path, path: Path, *, seconds: float, seed: int) -> Clip | None:
    """The excerpt of one file of the folder, None where it is left out; see `read_clips`."""
    import soundfile

    if not (np.isfinite(seconds) and seconds > 0.0):
        raise InvalidValue(f"seconds={seconds}: must be positive")
    name = path.relative_to(folder).as_posix()
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels = int(file.samplerate), int(file.channels)
            length = min(int(file.frames), round(seconds * rate))
            rng = np.random.default_rng([seed, *name.encode()])
            file.seek(int(rng.integers(0, int(file.frames) - length + 1)))
            audio = file.read(length, dtype="float32", always_2d=True).T
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(f"{path}: cannot be read ({error})") from error
    if channels > 2 or audio.shape[1] < MIN_SAMPLES or not np.abs(audio).max() > 1e-4:
        _log.warning("%s: left out (silent, too short, or more than two channels)", name)
        return None
    parts = Path(name).parts
    material = parts[0] if len(parts) > 1 else ""
    return Clip(name, material, np.ascontiguousarray(audio), rate)


def code(audio: Array, sample_rate: int, coding: Coding) -> Array:
    """Send audio through a codec, or through none.

    Parameters
    ----------
    audio : array, shape (channels, samples)
    sample_rate : int
        In Hz.
    coding : (str, float or None)
        See `Coding`.

    Raises
    ------
    CodecError
        The codec refuses the rate, the channels or the bit rate.
    """
    from uncodec.codecs import round_trip

    codec, kbps = coding
    if codec == CLEAN:
        return audio
    name, _, at = codec.partition("@")
    rate = sample_rate if at == "same" else int(at) if at else None
    return round_trip(audio, sample_rate, name, kbps=kbps, codec_rate=rate)


class Judge:
    """Scores restorers by all metrics against an original and what a codec made of it.

    Parameters
    ----------
    original : array, shape (channels, samples)
    sample_rate : int
        In Hz.
    coded : array, optional
        Of the shape of the original; without it nothing is asked about what the codec kept.
    perceptual : bool
        ViSQOL as well.
    """

    def __init__(
        self,
        original: Array,
        sample_rate: int,
        coded: Array | None = None,
        *,
        perceptual: bool = False,
    ) -> None:
        self.original, self.sample_rate = original, sample_rate
        self._perceptual = perceptual
        self._reference = Reference(original, sample_rate)
        self._kept = None if coded is None else self._reference.kept_cells(coded)
        self._levels = None if coded is None else LevelReference(original, coded)

    def score(self, restored: Array) -> dict[str, float]:
        """All scores by the keys of `uncodec.analysis.report.HEADINGS`, NaN where undefined.

        Raises
        ------
        InvalidValue
            Another shape than that of the original, or NaN.
        """
        from uncodec.analysis.perceptual import visqol

        scores = self._reference.score(restored, kept=self._kept)
        if self._levels is not None:
            scores |= self._levels.score(restored)
            scores |= score_dullness(self.original, restored, self.sample_rate)
        if self._perceptual:
            scores["visqol"] = visqol(self.original, restored, self.sample_rate)
        if self._levels is None:
            scores["null_depth_db"] = null_depth(self.original, restored)
        return scores


def score_clip(
    effects: Mapping[str, Restore],
    clip: Clip,
    codecs: Sequence[Coding],
    *,
    perceptual: bool = False,
    known: Collection[tuple[Coding, str]] = (),
) -> Iterator[ClipScore]:
    """Code, restore and score one clip.

    Parameters
    ----------
    effects : mapping of str to callable
        Restorers by the name their rows get: ``restore(audio, sample_rate)`` gives back audio of
        the same shape, aligned to its input. An `uncodec` effect is one.
    clip : Clip
    codecs : sequence of (str, float or None)
        Codec and bit rate in kb/s (None: the codec's own); ``("clean", None)`` stands for no
        codec at all and adds the null depth of every restorer.
    perceptual : bool
        ViSQOL as well, see `uncodec.analysis.perceptual`.
    known : collection of ((codec, kbps), restorer)
        What need not be computed.

    Yields
    ------
    ClipScore
        For each codec the untouched input, then every effect. A codec that refuses the clip is
        left out with a warning in the log.
    """
    restorers: dict[str, Restore] = {UNTOUCHED: _untouched, **effects}
    for coding in codecs:
        wanted = [name for name in restorers if (coding, name) not in known]
        if not wanted:
            continue
        codec, kbps = coding
        try:
            coded = code(clip.audio, clip.sample_rate, coding)
        except CodecError as error:
            _log.warning("%s, %s %s: left out (%s)", clip.name, codec, kbps, error)
            continue
        judge = Judge(
            clip.audio,
            clip.sample_rate,
            None if codec == CLEAN else coded,
            perceptual=perceptual,
        )
        for name in wanted:
            restored = np.asarray(restorers[name](coded, clip.sample_rate), dtype=np.float32)
            try:
                scores = judge.score(restored)
            except InvalidValue as error:
                raise InvalidValue(f"{name} on {clip.name}, {codec}: {error}") from error
            yield ClipScore(clip.name, codec, kbps, name, clip.material, scores)


def _untouched(audio: Array, sample_rate: float) -> Array:
    return audio
