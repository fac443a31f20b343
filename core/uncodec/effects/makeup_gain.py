"""Makeup gain: as loud as wanted, never above a true-peak ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

from uncodec.effects.base import Effect
from uncodec.effects.parameter import Parameter
from uncodec.parameters import check_number
from uncodec.speakers import speakers_by_count, speakers_of
from uncodec.streams.aligned import Aligned, AlignedStream

if TYPE_CHECKING:
    from uncodec.repair.makeup_gain import MakeupStream
    from uncodec.streams.stream import Stream

__all__ = ["MakeupGain"]


def _check_target(value: float | None) -> float | None:
    return None if value is None else check_number("target_lufs", value, -60.0, 0.0)


class MakeupGain(Effect):
    """Sets the level, by a gain or by a target loudness, and keeps true peaks at a ceiling.

    Meant to be last: encoders and restorers change the level and the peaks, and what is decoded
    from a hot master overshoots full scale. At 0 dB, with nothing above the ceiling, the input
    comes back bit for bit. All channels get the same gain, those of surround sound as well.

    With `target_lufs` the gain is found while the sound runs, from the integrated loudness of all
    that was heard (ITU-R BS.1770-4, both gates), and followed by at most 2 dB a second; it comes to
    rest where the whole recording would have asked for it. For a file, run it twice: read
    `wanted_db` after the first time and give it as `gain_db` to the second.

    Parameters
    ----------
    gain_db : float
        Gain, from -40 to 40. With `target_lufs`: where it starts.
    target_lufs : float, optional
        Integrated loudness before the limiter, from -60 to 0.
    ceiling_db : float
        Highest true peak (four times the rate), from -20 to 0.

    Raises
    ------
    InvalidType
        A parameter has the wrong type.
    InvalidValue
        A parameter is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import MakeupGain
    >>> sound = np.random.default_rng(0).normal(0, 0.01, (2, 10 * 44100)).astype(np.float32)
    >>> makeup = MakeupGain(target_lufs=-23)
    >>> _ = makeup(sound, 44100)
    >>> round(makeup.wanted_db)
    11
    >>> master = MakeupGain(gain_db=makeup.wanted_db)(sound, 44100)
    """

    gain_db = Parameter(
        partial(check_number, "gain_db", lowest=-40.0, highest=40.0),
        "Gain, or where it starts; a change glides, by 100 dB a second.",
    )
    target_lufs = Parameter(
        _check_target, "Loudness to reach, or None; a change is followed by 2 dB a second."
    )
    ceiling_db = Parameter(
        partial(check_number, "ceiling_db", lowest=-20.0, highest=0.0),
        "Highest true peak; a change takes effect at once.",
    )

    def __init__(
        self, gain_db: float = 0.0, target_lufs: float | None = None, ceiling_db: float = -1.0
    ) -> None:
        super().__init__()
        self._stream: MakeupStream | None = None
        self.gain_db = gain_db
        self.target_lufs = target_lufs
        self.ceiling_db = ceiling_db

    @property
    def applied_db(self) -> float:
        """The gain, without the limiter's, that the stream which ran last had come to."""
        return self.gain_db if self._stream is None else self._stream.applied_db

    @property
    def wanted_db(self) -> float:
        """The gain that everything asks for which the stream that ran last has heard."""
        return self.gain_db if self._stream is None else self._stream.wanted_db

    def reset(self) -> None:
        """Forget all audio, what was measured, and the layout of the last array."""
        with self._lock:
            self._stream = None
            super().reset()

    def _open(self, sample_rate: float, channels: int) -> Stream:
        return self._open_all(sample_rate, speakers_by_count(channels))

    def _open_all(self, sample_rate: float, speakers: Sequence[str]) -> Stream:
        # Imported on first use: it compiles its kernel.
        from uncodec.repair.makeup_gain import MakeupStream

        return MakeupStream(
            sample_rate,
            len(speakers),
            self.gain_db,
            self.target_lufs,
            self.ceiling_db,
            speakers,
        )

    def _aligned(self, sample_rate: float, channels: int, channel_layout: str | None) -> Aligned:
        # In one stream, whatever the speakers: loudness and peaks are those of all channels.
        speakers = speakers_of(channel_layout, channels)
        return AlignedStream(self._open_all(sample_rate, speakers), self._apply)

    def _apply(self, stream: Stream) -> None:
        self._stream = cast("MakeupStream", stream)
        self._stream.gain_db = self.gain_db
        self._stream.target_lufs = self.target_lufs
        self._stream.ceiling_db = self.ceiling_db
