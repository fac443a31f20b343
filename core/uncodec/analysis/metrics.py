"""Objective distances between a reference and its coded or restored version.

Every function takes ``(reference, estimate, ...)`` as (channels, samples) or (samples,) arrays
with full scale 1 and equal shapes, aligned to the sample. Lower is better except for SI-SDR.
Wrong shapes, other lengths and NaN raise `uncodec.errors.InvalidValue`; silence gives the values
that each docstring names, so that a table over many clips never breaks on one of them.

`score` computes all of them with the spectra shared; `Reference` shares those of one reference
among many estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from uncodec.analysis.checks import check_pair, check_rate, check_signal
from uncodec.analysis.loudness import integrated_loudness, loudness_error
from uncodec.analysis.onsets import find_onsets, pre_echo
from uncodec.analysis.spectra import (
    FloatArray,
    band_edges,
    band_energies,
    power_spectra,
    stft,
    third_octave_slices,
)
from uncodec.errors import InvalidValue
from uncodec.loudness import BLOCK_S
from uncodec.signals import mid_side

__all__ = [
    "LOWER_IS_BETTER",
    "LSD_BANDS",
    "METRICS",
    "Reference",
    "band_error",
    "coherence_error",
    "find_onsets",
    "integrated_loudness",
    "loudness_error",
    "lsd",
    "lsd_bands",
    "mr_stft",
    "null_depth",
    "pre_echo",
    "score",
    "si_sdr",
    "si_sdr_mid_side",
    "stereo_error",
]

N_FFT = 2048
HOP = 512
POWER_FLOOR = 1e-8
MIN_SAMPLES = N_FFT
LIMIT_DB = 200.0
"""Where a ratio of energies would be infinite (identical signals, silence) it stops here."""

LSD_BANDS: dict[str, tuple[float, float]] = {
    "full": (0.0, np.inf),
    "low": (0.0, 4000.0),
    "mid": (4000.0, 12000.0),
    "high": (12000.0, np.inf),
}
"""Bands of `lsd` by name: Hz, the lower edge inside, the upper one outside."""

METRICS: dict[str, str] = {
    "lsd": "LSD",
    "lsd_low": "LSD < 4 kHz",
    "lsd_mid": "LSD 4-12 kHz",
    "lsd_high": "LSD > 12 kHz",
    "si_sdr_db": "SI-SDR dB",
    "si_sdr_mid_db": "SI-SDR mid dB",
    "si_sdr_side_db": "SI-SDR side dB",
    "band_error_db": "Band error dB",
    "mr_stft": "MR-STFT",
    "stereo_error_db": "Stereo error dB",
    "coherence_error": "Coherence error",
    "pre_echo_db": "Pre-echo dB",
    "loudness_error_lu": "Level error LU",
}
"""Keys of `score` and the heading each has in a table."""

LOWER_IS_BETTER: dict[str, bool] = {key: not key.startswith("si_sdr") for key in METRICS}

_MR_STFT = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
_STEREO_FRAMES = 32
_STEREO_LIMIT_DB = 30.0
_AUDIBLE_DB = 60.0


@dataclass(frozen=True)
class _Spectra:
    """The 2048/512 spectra of one signal and their powers, computed when first asked for."""

    audio: NDArray[np.float32]

    @cached_property
    def complex(self) -> NDArray[np.complexfloating]:
        return stft(self.audio, N_FFT, HOP)

    @cached_property
    def power(self) -> FloatArray:
        return power_spectra(self.complex)

    @cached_property
    def log10_power(self) -> FloatArray:
        clamped: FloatArray = np.log10(np.maximum(self.power, np.float32(POWER_FLOOR)))
        return clamped

    @cached_property
    def multi_resolution(self) -> list[FloatArray]:
        return list(self.each_resolution())

    def each_resolution(self) -> Iterator[FloatArray]:
        """Powers for `mr_stft`, one channel and resolution after the other, clamped.

        The short hops make some 20 MB of them per channel and 10 s.
        """
        signal = 2.0 * _mid_side(self.audio) if self.audio.shape[0] == 2 else self.audio
        for channel in signal[:, np.newaxis]:
            for points, hop, window in _MR_STFT:
                power = power_spectra(stft(channel, points, hop, window))
                yield np.maximum(power, np.float32(POWER_FLOOR), out=power)


def _spectra(reference: ArrayLike, estimate: ArrayLike) -> tuple[_Spectra, _Spectra]:
    first, second = check_pair(reference, estimate, at_least=MIN_SAMPLES)
    return _Spectra(first), _Spectra(second)


def lsd(
    reference: ArrayLike,
    estimate: ArrayLike,
    sample_rate: float,
    band: str | tuple[float, float] | None = None,
) -> float:
    """Log-spectral distance as in AP-BWE.

    Hann window of 2048, hop 512, un-normalised transform, power clamped at 1e-8; per channel
    ``mean_t sqrt(mean_f (log10 P_ref - log10 P_est)^2)``, then the mean over channels (Lu et al.,
    "Towards high-quality and efficient speech bandwidth extension with parallel amplitude and phase
    prediction", IEEE/ACM TASLP 2024). The unit is the decade of power (10 dB).

    Two independent noises of one envelope score 0.79 (``pi / sqrt(3) / ln 10``): the floor for
    anything that synthesises rather than recovers. A band that is digitally silent in one of the
    signals is measured against the clamp, -134 dB below a full-scale sine, and so costs 5 and more.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz.
    band : str or (float, float), optional
        A name of `LSD_BANDS` or ``(low_hz, high_hz)``, the upper edge excluded; all by default.

    Returns
    -------
    float
        0 (identical) upwards. NaN where the rate leaves nothing of the band.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN, an unknown band.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a, b = 0.1 * rng.standard_normal((2, 2, 441000))
    >>> round(lsd(a, b, 44100), 2)
    0.79
    """
    pair = _spectra(reference, estimate)
    return _lsd(*pair, check_rate(sample_rate), _band_hz(band))


def lsd_bands(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> dict[str, float]:
    """`lsd` for every band of `LSD_BANDS` by name, the spectra computed once."""
    pair = _spectra(reference, estimate)
    rate = check_rate(sample_rate)
    return {name: _lsd(*pair, rate, hz) for name, hz in LSD_BANDS.items()}


def _band_hz(band: str | tuple[float, float] | None) -> tuple[float, float]:
    if band is None:
        return LSD_BANDS["full"]
    if isinstance(band, str):
        if band not in LSD_BANDS:
            names = ", ".join(LSD_BANDS)
            raise InvalidValue(f"band={band!r}: must be one of {names} or (low_hz, high_hz)")
        return LSD_BANDS[band]
    low, high = band
    if not 0.0 <= low < high:
        raise InvalidValue(f"band={band}: must be (low_hz, high_hz) with 0 <= low_hz < high_hz")
    return float(low), float(high)


def _lsd(ref: _Spectra, est: _Spectra, rate: float, hz: tuple[float, float]) -> float:
    width = rate / N_FFT
    bins = N_FFT // 2 + 1
    low = min(bins, int(np.ceil(hz[0] / width)))
    high = bins if np.isinf(hz[1]) else min(bins, int(np.ceil(hz[1] / width)))
    if low >= high:
        return float("nan")
    difference = ref.log10_power[..., low:high] - est.log10_power[..., low:high]
    per_frame = np.sqrt(np.mean(np.square(difference), axis=-1, dtype=np.float64))
    return float(per_frame.mean())


def si_sdr(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, mean over channels, higher is better.

    With the mean of each channel removed, the estimate is split into its projection on the
    reference and the rest; their energy ratio is the result (Le Roux et al., "SDR - half-baked or
    well done?", ICASSP 2019).

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        Aligned to the sample.

    Returns
    -------
    float
        In dB, within -200 ... 200 (identical signals give 200; a silent estimate -200). Channels in
        which the reference is silent are left out; NaN where all are.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    first, second = check_pair(reference, estimate)
    return _mean_known(_si_sdr(first, second))


def si_sdr_mid_side(reference: ArrayLike, estimate: ArrayLike) -> tuple[float, float]:
    """`si_sdr` of mid ``(L + R) / 2`` and of side ``(L - R) / 2``, in dB.

    Returns
    -------
    (float, float)
        Mid and side. The side is NaN where the reference has none (mono, or both channels the
        same).

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN, more than two channels.
    """
    first, second = check_pair(reference, estimate)
    return _si_sdr_mid_side(first, second)


def _si_sdr_mid_side(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[float, float]:
    if first.shape[0] > 2:
        raise InvalidValue(f"reference: must have one or two channels, got {first.shape[0]}")
    if first.shape[0] == 1:
        return float(_si_sdr(first, second)[0]), float("nan")
    mid, side = _si_sdr(_mid_side(first), _mid_side(second))
    return float(mid), float(side)


def _mid_side(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.stack(mid_side(*audio))


def _si_sdr(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Per channel, NaN where the reference is silent."""
    ref = first - first.mean(axis=1, keepdims=True, dtype=np.float64)
    est = second - second.mean(axis=1, keepdims=True, dtype=np.float64)
    energy = np.sum(ref * ref, axis=1)
    known = energy > 0.0
    gain = np.sum(ref * est, axis=1) / np.where(known, energy, 1.0)
    target = gain[:, np.newaxis] * ref
    signal = np.sum(target * target, axis=1)
    noise = np.sum(np.square(est - target), axis=1)
    return np.where(known, _ratio_db(signal, noise), np.nan)


def _ratio_db(signal: ArrayLike, noise: ArrayLike) -> NDArray[np.float64]:
    """``10 log10(signal / noise)`` held within +-`LIMIT_DB`; nothing over nothing is the lower."""
    above, below = np.asarray(signal, np.float64), np.asarray(noise, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10.0 * np.log10(above / below)
    return np.clip(np.where(above > 0.0, ratio, -LIMIT_DB), -LIMIT_DB, LIMIT_DB)


def _mean_known(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def null_depth(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Level of the difference of two signals against the reference, in dB; the null test.

    ``20 log10(rms(estimate - reference) / rms(reference))`` over all channels together. Used for
    what must not change: a restorer on clean material has to stay below -60 dB.

    Returns
    -------
    float
        In dB, -200 (identical, two silences included) ... 200 (something made out of silence).

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    first, second = check_pair(reference, estimate)
    difference = np.sum(np.square(second.astype(np.float64) - first))
    return float(_ratio_db(difference, np.sum(np.square(first, dtype=np.float64))))


def band_error(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """Mean absolute error of the energies of 32 log-spaced bands per frame, in dB.

    Frames of 2048 with a hop of 512; bands from the first bin to half the rate, each at least one
    bin wide (`uncodec.analysis.spectra.band_edges`); energies clamped at 1e-8 per bin as in
    `lsd`. Unlike `lsd` it does not ask for the fine structure: two independent white noises of
    one level score 3.3 dB, most of it from the narrow bands at the bottom.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz; checked only, the bands are relative to it.

    Returns
    -------
    float
        In dB, 0 upwards.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    check_rate(sample_rate)
    return _band_error(*_spectra(reference, estimate))


def _band_error(ref: _Spectra, est: _Spectra) -> float:
    edges = band_edges(N_FFT // 2 + 1)
    floor = POWER_FLOOR * np.diff(edges)
    levels = [10.0 * np.log10(np.maximum(band_energies(s.power, edges), floor)) for s in (ref, est)]
    return float(np.mean(np.abs(levels[0] - levels[1])))


def mr_stft(reference: ArrayLike, estimate: ArrayLike) -> float:
    """Multi-resolution STFT distance with the defaults of auraloss; sum and difference for stereo.

    Spectral convergence plus the mean absolute difference of natural log magnitudes, at (points,
    hop, window) of (1024, 120, 600), (2048, 240, 1200) and (512, 50, 240), magnitudes clamped at
    1e-4; of ``L + R`` and ``L - R`` for stereo, the two averaged (Steinmetz and Reiss, "auraloss:
    audio-focused loss functions in PyTorch", DMRN+15 2020; Yamamoto et al., ICASSP 2020).

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        At least 2048 samples.

    Returns
    -------
    float
        0 upwards, without unit. For one channel, and for more than two, the plain variant.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    return _mr_stft(*_spectra(reference, estimate))


def _mr_stft(ref: _Spectra, est: _Spectra) -> float:
    losses = []
    for p, q in zip(ref.multi_resolution, est.each_resolution(), strict=True):
        log_distance = 0.5 * float(np.mean(np.abs(np.log(q / p)), dtype=np.float64))
        energy = float(np.sum(p, dtype=np.float64))
        apart = float(np.sum(np.square(np.sqrt(p) - np.sqrt(q)), dtype=np.float64))
        losses.append(np.sqrt(apart / energy) + log_distance)
    return float(np.mean(losses))


def stereo_error(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """Mean absolute error of the side/mid energy ratio per band, in dB.

    Bands of a third of an octave, energies over 32 frames (0.37 s at 44.1 kHz), ratios held
    within +-30 dB. The ratio is what the stereo tools of the codecs act on (Herre, "From joint
    stereo to spatial audio coding", DAFx 2004). Only cells with content in both signals count,
    within 60 dB of the strongest cell of the reference: a band that is missing has no stereo
    image, and is counted by `lsd` and `band_error`.

    Parameters
    ----------
    reference, estimate : array, shape (2, samples)
        At least 2048 samples.
    sample_rate : float
        In Hz.

    Returns
    -------
    float
        In dB, 0 ... 60. NaN for mono, for more than two channels, and where no cell counts.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    return _stereo(*_spectra(reference, estimate), check_rate(sample_rate))[0]


def coherence_error(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> float:
    """Mean absolute error of the coherence between the two channels, per band.

    ``|<L R*>| / sqrt(<|L|^2> <|R|^2>)`` over the same bands, frames and cells as `stereo_error`:
    the inter-channel coherence cue of binaural cue coding (Faller and Baumgarte, IEEE Trans. SAP
    11(6), 2003).

    Returns
    -------
    float
        0 ... 1. NaN under the conditions of `stereo_error`.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN.
    """
    return _stereo(*_spectra(reference, estimate), check_rate(sample_rate))[1]


@dataclass(frozen=True)
class _StereoCells:
    """Differences of the stereo image, cell by cell; `counted` tells which cells have content."""

    counted: NDArray[np.bool_]
    ratio_db: NDArray[np.float64]
    coherence: NDArray[np.float64]

    def mean(self, counted: NDArray[np.bool_] | None = None) -> tuple[float, float]:
        """Mean absolute errors of ratio and coherence; NaN where no cell counts."""
        among = self.counted if counted is None else self.counted & counted
        if not among.any():
            return float("nan"), float("nan")
        return float(self.ratio_db[among].mean()), float(self.coherence[among].mean())


def _stereo(ref: _Spectra, est: _Spectra, rate: float) -> tuple[float, float]:
    cells = _stereo_cells(ref, est, rate)
    return (float("nan"), float("nan")) if cells is None else cells.mean()


def _stereo_cells(ref: _Spectra, est: _Spectra, rate: float) -> _StereoCells | None:
    if ref.audio.shape[0] != 2:
        return None
    slices = third_octave_slices(rate, N_FFT)
    starts = np.arange(0, ref.complex.shape[1], _STEREO_FRAMES)
    cells = []
    for s in (ref, est):
        cross = s.complex[0] * np.conj(s.complex[1])
        layers = np.stack([s.power[0], s.power[1], cross.real, cross.imag])
        bands = np.stack([layers[..., b].sum(axis=-1) for b in slices], axis=-1)
        cells.append(np.add.reduceat(bands, starts, axis=1).astype(np.float64))
    # 1e-8 per bin and frame, as everywhere: below it a cell holds rounding noise.
    floor = POWER_FLOOR * _STEREO_FRAMES * np.array([b.stop - b.start for b in slices])
    totals = [c[0] + c[1] for c in cells]
    counted = totals[0] > totals[0].max() * 10.0 ** (-_AUDIBLE_DB / 10.0)
    counted &= (totals[0] > floor) & (totals[1] > floor)
    counted &= totals[1] > totals[0].max() * 10.0 ** (-_AUDIBLE_DB / 10.0)
    ratios, coherences = [], []
    for left, right, real, imag in cells:
        total = left + right
        ratio = _ratio_db(
            np.maximum(total - 2.0 * real, 0.0),
            np.maximum(total + 2.0 * real, 0.0),
        )
        ratios.append(np.clip(ratio, -_STEREO_LIMIT_DB, _STEREO_LIMIT_DB))
        size = np.sqrt(left * right)
        both = np.hypot(real, imag)
        # One channel alone: the other cannot disagree with it.
        coherences.append(np.where(size > 0.0, both / np.where(size > 0.0, size, 1.0), 1.0))
    return _StereoCells(
        counted, np.abs(ratios[0] - ratios[1]), np.abs(coherences[0] - coherences[1])
    )


def score(reference: ArrayLike, estimate: ArrayLike, sample_rate: float) -> dict[str, float]:
    """All metrics of one clip, keyed as in `METRICS`.

    Parameters
    ----------
    reference, estimate : array, shape (samples,) or (channels, samples)
        Aligned to the sample, at least 2048 samples, at most two channels. About 0.5 s of one
        core and 300 MB for 10 s of stereo: score a long file in excerpts.
    sample_rate : float
        In Hz.

    Returns
    -------
    dict of str to float
        NaN where a metric is not defined for the clip: stereo measures of mono, pre-echo without an
        onset, level of a clip shorter than 0.4 s, SI-SDR of silence.

    Raises
    ------
    InvalidType, InvalidValue
        Shapes that differ, NaN, more than two channels.
    """
    return Reference(reference, sample_rate).score(estimate)


class Reference:
    """A reference to score estimate after estimate against, its spectra computed once.

    Parameters
    ----------
    audio : array, shape (samples,) or (channels, samples)
        At least 2048 samples, at most two channels.
    sample_rate : float
        In Hz.

    Raises
    ------
    InvalidType, InvalidValue
        NaN, too short, more than two channels.
    """

    def __init__(self, audio: ArrayLike, sample_rate: float) -> None:
        self.sample_rate = check_rate(sample_rate)
        self._spectra = _Spectra(check_signal(audio, "reference", at_least=MIN_SAMPLES))
        if self.audio.shape[0] > 2:
            raise InvalidValue(
                f"reference: must have one or two channels, got {self.audio.shape[0]}"
            )

    @property
    def audio(self) -> NDArray[np.float32]:
        """Shape (channels, samples)."""
        return self._spectra.audio

    def kept_cells(self, coded: ArrayLike) -> NDArray[np.bool_] | None:
        """The cells of `stereo_error` in which a coded version has content, for `score`."""
        cells = _stereo_cells(
            self._spectra, _Spectra(check_pair(self.audio, coded)[1]), self.sample_rate
        )
        return None if cells is None else cells.counted

    def score(
        self, estimate: ArrayLike, *, kept: NDArray[np.bool_] | None = None
    ) -> dict[str, float]:
        """All metrics of an estimate, see the function `score`.

        With the cells that the codec `kept` there is a ``stereo_kept_db`` besides: the stereo error
        among these alone. `stereo_error` also judges what a restorer filled in where the coded
        input has nothing to be judged by; this one compares the two on the same ground.
        """
        ref, rate = self._spectra, self.sample_rate
        est = _Spectra(check_pair(ref.audio, estimate)[1])
        mid, side = _si_sdr_mid_side(ref.audio, est.audio)
        cells = _stereo_cells(ref, est, rate)
        stereo, coherence = (np.nan, np.nan) if cells is None else cells.mean()
        bands = {name: _lsd(ref, est, rate, hz) for name, hz in LSD_BANDS.items()}
        long_enough = ref.audio.shape[1] >= round(rate * BLOCK_S) + 4
        scores = {
            "lsd": bands["full"],
            "lsd_low": bands["low"],
            "lsd_mid": bands["mid"],
            "lsd_high": bands["high"],
            "si_sdr_db": _mean_known(_si_sdr(ref.audio, est.audio)),
            "si_sdr_mid_db": mid,
            "si_sdr_side_db": side,
            "band_error_db": _band_error(ref, est),
            "mr_stft": _mr_stft(ref, est),
            "stereo_error_db": stereo,
            "coherence_error": coherence,
            "pre_echo_db": pre_echo(ref.audio, est.audio, rate),
            "loudness_error_lu": loudness_error(ref.audio, est.audio, rate)
            if long_enough
            else float("nan"),
        }
        if cells is not None and kept is not None:
            scores["stereo_kept_db"] = cells.mean(kept)[0]
        return scores
