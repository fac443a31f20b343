"""The causal generator of the live path.

One call turns a run of spectral frames, of any length, into the spectrum to be added to the coded
signal (the delta), and carries every memory in explicit state tensors, so that a file can be
computed in long runs and a live stream hop by hop with the same result.

Each bin gets a gain (to reshape what the codec kept) and shaped noise (to fill what it removed: no
gain can fill a bin that holds zero). Both come out of two stages: a recurrent network over time
that sees the whole frame at once and lays out per-bin levels, and a small convolution along
frequency that looks at the bins themselves and decides which of them lack energy. The level of the
noise is learned relative to an outline of the spectrum that is carried on beyond the last bin with
content: whether a recording is dark or bright is then seen at the edge of what the codec left, and
need not be guessed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue

__all__ = ["Generator", "GeneratorConfig"]

State = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a generator.

    Attributes
    ----------
    window : int
        STFT window in samples, a power of two.
    hop : int
        STFT hop in samples.
    encoder, hidden : int
        Widths of the frame encoder and of the recurrent layer.
    local : int
        Channels of the convolution along frequency.
    """

    window: int = 1024
    hop: int = 256
    encoder: int = 192
    hidden: int = 256
    local: int = 16

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")
        if self.window % (2 * self.hop):
            raise InvalidValue(
                f"window={self.window}: must be a multiple of 2 * hop={2 * self.hop}"
            )

    @property
    def bins(self) -> int:
        """Number of bins of a frame."""
        return self.window // 2 + 1

    def initial_state(self, batch: int, device: torch.device | str = "cpu") -> State:
        """State of a generator before the first frame.

        Returns
        -------
        tuple of Tensor
            Recurrent state [shape=(1, batch, hidden)], level reference [shape=(batch, 1)] in
            decades, the previous frame's levels relative to it [shape=(batch, 2, 1, bins)] and the
            decaying peaks of its bands [shape=(batch, 2, 1, bins // 4)].
        """
        return (
            torch.zeros(1, batch, self.hidden, device=device),
            torch.full((batch, 1), -8.0, device=device),
            torch.full((batch, 2, 1, self.bins), -1.0, device=device),
            torch.full((batch, 2, 1, self.bins // 4), -8.0, device=device),
        )


class Generator(nn.Module):
    """Coded mid/side frames in, delta frames out.

    Parameters
    ----------
    config : GeneratorConfig

    Notes
    -----
    All spectra are un-normalised FFTs of frames under a square-root Hann window, as separate real
    and imaginary parts, [shape=(batch, 2, frames, bins)], channel 0 the mid (L + R) / 2 and channel
    1 the side (L - R) / 2. The noise spectra are those of white noise of unit variance.

    Levels are worked on relative to a peak-hold of the frame level, so that a quiet recording is
    treated like a loud one.
    """

    # log10 of power below which a bin counts as empty: near the rounding noise of a 16-bit file.
    FLOOR = 1e-8
    # log10 of mean power up to which a frame counts as silent.
    SILENCE = -7.9
    # Decades per frame by which the level reference falls after a peak.
    DECAY = 0.01

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        bins = config.bins
        self.config = config
        self.bins = bins
        self.hidden = config.hidden
        self.decay = self.DECAY
        self.floor = self.FLOOR
        self.silence = self.SILENCE
        # E|STFT|^2 of unit white noise is the energy of the window, half the window length for a
        # square-root Hann window.
        self.noise_scale = float((config.window / 2) ** -0.5)
        self.encode = nn.Linear(2 * bins + 2 * (bins // 8) + 1, config.encoder)
        self.recur = nn.GRU(config.encoder, config.hidden, batch_first=True)
        self.layout = nn.Linear(config.encoder + config.hidden, 4 * bins)
        self.gate = nn.Linear(config.hidden, 1)
        self.look = nn.Conv1d(12, config.local, 5, padding=2)
        self.fuse = nn.Conv1d(config.local, config.local, 3, padding=1)
        self.decide = nn.Conv1d(config.local, 4, 3, padding=1)
        self.place = nn.Buffer(torch.arange(bins // 4, dtype=torch.float32), persistent=False)
        # The bins above the last whole band (the one at half the rate) continue it.
        band_of = (torch.arange(bins) // 4).clamp(max=bins // 4 - 1)
        self.band_of = nn.Buffer(band_of, persistent=False)
        self._start_small()

    def _start_small(self) -> None:
        """Begin close to the identity: gains at 1, noise well below the signal."""
        with torch.no_grad():
            self.layout.weight.mul_(0.3)
            nn.init.zeros_(self.layout.bias)
            self.decide.weight.mul_(0.1)
            if self.decide.bias is not None:
                nn.init.zeros_(self.decide.bias)
            self.gate.weight.mul_(0.1)
            nn.init.constant_(self.gate.bias, 1.0)

    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def trim_noise(self, gain_db: float) -> None:
        """Turn all noise up or down for good; negative values favour the waveform's fidelity."""
        bias = self.decide.bias
        if bias is not None:
            with torch.no_grad():
                # Channels 2 and 3 are half the noise's decades of power, see `forward`.
                bias[2:4] += 0.05 * gain_db

    def initial_state(self, batch: int) -> State:
        """State before the first frame, see `GeneratorConfig.initial_state`."""
        return self.config.initial_state(batch, self.gate.weight.device)

    def outline(self, level: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outline of the spectrum, carried on over what the codec emptied.

        It is computed on the peaks of bands of four bins. A band counts as having content when it
        or a neighbour lies within a decade of an envelope that falls by 0.08 decades per band (the
        edge of a low-pass is far steeper) and above the rounding noise of a 16-bit file. Bands
        without content get the level of the last one below that has some, less 0.024 decades per
        band.

        Parameters
        ----------
        level : Tensor [shape=(batch, 2, frames, bins)]
            log10 of power.
        peaks : Tensor [shape=(batch, 2, 1, bins // 4)]
            Decaying peaks of the bands up to the frame before.

        Returns
        -------
        outline : Tensor [shape=(batch, 2, frames, bins)]
        content : Tensor [shape=(batch, 2, frames, bins)]
            1 where there is content, 0 elsewhere.
        peaks : Tensor [shape=(batch, 2, 1, bins // 4)]
        """
        batch, channels, frames, bins = level.shape
        bands = bins // 4
        end = 4 * bands
        band = torch.maximum(
            torch.maximum(level[:, :, :, 0:end:4], level[:, :, :, 1:end:4]),
            torch.maximum(level[:, :, :, 2:end:4], level[:, :, :, 3:end:4]),
        )
        time = torch.arange(frames + 1, device=level.device, dtype=level.dtype)[:, None] * 0.08
        held = torch.cummax(torch.cat([peaks, band], dim=2) + time, dim=2)[0] - time
        held = held[:, :, 1:]
        around = torch.nn.functional.max_pool1d(
            held.reshape(batch * channels, frames, bands), 3, stride=1, padding=1
        ).reshape(batch, channels, frames, bands)
        slope = 0.08 * self.place
        envelope = torch.cummax(around + slope, dim=3)[0] - slope
        content = (around > (envelope - 1.0).clamp(min=-6.5)).to(level.dtype)
        last = torch.cummax(content * self.place, dim=3)[0]
        carried = torch.gather(around, 3, last.long()) - 0.024 * (self.place - last)
        wide = torch.stack([carried, content], dim=0).index_select(4, self.band_of)
        return wide[0], wide[1], held[:, :, -1:]

    def forward(
        self, real: Tensor, imag: Tensor, noise_real: Tensor, noise_imag: Tensor, state: State
    ) -> tuple[Tensor, Tensor, Tensor, State]:
        """Compute the delta of a run of frames.

        Parameters
        ----------
        real, imag : Tensor [shape=(batch, 2, frames, bins)]
            Coded mid and side.
        noise_real, noise_imag : Tensor [shape=(batch, 2, frames, bins)]
            Spectra of unit white noise, the excitation.
        state : tuple of Tensor
            From `initial_state` or from the call before.

        Returns
        -------
        delta_real, delta_imag : Tensor [shape=(batch, 2, frames, bins)]
        damage : Tensor [shape=(batch, frames)]
            Log odds that the signal is damaged. At -4 and below the delta is exactly 0.
        state : tuple of Tensor
        """
        hidden, held, previous, peaks = state
        batch, _, frames, bins = real.shape
        power = torch.addcmul(real * real, imag, imag)
        level = torch.log10(power + self.floor)

        # Peak-hold with linear decay, r_t = max(e_t, r_(t-1) - d), as a running maximum over e_t +
        # d t.
        slope = torch.arange(1, frames + 1, device=real.device, dtype=real.dtype) * self.decay
        energy = torch.log10(power.mean(dim=(1, 3)) + self.floor)
        ramped = torch.cat([held, energy + slope], dim=1)
        reference = torch.cummax(ramped, dim=1)[0][:, 1:] - slope
        held = reference[:, -1:]

        # Levels relative to the reference, scaled for the network's layers.
        shift = (0.5 - 0.25 * reference)[:, None, :, None]
        relative = torch.add(shift, level, alpha=0.25).clamp(-1.5, 1.5)
        outline, content, peaks = self.outline(level, peaks)
        carried = torch.add(shift, outline, alpha=0.25).clamp(-1.5, 1.5)
        # Every second band.
        coarse = carried[:, :, :, 4 : bins - bins % 4 : 8]
        whole = torch.cat(
            [
                relative.permute(0, 2, 1, 3).reshape(batch, frames, 2 * bins),
                coarse.permute(0, 2, 1, 3).reshape(batch, frames, 2 * (bins // 8)),
                reference[:, :, None] * 0.25,
            ],
            dim=2,
        )
        encoded = torch.nn.functional.silu(self.encode(whole))
        recurred, hidden = self.recur(encoded, hidden)
        laid = self.layout(torch.cat([encoded, recurred], dim=2)).reshape(batch, frames, 4, bins)
        damage = self.gate(recurred).reshape(batch, frames)
        # Shut only where an undamaged signal is all but certain, open from even odds upwards.
        gate = (1.0 + 0.25 * damage).clamp(0.0, 1.0)
        # Silence far below the rounding noise of a 16-bit file stays silence.
        gate = gate * (energy > self.silence)

        before = torch.cat([previous, relative[:, :, :-1]], dim=2)
        previous = relative[:, :, -1:]
        local = torch.cat(
            [
                relative.permute(0, 2, 1, 3),
                before.permute(0, 2, 1, 3),
                carried.permute(0, 2, 1, 3),
                content.permute(0, 2, 1, 3),
                laid,
            ],
            dim=2,
        ).reshape(batch * frames, 12, bins)
        local = torch.nn.functional.silu(self.look(local))
        local = torch.nn.functional.silu(self.fuse(local))
        chosen = (self.decide(local).reshape(batch, frames, 4, bins) + laid).permute(0, 2, 1, 3)

        open_ = gate[:, None, :, None]
        gain = torch.expm1(1.5 * torch.tanh(chosen[:, 0:2])) * open_
        # The outline runs along the peaks, about a decade above what a noise of that level has on
        # average (that decade is part of the scale below); where the codec left content, noise
        # starts out two decades lower still.
        lowered = torch.sub(outline, content, alpha=2.0)
        decades = torch.add(lowered, chosen[:, 2:4], alpha=2.0).clamp(-13.0, 7.0)
        amplitude = torch.exp(1.1512925 * decades) * (open_ * self.noise_scale * 0.31622777)
        delta_real = torch.addcmul(gain * real, amplitude, noise_real)
        delta_imag = torch.addcmul(gain * imag, amplitude, noise_imag)
        return delta_real, delta_imag, damage, (hidden, held, previous, peaks)

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return asdict(self.config)
