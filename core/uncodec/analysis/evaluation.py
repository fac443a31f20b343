"""Scores of restorers on a folder of clean recordings, sent through real codecs.

As a command it makes the score table of a model::

    python -m uncodec.analysis.evaluation --data FOLDER --model live-gan \\
        --json scores.json --markdown scores.md

Every clip is coded, restored and scored against what it was before; the untouched coded input and
the plain DSP exciter are always in the table.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec.analysis.baselines import EXCITER, exciter
from uncodec.analysis.metrics import MIN_SAMPLES, null_depth, score
from uncodec.analysis.report import (
    CLEAN,
    UNTOUCHED,
    ClipScore,
    Row,
    aggregate,
    to_json,
    to_markdown,
    write_text,
)
from uncodec.errors import AudioFileError, CodecError, InvalidValue, UncodecError

__all__ = ["DEFAULT_CODECS", "Clip", "Restore", "evaluate", "main", "read_clips", "score_clips"]

Array = NDArray[np.float32]
Restore = Callable[[Array, float], Any]
"""``restore(audio (channels, samples), sample_rate)`` -> array of that shape, aligned to it."""

DEFAULT_CODECS: tuple[tuple[str, float | None], ...] = (
    *(("mp3", float(kbps)) for kbps in (24, 32, 48, 64, 96, 128)),
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
    root = Path(folder)
    if not root.is_dir():
        raise InvalidValue(f"folder={str(root)!r}: must be an existing folder")
    if not (np.isfinite(seconds) and seconds > 0.0):
        raise InvalidValue(f"seconds={seconds}: must be positive")
    if files is not None and files < 1:
        raise InvalidValue(f"files={files}: must be a positive integer")
    found = sorted(p for p in root.rglob("*") if p.is_file() and p.suffix.lower() in SUFFIXES)
    if not found:
        raise AudioFileError(f"{root}: holds no {', '.join(sorted(SUFFIXES))} file")
    if files is not None and files < len(found):
        found = [found[round(i * len(found) / files)] for i in range(files)]
    for path in found:
        clip = _excerpt(root, path, seconds, seed)
        if clip is not None:
            yield clip


def _excerpt(root: Path, path: Path, seconds: float, seed: int) -> Clip | None:
    import soundfile

    name = path.relative_to(root).as_posix()
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


def score_clips(
    effects: Mapping[str, Restore],
    clips: Iterator[Clip],
    codecs: Sequence[tuple[str, float | None]],
) -> Iterator[ClipScore]:
    """Code, restore and score clip after clip; see `evaluate` for the parameters.

    Yields
    ------
    ClipScore
        For each clip and codec the untouched input, then every effect.
    """
    from uncodec.codecs import round_trip

    for clip in clips:
        for codec, kbps in codecs:
            if codec == CLEAN:
                coded = clip.audio
            else:
                try:
                    coded = round_trip(clip.audio, clip.sample_rate, codec, kbps=kbps)
                except CodecError as error:
                    _log.warning("%s, %s %s: left out (%s)", clip.name, codec, kbps, error)
                    continue
            for name, restore in ({UNTOUCHED: _untouched} | dict(effects)).items():
                restored = np.asarray(restore(coded, clip.sample_rate), dtype=np.float32)
                try:
                    scores = score(clip.audio, restored, clip.sample_rate)
                except InvalidValue as error:
                    raise InvalidValue(f"{name} on {clip.name}, {codec}: {error}") from error
                if codec == CLEAN:
                    scores["null_depth_db"] = null_depth(clip.audio, restored)
                yield ClipScore(clip.name, codec, kbps, name, clip.material, scores)


def _untouched(audio: Array, sample_rate: float) -> Array:
    return audio


def evaluate(
    effects: Mapping[str, Restore],
    folder: str | Path,
    codecs: Sequence[tuple[str, float | None]] = DEFAULT_CODECS,
    seconds: float = 8.0,
    seed: int = 0,
    *,
    files: int | None = None,
    by_material: bool = False,
    progress: Callable[[ClipScore], None] | None = None,
) -> list[Row]:
    """Score restorers on a folder of clean recordings.

    Parameters
    ----------
    effects : mapping of str to callable
        Restorers by the name their rows get: ``restore(audio, sample_rate)`` gives back audio of
        the same shape, aligned to its input. An `uncodec` effect is one.
    folder : path
        Clean lossless files, see `read_clips`.
    codecs : sequence of (str, float or None)
        Codec and bit rate in kb/s (None: the codec's own); ``("clean", None)`` stands for no
        codec at all and adds the null depth of every restorer.
    seconds : float
        Length of the excerpt taken of each file.
    seed : int
        Of the excerpts and of the bootstrap.
    files : int, optional
        Use so many files only.
    by_material : bool
        Add rows for each kind of material (sub-folder).
    progress : callable, optional
        Called with each clip's score.

    Returns
    -------
    list of Row
        Grouped by codec and rate, the untouched coded input first in each group.

    Raises
    ------
    InvalidValue, AudioFileError
        See `read_clips`; also for a restorer whose result has another shape, or that is called
        like the untouched input.
    """
    if UNTOUCHED in effects:
        raise InvalidValue(f"effects: {UNTOUCHED!r} is in every table already")
    found: list[ClipScore] = []
    for clip in score_clips(
        effects, read_clips(folder, seconds=seconds, seed=seed, files=files), codecs
    ):
        found.append(clip)
        if progress is not None:
            progress(clip)
    return aggregate(found, by_material=by_material, seed=seed)


def _parse_codec(text: str) -> tuple[str, float | None]:
    name, _, kbps = text.partition(":")
    try:
        return name, float(kbps) if kbps else None
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be CODEC or CODEC:KBPS") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m uncodec.analysis.evaluation",
        description="Score models on a folder of clean recordings sent through real codecs.",
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of lossless recordings")
    parser.add_argument(
        "--model", action="append", default=[], help="model name or folder (repeatable)"
    )
    parser.add_argument("--codec", action="append", type=_parse_codec, help="mp3:64, clean, ...")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each file (default: 8)")
    parser.add_argument("--files", type=int, help="use so many files only, spread evenly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by-material", action="store_true", help="rows per sub-folder as well")
    parser.add_argument("--no-exciter", action="store_true", help="leave the DSP baseline out")
    parser.add_argument("--threads", type=int, default=1, help="of the network (default: 1)")
    parser.add_argument("--json", type=Path, help="write the table here for programs")
    parser.add_argument("--markdown", type=Path, help="write the table here for people")
    return parser


def _restorers(models: Sequence[str], with_exciter: bool, threads: int) -> dict[str, Restore]:
    effects: dict[str, Restore] = {EXCITER: exciter} if with_exciter else {}
    if models:
        import torch

        from uncodec import GANRestorer

        torch.set_num_threads(threads)
        for model in models:
            effects[model] = GANRestorer(model=model)
    return effects


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0, or 1 after an error in one line."""
    options = _parser().parse_args(arguments)
    codecs = options.codec or list(DEFAULT_CODECS)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    start = time.monotonic()
    seen: set[str] = set()

    def show(clip: ClipScore) -> None:
        if clip.clip not in seen:
            seen.add(clip.clip)
            print(f"{time.monotonic() - start:6.0f} s  {clip.clip}", file=sys.stderr, flush=True)

    try:
        rows = evaluate(
            _restorers(options.model, not options.no_exciter, options.threads),
            options.data,
            codecs,
            options.seconds,
            options.seed,
            files=options.files,
            by_material=options.by_material,
            progress=show,
        )
        table = to_markdown(rows)
        if options.markdown is not None:
            write_text(options.markdown, table)
        if options.json is not None:
            # No path and no date: the same command gives the same file anywhere.
            about = {
                "data": options.data.name,
                "clips": len(seen),
                "seconds": options.seconds,
                "seed": options.seed,
                "models": options.model,
                "interval": "95 % percentile bootstrap over clips",
            }
            write_text(options.json, to_json(rows, about=about))
    except UncodecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
