"""Sounds of a page: FLAC in memory."""

from __future__ import annotations

import io

import numpy as np

from uncodec.errors import InvalidValue
from uncodec.io.pcm import Dither, quantise
from uncodec.signals import Array

__all__ = ["BITS", "encode_flac"]

BITS = 16


def encode_flac(audio: Array, sample_rate: int) -> bytes:
    """Encode as FLAC of 16 bits.

    Parameters
    ----------
    audio : array, shape (channels, samples)
        Full scale 1; what lies above it is cut.
    sample_rate : int
        In Hz.

    Returns
    -------
    bytes
        A whole file. The same audio gives the same bytes. Samples that are 16 bits wide already
        come back as they are; others get triangular dither.

    Raises
    ------
    InvalidValue
        FLAC does not have this rate.
    """
    import soundfile

    scaled = audio.astype(np.float64) * (1 << (BITS - 1))
    noise = None
    if not np.array_equal(scaled, np.rint(scaled)):
        noise = Dither(0, audio.shape[0]).take(0, audio.shape[1])
    samples = quantise(audio, BITS, noise).astype(np.int16)
    target = io.BytesIO()
    try:
        soundfile.write(target, samples.T, sample_rate, format="FLAC", subtype="PCM_16")
    except soundfile.LibsndfileError as error:
        raise InvalidValue(
            f"sample_rate={sample_rate}: cannot be written as FLAC ({error})"
        ) from error
    return target.getvalue()
