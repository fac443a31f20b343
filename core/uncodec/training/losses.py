"""What the generator is trained to lower."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from uncodec.loudness import k_response
from uncodec.networks.encoder_gain import TURNED_DOWN
from uncodec.networks.level_errors import MISSING
from uncodec.networks.level_features import BAND, band_levels, stream_frames
from uncodec.networks.spectra import real_fft

__all__ = [
    "clean_null_penalty",
    "distance_of_spectra",
    "fidelity_penalty",
    "level_error",
    "level_penalty",
    "log_spectral_distance",
    "short_time_spectra",
    "si_sdr",
    "was_turned_down",
]


def short_time_spectra(audio: Tensor, window: int, hop: int) -> Tensor:
    """Un-normalised spectra under a Hann window, [shape=(..., frames, window // 2 + 1)]."""
    shape = torch.hann_window(window, device=audio.device)
    return real_fft(audio.unfold(-1, window, hop) * shape)


def distance_of_spectra(reference: Tensor, estimate: Tensor) -> Tensor:
    """Log-spectral distance of `short_time_spectra`, per item, see `log_spectral_distance`."""

    def log_power(spectra: Tensor) -> Tensor:
        return torch.log10((spectra.real.square() + spectra.imag.square()).clamp_min(1e-8))

    with torch.no_grad():
        target = log_power(reference)
    difference = log_power(estimate) - target
    return (difference.square().mean(-1) + 1e-6).sqrt().mean((-1, -2))


def log_spectral_distance(reference: Tensor, estimate: Tensor, window: int, hop: int) -> Tensor:
    """Log-spectral distance, differentiable, per item.

    The metric of `uncodec.analysis.metrics.lsd` (Hann window, power clamped at 1e-8, root mean
    square over frequency of the difference in decades, mean over time and channels) at any
    resolution.

    Parameters
    ----------
    reference, estimate : Tensor [shape=(batch, channels, samples)]
    window, hop : int
        In samples.

    Returns
    -------
    Tensor [shape=(batch,)], decades
    """
    with torch.no_grad():
        target = short_time_spectra(reference, window, hop)
    return distance_of_spectra(target, short_time_spectra(estimate, window, hop))


def level_error(reference: Tensor, estimate: Tensor) -> Tensor:
    """Mean absolute error of the energies of 32 bands, per item.

    The log-spectral distance alone is lowest for spectra without ups and downs, at the mean of
    their logarithms, which is below the mean of their power.

    Parameters
    ----------
    reference, estimate : Tensor [shape=(batch, channels, samples)]

    Returns
    -------
    Tensor [shape=(batch,)], decades
    """
    window, hop, bands = 2048, 512, 32
    # Bands of equal width on a logarithmic axis from 86 Hz at 44.1 kHz on, at least one bin each.
    edges = torch.logspace(math.log10(4), math.log10(window // 2 + 1), bands + 1).round()
    bins = torch.arange(window // 2 + 1)
    member = (bins[:, None] >= edges[:-1]) & (bins[:, None] < edges[1:])
    share = member.to(reference) / member.sum(0).clamp(min=1).to(reference)

    def log_energy(audio: Tensor) -> Tensor:
        spectrum = short_time_spectra(audio, window, hop)
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.log10(power @ share + 1e-7)

    return (log_energy(estimate) - log_energy(reference)).abs().mean((1, 2, 3))


def si_sdr(reference: Tensor, estimate: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over all but the first dimension."""
    reference = reference.flatten(1)
    estimate = estimate.flatten(1)
    scale = (estimate * reference).sum(1) / (reference.square().sum(1) + 1e-9)
    target = scale[:, None] * reference
    noise = (estimate - target).square().sum(1)
    return 10 * torch.log10((target.square().sum(1) + 1e-9) / (noise + 1e-9))


def fidelity_penalty(clean: Tensor, coded: Tensor, restored: Tensor) -> Tensor:
    """By how many dB the distortion of what the codec kept grew over the coded input's.

    The bands that the codec took do not count: whatever fills them at the right level is another
    waveform than the clean one, and nothing would be closer to it. A band of a frame is kept where
    it lost no more than `uncodec.networks.level_errors.MISSING`.

    Distortion is what differs from the clean signal at its level. That level is the restored
    signal's own as long as it lies between the one that the codec left and the true one: beyond,
    as with the free scale of SI-SDR, the restored signal could buy fidelity by turning itself up.

    Parameters
    ----------
    clean, coded, restored : Tensor [shape=(batch, 2, samples)]
        Left and right.

    Returns
    -------
    Tensor [shape=(batch,)], dB, from 0 to 20
    """
    with torch.no_grad():
        wanted, heard = stream_frames(clean), stream_frames(coded)
        kept = (band_levels(wanted) - band_levels(heard) <= MISSING).to(clean)
        kept = torch.nn.functional.pad(kept.repeat_interleave(BAND, -1), (1, 0), value=1.0)
        wanted, heard = ((x * kept).flatten(1) for x in (wanted, heard))
        energy = _product(wanted, wanted) + 1e-9
        left = _product(heard, wanted) / energy
        target = left[:, None] * wanted
        # Without a floor the few lossless items would decide every step.
        floor = 1e-5 * _product(target, target) + 1e-9
        before = _product(heard - target, heard - target) + floor
    result = (stream_frames(restored) * kept).flatten(1)
    with torch.no_grad():
        own = _product(result, wanted) / energy
        level = torch.clamp(own, left.clamp(max=1.0), left.clamp(min=1.0))
    apart = result - level[:, None] * wanted
    after = _product(apart, apart) + floor
    return torch.relu(10 * torch.log10(after / before)).clamp(max=20.0)


def _product(first: Tensor, second: Tensor) -> Tensor:
    """Real part of the inner product of spectra, per item."""
    return (first.real * second.real + first.imag * second.imag).sum(1)


def level_penalty(clean: Tensor, coded: Tensor, restored: Tensor) -> Tensor:
    """By how many dB the error of the level exceeds the coded input's, K-weighted but not gated.

    The log-spectral distance is lowest at the mean of logarithms, which is below the mean of
    powers: left to itself a generator turns down what the codec kept.

    Parameters
    ----------
    clean, coded, restored : Tensor [shape=(batch, channels, samples)]
        At 44.1 kHz.

    Returns
    -------
    Tensor [shape=(batch,)], dB, 0 or more
    """
    samples = clean.shape[-1]
    weights = torch.from_numpy(np.square(np.abs(k_response(44100, samples)))).to(clean)

    def level(audio: Tensor) -> Tensor:
        spectrum = real_fft(audio)
        power = (spectrum.real.square() + spectrum.imag.square()) @ weights
        # By Parseval, but for the two ends of the spectrum, of which there is only one half.
        return 10 * torch.log10(power.mean(1) * (2 / samples**2) + 1e-9)

    with torch.no_grad():
        wanted = level(clean)
        before = (level(coded) - wanted).abs()
    return torch.relu((level(restored) - wanted).abs() - before)


def clean_null_penalty(clean: Tensor, delta: Tensor, target_db: float = -66.0) -> Tensor:
    """By how many dB the change made to an undamaged signal exceeds `target_db`.

    Returns
    -------
    Tensor [shape=(batch,)], dB, 0 or more
    """
    ratio = (delta.flatten(1).square().sum(1) + 1e-12) / (clean.flatten(1).square().sum(1) + 1e-6)
    return torch.relu(10 * torch.log10(ratio + 1e-12) - target_db)


def was_turned_down(clean: Tensor, coded: Tensor) -> Tensor:
    """Whether an encoder turned the signal down by the twentieth that LAME takes off.

    Told from the bins that came through well (within a fifth of where the clean signal's are), by
    the median of how much weaker they got, a bin counting by its power. On training pairs it was
    0.948 with a spread of 0.005 through LAME at constant rates, and above 0.975 through nearly all
    else but Opus below 32 kb/s, which weakens signals as well.

    Parameters
    ----------
    clean, coded : Tensor [shape=(batch, channels, samples)]

    Returns
    -------
    Tensor [shape=(batch,)]
        1 or 0.
    """
    with torch.no_grad():
        before, after = (short_time_spectra(a, 2048, 2048).flatten(1) for a in (clean, coded))
        size = before.abs()
        ratio = after / (before + 1e-9)
        loud = size > 0.03 * size.amax(1, keepdim=True)
        well = loud & ((ratio - TURNED_DOWN).abs() < 0.2)
        order = ratio.real.argsort(1)
        heavy = (size.square() * well).gather(1, order).cumsum(1)
        middle = (heavy >= heavy[:, -1:] / 2).float().argmax(1, keepdim=True)
        median = ratio.real.gather(1, order).gather(1, middle)[:, 0]
        near = (median - TURNED_DOWN).abs() < 0.014
        return (near & (heavy[:, -1] > 0)).to(clean.dtype)
