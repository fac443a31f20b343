"""Adversaries of the live generator: they learn to tell restored sound from clean.

Two kinds. One looks at complex spectra of several resolutions itself. The other looks through a
frozen feature network, mixed at random across channels and scales, with one small discriminator
per scale: A. Sauer et al., "Projected GANs Converge Faster", NeurIPS 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from uncodec.networks.codec_net import CodecNet, codec_levels
from uncodec.networks.spectra import mid_side, real_fft

__all__ = ["ProjectedDiscriminator", "SpectralDiscriminator"]

SLOPE = 0.2


class SpectralDiscriminator(nn.Module):
    """Patch discriminators on companded complex mid/side spectra at three resolutions.

    As in EnCodec (A. Defossez et al., 2022), smaller, and on stereo as one signal.

    Parameters
    ----------
    width : int
        Channels of the first layer.
    windows : tuple of int
        STFT windows in samples; hops are a quarter.
    """

    def __init__(self, width: int = 16, windows: tuple[int, ...] = (2048, 1024, 512)) -> None:
        super().__init__()
        self.windows = windows
        self.stacks = nn.ModuleList(
            nn.Sequential(
                weight_norm(nn.Conv2d(4, width, (4, 8), stride=(2, 4), padding=(1, 2))),
                weight_norm(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)),
                weight_norm(nn.Conv2d(2 * width, 2 * width, 4, stride=2, padding=1)),
                weight_norm(nn.Conv2d(2 * width, 1, 3, padding=1)),
            )
            for _ in windows
        )

    @staticmethod
    def view(audio: Tensor, window: int) -> Tensor:
        """Companded spectra, magnitudes to the power of 0.3, [shape=(batch, 4, frames, bins)]."""
        shape = torch.hann_window(window, device=audio.device)
        spectra = real_fft(mid_side(audio).unfold(-1, window, window // 4) * shape)[..., 1:]
        real, imag = spectra.real, spectra.imag
        compress = (real.square() + imag.square() + 1e-6).pow(-0.35)
        return torch.cat([real * compress, imag * compress], 1)

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Judge signals.

        Parameters
        ----------
        audio : Tensor [shape=(batch, 2, samples)]
            Left and right, of about unit level.

        Returns
        -------
        verdicts : list of Tensor
            A map for each resolution, high where it sounds clean.
        features : list of Tensor
            Maps of the inner layers.
        """
        verdicts, features = [], []
        for window, stack in zip(self.windows, self.stacks, strict=True):
            maps = self.view(audio, window)
            *layers, last = stack.children()
            for layer in layers:
                maps = nn.functional.leaky_relu(layer(maps), SLOPE)
                features.append(maps)
            verdicts.append(last(maps))
        return verdicts, features


class ProjectedDiscriminator(nn.Module):
    """Four small discriminators on random mixtures of a frozen network's features.

    Cross-channel mixing is a random 1x1 convolution at each scale, cross-scale mixing a random 3x3
    convolution on the way from coarse to fine. Neither is trained; without them a discriminator
    settles on the few features that give the generator away.

    Parameters
    ----------
    features : CodecNet
        Frozen here.
    width : int
        Channels after mixing.
    seed : int
        Of the random mixtures.
    """

    def __init__(self, features: CodecNet, width: int = 32, seed: int = 0) -> None:
        super().__init__()
        self.network = features.eval().requires_grad_(False)
        source = torch.Generator().manual_seed(seed)

        def mixture(before: int, size: int) -> nn.Conv2d:
            layer = nn.Conv2d(before, width, size, padding=size // 2, bias=False)
            with torch.no_grad():
                scale = (before * size * size) ** -0.5
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=source) * scale)
            return layer.requires_grad_(False)

        widths = features.config.widths
        self.channels = nn.ModuleList(mixture(before, 1) for before in widths)
        self.across = nn.ModuleList(mixture(width, 3) for _ in widths)
        self.judges = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(SLOPE),
                spectral_norm(nn.Conv2d(width, 1, 1)),
            )
            for _ in widths
        )

    def mixed(self, audio: Tensor) -> list[Tensor]:
        """Mixed features of the four scales, coarse to fine."""
        maps = self.network.features(codec_levels(audio))
        found: list[Tensor] = []
        for scale in reversed(range(len(maps))):
            current = self.channels[scale](maps[scale])
            if found:
                size = (current.shape[2], current.shape[3])
                current = current + nn.functional.interpolate(found[-1], size, mode="nearest")
            found.append(self.across[scale](current))
        return found

    def forward(self, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Judge signals; see `SpectralDiscriminator.forward`."""
        features = self.mixed(audio)
        verdicts = [
            judge(maps) for judge, maps in zip(reversed(self.judges), features, strict=True)
        ]
        return verdicts, features
