"""One file rendered by the offline restorer: resumable, in flat memory."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from uncodec.diffusion.stream import open_diffusion
from uncodec.errors import OutputExists
from uncodec.files.chunks import FolderStore, digest_file
from uncodec.files.headroom import Headroom, check_headroom
from uncodec.files.render_settings import RenderSettings
from uncodec.files.restore import (
    RestoreReport,
    StreamingEffect,
    check_channels,
    check_format,
    check_target,
    full_band_rate,
    restore_file,
)
from uncodec.io import open_audio
from uncodec.networks import load_diffusion
from uncodec.rates import network_rate
from uncodec.repair.limiter import PeakLimiter
from uncodec.signals import Array
from uncodec.streams.aligned import AlignedStream, Driven, through
from uncodec.streams.channel_groups import channel_groups, group_seed, open_grouped
from uncodec.streams.stream import Stream

__all__ = ["RenderSettings", "render_file"]


def render_file(
    source: str | Path,
    target: str | Path,
    settings: RenderSettings | None = None,
    *,
    bits: int = 24,
    rate: int | None = None,
    headroom: Headroom = 0.0,
    overwrite: bool = False,
    salvage: bool = False,
    add_tags: Mapping[str, str] | None = None,
    delta: str | Path | None = None,
    resume: bool = False,
    before: StreamingEffect | None = None,
    progress: Callable[[int, int | None], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> RestoreReport:
    """Render an audio file into another file.

    As `uncodec.files.restore.restore_file`, whose arguments and errors are the same, with the
    offline engine. Finished chunks are kept in a hidden folder beside the target until the render
    is complete. What stops it, a full disk, Ctrl-C or the end of the process, leaves them there,
    and a call with `resume` goes on with them: the result is the same to the bit.

    Parameters
    ----------
    source, target : path
    settings : RenderSettings, optional
    bits, rate, headroom, overwrite, salvage, add_tags, delta
        See `restore_file`. A number of dB is taken off before the ceiling is kept.
    resume : bool
        Go on with the chunks of an earlier call, if there are any. They must have been made of the
        same source with the same model, steps, seed, sampler, chunk, brightness and `before`.
    before : Effect, optional
        Runs in front of the engine: a repair, or a ``uncodec.Board`` of them.
    progress : callable, optional
        Called as ``progress(frames_done, frames_total)``, frames of the source.
    notice : callable, optional
        Called with a sentence about what was done differently than asked for.

    Returns
    -------
    RestoreReport

    Raises
    ------
    ModelError
        The model cannot be loaded, or the device is absent.
    InvalidValue, OutputExists, AudioFileError
        See `restore_file`; also for chunks to resume that belong to something else.
    """
    settings = settings or RenderSettings()
    source, target = Path(source), Path(target)
    check_format(bits, rate)
    check_headroom(headroom)
    check_target(source, target, bits)
    if os.path.exists(target) and not overwrite:  # noqa: PTH110 - as in check_target
        # Told before the chunks of an earlier render are touched.
        raise OutputExists(f"{target}: exists already")
    loaded = load_diffusion(settings.model, settings.device)
    with open_audio(source) as reader:
        rate_in, channels, speakers = reader.sample_rate, reader.channels, reader.speakers
        check_channels(source, channels)
        total = reader.frames
        if total is None and reader.seconds is not None:
            total = round(reader.seconds * rate_in)
    rate_work = full_band_rate(source, rate_in)
    inner_rate = network_rate(rate_work)
    key = {
        "source": digest_file(source),
        "model": loaded.digest,
        "steps": settings.steps,
        "seed": settings.seed,
        "sampler": settings.sampler,
        "chunk": settings.chunk,
    }
    if settings.brightness_db:
        # Chunks of releases that did not know it go on without it.
        key["brightness_db"] = settings.brightness_db
    if before is not None:
        # Effects tell their parameters there, and their address.
        key["before"] = re.sub(r" at 0x[0-9a-fA-F]+", "", repr(before))
    if settings.like is not None:
        key["like"] = settings.like.balance.digest
    store = FolderStore(target, key, resume=resume)
    chunk_frames = settings.chunk * loaded.config.hop * rate_in / inner_rate
    tell = _Progress(progress, total, chunk_frames)

    told: list[float] = []

    def shrink(seconds: float) -> None:
        # The groups of a surround signal each find out for themselves.
        if notice is not None and seconds < min(told, default=math.inf):
            told.append(seconds)
            notice(f"{source}: out of memory, going on in pieces of {seconds:.1f} s")

    groups = channel_groups(speakers or None, channels)
    count = sum(group.touched for group in groups)

    def open_group(number: int, channels: int) -> Stream:
        return open_diffusion(
            settings.model,
            sample_rate=rate_work,
            channels=channels,
            steps=settings.steps,
            seed=group_seed(settings.seed, number),
            amount=settings.amount,
            sampler=settings.sampler,
            device=settings.device,
            chunk=settings.chunk,
            store=store.group(number),
            on_chunk=lambda index, share: tell.worked(index, share / count),
            on_memory=shrink,
            brightness_db=settings.brightness_db,
            like=settings.like,
        )

    def master(blocks: Iterable[Array], sample_rate: int, channels: int) -> Iterable[Array]:
        if settings.ceiling_db is None:
            return blocks
        return through(
            blocks, AlignedStream(PeakLimiter(sample_rate, channels, settings.ceiling_db))
        )

    try:
        report = restore_file(
            source,
            target,
            _Rendering(open_grouped(groups, open_group), before),
            bits=bits,
            rate=rate,
            headroom=headroom,
            overwrite=overwrite,
            salvage=salvage,
            add_tags=add_tags,
            delta=delta,
            master=master,
        )
    except BaseException:
        store.remove_if_empty()
        raise
    store.remove()
    return report


class _Progress:
    """Turns work done at chunks into frames of the source."""

    def __init__(
        self,
        progress: Callable[[int, int | None], None] | None,
        total: int | None,
        chunk_frames: float,
    ) -> None:
        self._progress = progress
        self._total = total
        self._chunk_frames = chunk_frames
        self._done = 0.0

    def worked(self, index: int, share: float) -> None:
        """A share of the work at a chunk was done."""
        frames = self._chunk_frames
        if self._total is not None:
            frames = min(frames, self._total - index * self._chunk_frames)
        if self._progress is None or frames <= 0:
            return  # the silence behind the end
        self._done += share * frames
        self._progress(round(self._done), self._total)


class _Rendering:
    """The stream, and what runs before it, as what `restore_file` runs."""

    def __init__(self, stream: Stream, before: StreamingEffect | None) -> None:
        self._stream = stream
        self._before = before

    def open_stream(
        self, sample_rate: float, channels: int, channel_layout: Sequence[str] | None = None
    ) -> Driven:
        """The stream, aligned."""
        stream = AlignedStream(self._stream)
        if self._before is None:
            return stream
        return _InTurn(self._before.open_stream(sample_rate, channels, channel_layout), stream)

    def reset(self) -> None:
        """Forget what ran before it."""
        if self._before is not None:
            self._before.reset()


class _InTurn:
    """One aligned stage behind another."""

    def __init__(self, first: Driven, second: Driven) -> None:
        self._first, self._second = first, second

    def push(self, audio: Array, /) -> Array:
        return self._second.push(self._first.push(audio))

    def finish(self) -> Array:
        last = self._second.push(self._first.finish())
        return np.concatenate([last, self._second.finish()], axis=1)
