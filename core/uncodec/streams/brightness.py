"""Brightness: a tilt of what is added, not of what was there.

The curve is one for all engines: 0 dB up to 2 kHz, from there a straight line over the logarithm of
the frequency to the said number of dB at 16 kHz, and that number above.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from uncodec.cloning import Cloneable
from uncodec.errors import InvalidValue
from uncodec.parameters import check_brightness

__all__ = ["Brightness", "Tilting", "brightness_gains", "check_tilting", "tilt"]

FLAT_BELOW_HZ = 2000.0
FULL_FROM_HZ = 16000.0


def brightness_gains(frequencies: NDArray[np.float64], brightness_db: float) -> NDArray[np.float32]:
    """Gains of a delta's spectrum.

    Parameters
    ----------
    frequencies : ndarray [shape=(n,)]
        In Hz, 0 or more.
    brightness_db : float
        Gain at 16 kHz and above, in dB.

    Returns
    -------
    ndarray [shape=(n,)], float32
        Factors of amplitude.
    """
    octaves = np.log2(np.maximum(frequencies, FLAT_BELOW_HZ) / FLAT_BELOW_HZ)
    share = np.minimum(octaves / np.log2(FULL_FROM_HZ / FLAT_BELOW_HZ), 1.0)
    gains: NDArray[np.float32] = (10.0 ** (brightness_db / 20.0 * share)).astype(np.float32)
    return gains


class Brightness(Cloneable):
    """Tilts spectra of a delta; at 0 dB it leaves them alone.

    Parameters
    ----------
    bins : int
        Of a frame, from 0 Hz to half the rate; 2 or more.
    sample_rate : float
        In Hz.
    """

    def __init__(self, bins: int, sample_rate: float) -> None:
        if bins < 2:
            raise InvalidValue(f"bins={bins}: must be 2 or more")
        self._frequencies = np.linspace(0.0, 0.5 * sample_rate, bins)
        self._db = 0.0
        # One for the real and one for the imaginary part of each bin: a product of complex and real
        # numbers would allocate.
        self._gains = np.ones(2 * bins, np.float32)

    @property
    def db(self) -> float:
        """Gain of the treble, from -12 to 12 dB; another one holds from the next frame on."""
        return self._db

    @db.setter
    def db(self, value: float) -> None:
        value = check_brightness(value)
        if value != self._db:
            self._db = value
            self._gains[0::2] = self._gains[1::2] = brightness_gains(self._frequencies, value)

    def tilt_into(self, delta: NDArray[np.complex64]) -> None:
        """Tilt spectra in place; allocates nothing.

        Parameters
        ----------
        delta : ndarray [shape=(..., bins)], complex64
            Its bins must be neighbours in memory.
        """
        if self._db:
            parts = delta.view(np.float32)
            np.multiply(parts, self._gains, out=parts)


@runtime_checkable
class Tilting(Protocol):
    """What can tilt the delta that it gives."""

    def tilt(self, brightness_db: float) -> None:
        """Tilt what comes from now on by -12 to 12 dB."""
        ...


def check_tilting(source: object, brightness_db: float) -> None:
    """Raise InvalidValue if a source is to be tilted that cannot be; 0 dB suit every source."""
    if brightness_db and not isinstance(source, Tilting):
        raise InvalidValue(
            f"brightness_db={brightness_db:g}: {type(source).__name__} cannot tilt what it adds"
        )


def tilt(source: object, brightness_db: float) -> None:
    """Tilt what an engine or a source gives from now on.

    Raises
    ------
    InvalidValue
        It cannot, and `brightness_db` is not 0; or that is outside its range.
    """
    check_tilting(source, brightness_db)
    if isinstance(source, Tilting):
        source.tilt(brightness_db)
