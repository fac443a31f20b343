"""Excerpts of files: the sound around a place, its restoration piece by piece, what it looks like.

All of it is for hearing: the network starts shortly before an excerpt instead of at the beginning
of the file, and surround sound is heard by its front pair.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uncodec.files.restore import BLOCK_FRAMES, full_band_rate
from uncodec.io import open_audio
from uncodec.listening.cells import pack_cells
from uncodec.listening.levels import N_FFT, levels_db
from uncodec.signals import Array
from uncodec.streams.aligned import RateConverter

if TYPE_CHECKING:
    from uncodec.files.restore import StreamingEffect

__all__ = [
    "PREVIEW_S",
    "Excerpt",
    "described",
    "loudness_of",
    "overview",
    "read_excerpt",
    "restored_pieces",
]

PREVIEW_S = 20.0
"""Length of an excerpt, in seconds."""

_LEAD_S = 1.0
"""Sound before an excerpt, in which the network's memory fills."""
_TRAIL_S = 0.25
"""Sound behind it, which its last samples look ahead to."""
_FIRST_S, _NEXT_S = 0.8, 4.0
"""Lengths of the first piece, which somebody waits for, and of the others."""
_BLOCK = 8192


@dataclass(frozen=True)
class Excerpt:
    """A part of a file at the rate at which it is restored.

    Attributes
    ----------
    audio : array, shape (1 or 2, samples)
        With the sound around it.
    sample_rate : int
        In Hz.
    start_s : float
        Where the excerpt begins in the file.
    first, last : int
        The samples of `audio` that are the excerpt.
    """

    audio: Array
    sample_rate: int
    start_s: float
    first: int
    last: int

    @property
    def body(self) -> Array:
        """The excerpt itself."""
        return self.audio[:, self.first : self.last]


def read_excerpt(
    path: Path, start_s: float, seconds: float = PREVIEW_S
) -> Generator[None, None, Excerpt]:
    """Read a part of a file; yields while it looks for it, and returns the excerpt.

    Where the file ends before, the excerpt is its last part.

    Raises
    ------
    AudioFileError
        The file cannot be read.
    """
    with open_audio(path) as reader:
        rate_in = reader.sample_rate
        rate = full_band_rate(path, rate_in)
        begin = max(0, round((start_s - _LEAD_S) * rate_in))
        wanted = round((seconds + _LEAD_S + _TRAIL_S) * rate_in)
        kept = wanted + BLOCK_FRAMES
        held: list[Array] = []
        count = at = 0
        for block in reader.blocks(BLOCK_FRAMES):
            held.append(block[:2])
            count += block.shape[1]
            at += block.shape[1]
            # Of a file that ends early the last part is here.
            while count - held[0].shape[1] >= kept:
                count -= held.pop(0).shape[1]
            if at >= begin + wanted:
                break
            yield
        total = at
    audio = np.concatenate(held, axis=1)
    origin = total - audio.shape[1]
    first = min(round(start_s * rate_in), max(0, total - round(seconds * rate_in)))
    first = max(first, origin)
    last = min(first + round(seconds * rate_in), total)
    lead = min(first - origin, round(_LEAD_S * rate_in))
    audio = audio[:, first - lead - origin : last - origin + round(_TRAIL_S * rate_in)]
    counts = lead, lead + last - first
    if rate != rate_in:
        converter = RateConverter(audio.shape[0], rate_in, rate)
        audio = np.concatenate([converter.push(audio), converter.finish()], axis=1)
        counts = counts[0] * rate // rate_in, counts[1] * rate // rate_in
    return Excerpt(np.ascontiguousarray(audio), rate, first / rate_in, *counts)


def restored_pieces(
    excerpt: Excerpt, effect: StreamingEffect, at: int
) -> Iterator[tuple[int, Array] | None]:
    """Restore an excerpt from a place on and then what lies before it; yields pieces as they come.

    Parameters
    ----------
    excerpt : Excerpt
    effect : StreamingEffect
    at : int
        Sample of the excerpt at which somebody listens.

    Yields
    ------
    (int, array) or None
        First sample of a piece within the excerpt, and the piece; None while one is in work.
    """
    place = excerpt.first + min(max(0, at), excerpt.last - excerpt.first - 1)
    yield from _part(excerpt, effect, place, excerpt.last)
    if place > excerpt.first:
        yield from _part(excerpt, effect, excerpt.first, place)


def _part(
    excerpt: Excerpt, effect: StreamingEffect, first: int, last: int
) -> Iterator[tuple[int, Array] | None]:
    rate = excerpt.sample_rate
    begin = max(0, first - round(_LEAD_S * rate))
    stream = effect.open_stream(rate, excerpt.audio.shape[0], None)
    ready: list[Array] = []
    at = begin
    # The sample that comes out next, and the next one that is wanted.
    coming, done = begin, first
    size = round(_FIRST_S * rate)
    while done < last:
        block = excerpt.audio[:, at : at + _BLOCK]
        # Behind the end of what was read there is silence.
        out = stream.push(block) if block.shape[1] else stream.finish()
        at += block.shape[1]
        ready.append(out[:, max(0, first - coming) :])
        coming += out.shape[1]
        count = sum(part.shape[1] for part in ready)
        if count < min(size, last - done) and block.shape[1]:
            yield None
            continue
        piece = np.concatenate(ready, axis=1)[:, : last - done]
        yield done - excerpt.first, piece
        if not block.shape[1]:
            return
        done += piece.shape[1]
        ready, size = [], round(_NEXT_S * rate)


def loudness_of(audio: Array, rate: int) -> float | None:
    """Integrated loudness in LUFS; None of silence and of what is too short."""
    # Compiled, which the server, that computes nothing, has no need of.
    from uncodec.loudness import LoudnessMeter

    meter = LoudnessMeter(rate, audio.shape[0])
    at = 0
    while at < audio.shape[1]:
        block = np.ascontiguousarray(audio[:, at : at + meter.room])
        meter.push(block)
        at += block.shape[1]
    return float(meter.lufs) if math.isfinite(meter.lufs) else None


def described(
    versions: list[Array], rate: int
) -> tuple[dict[str, Any], list[dict[str, Any]], list[bytes]]:
    """What versions of an excerpt look like and how loud they are.

    Returns
    -------
    spectrogram : dict
        As the player wants it.
    facts : list of dict
        For each version ``lufs`` and ``match_db``.
    cells : list of bytes
        Compressed; none where the excerpt is too short.
    """
    loud = [loudness_of(audio, rate) for audio in versions]
    known = [value for value in loud if value is not None]
    facts = [
        {
            "lufs": None if value is None else round(value, 2),
            "match_db": 0.0 if value is None else round(min(0.0, min(known) - value), 2),
        }
        for value in loud
    ]
    if versions[0].shape[1] < N_FFT:
        return {}, facts, []
    drawn = [levels_db(audio, rate) for audio in versions]
    cells = pack_cells([levels for levels, _ in drawn])
    spectrogram = {
        "columns": cells.columns,
        "bins": cells.bins,
        "hop_s": drawn[0][1],
        "floor_db": cells.floor_db,
        "step_db": cells.step_db,
        "top_db": cells.top_db,
    }
    return spectrogram, facts, list(cells.packed)


def overview(path: Path, points: int = 1200) -> Generator[None, None, dict[str, Any]]:
    """Lowest and highest samples along a file; yields while it reads, and returns them."""
    lows: list[float] = []
    highs: list[float] = []
    with open_audio(path) as reader:
        rate = reader.sample_rate
        for block in reader.blocks(max(256, rate // 20)):
            lows.append(float(block.min()))
            highs.append(float(block.max()))
            if len(lows) % 50 == 0:
                yield
        seconds = reader.position / rate
    count = min(points, len(lows))
    edges = np.linspace(0, len(lows), count + 1).astype(int)[:-1]
    return {
        "seconds": seconds,
        "low": [round(float(v), 3) for v in np.minimum.reduceat(np.array(lows), edges)],
        "high": [round(float(v), 3) for v in np.maximum.reduceat(np.array(highs), edges)],
    }
