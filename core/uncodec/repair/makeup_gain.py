"""A stream that makes sound as loud as wanted and keeps its true peaks at a ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from uncodec.loudness import LoudnessMeter, loudness_weights
from uncodec.rates import check_rate
from uncodec.repair.limiter import PeakLimiter
from uncodec.signals import Array
from uncodec.streams.stream import BlockStream

__all__ = ["HIGHEST_GAIN_DB", "MakeupStream"]


HIGHEST_GAIN_DB = 40.0
"""Gains, given and found, go from minus to plus this, in dB."""
_GLIDE_DB_PER_S = 100.0
_FOLLOW_DB_PER_S = 2.0


class MakeupStream(BlockStream):
    """Gain, given or found from the running loudness, then a true-peak limiter.

    Parameters
    ----------
    sample_rate : float
        In Hz, a whole number from 8000 to 384000.
    channels : int
    gain_db : float
        The gain; with a target, where it starts.
    target_lufs : float or None
        Integrated loudness to reach.
    ceiling_db : float
        True peak, from -20 to 0.
    speakers : sequence of str, optional
        What each channel is for, see `loudness_weights`; without them all weigh the same.

    Attributes
    ----------
    gain_db, target_lufs, ceiling_db
        May be changed between calls.
    applied_db : float
        The gain of the sample taken last.
    latency_samples : int
        That of the limiter.

    Raises
    ------
    InvalidValue
        The rate or the ceiling is outside its range.
    """

    def __init__(
        self,
        sample_rate: float,
        channels: int,
        gain_db: float = 0.0,
        target_lufs: float | None = None,
        ceiling_db: float = -1.0,
        speakers: Sequence[str] | None = None,
    ) -> None:
        check_rate(sample_rate)
        self.channels = channels
        self.gain_db = gain_db
        self.target_lufs = target_lufs
        self.applied_db = gain_db
        self._limiter = PeakLimiter(sample_rate, channels, ceiling_db)
        weights = None if speakers is None else loudness_weights(speakers)
        self._meter = LoudnessMeter(sample_rate, channels, weights)
        self._rate = sample_rate
        self._lufs = -np.inf
        self.latency_samples = self._limiter.latency_samples

    @property
    def ceiling_db(self) -> float:
        """Highest true peak."""
        return self._limiter.ceiling_db

    @ceiling_db.setter
    def ceiling_db(self, value: float) -> None:
        self._limiter.ceiling_db = value

    @property
    def wanted_db(self) -> float:
        """The gain that everything taken so far asks for."""
        if self.target_lufs is None:
            return self.gain_db
        if self._lufs == -np.inf:
            return self.applied_db
        return min(max(self.target_lufs - self._lufs, -HIGHEST_GAIN_DB), HIGHEST_GAIN_DB)

    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many."""
        louder: Array = np.empty(x.shape, np.float32)
        start = 0
        # What is wanted changes at the meter's steps only, however the audio is cut.
        while start < x.shape[1]:
            stop = min(x.shape[1], start + self._meter.room)
            part = x[:, start:stop]
            louder[:, start:stop] = part * self._gains(stop - start)
            if self._meter.push(part):
                self._lufs = self._meter.lufs
            start = stop
        self._limiter.process_into(louder, out)

    def _gains(self, count: int) -> Array:
        """Linear gains of the next samples, [shape=(count,)]; glides in dB."""
        wanted = self.wanted_db
        speed = _GLIDE_DB_PER_S if self.target_lufs is None else _FOLLOW_DB_PER_S
        away = wanted - self.applied_db
        moved = np.minimum(abs(away), np.arange(1, count + 1) * (speed / self._rate))
        gains = self.applied_db + np.copysign(moved, away)
        arrived = moved[-1] == abs(away)
        self.applied_db = float(wanted if arrived else gains[-1])
        linear: Array = (10.0 ** (gains / 20.0)).astype(np.float32)
        return linear
