"""The network of the offline path: one step from a half-restored spectrum to the restored one.

The spectrum is cut into bands, narrower at the bottom, and each band of each frame becomes a token.
Layers mix tokens over time (dilated, so that a frame depends on a known number of others and no
more: that is what lets a file be computed in pieces without a seam), over bands and over channels.
What they lay out for each bin is corrected by a small convolution that looks at the bins
themselves. All of it are matrix products and convolutions with channels last, which processors run
several times faster in bfloat16 than in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, glu, pad, silu

from uncodec.errors import InvalidValue
from uncodec.networks.diffusion_scene import CELLS, SCENE_REACH, Scene, weigh
from uncodec.networks.generator import Generator, GeneratorConfig

__all__ = ["BANDS", "JUDGED", "DiffusionConfig", "DiffusionNetwork"]

# (bands, cells in each)
BANDS = ((16, 1), (16, 2), (16, 5))
# Frames to either side over which the judgement on damage and gains are averaged (silent ones do
# not count), and that the convolutions see.
JUDGED, LOCAL_REACH = 96, 2
# Frames computed at once where no gradients are kept: inner activations are several times as wide
# as what goes from layer to layer, so this saves memory.
RUN = 256
# The encoder gain at most: what LAME takes off is a twentieth.
MOST_MAKEUP = 0.06


@dataclass(frozen=True)
class DiffusionConfig:
    """Shape of a diffusion network.

    Attributes
    ----------
    window : int
        STFT window in samples, a power of two, 256 or more.
    hop : int
        STFT hop in samples.
    width : int
        Channels of a token.
    dilations : sequence of int
        One layer for each, looking so many frames back and ahead.
    local : int
        Channels of the convolution over bins and frames.
    live : GeneratorConfig
        Shape of the live generator whose restoration is the start; a mapping will do.
    """

    window: int = 2048
    hop: int = 512
    width: int = 96
    dilations: Sequence[int] = (1, 2, 4, 8, 16, 16)
    local: int = 16
    live: GeneratorConfig = field(default_factory=GeneratorConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dilations", tuple(self.dilations))
        if isinstance(self.live, Mapping):
            object.__setattr__(self, "live", GeneratorConfig(**self.live))
        for name in ("window", "hop", "width", "local"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")
        if self.window < 2 * CELLS or self.window & (self.window - 1):
            raise InvalidValue(f"window={self.window}: must be a power of two, {2 * CELLS} or more")
        if self.window % (2 * self.hop):
            raise InvalidValue(
                f"window={self.window}: must be a multiple of 2 * hop={2 * self.hop}"
            )
        if not self.dilations or any(not isinstance(d, int) or d < 1 for d in self.dilations):
            raise InvalidValue(f"dilations={self.dilations}: must be positive integers")

    @property
    def bins(self) -> int:
        """Number of bins of a frame."""
        return self.window // 2 + 1

    @property
    def reach(self) -> int:
        """Frames to either side that a frame of the result depends on."""
        return sum(self.dilations) + SCENE_REACH + JUDGED + LOCAL_REACH


class _Layer(nn.Module):
    """Mix tokens over time, bands and channels, told how far the restoration is."""

    def __init__(self, width: int, bands: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.tell = nn.Linear(width, 4 * width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.time = nn.Linear(3 * width, 2 * width)
        self.over = nn.Linear(bands, 2 * bands)
        self.back = nn.Linear(bands * 2, bands)
        self.up = nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        with torch.no_grad():
            for last in (self.back, self.down):
                last.weight.mul_(0.3)
            self.tell.weight.mul_(0.1)

    def forward(self, tokens: Tensor, told: Tensor) -> Tensor:
        d = self.dilation
        gain1, shift1, gain2, shift2 = self.tell(told)[:, None, None].chunk(4, dim=3)
        done = []
        for run, _ in _runs(tokens.shape[1]):
            x = self.norms[0](tokens[:, run]) * (1 + gain1) + shift1
            done.append(x.to(tokens.dtype))
        wide = pad(torch.cat(done, dim=1), (0, 0, 0, 0, d, d))
        done = []
        for run, _ in _runs(tokens.shape[1]):
            first, last = run.start, run.stop
            near = [wide[:, first + shift : last + shift] for shift in (0, d, 2 * d)]
            part = tokens[:, run] + glu(self.time(torch.cat(near, dim=3)), dim=3)
            # Laid out anew on both ways: products of transposed matrices take longer.
            x = self.norms[1](part).to(part.dtype).transpose(2, 3).contiguous()
            part = part + self.back(silu(self.over(x))).transpose(2, 3).contiguous()
            x = self.norms[2](part) * (1 + gain2) + shift2
            done.append(part + self.down(silu(self.up(x))))
        return torch.cat(done, dim=1)


class _Bands(nn.Module):
    """A linear map of its own for every band of a group."""

    def __init__(self, bands: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(bands, inputs, outputs).normal_(0, inputs**-0.5))
        self.bias = nn.Parameter(torch.zeros(bands, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(bands, tokens, inputs) to (bands, tokens, outputs)."""
        return torch.baddbmm(self.bias.to(x.dtype), x, self.weight.to(x.dtype))


class DiffusionNetwork(nn.Module):
    """Coded and half-restored frames in, the delta to the restored ones out.

    Parameters
    ----------
    config : DiffusionConfig

    Notes
    -----
    All spectra are un-normalised FFTs of frames under a square-root Hann window, complex,
    [shape=(batch, 2, frames, bins)], channel 0 the mid (L + R) / 2 and channel 1 the side (L - R)
    / 2.

    The delta is made of what is there, under a soft mask of what to trust: where the mask is 1 the
    coded bin stays, where it is 0 the bin gets a gain, and what the restoration has added so far
    gets another. What the live generator turned up as a whole stays turned up: the mask is for
    bins, and a level is not seen in any one of them.
    """

    FEATURES = 8

    def __init__(self, config: DiffusionConfig) -> None:
        super().__init__()
        self.config = config
        # Part of the model, and not looked up by name: another release would start elsewhere.
        self.live = Generator(config.live).requires_grad_(False)
        cell = (config.bins - 1) // CELLS
        self.cell = cell
        width, local = config.width, config.local
        bands = sum(count for count, _ in BANDS)
        # Four features of each bin and four of each cell.
        self.enter = nn.ModuleList(
            _Bands(count, cells * (4 * cell + 4), width) for count, cells in BANDS
        )
        self.place = nn.Parameter(torch.zeros(bands, width))
        self.clock = nn.Sequential(nn.Linear(16, width), nn.SiLU(), nn.Linear(width, width))
        self.layers = nn.ModuleList(_Layer(width, bands, d) for d in config.dilations)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.ModuleList(
            _Bands(count, width, cells * cell * self.FEATURES) for count, cells in BANDS
        )
        self.look = nn.Conv2d(2 * self.FEATURES, local, (3, 5), padding=(1, 2))
        self.fuse = nn.Conv2d(local, local, (3, 3), padding=1)
        self.decide = nn.Linear(local, 6)
        self.weigh = nn.Linear(width, width)
        self.gate = nn.Linear(width, 1)
        with torch.no_grad():
            for name, weight in self.leave.named_parameters():
                if name.endswith("weight"):
                    weight.mul_(0.3)
            self.decide.weight.mul_(0.1)
            nn.init.zeros_(self.decide.bias)
            self.gate.weight.mul_(0.1)
            nn.init.constant_(self.gate.bias, 1.0)

    def train(self, mode: bool = True) -> DiffusionNetwork:
        """Switch to training or back; the live generator is never trained here."""
        super().train(mode)
        self.live.eval()
        return self

    def forward(
        self, scene: Scene, missing: Tensor, time: Tensor, gated: bool = True
    ) -> tuple[Tensor, Tensor]:
        """Predict the restored signal.

        Parameters
        ----------
        scene : Scene
            The coded signal.
        missing : Tensor [shape=(batch, 2, frames, bins)], complex
            What the restoration has added to it so far.
        time : Tensor [shape=(batch,)]
            How far it is, from 0 (the start) to 1 (restored).
        gated : bool
            Whether the network's own verdict counts. Where a gate network decides afterwards, it
            does not.

        Returns
        -------
        delta : Tensor [shape=(batch, 2, frames, bins)], complex
            Restored less coded.
        damage : Tensor [shape=(batch, frames)]
            Log odds that the signal is damaged. If it counts, the delta is exactly 0 at -1 and
            below.
        """
        features = self._features(scene, missing)
        tokens = self._enter(features)
        told = silu(self.clock(_clock_face(time)))
        for layer in self.layers:
            tokens = layer(tokens, told)
        tokens = self.norm(tokens)
        damage = self._judge(tokens, scene.sounding)
        chosen = self._decide(features, self._leave(tokens)).float()
        # The largest of all that is alive, and not needed any more.
        del features, tokens
        # Over two seconds the odds of damaged and undamaged recordings hardly meet: of the
        # validation set's, the least sure were at +3 (Opus 64 kb/s) and at -3.
        gate = scene.sounding
        if gated:
            gate = gate * (0.5 + 0.5 * damage).clamp(0.0, 1.0)
        trust = torch.sigmoid(chosen[:, 0:2] + (4.0 * scene.content - 2.0))
        open_ = gate[:, None, :, None] * (1.0 - trust)
        gain = torch.expm1(1.5 * torch.tanh(chosen[:, 2:4])) * (1.0 - trust)
        kept = (scene.coded.real.square() + scene.coded.imag.square()) * scene.content
        down = self._turned_down(gain, kept)
        gain = (gain - down[:, None, :, None]) * gate[:, None, :, None]
        added = torch.exp(2.302585093 * chosen[:, 4:6].clamp(-4.0, 3.0)) * open_
        del chosen, trust, open_
        encoder_gain = (self._encoder_gain(scene, missing, kept) * gate)[:, None, :, None]
        rest = weigh(missing - weigh(scene.coded, encoder_gain), added)
        return weigh(scene.coded, encoder_gain + gain) + rest, damage

    def _features(self, scene: Scene, missing: Tensor) -> Tensor:
        """Eight numbers for each bin, [shape=(batch, frames, bins - 1, 8)]."""
        now = scene.coded + missing
        power = now.real.square() + now.imag.square()
        base = scene.outline - 1.0
        floor = 1e-8
        # Levels relative to the outline, and the outline relative to the loudest around.
        rows = (
            (0.5 * (scene.level - base)).clamp(-3.0, 2.0),
            (0.5 * (torch.log10(power + floor) - base)).clamp(-3.0, 2.0),
            0.25 * (base - scene.reference[:, None, :, None]) + 0.5,
            scene.content,
        )
        device = power.device.type
        half = torch.is_autocast_enabled(device)
        kind = torch.get_autocast_dtype(device) if half else power.dtype
        stacked = torch.stack([row[..., :-1].to(kind) for row in rows], dim=4)
        # Bin features of mid and side first, then those that are alike within a cell.
        order = stacked.permute(0, 2, 3, 4, 1)
        return order.reshape(*order.shape[:3], self.FEATURES)

    def _enter(self, features: Tensor) -> Tensor:
        batch, frames, _, _ = features.shape
        cells = features.reshape(batch, frames, CELLS, self.cell, self.FEATURES)
        fine = cells[..., :4].flatten(3)
        whole = torch.cat([fine, cells[:, :, :, 0, 4:]], dim=3)
        parts, first = [], 0
        for (count, size), layer in zip(BANDS, self.enter, strict=True):
            part = whole[:, :, first : first + count * size].reshape(batch * frames, count, -1)
            first += count * size
            parts.append(layer(part.transpose(0, 1)))
        tokens = torch.cat(parts).transpose(0, 1).reshape(batch, frames, -1, self.config.width)
        return tokens + self.place.to(tokens.dtype)

    def _leave(self, tokens: Tensor) -> Tensor:
        batch, frames = tokens.shape[:2]
        by_band = tokens.permute(2, 0, 1, 3).flatten(1, 2)
        parts, first = [], 0
        for (count, _), layer in zip(BANDS, self.leave, strict=True):
            laid = layer(by_band[first : first + count])
            first += count
            laid = laid.reshape(count, batch, frames, -1, self.FEATURES)
            parts.append(laid.permute(1, 2, 0, 3, 4).flatten(2, 3))
        return torch.cat(parts, dim=2)

    def _decide(self, features: Tensor, laid: Tensor) -> Tensor:
        """Mask, gain and gain of what is missing: [shape=(batch, 6, frames, bins)]."""
        done = []
        for run, inner in _runs(features.shape[1], LOCAL_REACH):
            # (batch, frames, bins, channels) seen as an image with its channels last in memory.
            image = torch.cat([features[:, run], laid[:, run].to(features.dtype)], dim=3)
            image = silu(self.fuse(silu(self.look(image.permute(0, 3, 1, 2)))))
            chosen = self.decide(image.permute(0, 2, 3, 1)) + laid[:, run, :, :6]
            done.append(chosen[:, inner].permute(0, 3, 1, 2))
        chosen = torch.cat(done, dim=2)
        # The bin at half the rate does as its neighbour does.
        return torch.cat([chosen, chosen[..., -1:]], dim=3)

    def _judge(self, tokens: Tensor, sounding: Tensor) -> Tensor:
        seen = silu(self.weigh(tokens)).float().mean(2)
        odds = self.gate(seen).float().squeeze(2)
        return _mean_around(odds * sounding, sounding, 1e-6)

    def _encoder_gain(self, scene: Scene, missing: Tensor, kept: Tensor) -> Tensor:
        """Gain common to all that the codec kept, around each frame: [shape=(batch, frames)].

        `kept` is the power of the coded bins with content, [shape=(batch, 2, frames, bins)].
        """
        coded = scene.coded
        along = (missing.real * coded.real + missing.imag * coded.imag) * scene.content
        mean = _mean_around(along.sum((1, 3)), kept.sum((1, 3)), 1e-9)
        return mean.clamp(0.0, MOST_MAKEUP)

    def _turned_down(self, gain: Tensor, kept: Tensor) -> Tensor:
        """Mean gain of what was kept, around each frame, where it is below 0; see `_encoder_gain`.

        The log-spectral distance is lowest at the mean of logarithms, which is below the mean of
        powers: trained to lower it, a network turns down what it cannot be sure of, a tenth of a
        dB here and there. On the whole nothing that was kept has become louder by coding.
        """
        return _mean_around((kept * gain).sum((1, 3)), kept.sum((1, 3)), 1e-9).clamp(max=0.0)

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return asdict(self.config)


def _runs(frames: int, reach: int = 0) -> Iterator[tuple[slice, slice]]:
    """Runs that frames are computed in, up to `reach` more on either side, and their place therein.

    Where gradients are kept everything is, so there is one run.
    """
    size = frames if torch.is_grad_enabled() else RUN
    for first in range(0, frames, size):
        last = min(frames, first + size)
        run = slice(max(0, first - reach), min(frames, last + reach))
        yield run, slice(first - run.start, last - run.start)


def _mean_around(weighted: Tensor, weights: Tensor, floor: float) -> Tensor:
    """Weighted mean over `JUDGED` frames to either side, of two [shape=(batch, frames)]."""
    both = torch.stack([weighted, weights], dim=1)
    mean = avg_pool1d(both, 2 * JUDGED + 1, stride=1, padding=JUDGED)
    return mean[:, 0] / (mean[:, 1] + floor)


def _clock_face(time: Tensor) -> Tensor:
    """Sines and cosines of a time from 0 to 1, [shape=(batch, 16)]."""
    rates = math.pi * torch.arange(1, 9, device=time.device, dtype=torch.float32) / 2
    angles = time[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)
