"""How loud a restorer makes what a codec took, and how true it leaves what the codec kept.

A band of a frame is missing where the codec lowered it by more than 6 dB (64 bands of equal width,
frames of 1,024 samples, 12 ms apart, of mid and side). Levels are judged in the missing bands of
mid; fidelity is judged in all the others.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_pair, check_signal
from uncodec.errors import InvalidValue
from uncodec.networks.level_errors import MISSING, missing_errors
from uncodec.networks.level_features import BAND, WINDOW, band_levels, stream_frames

__all__ = ["LEVEL_METRICS", "LevelReference"]

LEVEL_METRICS = {
    "level_mean_db": "Level of missing bands, mean dB",
    "level_moving_db": "moving dB",
    "level_bias_db": "bias dB",
    "si_sdr_kept_db": "SI-SDR kept dB",
}
"""What `LevelReference.score` gives, and what tables call it."""


class LevelReference:
    """An original and what a codec made of it, to judge restorers by.

    Parameters
    ----------
    reference, coded : array, shape (samples,) or (channels, samples)
        Aligned to the sample, one or two channels, at least 1024 samples.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN, too short, more than two channels.
    """

    def __init__(self, reference: ArrayLike, coded: ArrayLike) -> None:
        original = check_signal(reference, "reference", at_least=WINDOW)
        if original.shape[0] > 2:
            raise InvalidValue(f"reference: must have one or two channels, got {len(original)}")
        self._original = original
        self._wanted = _frames(original)
        left = _frames(check_pair(original, coded)[1])
        self._levels, self._left = band_levels(self._wanted), band_levels(left)
        kept = (self._levels - self._left <= MISSING).float()
        self._kept = torch.nn.functional.pad(kept.repeat_interleave(BAND, -1), (1, 0), value=1.0)

    def score(self, estimate: ArrayLike) -> dict[str, float]:
        """Judge an estimate.

        Parameters
        ----------
        estimate : array, shape of the reference

        Returns
        -------
        dict of str to float
            ``level_mean_db``: error of the level that a missing band has on average, over bands.
            ``level_moving_db``: error of what moves from frame to frame around that.
            ``level_bias_db``: the first with its sign; above 0 is too loud. ``si_sdr_kept_db``:
            SI-SDR of the bands that the codec kept, of mid and side together. NaN where next to
            nothing is missing, or nothing is kept.
        """
        frames = _frames(check_pair(self._original, estimate)[1])
        said = band_levels(frames)
        left, wanted, got = (x.transpose(0, 1) for x in (self._left, self._levels, said))
        errors = missing_errors(left, wanted, got)
        nothing = float("nan")
        return {
            "level_mean_db": nothing if errors is None else errors.mean,
            "level_moving_db": nothing if errors is None else errors.moving,
            "level_bias_db": nothing if errors is None else errors.bias,
            "si_sdr_kept_db": _ratio_db(self._wanted * self._kept, frames * self._kept),
        }


def _frames(audio: NDArray[np.float32]) -> torch.Tensor:
    # A copy: what is broadcast cannot be written to, which torch wants of an array.
    both = np.array(np.broadcast_to(audio, (2, audio.shape[1])))
    return stream_frames(torch.from_numpy(both))


def _ratio_db(wanted: torch.Tensor, got: torch.Tensor) -> float:
    """Scale-invariant ratio of spectra (J. Le Roux et al., ICASSP 2019), at most 100 dB."""
    a, b = (torch.view_as_real(x).double().flatten() for x in (wanted, got))
    energy = float(a.dot(a))
    if energy < 1e-6 or float(b.dot(b)) < 1e-6:
        return float("nan")
    scaled = a * (float(a.dot(b)) / energy)
    rest = b - scaled
    ratio = float(scaled.dot(scaled)) / max(float(rest.dot(rest)), 1e-10 * float(b.dot(b)))
    return float(10.0 * np.log10(max(ratio, 1e-10)))
