"""The study's other members: one U-Net and one process on three representations of sound.

They differ only by what the U-Net sees. All regenerate the whole signal from noise, one channel at
a time, conditioned on the coded signal; the released offline engine (`uncodec.networks.diffusion`)
starts from the coded signal instead.

The designs follow published ones and none of their code: the vocoder with a learned transposed
convolution to a waveform-rate channel and the diffusion in an autoencoder's latent are those of
F. Schneider ("ArchiSound: Audio Generation with Diffusion", 2023; audio-diffusion-pytorch).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from uncodec.errors import InvalidValue
from uncodec.networks.unet1d import UNet1d

__all__ = ["MEMBERS", "StudyConfig", "StudyNetwork", "mdct", "mdct_inverse"]

MEMBERS = ("vocoder", "latent", "spectral")
_FLOOR = 1e-4


@dataclass(frozen=True)
class StudyConfig:
    """Shape of a member.

    Attributes
    ----------
    member : {"vocoder", "latent", "spectral"}
        What the U-Net works on: the waveform, the latent of an autoencoder, or an MDCT.
    widths : tuple of int
        Channels of the U-Net's levels.
    """

    member: str = "vocoder"
    widths: tuple[int, ...] = (96, 128, 192)

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        if self.member not in MEMBERS:
            raise InvalidValue(f"member={self.member!r}: must be one of {', '.join(MEMBERS)}")
        if not self.widths or min(self.widths) < 1:
            raise InvalidValue(f"widths={self.widths}: must be positive integers")


def _mdct_basis(hop: int) -> Tensor:
    time = torch.arange(2 * hop, dtype=torch.float64, device="cpu")[:, None] + 0.5
    bins = torch.arange(hop, dtype=torch.float64, device="cpu") + 0.5
    window = torch.sin(math.pi / (2 * hop) * time)
    basis = torch.cos(math.pi / hop * (time + hop / 2) * bins) * window
    return (basis * math.sqrt(2 / hop)).float()


def mdct(audio: Tensor, hop: int = 256) -> Tensor:
    """Orthonormal MDCT with a sine window (J. Princen and A. Bradley, IEEE TASSP 1986).

    Parameters
    ----------
    audio : Tensor [shape=(batch, samples)]
        A multiple of `hop` samples.
    hop : int

    Returns
    -------
    Tensor [shape=(batch, hop, samples // hop + 1)]
    """
    frames = functional.pad(audio, (hop, hop)).unfold(-1, 2 * hop, hop)
    return (frames @ _mdct_basis(hop).to(audio)).transpose(1, 2)


def mdct_inverse(spectra: Tensor) -> Tensor:
    """Inverse of `mdct`, [shape=(batch, samples)]."""
    hop = spectra.shape[1]
    frames = spectra.transpose(1, 2) @ _mdct_basis(hop).to(spectra).T
    return (frames[:, :-1, hop:] + frames[:, 1:, :hop]).flatten(1)


class _Waveform(nn.Module):
    """The waveform itself; the condition is a log-mel spectrogram brought to its rate."""

    channels, conditions, patch, samples_per_frame = 1, 1, 32, 1
    hop, _WINDOW, _BANDS = 256, 1024, 64

    def __init__(self) -> None:
        super().__init__()
        bins = torch.linspace(0, 22050, self._WINDOW // 2 + 1, dtype=torch.float32)
        top = 2595 * math.log10(1 + 22050 / 700)
        mels = torch.linspace(0, top, self._BANDS + 2, dtype=torch.float32)
        edges = 700 * (10 ** (mels / 2595) - 1)
        rise = (bins[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
        fall = (edges[2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
        self.register_buffer("bands", torch.minimum(rise, fall).clamp(min=0), persistent=False)
        self.to_flat = nn.ConvTranspose1d(
            self._BANDS, 1, 2 * self.hop, stride=self.hop, padding=self.hop // 2
        )

    def to_state(self, audio: Tensor) -> Tensor:
        return audio[:, None]

    def to_audio(self, state: Tensor) -> Tensor:
        return state[:, 0]

    def condition(self, coded: Tensor) -> Tensor:
        edge = (self._WINDOW - self.hop) // 2
        window = torch.hann_window(self._WINDOW, dtype=coded.dtype, device=coded.device)
        frames = functional.pad(coded, (edge, edge)).unfold(-1, self._WINDOW, self.hop)
        power = torch.fft.rfft(frames * window).abs().square()
        mel = torch.log10(power @ self.get_buffer("bands") + 1e-4)
        flat: Tensor = self.to_flat(mel.transpose(1, 2))
        return flat


class _Latent(nn.Module):
    """The latent of an autoencoder: 64 times fewer frames of 32 channels."""

    channels, conditions, patch, samples_per_frame = 32, 32, 1, 64

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv1d(1, 128, 128, stride=64, padding=32),
            nn.SiLU(),
            nn.Conv1d(128, 128, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(128, 32, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv1d(32, 128, 3, padding=1),
            nn.SiLU(),
            nn.Conv1d(128, 128, 3, padding=1),
            nn.SiLU(),
            nn.ConvTranspose1d(128, 1, 128, stride=64, padding=32),
        )
        self.register_buffer("scale", torch.ones(()))

    def to_state(self, audio: Tensor) -> Tensor:
        latent: Tensor = self.encoder(audio[:, None]) / self.get_buffer("scale")
        return latent

    def to_audio(self, state: Tensor) -> Tensor:
        audio: Tensor = self.decoder(state * self.get_buffer("scale"))
        return audio[:, 0]

    def condition(self, coded: Tensor) -> Tensor:
        return self.to_state(coded)

    @torch.no_grad()
    def fit_scale(self, audio: Tensor) -> None:
        """Make the latent's power 1, which the process takes for granted."""
        scale = self.get_buffer("scale")
        scale.mul_(self.to_state(audio).square().mean().sqrt().clamp(min=1e-6))


class _Spectral(nn.Module):
    """An MDCT whose square roots are taken, so that the treble is not lost beside the bass."""

    channels, conditions, patch, samples_per_frame = 256, 256, 1, 256

    def to_state(self, audio: Tensor) -> Tensor:
        spectra = mdct(audio, self.channels)
        return spectra.sign() * spectra.abs().sqrt()

    def to_audio(self, state: Tensor) -> Tensor:
        return mdct_inverse(state * state.abs())

    def condition(self, coded: Tensor) -> Tensor:
        return self.to_state(coded)


_REPRESENTATIONS: dict[str, type[Any]] = {
    "vocoder": _Waveform,
    "latent": _Latent,
    "spectral": _Spectral,
}


class StudyNetwork(nn.Module):
    """A representation of sound and the U-Net that works on it.

    Parameters
    ----------
    config : StudyConfig
    """

    def __init__(self, config: StudyConfig) -> None:
        super().__init__()
        self.config = config
        self.representation = _REPRESENTATIONS[config.member]()
        shape = self.representation
        self.unet = UNet1d(
            shape.channels + shape.conditions, shape.channels, config.widths, shape.patch
        )

    def describe(self) -> dict[str, Any]:
        """Configuration as it stands in the header of the weights."""
        return asdict(self.config)

    def forward(self, state: Tensor, condition: Tensor, at: Tensor) -> Tensor:
        """Predict v of the process; see `uncodec.diffusion.ddim`."""
        velocity: Tensor = self.unet(torch.cat([state, condition], 1), at)
        return velocity

    @staticmethod
    def gain(coded: Tensor) -> Tensor:
        """What brings each signal to power 1, [shape=(batch, 1)]; silence is left silent."""
        power: Tensor = coded.square().mean(-1, keepdim=True)
        return 1 / (power.sqrt() + _FLOOR)
