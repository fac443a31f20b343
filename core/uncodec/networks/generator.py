"""The causal generator of the live path.

One call turns a run of spectral frames, of any length, into the spectrum to be added to the coded
signal (the delta), and carries every memory in explicit state tensors, so that a file can be
computed in long runs and a live stream hop by hop with the same result.

Each bin gets a gain (to reshape what the codec kept) and two excitations to fill what it removed,
since no gain can fill a bin that holds zero: noise that swells and fades as the signal does, and
overtones of what is left of the signal, which carry its pitch and its attacks on above a cut-off
(`uncodec.networks.spectra`). The levels come out of two stages. A recurrent network over time sees
the whole frame at once, coarsely, and lays out levels for each patch of eight bins; a small network
that is the same for every patch then looks at the bins themselves and at their neighbours, and
decides which of them lack energy. Levels are learned relative to an outline of the spectrum that is
carried on beyond the last bin with content: whether a recording is dark or bright is then seen at
the edge of what the codec left, and need not be guessed. On top of it all comes the encoder gain
(`uncodec.networks.encoder_gain`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.encoder_gain import GROUP, STATISTICS, EncoderGain

__all__ = ["CHANNELS", "CHANNEL_NAMES", "Generator", "GeneratorConfig", "exchanged"]

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]

CHANNEL_NAMES = (
    "mid",
    "side",
    "noise of mid",
    "noise of side",
    "overtones of mid",
    "overtones of side",
)
"""The channels of the input, see `uncodec.networks.spectra.generator_input`."""
CHANNELS = len(CHANNEL_NAMES)

BAND = 4
"""Bins of a band, the resolution of the outline."""
PATCH = 8
"""Bins of a patch, the resolution of the recurrent stage."""
AROUND = 4
"""Bins that a patch sees of its neighbours on either side."""
LEVELS = 6
"""What is decided for a bin: a gain, a level of noise, a level of overtones; for mid and side."""


@dataclass(frozen=True)
class GeneratorConfig:
    """Shape of a generator.

    Attributes
    ----------
    window : int
        STFT window in samples, a multiple of 16.
    hop : int
        STFT hop in samples.
    encoder, hidden : int
        Widths of the frame encoder and of the recurrent layer.
    context : int
        Numbers that the recurrent stage hands to each patch, at least 6.
    local : int
        Width of the network that works on patches.
    """

    window: int = 1024
    hop: int = 512
    encoder: int = 192
    hidden: int = 256
    context: int = 12
    local: int = 64

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")
        if self.window % (2 * self.hop) or self.window % (2 * PATCH):
            rule = f"must be a multiple of 2 * hop={2 * self.hop} and of {2 * PATCH}"
            raise InvalidValue(f"window={self.window}: {rule}")
        if self.context < LEVELS:
            raise InvalidValue(f"context={self.context}: must be {LEVELS} or more")

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
            decades, the previous frame's levels relative to it [shape=(batch, 2, 1, bins - 1)],
            the decaying peaks of its bands [shape=(batch, 2, 1, (bins - 1) // 4)] and what
            `EncoderGain` has heard so far [shape=(batch, 8 * ((bins - 1) // 16) + 2)].
        """

        def filled(value: float, *shape: int) -> Tensor:
            return torch.full(shape, value, dtype=torch.float32, device=device)

        return (
            filled(0.0, 1, batch, self.hidden),
            filled(-8.0, batch, 1),
            filled(-1.0, batch, 2, 1, self.bins - 1),
            filled(-8.0, batch, 2, 1, (self.bins - 1) // BAND),
            filled(0.0, batch, STATISTICS * ((self.bins - 1) // GROUP) + 2),
        )


def exchanged(state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The state as if mid and side had always been each other, as far as that can be told.

    What recurrent layers remember stays; it is a matter of fractions of a second.
    """
    hidden, held, previous, peaks, heard, *levels = state
    half = (heard.shape[1] - 2) // 2
    mid, side, rest = heard[:, :half], heard[:, half : 2 * half], heard[:, 2 * half :]
    heard = torch.cat([side, mid, rest], dim=1)
    return (hidden, held, previous.flip(1), peaks.flip(1), heard, *levels)


class Generator(nn.Module):
    """Coded mid/side frames in, delta frames out.

    Parameters
    ----------
    config : GeneratorConfig

    Notes
    -----
    All spectra are un-normalised FFTs of frames under a square-root Hann window, as real views of
    complex numbers. Mid is (L + R) / 2, side (L - R) / 2. Noise and overtones may have any level.

    Levels are worked on relative to a peak-hold of the frame level, so that a quiet recording is
    treated like a loud one. The bin at 0 Hz is left alone.
    """

    # log10 of power below which a bin counts as empty: near the rounding noise of a 16-bit file.
    FLOOR = 1e-8
    # log10 of mean power up to which a frame counts as silent.
    SILENCE = -7.9
    # Decades per second, at 44.1 kHz, by which the level reference and the peaks of bands fall.
    REFERENCE_FALL = 1.7
    BAND_FALL = 14.0

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = (config.bins - 1) // PATCH
        self.context = config.context
        self.decay = self.REFERENCE_FALL * config.hop / 44100
        self.band_decay = self.BAND_FALL * config.hop / 44100
        self.floor = self.FLOOR
        self.silence = self.SILENCE
        # Added to its log odds of damage before its own gate: much, where a gate network decides.
        self.leniency = 0.0
        self.encode = nn.Linear(6 * self.patches + 1, config.encoder)
        self.recur = nn.GRU(config.encoder, config.hidden, batch_first=True)
        both = config.encoder + config.hidden
        self.layout = nn.Linear(both, config.context * self.patches)
        self.gate = nn.Linear(both, 1)
        seen = 4 * (PATCH + 2 * AROUND) + 4 * (PATCH // BAND) + config.context
        self.look = nn.Linear(seen, config.local)
        self.fuse = nn.Linear(config.local, config.local)
        self.decide = nn.Linear(config.local, LEVELS * PATCH)
        # Its name is part of the names of the weights.
        self.encoder_gain = EncoderGain(config.bins, config.hop)
        # Against over-fitting: the recordings to train on are few.
        self.dropout = nn.Dropout(0.1)
        place = torch.arange((config.bins - 1) // BAND, dtype=torch.float32)
        self.place = nn.Buffer(place, persistent=False)
        self._start_small()

    def _start_small(self) -> None:
        """Begin close to the identity: gains at 1, noise and overtones well below the signal."""
        with torch.no_grad():
            self.layout.weight.mul_(0.3)
            nn.init.zeros_(self.layout.bias)
            self.decide.weight.mul_(0.1)
            nn.init.zeros_(self.decide.bias)
            self.decide.bias[4 * PATCH :] = -0.5
            self.gate.weight.mul_(0.1)
            nn.init.constant_(self.gate.bias, 1.0)

    @torch.jit.ignore  # type: ignore[untyped-decorator]
    def trim_excitation(self, gain_db: float) -> None:
        """Turn all that is filled in up or down for good; negative favours the waveform."""
        with torch.no_grad():
            # Half the decades of power of noise and overtones, see `forward`.
            self.decide.bias[2 * PATCH :] += 0.05 * gain_db

    def initial_state(self, batch: int) -> State:
        """State before the first frame, see `GeneratorConfig.initial_state`."""
        return self.config.initial_state(batch, self.gate.weight.device)

    def outline(self, level: Tensor, peaks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outline of the spectrum, carried on over what the codec emptied.

        It is computed on the decaying peaks of bands of four bins. A band counts as having content
        when it or a neighbour lies within a decade of an envelope that falls by 0.08 decades per
        band (the edge of a low-pass is far steeper) and above the rounding noise of a 16-bit file.
        Bands without content get the level of the last one below that has some, less 0.024 decades
        per band.

        Parameters
        ----------
        level : Tensor [shape=(batch, 2, frames, bins - 1)]
            log10 of power.
        peaks : Tensor [shape=(batch, 2, 1, bands)]
            Decaying peaks of the bands up to the frame before.

        Returns
        -------
        outline : Tensor [shape=(batch, 2, frames, bands)]
        content : Tensor [shape=(batch, 2, frames, bands)]
            1 where there is content, 0 elsewhere.
        peaks : Tensor [shape=(batch, 2, 1, bands)]
        """
        batch, channels, frames, bins = level.shape
        bands = bins // 4
        band = level.reshape(batch, channels, frames, bands, 4).amax(-1)
        fall = torch.arange(frames + 1, device=level.device, dtype=level.dtype)[:, None]
        fall = fall * self.band_decay
        held = torch.cummax(torch.cat([peaks, band], dim=2) + fall, dim=2)[0] - fall
        held = held[:, :, 1:]
        around = torch.nn.functional.max_pool1d(
            held.reshape(batch * channels, frames, bands), 3, stride=1, padding=1
        ).reshape(batch, channels, frames, bands)
        slope = 0.08 * self.place
        envelope = torch.cummax(around + slope, dim=3)[0] - slope
        content = (around > (envelope - 1.0).clamp(min=-6.5)).to(level.dtype)
        last = torch.cummax(content * self.place, dim=3)[0]
        carried = torch.gather(around, 3, last.long()) - 0.024 * (self.place - last)
        return carried, content, held[:, :, -1:]

    def forward(self, spectra: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Compute the delta of a run of frames.

        Parameters
        ----------
        spectra : Tensor [shape=(batch, 6, frames, bins, 2)]
            Real view of the spectra of coded mid and side, two noises, overtones of mid and side.
        state : tuple of Tensor
            From `initial_state` or from the call before.

        Returns
        -------
        delta : Tensor [shape=(batch, 2, frames, bins, 2)]
        damage : Tensor [shape=(batch, frames)]
            Log odds that the signal is damaged. At -4 and below the delta is exactly 0.
        state : tuple of Tensor
        """
        delta, damage, state = self.repair(spectra, state)
        delta, heard = self.turn_up(spectra[:, 0:2], delta, damage, state[4])
        return delta, damage, (state[0], state[1], state[2], state[3], heard)

    @torch.jit.export
    def turn_up(
        self, coded: Tensor, delta: Tensor, damage: Tensor, heard: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The encoder gain's part of `forward`: the delta with it, and what it has heard so far."""
        energy = torch.log10(coded.square().sum(4).mean((1, 3)) + self.floor)
        sounding = (energy > self.silence).to(damage.dtype)
        gain, heard = self.encoder_gain(coded, damage, sounding, heard)
        # The bin at 0 Hz is left alone.
        coded = torch.nn.functional.pad(coded[:, :, :, 1:], [0, 0, 1, 0])
        return delta + gain[:, None, :, None, None] * (delta + coded), heard

    @torch.jit.export
    def repair(self, spectra: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """`forward` without the encoder gain, whose part of the state it hands on untouched."""
        hidden, held, previous, peaks, heard_so_far = state
        real, imag = spectra[:, :, :, 1:, 0], spectra[:, :, :, 1:, 1]
        batch, _, frames, bins = real.shape
        patches = self.patches
        power = torch.addcmul(real * real, imag, imag)
        whole, relative, carried, outline, content, energy, held, peaks = self.frame_features(
            power[:, 0:2], held, peaks
        )
        laid, damage, hidden = self.judge(whole, hidden)
        # Shut only where an undamaged signal is all but certain, open from even odds upwards.
        gate = (1.0 + 0.25 * (damage + self.leniency)).clamp(0.0, 1.0)
        # Silence far below the rounding noise of a 16-bit file stays silence.
        gate = gate * (energy > self.silence)

        before = torch.cat([previous, relative[:, :, :-1]], dim=2)
        previous = relative[:, :, -1:]
        near = torch.nn.functional.pad(torch.cat([relative, before], dim=1), [4, 4])
        near = near.unfold(3, 16, 8).permute(0, 2, 3, 1, 4).reshape(batch, frames, patches, 64)
        place = torch.cat([carried, content], dim=1).reshape(batch, 4, frames, patches, 2)
        place = place.permute(0, 2, 3, 1, 4).reshape(batch, frames, patches, 8)
        local = torch.cat([near.to(laid.dtype), place.to(laid.dtype), laid], dim=3)
        local = torch.nn.functional.silu(self.look(local))
        local = torch.nn.functional.silu(self.fuse(local))
        chosen = self.decide(local).reshape(batch, frames, patches, 6, 8) + laid[..., 0:6, None]
        chosen = chosen.permute(0, 3, 1, 2, 4).reshape(batch, 6, frames, bins).to(relative.dtype)

        open_ = gate[:, None, :, None]
        # Small changes of what the codec kept are not worth the waveform: up to 3 % there is none.
        bent = torch.nn.functional.softshrink(torch.tanh(chosen[:, 0:2]), 0.02)
        gain = torch.expm1(1.5 * bent) * open_
        # The outline runs along the peaks, about a decade above what a noise of that level has on
        # average (that decade is part of the scale below); where the codec left content, what is
        # added starts out two decades lower still.
        lowered = torch.sub(outline, content, alpha=2.0)
        lowered = lowered[:, :, :, :, None].expand(batch, 2, frames, 2 * patches, 4)
        lowered = lowered.reshape(batch, 2, frames, bins).repeat(1, 2, 1, 1)
        decades = torch.add(lowered, chosen[:, 2:6], alpha=2.0).clamp(-13.0, 7.0)
        # Both are brought to unit level patch by patch; what has none stays without.
        heard = power[:, 2:6].reshape(batch, 4, frames, patches, 8).mean(-1, keepdim=True)
        unit = torch.rsqrt(heard + 1e-12).expand(batch, 4, frames, patches, 8)
        unit = unit.reshape(batch, 4, frames, bins)
        amplitude = torch.exp(1.1512925 * decades) * unit * (open_ * 0.31622777)
        factors = torch.cat([gain, amplitude], dim=1)
        real = (factors * real).reshape(batch, 3, 2, frames, bins).sum(1)
        imag = (factors * imag).reshape(batch, 3, 2, frames, bins).sum(1)
        delta = torch.nn.functional.pad(torch.stack([real, imag], dim=-1), [0, 0, 1, 0])
        return delta, damage, (hidden, held, previous, peaks, heard_so_far)

    @torch.jit.export
    def frame_features(
        self, power: Tensor, held: Tensor, peaks: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What `repair` hears of a run of frames before anything that was learned.

        Parameters
        ----------
        power : Tensor [shape=(batch, 2, frames, bins - 1)]
            Of coded mid and side, without the bin at 0 Hz.
        held, peaks : Tensor
            Level reference and decaying peaks, the second and the fourth tensor of the state.

        Returns
        -------
        whole : Tensor [shape=(batch, frames, 6 * patches + 1)]
            What the recurrent stage hears of a frame, see `judge`.
        relative : Tensor [shape=(batch, 2, frames, bins - 1)]
            Levels relative to the reference.
        carried : Tensor [shape=(batch, 2, frames, bands)]
            The outline, relative to the reference as well.
        outline, content : Tensor [shape=(batch, 2, frames, bands)]
            See `outline`.
        energy : Tensor [shape=(batch, frames)]
            log10 of mean power.
        held, peaks : Tensor
            For the next call.
        """
        batch, _, frames, _ = power.shape
        patches = self.patches
        level = torch.log10(power + self.floor)

        # Peak-hold with linear decay, r_t = max(e_t, r_(t-1) - d), as a running maximum over e_t +
        # d t.
        slope = torch.arange(1, frames + 1, device=level.device, dtype=level.dtype) * self.decay
        energy = torch.log10(power.mean(dim=(1, 3)) + self.floor)
        ramped = torch.cat([held, energy + slope], dim=1)
        reference = torch.cummax(ramped, dim=1)[0][:, 1:] - slope
        held = reference[:, -1:]

        # Levels relative to the reference, scaled for the network's layers.
        shift = (0.5 - 0.25 * reference)[:, None, :, None]
        relative = torch.add(shift, level, alpha=0.25).clamp(-1.5, 1.5)
        outline, content, peaks = self.outline(level, peaks)
        carried = torch.add(shift, outline, alpha=0.25).clamp(-1.5, 1.5)
        mean = relative.reshape(batch, 2, frames, patches, 8).mean(-1)
        coarse = torch.cat([mean, carried[:, :, :, ::2], content[:, :, :, ::2]], dim=1)
        coarse = coarse.permute(0, 2, 1, 3).reshape(batch, frames, 6 * patches)
        whole = torch.cat([coarse, reference[:, :, None] * 0.25], dim=2)
        return whole, relative, carried, outline, content, energy, held, peaks

    @torch.jit.export
    def judge(self, whole: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The recurrent stage: what it lays out for each patch, and whether there is damage.

        Parameters
        ----------
        whole : Tensor [shape=(batch, frames, 6 * patches + 1)]
            From `frame_features`.
        hidden : Tensor [shape=(1, batch, hidden)]

        Returns
        -------
        laid : Tensor [shape=(batch, frames, patches, context)]
        damage : Tensor [shape=(batch, frames)]
            Log odds that the signal is damaged.
        hidden : Tensor [shape=(1, batch, hidden)]
        """
        batch, frames, _ = whole.shape
        encoded = torch.nn.functional.silu(self.encode(self.dropout(whole)))
        recurred, hidden = self.recur(encoded, hidden)
        both = self.dropout(torch.cat([encoded, recurred.to(encoded.dtype)], dim=2))
        laid = self.layout(both).reshape(batch, frames, self.patches, self.context)
        damage = self.gate(both).reshape(batch, frames).float()
        return laid, damage, hidden

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return asdict(self.config)
