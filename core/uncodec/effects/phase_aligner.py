"""Stereo phase correction: a late channel is waited for, an inverted one is turned over."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from uncodec.effects.base import Effect
from uncodec.effects.parameter import Parameter
from uncodec.parameters import check_amount, check_number

if TYPE_CHECKING:
    from uncodec.repair.phase_aligner import AligningStream
    from uncodec.streams.stream import Stream

__all__ = ["PhaseAligner"]


class PhaseAligner(Effect):
    """Undoes a delay between the channels, and the inverted polarity of one of them.

    Such faults come from a tape head that is out of azimuth, a bad transfer, a converter that
    samples one channel after the other, a cable soldered the wrong way round. They take the treble
    (or the bass) from the mono sum, and make codecs waste bits. A fault is corrected once seconds
    of listening leave no doubt that it is one, and kept corrected until another is as certain;
    wide, spaced-microphone, uncorrelated and sound recordings pass bit for bit. Mono passes too.

    The channel that comes first is delayed, with sub-sample accuracy; the other is not touched.
    With inverted polarity the right channel is turned over: which of the two was wrong cannot be
    heard. Of surround sound each pair is looked at by itself, and channels without a pair pass.

    Parameters
    ----------
    amount : float
        Share of the delay that is undone, from 0 (the input comes back bit for bit) to 1. Polarity
        is turned from 0.5 on. Changes glide.
    max_delay_ms : float
        The longest delay looked for, from 0.05 to 5 ms. What spaced microphones do begins at
        some tenths of a millisecond.
    lookahead_s : float
        The output waits this much longer, from 0 to 10 s. A verdict takes about 3 s of sound; with
        4 s here a file is corrected from its first sample on. 0 is meant for live use.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        A parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import PhaseAligner
    >>> sound = np.random.default_rng(0).normal(0, 0.1, 6 * 44100).astype(np.float32)
    >>> late = np.stack([sound, -np.roll(sound, 7)])
    >>> aligner = PhaseAligner(lookahead_s=4)
    >>> aligned = aligner(late, 44100)
    >>> round(aligner.delay_samples, 3), aligner.inverted
    (7.0, True)
    >>> bool(np.abs(aligned[0] - aligned[1])[7:].max() < 1e-6)
    True
    """

    amount = Parameter(
        check_amount, "Share of the delay that is undone, 0 to 1; a change is heard gliding."
    )
    max_delay_ms = Parameter(
        partial(check_number, "max_delay_ms", lowest=0.05, highest=5.0),
        "The longest delay looked for; a change takes effect with the next stream.",
    )
    lookahead_s = Parameter(
        partial(check_number, "lookahead_s", lowest=0.0, highest=10.0),
        "By how much longer the output waits; a change takes effect with the next stream.",
        Effect._forget_latency,
    )
    _touches_lfe = False

    def __init__(
        self, amount: float = 1.0, max_delay_ms: float = 1.0, lookahead_s: float = 0.0
    ) -> None:
        super().__init__()
        self._stream: AligningStream | None = None
        self.amount = amount
        self.max_delay_ms = max_delay_ms
        self.lookahead_s = lookahead_s

    @property
    def delay_samples(self) -> float:
        """By how many samples the right channel was found to lag the left one.

        Negative: the left one lags. 0 as long as nothing is certain; of the stream that ran last,
        and of the front pair where there are several.
        """
        return 0.0 if self._stream is None else self._stream.delay_samples

    @property
    def inverted(self) -> bool:
        """Whether one channel was found to have the wrong polarity; see `delay_samples`."""
        return self._stream is not None and self._stream.inverted

    def reset(self) -> None:
        """Forget all audio, what was measured, and the layout of the last array."""
        with self._lock:
            self._stream = None
            super().reset()

    def _open(self, sample_rate: float, channels: int) -> Stream:
        # Imported on first use: it compiles its kernel.
        from uncodec.repair.phase_aligner import AligningStream

        return AligningStream(
            sample_rate, channels, self.amount, self.max_delay_ms, self.lookahead_s
        )

    def _apply(self, stream: Stream) -> None:
        self._stream = cast("AligningStream", stream)
        self._stream.amount = self.amount
