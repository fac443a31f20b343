"""Training pairs on disk: clean mixes and what real codecs make of them.

A pair is a pure function of (recordings, seed, index), written under its index when complete.
Building a set again, or a larger one, therefore only adds what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from uncodec.errors import AudioFileError, InvalidValue
from uncodec.rates import NETWORK_RATES
from uncodec.signals import Array
from uncodec.training.codings import VALIDATION_MENU, Coding, draw_coding, left_out
from uncodec.training.feed import read_ahead
from uncodec.training.item_folders import (
    ItemFolder,
    Progress,
    begin_folder,
    check_menu,
    fill_folder,
    missing_items,
    write_item,
)
from uncodec.training.mixing import Mixer
from uncodec.training.recordings import Source, scan_folder
from uncodec.training.synthesis import smooth_gains

__all__ = [
    "PairSet",
    "build_pairs",
    "build_validation",
]


def build_pairs(
    data: str | Path | Sequence[Source],
    folder: str | Path,
    *,
    count: int,
    seconds: float = 4.0,
    seed: int = 0,
    workers: int = 1,
    progress: Progress | None = None,
) -> PairSet:
    """Build pairs 0 to `count` - 1 into `folder`, skipping those already there.

    Parameters
    ----------
    data : path or sequence of Source
        Folder of clean recordings, or the recordings.
    folder : path
        Where the pairs go; one ``.npy`` of [shape=(2, 2, samples)] (clean, coded) and one ``.json``
        each, which tells what it went through and what encoded it. ``pairs.json`` tells what all
        have in common, and what of the menu was left out for want of an encoder.
    count : int
        At least 1.
    seconds, seed
        As for `Mixer`. A folder keeps the values it was begun with.
    workers : int
        Processes at work side by side.
    progress : callable, optional
        Called with the pairs that are there and those wanted, now and then.

    Raises
    ------
    AudioFileError
        `data` cannot be used; see `scan_folder`.
    InvalidValue
        `folder` was begun with other settings, recordings or encoders.
    UncodecError
        A worker died; what was built is kept.
    """
    if count < 1 or workers < 1:
        raise InvalidValue(f"count={count}, workers={workers}: must be positive")
    root = Path(folder)
    sources = _recordings(data)
    lacks = begin_folder(root, sources, seconds=seconds, seed=seed)
    build = _Builder(root, seconds, seed, sources).build
    fill_folder(root, build, count, workers, progress, lambda: check_menu(root, lacks))
    return PairSet(root)


def _recordings(data: str | Path | Sequence[Source]) -> tuple[Source, ...]:
    return tuple(scan_folder(data) if isinstance(data, str | Path) else data)


def build_validation(
    data: str | Path | Sequence[Source],
    folder: str | Path,
    *,
    excerpts: int,
    seconds: float = 4.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> PairSet:
    """Code unmixed excerpts of `data` with every entry of the validation menu.

    Parameters
    ----------
    data, folder : path
        As for `build_pairs`.
    excerpts : int
        Recordings to cut from, spread evenly over the kinds of material.
    seconds, seed
        Length of an excerpt; seed of the choice. A folder keeps the values it was begun with.
    progress : callable, optional
        Called with the recordings done and those chosen.

    Raises
    ------
    AudioFileError, InvalidValue
        As for `build_pairs`; also where no recording is long enough.
    """
    if excerpts < 1:
        raise InvalidValue(f"excerpts={excerpts}: must be a positive integer")
    root = Path(folder)
    sources = _recordings(data)
    long_enough = [source for source in sources if source.seconds >= seconds]
    if not long_enough:
        raise AudioFileError(
            f"data: must hold a recording of {seconds:g} s or more to validate with"
        )
    lacks = begin_folder(root, sources, seconds=seconds, seed=seed, excerpts=excerpts)
    rng = np.random.default_rng([seed, 4])
    chosen = [long_enough[int(i)] for i in rng.permutation(len(long_enough))[:excerpts]]
    # Every entry keeps its number, whether or not all before it can be coded here.
    absent = left_out()
    menu = [place for place, (codec, _) in enumerate(VALIDATION_MENU) if codec not in absent]
    missing = [
        missing_items(root, [first + place for place in menu])
        for first in range(0, len(chosen) * len(VALIDATION_MENU), len(VALIDATION_MENU))
    ]
    if any(missing):
        check_menu(root, lacks)
    for number, source in enumerate(chosen):
        info = sf.info(str(source.path))
        count = round(seconds * info.samplerate)
        # Drawn also for what is there already, so that a later run goes on with the same.
        start = int(rng.integers(0, info.frames - count + 1))
        if missing[number]:
            cut, rate = sf.read(str(source.path), count, start, dtype="float32", always_2d=True)
            clean = np.ascontiguousarray(np.broadcast_to(cut.T, (2, count)))
            for index in missing[number]:
                coding = Coding(*VALIDATION_MENU[index % len(VALIDATION_MENU)])
                _write_pair(root, index, rate, clean, coding, kind=source.kind)
        if progress is not None:
            progress(number + 1, len(chosen))
    return PairSet(root)


class _Builder:
    """Makes pairs by their number."""

    def __init__(self, folder: Path, seconds: float, seed: int, sources: Sequence[Source]) -> None:
        self.folder = folder
        self.seed = seed
        self.mixers = {
            rate: Mixer(list(sources), sample_rate=rate, seconds=seconds, seed=seed)
            for rate in NETWORK_RATES
        }

    def build(self, indices: Sequence[int]) -> int:
        for index in indices:
            rng = np.random.default_rng([self.seed, index, 1])
            rate = 48000 if rng.random() < 0.2 else 44100
            coding = draw_coding(rng, rate)
            clean = self.mixers[rate].mix(index)
            _write_pair(self.folder, index, rate, clean, coding, kind="mix")
        return len(indices)


def _write_pair(
    folder: Path, index: int, rate: int, clean: Array, coding: Coding, kind: str
) -> None:
    coded = coding.apply(clean, rate)
    note = {"index": index, "rate": rate, "kind": kind, **asdict(coding)}
    note["encoders"] = coding.encoders()
    write_item(folder, index, np.stack([clean, coded]).astype(np.float32), note)


class PairSet(ItemFolder):
    """Reads crops out of a folder of pairs.

    Parameters
    ----------
    folder : path
        As written by `build_pairs`.
    readers : int
        Threads that read ahead in `batches`, each a batch.
    """

    def __init__(self, folder: str | Path, readers: int = 1) -> None:
        if readers < 1:
            raise InvalidValue(f"readers={readers}: must be a positive integer")
        super().__init__(folder)
        self.readers = readers
        if not self.notes:
            raise AudioFileError(f"{self.folder}: holds no training pairs")

    def pair(self, number: int) -> Array:
        """Pair `number` as [shape=(2, 2, samples)]: clean and coded, memory mapped."""
        return self.item(number)

    def numbers(self, step: int, size: int, seed: int = 0) -> NDArray[np.int64]:
        """Numbers of the pairs in the batch of a step, [shape=(size,)]."""
        return np.random.default_rng([seed, step, 2]).integers(0, len(self), size)

    def batch(
        self, step: int, size: int, samples: int, seed: int = 0
    ) -> tuple[Array, Array, Array]:
        """Draw the batch of training step `step`, a pure function of the arguments.

        Returns
        -------
        clean, coded : ndarray [shape=(size, 2, samples)]
        is_clean : ndarray [shape=(size,)]
            1 where the pair went through no codec.

        Raises
        ------
        InvalidValue
            `samples` is more than the pairs have.
        """
        rng = np.random.default_rng([seed, step, 5])
        clean = np.empty((size, 2, samples), np.float32)
        coded = np.empty_like(clean)
        flags = np.zeros(size, np.float32)
        for row, number in enumerate(self.numbers(step, size, seed)):
            pair = self.pair(int(number))
            if samples > pair.shape[2]:
                raise InvalidValue(
                    f"samples={samples}: a crop must not be longer than the pairs, got "
                    f"{pair.shape[2]} in {self.folder}"
                )
            start = int(rng.integers(0, pair.shape[2] - samples + 1))
            clean[row], coded[row] = pair[:, :, start : start + samples]
            flags[row] = self.notes[int(number)]["codec"] == "clean"
            _vary(rng, clean[row], coded[row])
        return clean, coded, flags

    def batches(
        self, first: int, stop: int, size: int, samples: int, seed: int = 0
    ) -> Iterator[tuple[Array, Array, Array]]:
        """Batches of the steps from `first` up to `stop`, read ahead; see `batch`."""
        return read_ahead(
            lambda step: self.batch(step, size, samples, seed), first, stop, self.readers
        )


def _vary(rng: np.random.Generator, clean: Array, coded: Array) -> None:
    """Tilt, level, channel swap, mono, rounding and sudden starts, in place and alike on both."""
    if rng.random() < 0.6:
        _tilt(rng, clean, coded)
    if rng.random() < 0.5:
        # What reaches a restorer is as often a 16-bit file, whose rounding hides the empty bins, as
        # a decoder's floating-point output.
        grid = np.float32(32768)
        coded[:] = np.round(coded * grid) / grid
        clean[:] = np.round(clean * grid) / grid
    gain = np.float32(10 ** (rng.uniform(-12, 3) / 20)) if rng.random() < 0.5 else np.float32(1)
    clean *= gain
    coded *= gain
    if rng.random() < 0.5:
        clean[:] = clean[::-1].copy()
        coded[:] = coded[::-1].copy()
    if rng.random() < 0.1:
        clean[1] = clean[0]
        coded[1] = coded[0]
    if rng.random() < 0.4:
        # A recording that starts after silence, gently or not.
        start = int(rng.uniform(0.02, 0.5) * clean.shape[1])
        length = int(rng.integers(1, 2000)) if rng.random() < 0.5 else 1
        ramp = np.linspace(0.0, 1.0, length + 1, dtype=np.float32)[1:]
        for audio in (clean, coded):
            audio[:, :start] = 0
            audio[:, start : start + length] *= ramp[: audio.shape[1] - start]


def _tilt(rng: np.random.Generator, clean: Array, coded: Array) -> None:
    """Equalise both alike, smoothly, as often brighter as darker, within 12 dB.

    This leaves the codec's cut-off and holes where they are, but moves the levels around them: what
    is above a cut-off can then be told only from what is left below it, not from what recordings
    mostly are like.
    """
    samples = clean.shape[1]
    gains = smooth_gains(rng, samples // 2 + 1, spread_db=5.0, limit_db=12.0)
    before = max(1.0, float(np.abs(clean).max()), float(np.abs(coded).max()))
    for audio in (clean, coded):
        audio[:] = np.fft.irfft(np.fft.rfft(audio) * gains, n=samples)
    after = max(float(np.abs(clean).max()), float(np.abs(coded).max()))
    if after > before:  # a boost must not push it beyond full scale
        clean *= np.float32(before / after)
        coded *= np.float32(before / after)
