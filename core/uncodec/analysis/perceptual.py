"""ViSQOL, an estimate of how listeners would judge the difference. An optional extra."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from uncodec.analysis.checks import check_pair, check_rate
from uncodec.errors import InvalidValue, UncodecError

__all__ = ["MIN_SECONDS", "require_visqol", "visqol"]

RATE = 48000
MIN_SECONDS = 1.0
"""Shorter clips hold too few of its patches (0.64 s) to be judged."""


def require_visqol() -> None:
    """Check that ViSQOL can be computed.

    Raises
    ------
    UncodecError
        visqol-python is not installed: it comes with the extra "visqol".
    """
    with _threads_kept():
        _judge()


def visqol(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """ViSQOL in audio mode: an estimated mean opinion score, 1 (bad) to 4.75 (the same).

    Similarity of gammatone spectrograms patch by patch, mapped to listeners' scores by a support
    vector machine (Chinen et al., "ViSQOL v3: an open source production ready objective speech and
    audio metric", QoMEX 2020; computed by visqol-python with the model that it brings along). Mono
    down-mix at 48 kHz; meant for clips of 5 to 10 s. It hears no stereo image, and the level
    of the estimate is matched first.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        Full scale 1, aligned.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        NaN for clips shorter than 1 s and where one of the signals is silent.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    UncodecError
        visqol-python is not installed.
    """
    from uncodec.codecs.resampling import resample

    first, second = check_pair(reference, estimate)
    rate = check_rate(sample_rate)
    if rate != round(rate):
        raise InvalidValue(f"sample_rate={sample_rate}: must be a whole number of Hz")
    mono = [signal.mean(axis=0, keepdims=True) for signal in (first, second)]
    if first.shape[1] < MIN_SECONDS * rate or not all(np.any(signal) for signal in mono):
        return float("nan")
    judged = [resample(signal, int(rate), RATE)[0].astype(np.float64) for signal in mono]
    with _threads_kept():
        return float(_judge().measure_from_arrays(*judged, RATE).moslqo)


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Leave PyTorch as many threads as it had.

    The library that ViSQOL maps similarities with sets them to all cores. Small networks then take
    ten times as long where other processes work beside this one.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@cache
def _judge() -> Any:
    try:
        from visqol import VisqolApi
    except ImportError as error:
        raise UncodecError(
            "ViSQOL needs visqol-python, which is not installed (its installation needs a C++ "
            "compiler): pip install 'uncodec[visqol]'"
        ) from error
    judge = VisqolApi()
    judge.create(mode="audio")
    return judge
