"""The clean recordings that a model is trained on: found, checked, split.

What is trained on has to be clean. A recording that was coded before, or lost the top of its band
elsewhere, would teach a model to leave it empty; one at 32 kHz has no top to begin with.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from uncodec.errors import AudioFileError

__all__ = ["LEAST_SECONDS", "Source", "scan_folder", "split_folder"]

SUFFIXES = frozenset({".flac", ".wav", ".aiff", ".aif"})
LEAST_SECONDS = 10.0
LEAST_RATE = 44100
VALIDATION_SHARE = 0.1
"""Of the recordings of a folder that is not split by its owner."""

_SHOWN = 5
_FRAME = 2048
_TOP_HZ = (18000.0, 20000.0)
_BELOW_HZ = (10000.0, 14000.0)
_BODY_HZ = (1000.0, 4000.0)
# Levels are mean powers per bin of a Hann window of 2048, in dB. Rounding to 16 bits gives -71.7;
# none of 343 recordings known to be full-band is softer than this in its brightest tenth.
_FLOOR_DB = -70.0
# Between the two bands, where the lower one is well above the floor, exceeded in three quarters of
# the frames: the others may be clipped, which fills the band up. The same recordings fell by 36 at
# most; lossy codecs with a low-pass below 18 kHz mostly fall by 40 and more.
_FALL_DB = 38.0
_AUDIBLE_DB = -35.0
# What was cut off further below is told where the body is heard: with nothing but the noise of
# rounding, which is alike in both bands, dithered or not. That is more than noise in 23 % of such
# frames at least in the same recordings, in 9 % at most where the band ended at 8 kHz.
_NOISE_DB = -67.0
_DITHERED_DB = -60.0
_SLOPE_DB = 1.5
_LEAST_SHARE = 0.15

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """One clean recording.

    Attributes
    ----------
    path : Path
    kind : str
        Name of the folder that holds it, used as the kind of material.
    seconds : float
    """

    path: Path
    kind: str
    seconds: float


def scan_folder(folder: str | Path, *, skip: bool = False) -> list[Source]:
    """List the clean recordings below `folder`, sorted by path.

    Every file is looked into in three places: a model must not learn from what was damaged before.

    Parameters
    ----------
    folder : path
        With .flac, .wav or .aiff files, mono or stereo, at 44.1 kHz or more.
    skip : bool
        Leave files that cannot be used out, with a warning in the log, instead of refusing all.

    Raises
    ------
    AudioFileError
        `folder` is no folder, or holds less than 10 s of audio, or files that cannot be used: ones
        that cannot be read, of other rates or more channels, with NaN inside, or with nothing above
        18 kHz. The message names them.
    """
    root = Path(folder)
    if not root.is_dir():
        raise AudioFileError(f"data={root}: must be a folder of clean recordings")
    sources: list[Source] = []
    refused: list[str] = []
    files = sorted(p for p in root.rglob("*") if p.is_file())
    paths = [path for path in files if path.suffix.lower() in SUFFIXES]
    for path in paths:
        found = _examine(path)
        if isinstance(found, Source):
            sources.append(found)
        else:
            refused.append(f"{path.relative_to(root)} ({found})")
            if skip:
                _log.warning("%s: left out (%s)", path, found)
    if refused and not skip:
        shown = ", ".join(refused[:_SHOWN])
        more = f" and {len(refused) - _SHOWN} more" if len(refused) > _SHOWN else ""
        raise AudioFileError(
            f"data={root}: must hold nothing but clean full-band recordings; {len(refused)} of "
            f"{len(paths)} files cannot be trained on: {shown}{more}"
        )
    total = sum(source.seconds for source in sources)
    if total < LEAST_SECONDS:
        raise AudioFileError(
            f"data={root}: must hold at least {LEAST_SECONDS:g} s of mono or stereo audio at "
            f"44.1 kHz or more ({', '.join(sorted(SUFFIXES))}), got {total:.1f} s in "
            f"{len(sources)} such files of {len(files)}"
        )
    return sources


def split_folder(folder: str | Path, *, skip: bool = False) -> tuple[list[Source], list[Source]]:
    """Recordings for training and for validation.

    Those in ``train/`` and ``val/`` where the folder has them. Otherwise about a tenth is set apart
    by a hash of the names, so that the same file is always on the same side, whatever else is
    there. Files that share a folder below the kinds of material (``solo/album/1.flac``) stay
    together: they are likely to be of one source.

    Raises
    ------
    AudioFileError
        See `scan_folder`; also where the folder has one of the two only, or cannot be split.
    """
    root = Path(folder)
    train, validation = root / "train", root / "val"
    if train.is_dir() or validation.is_dir():
        for part in (train, validation):
            if not part.is_dir():
                raise AudioFileError(
                    f"data={root}: must hold both train/ and val/, or neither; {part.name}/ is "
                    "missing"
                )
        return scan_folder(train, skip=skip), scan_folder(validation, skip=skip)
    groups: dict[str, list[Source]] = {}
    for source in scan_folder(root, skip=skip):
        name = source.path.relative_to(root)
        group = name.parent if len(name.parts) > 2 else name
        groups.setdefault(group.as_posix(), []).append(source)
    if len(groups) < 2:
        raise AudioFileError(
            f"data={root}: must hold recordings of two sources at least, one of them to validate "
            f"with, got {len(groups)}"
        )
    places = {name: _place(name) for name in groups}
    # In a small folder the hash may set nothing apart, or everything.
    least, most = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    apart = {name for name, place in places.items() if place < VALIDATION_SHARE}
    apart = (apart | {least}) - {most}
    return (
        [s for name, group in groups.items() if name not in apart for s in group],
        [s for name, group in groups.items() if name in apart for s in group],
    )


def _place(name: str) -> float:
    """A number in [0, 1) that only depends on the name."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2.0**64


def _examine(path: Path) -> Source | str:
    """The recording, or what is wrong with it."""
    try:
        with sf.SoundFile(str(path)) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            if rate < LEAST_RATE:
                return f"{rate} Hz: must be {LEAST_RATE} or more"
            if channels > 2:
                return f"{channels} channels: must be 1 or 2"
            if frames < 2 * _FRAME:
                return f"{frames} samples: must be {2 * _FRAME} or more"
            length = min(frames, 3 * rate)
            pieces = []
            for share in (0.1, 0.45, 0.8):
                file.seek(int(share * (frames - length)))
                pieces.append(file.read(length, dtype="float32", always_2d=True))
                if len(pieces[-1]) < length:
                    return "its end is missing"
    except (OSError, sf.LibsndfileError) as error:
        return f"cannot be read: {str(error).split(': ')[-1]}"
    audio = np.concatenate(pieces)
    if not np.isfinite(audio).all():
        return "holds NaN or infinite samples"
    top, below, body = _levels(audio, rate)
    sounding = below > _FLOOR_DB
    more = (below > _NOISE_DB) & ((below - top > _SLOPE_DB) | (top > _DITHERED_DB))
    heard = body > _AUDIBLE_DB
    if not sounding.any() or (heard.any() and float(more[heard].mean()) < _LEAST_SHARE):
        return "silent above 10 kHz"
    loud = below > max(_AUDIBLE_DB, float(np.median(below)))
    falls = below[loud] - top[loud]
    dull = falls.size > 0 and float(np.percentile(falls, 25)) > _FALL_DB
    if dull or float(np.percentile(top[sounding], 90)) < _FLOOR_DB:
        return "band-limited: nothing above 18 kHz"
    return Source(path, path.parent.name, frames / rate)


def _levels(audio: NDArray[np.float32], rate: int) -> tuple[NDArray[np.float64], ...]:
    """Level of the three bands in every frame, in dB; the louder channel counts."""
    frames = audio[: len(audio) // _FRAME * _FRAME].T.reshape(audio.shape[1], -1, _FRAME)
    window = np.hanning(_FRAME).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames * window))).max(axis=0)
    hz = np.arange(power.shape[1]) * rate / _FRAME
    return tuple(
        10.0 * np.log10(power[:, (hz >= low) & (hz < high)].mean(axis=1) + 1e-12)
        for low, high in (_TOP_HZ, _BELOW_HZ, _BODY_HZ)
    )
