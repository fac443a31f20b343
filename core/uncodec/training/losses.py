"""What the generator is trained to lower."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clean_null_penalty", "fidelity_penalty", "log_spectral_distance", "si_sdr"]


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
    shape = torch.hann_window(window, device=reference.device)

    def log_power(audio: Tensor) -> Tensor:
        cut = audio.unfold(-1, window, hop) * shape
        spectrum = torch.fft.rfft(cut)
        return torch.log10((spectrum.real**2 + spectrum.imag**2).clamp_min(1e-8))

    with torch.no_grad():
        target = log_power(reference)
    difference = log_power(estimate) - target
    return (difference.square().mean(-1) + 1e-6).sqrt().mean((-1, -2))


def si_sdr(reference: Tensor, estimate: Tensor) -> Tensor:
    """Scale-invariant signal-to-distortion ratio in dB over all but the first dimension."""
    reference = reference.flatten(1)
    estimate = estimate.flatten(1)
    scale = (estimate * reference).sum(1) / (reference.square().sum(1) + 1e-9)
    target = scale[:, None] * reference
    noise = (estimate - target).square().sum(1)
    return 10 * torch.log10((target.square().sum(1) + 1e-9) / (noise + 1e-9))


def fidelity_penalty(clean: Tensor, coded: Tensor, restored: Tensor, allowed_db: float) -> Tensor:
    """By how many dB the distortion grew over the coded input's, beyond what is allowed.

    Distortion is what differs from the clean signal at the level that the codec gave it. That level
    is taken from the coded input and held: with a scale of its own, as in SI-SDR, the restored
    signal could buy fidelity by turning itself up.

    Parameters
    ----------
    clean, coded, restored : Tensor [shape=(batch, channels, samples)]
    allowed_db : float
        Growth that costs nothing; negative asks for a gain.

    Returns
    -------
    Tensor [shape=(batch,)], dB, from 0 to 20
    """
    clean, coded, restored = clean.flatten(1), coded.flatten(1), restored.flatten(1)
    with torch.no_grad():
        scale = (coded * clean).sum(1) / (clean.square().sum(1) + 1e-9)
        target = scale[:, None] * clean
        # Without a floor the few nearly lossless items would decide every step.
        floor = 3e-5 * target.square().sum(1) + 1e-9
        before = (coded - target).square().sum(1) + floor
    after = (restored - target).square().sum(1) + floor
    return torch.relu(10 * torch.log10(after / before) - allowed_db).clamp(max=20.0)


def clean_null_penalty(clean: Tensor, delta: Tensor, target_db: float = -66.0) -> Tensor:
    """By how many dB the change made to an undamaged signal exceeds `target_db`.

    Returns
    -------
    Tensor [shape=(batch,)], dB, 0 or more
    """
    ratio = (delta.flatten(1).square().sum(1) + 1e-12) / (clean.flatten(1).square().sum(1) + 1e-6)
    return torch.relu(10 * torch.log10(ratio + 1e-12) - target_db)
