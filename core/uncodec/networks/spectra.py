"""Frames and mid/side for whole tensors: the differentiable twin of the live path's STFT."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uncodec import signals
from uncodec.signals import sqrt_hann

__all__ = [
    "audio_to_frames",
    "change_to_audio",
    "frames_to_audio",
    "generator_input",
    "hold_back",
    "left_right",
    "mid_side",
    "overlap_add",
    "overtones",
    "real_fft",
    "swell",
]

SWELL = 48
"""Samples over which `swell` averages: about a millisecond."""
HELD = 32
"""Samples over which `hold_back` compares powers."""
FLATTENED = 0.1
"""Share of the peak power of a frame. `hold_back` counts what is softer as softer still."""
GIVEN_BACK = 2.0
"""What `hold_back` raises the amplitudes of a frame by at most, to give back the power it took."""


def mid_side(audio: Tensor) -> Tensor:
    """(L, R) to ((L + R) / 2, (L - R) / 2) along dimension -2."""
    return torch.stack(signals.mid_side(*audio.unbind(-2)), -2)


def left_right(audio: Tensor) -> Tensor:
    """Inverse of `mid_side`."""
    mid, side = audio.unbind(-2)
    return torch.stack([mid + side, mid - side], -2)


class _RealFft(torch.autograd.Function):
    """`torch.fft.rfft` whose gradient is one inverse real transform.

    The gradient that torch derives runs a complex transform of full length over zero-filled
    spectra, which took half of a training step.
    """

    @staticmethod
    def forward(ctx: Any, frames: Tensor) -> Tensor:
        ctx.length = frames.shape[-1]
        spectrum: Tensor = torch.fft.rfft(frames)
        return spectrum

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # The inverse counts every bin but the first and the last twice, for its mirror image.
        halved = gradient * (0.5 * ctx.length)
        halved[..., 0] *= 2
        if ctx.length % 2 == 0:
            halved[..., -1] *= 2
        back: Tensor = torch.fft.irfft(halved, n=ctx.length)
        return back


def real_fft(frames: Tensor) -> Tensor:
    """`torch.fft.rfft` along the last dimension, with a cheaper gradient."""
    spectra: Tensor = _RealFft.apply(frames)
    return spectra


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
    return real_fft(cut * torch.from_numpy(sqrt_hann(window)).to(audio.device))


def frames_to_audio(spectra: Tensor, window: int, hop: int) -> Tensor:
    """Overlap-add the frames of `audio_to_frames` back into samples.

    Returns
    -------
    Tensor [shape=(..., (frames - 1) * hop + window)]
        Equal to the input of `audio_to_frames` but for the first and last ``window - hop`` samples,
        which fewer frames cover.
    """
    return overlap_add(torch.fft.irfft(spectra, n=window), window, hop)


def overlap_add(frames: Tensor, window: int, hop: int) -> Tensor:
    """`frames_to_audio` of frames that are samples already, [shape=(..., frames, window)]."""
    overlap = window // hop
    frames = frames * (torch.from_numpy(sqrt_hann(window)).to(frames.device) * (2.0 / overlap))
    lead, count = frames.shape[:-2], frames.shape[-2]
    columns = frames.reshape(-1, count, window).transpose(1, 2)
    length = (count - 1) * hop + window
    audio = torch.nn.functional.fold(columns, (1, length), (1, window), stride=(1, hop))
    return audio.reshape(*lead, length)


def hold_back(change: Tensor, coded: Tensor, returned: Tensor | None = None) -> Tensor:
    """Gain that keeps a change from sounding where the coded signal does not.

    A frame of spectrum has one level for its whole length, so that what is added for an attack
    starts with the frame that holds it. Within a frame the power of the change, over two thirds of
    a millisecond and with the treble emphasised, is therefore held below that of the coded signal,
    both relative to their peaks. A codec spreads noise to before an attack, so the coded signal is
    too loud there. Where it lies below `FLATTENED`, its distance from there in dB is doubled: with
    a tenth (-10 dB), -20 dB counts as -30 dB.

    That takes power, 0.6 to 1.7 dB of ordinary recordings. A change whose level was chosen should
    keep it: its power can be returned to where it may sound.

    Parameters
    ----------
    change, coded : Tensor [shape=(batch, 2, frames, window)]
        Samples of mid and side under the same analysis window.
    returned : Tensor [shape=(batch, frames)], optional
        How far a frame gets back the power that was taken, from 0 (as without it) to 1.

    Returns
    -------
    Tensor [shape=(batch, 1, frames, window)]
        From 0 to 1; to `GIVEN_BACK` with `returned`.
    """

    def steep(frames: Tensor) -> Tensor:
        return torch.diff(torch.nn.functional.pad(frames, (2, 0)), n=2).square().sum(1)

    def smooth(power: Tensor) -> Tensor:
        padded = torch.nn.functional.pad(power, (HELD // 2, HELD // 2 - 1))
        return torch.nn.functional.avg_pool1d(padded, HELD, stride=1)

    with torch.no_grad():
        power = steep(change)
        is_, may = smooth(power), smooth(steep(coded))
        may = may / may.amax(-1, keepdim=True).clamp_min(1e-12)
        # The window's own slopes are no attacks.
        shape = torch.from_numpy(sqrt_hann(change.shape[-1])).to(may).square()
        may = may * (may / (FLATTENED * shape).clamp_min(1e-6)).clamp_max(1.0)
        gain = (may * is_.amax(-1, keepdim=True) / is_.clamp_min(1e-14)).sqrt().clamp_max(1.0)
        if returned is not None:
            left = (power * gain.square()).sum(-1)
            whole = (power.sum(-1) / left.clamp_min(1e-14)).sqrt().clamp(1.0, GIVEN_BACK)
            gain = gain * (1.0 + returned * (whole - 1.0))[..., None]
        return gain[:, None]


def change_to_audio(
    change: Tensor, coded: Tensor, window: int, hop: int, returned: Tensor | None = None
) -> Tensor:
    """`frames_to_audio` of a change, which does not sound before the coded signal does.

    Parameters
    ----------
    change, coded : Tensor [shape=(batch, 2, frames, window // 2 + 1)], complex
        Spectra of mid and side.
    window, hop : int
    returned : Tensor [shape=(batch, frames)], optional
        See `hold_back`.

    Returns
    -------
    Tensor [shape=(batch, 2, (frames - 1) * hop + window)]
    """
    frames = torch.fft.irfft(change, n=window)
    gain = hold_back(frames, torch.fft.irfft(coded, n=window), returned)
    return overlap_add(frames * gain, window, hop)


def overtones(audio: Tensor) -> Tensor:
    """Give a signal overtones: the difference of its rectified difference.

    Rectifying makes harmonics of everything that is left below a cut-off and keeps the attacks
    where they are (high-frequency regeneration: J. Makhoul and M. Berouti, ICASSP 1979). The first
    difference keeps the bass from deciding all of it, the second removes what rectifying puts near
    0 Hz.

    Parameters
    ----------
    audio : Tensor [shape=(..., samples)]

    Returns
    -------
    Tensor [shape=(..., samples)]
        Of no particular level. The signal counts as 0 before its first sample.
    """
    rise = torch.diff(torch.nn.functional.pad(audio, (2, 0))).abs()
    return torch.diff(rise)


def swell(image: Tensor) -> Tensor:
    """How the treble of a signal swells and fades, to give to noise.

    The mean over the last millisecond of the absolute difference from sample to sample, of mid and
    side together. Noise of that shape begins with an attack and not with the frame that holds it
    (temporal noise shaping as codecs have it, J. Herre and J. D. Johnston, AES 101, 1996, with the
    shape taken from what is left of the signal instead of sent along).

    Parameters
    ----------
    image : Tensor [shape=(..., 2, samples)]
        Mid and side.

    Returns
    -------
    Tensor [shape=(..., 1, samples)]
        Of no particular level. The signal counts as 0 before its first sample.
    """
    rise = torch.diff(torch.nn.functional.pad(image, (SWELL, 0))).abs().sum(-2)
    flat = rise.reshape(-1, 1, rise.shape[-1])
    mean = torch.nn.functional.avg_pool1d(flat, SWELL, stride=1)
    return mean.reshape(*rise.shape[:-1], 1, -1)


def generator_input(coded: Tensor, noise: Tensor, window: int, hop: int) -> Tensor:
    """What `uncodec.networks.Generator` takes, of whole signals.

    Parameters
    ----------
    coded : Tensor [shape=(batch, 2, samples)]
        Left and right.
    noise : Tensor [shape=(batch, 2, samples)]
        White; it is given the shape of `swell`.
    window, hop : int

    Returns
    -------
    Tensor [shape=(batch, 6, frames, window // 2 + 1, 2)]
    """
    image = mid_side(coded)
    together = torch.cat([image, noise * swell(image), overtones(image)], dim=1)
    return torch.view_as_real(audio_to_frames(together, window, hop))
