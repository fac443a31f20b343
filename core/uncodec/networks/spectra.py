"""Frames and mid/side for whole tensors: the differentiable twin of the live path's STFT."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["audio_to_frames", "frames_to_audio", "left_right", "mid_side", "sqrt_hann"]


def sqrt_hann(window: int) -> Tensor:
    """Periodic square-root Hann window, [shape=(window,)] float32."""
    phase = torch.arange(window, dtype=torch.float64) * (math.pi / window)
    return torch.sin(phase).to(torch.float32)


def mid_side(audio: Tensor) -> Tensor:
    """(L, R) to ((L + R) / 2, (L - R) / 2) along dimension -2."""
    left, right = audio.unbind(-2)
    return torch.stack([(left + right) * 0.5, (left - right) * 0.5], -2)


def left_right(audio: Tensor) -> Tensor:
    """Inverse of `mid_side`."""
    mid, side = audio.unbind(-2)
    return torch.stack([mid + side, mid - side], -2)


def audio_to_frames(audio: Tensor, window: int, hop: int) -> Tensor:
    """Un-normalised spectra of the whole frames inside `audio`.

    Parameters
    ----------
    audio : Tensor [shape=(..., samples)]
    window, hop : int
        In samples; the window is a square-root Hann window.

    Returns
    -------
    Tensor [shape=(..., frames, window // 2 + 1)], complex
        ``frames = 1 + (samples - window) // hop``; frame 0 starts at sample 0.
    """
    cut = audio.unfold(-1, window, hop)
    spectra: Tensor = torch.fft.rfft(cut * sqrt_hann(window).to(audio.device))
    return spectra


def frames_to_audio(spectra: Tensor, window: int, hop: int) -> Tensor:
    """Overlap-add the frames of `audio_to_frames` back into samples.

    Returns
    -------
    Tensor [shape=(..., (frames - 1) * hop + window)]
        Equal to the input of `audio_to_frames` but for the first and last ``window - hop`` samples,
        which fewer frames cover.
    """
    overlap = window // hop
    frames = torch.fft.irfft(spectra, n=window) * (
        sqrt_hann(window).to(spectra.device) * (2.0 / overlap)
    )
    lead, count = frames.shape[:-2], frames.shape[-2]
    columns = frames.reshape(-1, count, window).transpose(1, 2)
    length = (count - 1) * hop + window
    audio = torch.nn.functional.fold(columns, (1, length), (1, window), stride=(1, hop))
    return audio.reshape(*lead, length)
