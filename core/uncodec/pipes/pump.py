"""Sound from one end of a pipe to the other, restored on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from uncodec.errors import AudioFileError
from uncodec.parameters import check_integer
from uncodec.pipes.ends import Ends
from uncodec.pipes.samples import PcmThrough, SampleFormat
from uncodec.pipes.wav_head import WavHead, read_wav_head
from uncodec.rates import HIGHEST_RATE, LOWEST_RATE
from uncodec.speakers import MOST_CHANNELS
from uncodec.streams.aligned import Aligned

__all__ = ["PipeReport", "Raw", "Restorer", "pump"]

_PROGRESS_S = 10.0

Tell = Callable[[str], None]


class Restorer(Protocol):
    """What `pump` needs of an effect; ``uncodec.Effect`` has it."""

    def open_stream(
        self, sample_rate: float, channels: int, channel_layout: str | Sequence[str] | None = None
    ) -> Aligned:
        """Open what takes blocks and gives as much, aligned."""
        ...


@dataclass(frozen=True, slots=True)
class Raw:
    """Samples without a head.

    Attributes
    ----------
    form : SampleFormat
    sample_rate : int
        In Hz, 8000 to 384000.
    channels : int
        1 to 8.
    """

    form: SampleFormat
    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        check_integer("rate", self.sample_rate, LOWEST_RATE, HIGHEST_RATE)
        check_integer("channels", self.channels, 1, MOST_CHANNELS)


@dataclass(frozen=True, slots=True)
class PipeReport:
    """What went through.

    Attributes
    ----------
    frames : int
    sample_rate : int
    latency_samples : int
        By which a result comes after its source.
    silenced : int
        Samples that were not finite.
    clipped : int
        Samples of the result that its format cannot hold.
    """

    frames: int
    sample_rate: int
    latency_samples: int
    silenced: int
    clipped: int


def pump(
    effect: Restorer,
    ends: Ends,
    raw: Raw | None = None,
    *,
    tell: Tell | None = None,
    warn: Tell | None = None,
) -> PipeReport:
    """Restore what comes, as it comes, until it ends.

    Parameters
    ----------
    effect : Effect
    ends : Ends
    raw : Raw, optional
        What comes has no head; without it a WAV comes, and the result is one.
    tell : callable, optional
        Told now and then how far it is.
    warn : callable, optional
        Told of samples that are no numbers, when the first ones come and at the end, and of those
        that the format of the result cannot hold.

    Raises
    ------
    BrokenPipeError
        Nobody reads the results any more.
    AudioFileError
        What comes is no WAV, ends within a frame or before its length; all before that was
        written. Or the system refuses to read or to write.
    InvalidValue
        The effect does not take such sound.
    """
    head = None
    if raw is None:
        head = read_wav_head(ends.read_all)
        raw = _checked(head)
    driven = effect.open_stream(raw.sample_rate, raw.channels, head.layout if head else None)
    latency = driven.latency
    through = PcmThrough(raw.form, raw.channels, driven)
    progress = _Progress(tell, warn, through, raw.sample_rate)
    progress.begin(raw, latency)
    if head is not None:
        ends.write(head.as_bytes())
    left = None if head is None else head.data_bytes
    while left != 0 and (data := ends.read() if left is None else ends.read(left)):
        left = None if left is None else left - len(data)
        with progress:
            ready = through.push(data)
        ends.write(ready)
    with progress:
        ready = through.finish()
    ends.write(ready + (head.padding if head else b""))
    progress.end()
    if through.rest:
        raise AudioFileError(
            f"standard input: ends within a frame: {through.rest} of its {through.frame_bytes} "
            "bytes came; all frames before it were restored"
        )
    if left:
        raise AudioFileError(
            f"standard input: ends {left} bytes before the length that its head tells; what came "
            "was restored"
        )
    while left == 0 and ends.read():
        pass  # what a WAV has behind its samples
    return PipeReport(through.frames, raw.sample_rate, latency, through.silenced, through.clipped)


def _checked(head: WavHead) -> Raw:
    if head.channels > MOST_CHANNELS:
        raise AudioFileError(
            f"standard input: has {head.channels} channels, and at most {MOST_CHANNELS} can be "
            "restored"
        )
    if not LOWEST_RATE <= head.sample_rate <= HIGHEST_RATE:
        raise AudioFileError(
            f"standard input: has a sample rate of {head.sample_rate} Hz: must be from "
            f"{LOWEST_RATE} to {HIGHEST_RATE} Hz"
        )
    return Raw(head.form, head.sample_rate, head.channels)


class _Progress:
    """Measures the work, and tells of it now and then."""

    def __init__(
        self, tell: Tell | None, warn: Tell | None, through: PcmThrough, sample_rate: int
    ) -> None:
        self._tell = tell
        self._warn = warn
        self._silenced = False
        self._through = through
        self._sample_rate = sample_rate
        self._worked = self._began = 0.0
        self._next = time.monotonic() + _PROGRESS_S

    def begin(self, raw: Raw, latency: int) -> None:
        if self._tell is not None:
            self._tell(
                f"{raw.form.name}, {raw.sample_rate} Hz, {raw.channels} channels; latency "
                f"{latency} samples ({1000 * latency / raw.sample_rate:.1f} ms)"
            )

    def end(self) -> None:
        if self._warn is None:
            return
        if count := self._through.silenced:
            self._warn(
                f"standard input: {count} samples were no numbers, and silence in the result"
            )
        if count := self._through.clipped:
            self._warn(f"{count} samples of the result were clipped; --format f32le keeps them")

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        self._worked += now - self._began
        if self._through.silenced and not self._silenced and self._warn is not None:
            self._silenced = True
            seconds = self._through.frames / self._sample_rate
            self._warn(
                f"standard input: samples that are no numbers up to {seconds:.1f} s, taken as "
                "silence"
            )
        if self._tell is not None and now >= self._next:
            self._next = now + _PROGRESS_S
            seconds = self._through.frames / self._sample_rate
            self._tell(
                f"{seconds:.1f} s restored, at {seconds / max(self._worked, 1e-9):.1f} x real time"
            )
