"""One file in, one restored file out, in memory that does not grow with its length."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.files.added import Added, check_delta
from uncodec.files.headroom import (
    Headroom,
    Spool,
    check_headroom,
    db_below,
    gain_to_fit,
    turned,
)
from uncodec.io import AudioWriter, FileWarning, NotCarried, create_audio, open_audio
from uncodec.rates import HIGHEST_RATE, LOWEST_RATE, NETWORK_RATES
from uncodec.speakers import MOST_CHANNELS
from uncodec.streams.aligned import Driven, RateConverter, converted_length, through

__all__ = ["BLOCK_FRAMES", "SUBTYPES", "RestoreReport", "StreamingEffect", "restore_file"]

Audio = NDArray[np.float32]
Exact = NDArray[np.bool_]
Piece = tuple[Audio, Exact]

BLOCK_FRAMES = 65536
"""Frames handed to the effect at once."""

SUBTYPES = {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}
"""Sample format of the written file for each value of ``bits``."""

LOWEST_SOURCE_RATE = 1000
"""Of a file that is restored, Hz."""


class StreamingEffect(Protocol):
    """What :func:`restore_file` needs of an effect; ``uncodec.Effect`` has it."""

    def open_stream(
        self, sample_rate: float, channels: int, channel_layout: Sequence[str] | None = None
    ) -> Driven:
        """Open what takes blocks, (channels, samples), and gives as much, aligned."""
        ...

    def reset(self) -> None:
        """Forget all audio."""
        ...


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was done to one file.

    Attributes
    ----------
    source, target : Path
        The file read and the file written.
    sample_rate, target_rate : int
        Rate of the source and of the result, Hz.
    channels : int
        Channels of both.
    frames : int
        Frames of the source.
    target_frames : int
        Frames of the result: equal to `frames` unless the rate was converted.
    elapsed_s : float
        Wall-clock time from opening the source to the finished file, seconds.
    peak : float
        Largest absolute sample of the result before it was rounded to its sample format.
    clipped : int
        Samples that an integer format could not hold, all channels together.
    headroom_db : float
        How much the result was turned down, dB.
    problems : tuple of str
        What was wrong with a damaged source that was salvaged; empty for a sound one.
    warnings : tuple of FileWarning
        What else there is to know about the source: all of its audio was read nevertheless.
    not_carried : tuple of NotCarried
        Tags, pictures and the like of the source that the result does not have, with the reason.
    """

    source: Path
    target: Path
    sample_rate: int
    target_rate: int
    channels: int
    frames: int
    target_frames: int
    elapsed_s: float
    peak: float
    clipped: int = 0
    headroom_db: float = 0.0
    problems: tuple[str, ...] = ()
    warnings: tuple[FileWarning, ...] = ()
    not_carried: tuple[NotCarried, ...] = ()

    @property
    def duration_s(self) -> float:
        """Playing time of the source in seconds."""
        return self.frames / self.sample_rate

    @property
    def times_real_time(self) -> float:
        """Seconds of audio restored per second of work."""
        return self.duration_s / max(self.elapsed_s, 1e-9)


def restore_file(
    source: str | Path,
    target: str | Path,
    effect: StreamingEffect,
    *,
    bits: int = 24,
    rate: int | None = None,
    headroom: Headroom = 0.0,
    overwrite: bool = False,
    salvage: bool = False,
    add_tags: Mapping[str, str] | None = None,
    delta: str | Path | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    master: Callable[[Iterable[Audio], int, int], Iterable[Audio]] | None = None,
) -> RestoreReport:
    """Restore an audio file into another file.

    The source is read, restored and written block by block: an hour needs no more memory than a
    minute. The result is aligned to the source and as long as it, keeps its tags and pictures, and
    appears under its name only when it is complete; whatever ends the call early, an exception in
    `progress` included, leaves neither the target nor a temporary file.

    Parameters
    ----------
    source : path
        Anything :func:`uncodec.io.open_audio` reads.
    target : path
        The file to write; its extension chooses the format (``.flac`` or ``.wav``).
    effect : Effect
        The effect to run, for instance ``uncodec.GANRestorer()``. It is reset before and after.
    bits : {24, 16, 32}
        Integer samples for 16 and 24, float samples for 32 (``.wav`` only). Integers are dithered
        where the effect changed something or the source is finer than the result; samples of a
        source that fits and that the effect left alone are written as they are.
    rate : int, optional
        Sample rate of the result in Hz; when not given that of the source, but at least 44.1 kHz.
        Encoders go down to a lower rate to save bits, so a low rate is part of the damage: such a
        source is converted before the effect runs, so that the band above can be filled.
    headroom : float or "auto"
        Turn the result down by so many dB, 0 to 40; or by as many as it takes for an integer format
        to hold it, which needs room for the result as floats on the disk meanwhile. Samples above
        full scale are clipped otherwise, and counted in the report; float results never are.
    overwrite : bool
        Replace a target that is already there.
    salvage : bool
        Restore what can be read of a damaged or cut-off source, and list what is wrong with it in
        the report, instead of refusing it.
    add_tags : mapping of str to str, optional
        Fields that the result has besides the tags of the source, such as what it was made with.
    delta : path, optional
        Write what the effect adds, alone, to this ``.wav`` (32-bit float) or ``.flac`` file, too:
        the source at the rate at which it is restored, plus this, is the result before a change of
        its rate, its headroom and `master`.
    progress : callable, optional
        Called as ``progress(frames_done, frames_total)`` after each block. The total is an estimate
        for formats that do not state their length, and None where there is none.
    master : callable, optional
        Called as ``master(blocks, sample_rate, channels)`` with the finished audio; what it gives,
        as long in all, is written.

    Returns
    -------
    RestoreReport

    Raises
    ------
    InvalidValue
        `bits`, `rate` or `headroom` outside its rule, or a target that is the source.
    OutputExists
        The target is there and `overwrite` is false.
    AudioFileError
        The source is missing, is no audio, is damaged, has more than eight channels or a sample
        rate below 1000 Hz, holds no samples, or holds NaN or infinite ones; or the target cannot be
        written.
    """
    source, target = Path(source), Path(target)
    check_format(bits, rate)
    check_target(source, target, bits)
    if delta is not None:
        check_delta(Path(delta), source, target)
    auto = check_headroom(headroom) == "auto" and bits != 32
    gain = 1.0 if headroom == "auto" else 10 ** (-headroom / 20)
    started = time.perf_counter()
    effect.reset()
    try:
        with open_audio(source) as reader:
            check_channels(source, reader.channels)
            rate_in = reader.sample_rate
            rate_work = full_band_rate(source, rate_in)
            rate_out = rate_work if rate is None else rate
            total = reader.frames
            if total is None and reader.seconds is not None:
                total = round(reader.seconds * rate_in)
            layout = reader.speakers or None
            with (
                _added(delta, rate_work, reader.channels, layout, overwrite) as added,
                create_audio(
                    target,
                    rate_out,
                    reader.channels,
                    subtype=SUBTYPES[bits],
                    overwrite=overwrite,
                    tags_from=reader,
                    add_tags=add_tags,
                    layout=layout,
                ) as writer,
            ):
                channels = reader.channels
                blocks = reader.blocks(BLOCK_FRAMES)
                originals = _Originals(bits)
                if rate_in == rate_work == rate_out and bits != 32:
                    blocks = originals.noted(blocks)
                stream = effect.open_stream(rate_work, channels, layout)
                wide = _at_rate(blocks, rate_in, rate_work, channels)
                restored = through(added.noted(wide) if added else wide, stream)
                if added:
                    restored = added.written(restored)
                finished: Iterable[Audio] = turned(
                    _at_rate(restored, rate_work, rate_out, channels), gain
                )
                if master is not None:
                    finished = master(finished, rate_out, channels)

                def pieces() -> Iterator[Piece]:
                    for block in finished:
                        if block.size:
                            yield block, originals.unchanged(block)
                        if progress is not None:
                            progress(reader.position, total)
                    if reader.problems and not salvage:
                        problems = "; ".join(reader.problems)
                        raise AudioFileError(
                            f"{source}: {problems} (salvage restores what is there)"
                        )

                if auto:
                    with Spool(target) as spool:
                        gain = gain_to_fit(_spooled(pieces(), spool), bits)
                        peak = _written(_turned_pieces(spool.pieces(), gain), writer)
                else:
                    peak = _written(pieces(), writer)
                frames = reader.position
                expected = converted_length(frames, rate_in, rate_work)
                if writer.frames != converted_length(expected, rate_work, rate_out):
                    raise UncodecError(
                        f"{source}: the effect gave {writer.frames} frames for {frames}"
                    )
    finally:
        effect.reset()
    return RestoreReport(
        source=source,
        target=target,
        sample_rate=rate_in,
        target_rate=rate_out,
        channels=reader.channels,
        frames=frames,
        target_frames=writer.frames,
        elapsed_s=time.perf_counter() - started,
        peak=peak,
        clipped=writer.clipped,
        headroom_db=db_below(gain),
        problems=tuple(reader.problems),
        warnings=tuple(warning for warning in reader.warnings if not warning.lost),
        not_carried=writer.not_carried,
    )


@contextmanager
def _added(
    path: str | Path | None,
    sample_rate: int,
    channels: int,
    layout: tuple[str, ...] | None,
    overwrite: bool,
) -> Iterator[Added | None]:
    """The file that gets what is added alone, if it is asked for."""
    if path is None:
        yield None
        return
    with Added(Path(path), sample_rate, channels, layout, overwrite=overwrite) as added:
        yield added


class _Originals:
    """The samples of the source, held until the result has come as far."""

    def __init__(self, bits: int) -> None:
        self._full = np.float32(1 << (bits - 1))
        self._held: deque[tuple[Audio, bool]] = deque()

    def noted(self, blocks: Iterable[Audio]) -> Iterator[Audio]:
        """Pass blocks of the source on and keep them."""
        for block in blocks:
            with np.errstate(over="ignore"):  # floats may be as large as they like
                steps = block * self._full
            fits = (steps == np.rint(steps)) & (steps >= -self._full) & (steps < self._full)
            # All of a block or nothing of it: single samples of any audio lie on a step by chance.
            self._held.append((block, bool(fits.all())))
            yield block

    def unchanged(self, result: Audio) -> Exact:
        """Which of the next samples are those of a source that the integer format holds."""
        same = np.zeros(result.shape, np.bool_)
        done = 0
        while self._held and done < result.shape[1]:
            block, fits = self._held.popleft()
            count = min(block.shape[1], result.shape[1] - done)
            if fits:
                same[:, done : done + count] = result[:, done : done + count] == block[:, :count]
            if count < block.shape[1]:
                self._held.appendleft((block[:, count:], fits))
            done += count
        return same


def _spooled(pieces: Iterable[Piece], spool: Spool) -> float:
    """Put pieces aside; return their peak."""
    peak = 0.0
    for audio, exact in pieces:
        peak = max(peak, float(np.abs(audio).max()))
        spool.append(audio, exact)
    return peak


def _turned_pieces(pieces: Iterable[Piece], gain: float) -> Iterator[Piece]:
    for audio, exact in pieces:
        if gain == 1.0:
            yield audio, exact
        else:
            # Of what was exact, silence alone still is.
            yield audio * np.float32(gain), exact & (audio == 0.0)


def _written(pieces: Iterable[Piece], writer: AudioWriter) -> float:
    """Write pieces; return their peak."""
    peak = 0.0
    for audio, exact in pieces:
        peak = max(peak, float(np.abs(audio).max()))
        writer.write(audio, exact)
    return peak


def full_band_rate(source: Path, rate: int) -> int:
    """Rate in Hz at which a source of `rate` Hz is restored: its own, or a full-band one.

    A header that states a few hertz is damaged or holds no sound, and widening it would make hours
    of seconds.

    Raises
    ------
    AudioFileError
        If the rate is below 1000 Hz.
    """
    if rate < LOWEST_SOURCE_RATE:
        raise AudioFileError(
            f"{source}: has a sample rate of {rate} Hz: must be at least {LOWEST_SOURCE_RATE} Hz"
        )
    low, high = NETWORK_RATES
    if rate >= low:
        return rate
    return low if low % rate == 0 else high


def check_format(bits: int, rate: int | None) -> None:
    """Raise InvalidValue unless `bits` and `rate` are what :func:`restore_file` takes."""
    if bits not in SUBTYPES:
        raise InvalidValue(f"bits={bits!r}: must be 16, 24 or 32")
    if rate is not None and not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise InvalidValue(f"rate={rate!r}: must be between {LOWEST_RATE} and {HIGHEST_RATE} Hz")


def check_target(source: Path, target: Path, bits: int) -> None:
    """Raise InvalidValue unless `target` is a name for the result of `source`."""
    if bits == 32 and target.suffix.lower() == ".flac":
        raise InvalidValue("bits=32: FLAC holds 16 or 24 bits, write a .wav file instead")
    # Of os.path, because what Path has raises where a folder is closed.
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(target, source):  # noqa: PTH110, PTH121
        raise InvalidValue(f"target={str(target)!r}: is the source itself, choose another name")


def check_channels(source: Path, channels: int) -> None:
    """Raise AudioFileError if a source has more channels than can be restored."""
    if channels > MOST_CHANNELS:
        raise AudioFileError(
            f"{source}: has {channels} channels, and at most {MOST_CHANNELS} can be restored"
        )


def _at_rate(
    blocks: Iterable[Audio], rate_in: int, rate_out: int, channels: int
) -> Iterable[Audio]:
    """Convert the rate of a stream; nothing is touched where rates agree."""
    if rate_in == rate_out:
        return blocks
    return through(blocks, RateConverter(channels, rate_in, rate_out))
