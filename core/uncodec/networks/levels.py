"""The level network: how loud every band was before a codec took it.

It hears band levels of what the codec left and says band levels of the original, frame by frame,
with how sure it is. It also says which level to play: a guess sounds better when it is softer than
the likeliest level. It knows nothing of texture, so that it can learn from far more music than a
network that makes sound, and from music that was coded well.

A stack of gated linear recurrences (minimal GRUs: L. Feng et al., "Were RNNs all we needed?", 2024;
of the same family: S. De et al., "Griffin", 2024) and feed-forward layers. Nearly all of its work
is in products of matrices over many frames at once. With `both` directions every recurrence has a
twin that runs backwards, for whole files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.level_errors import DEEP, OPENING
from uncodec.networks.level_features import BANDS, FEATURES, FLOOR

__all__ = ["LevelConfig", "LevelNetwork"]


@dataclass(frozen=True)
class LevelConfig:
    """Shape of a level network.

    Attributes
    ----------
    width : int
        Numbers that run through the stack.
    inner : int
        Width of a recurrence.
    layers : int
    both : bool
        Whether it also hears what comes after.
    """

    width: int = 320
    inner: int = 384
    layers: int = 4
    both: bool = False

    def __post_init__(self) -> None:
        for name in ("width", "inner", "layers"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidValue(f"{name}={value!r}: must be a positive integer")

    def initial_state(
        self, batch: int, device: torch.device | str = "cpu"
    ) -> tuple[Tensor, Tensor]:
        """State before the first frame, of a network with one direction.

        Returns
        -------
        reference : Tensor [shape=(batch, 1)]
        recurrences : Tensor [shape=(layers, batch, inner)]
        """
        return (
            torch.full((batch, 1), FLOOR, device=device),
            torch.zeros(self.layers, batch, self.inner, device=device),
        )


class LevelNetwork(nn.Module):
    """Features of coded frames in, levels of the original's bands out.

    Parameters
    ----------
    config : LevelConfig
    """

    # Decades per frame by which the reference falls, as in the generator.
    FALL = 1.7 * 512 / 44100
    # Where a band counts as filled: within 1.5 decades of an envelope that falls by the first in
    # each band, and above the second.
    SLOPE = 0.16
    LEAST = -6.5
    # Decades below the reference that no level falls beyond.
    DEEP = DEEP + 1.0
    # How far what is played goes from the median towards what was learned to sound best. All the
    # way and half the way score the same ViSQOL and distance, and half the way is the right level
    # more often.
    LEANING = 0.5
    # Decades above what is there from which on a band is surely missing.
    SURELY = 1.0

    def __init__(self, config: LevelConfig) -> None:
        super().__init__()
        self.config = config
        # As attributes, for TorchScript knows no module's constants.
        self.bands, self.fall, self.slope = BANDS, self.FALL, self.SLOPE
        self.least, self.deep, self.leaning = self.LEAST, self.DEEP, self.LEANING
        self.surely, self.opening = self.SURELY, OPENING
        # Features, the carried outline and what is filled, for mid and side; the reference.
        self.enter = nn.Linear(2 * (FEATURES + 2 * BANDS) + 1, config.width)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width)
        # Level and the logarithm of its width, for mid and side.
        self.leave = nn.Linear(config.width, 4 * BANDS)
        # How far what sounds best lies from what is likeliest.
        self.choose = nn.Linear(config.width, 2 * BANDS)
        nn.init.zeros_(self.leave.bias)
        nn.init.zeros_(self.choose.bias)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.choose.weight.mul_(0.1)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        """State before the first frame, see `LevelConfig.initial_state`."""
        return self.config.initial_state(batch, self.leave.weight.device)

    def forward(
        self, features: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        """Say the levels of a run of frames.

        Parameters
        ----------
        features : Tensor [shape=(batch, frames, 2, 160)]
            See `uncodec.networks.level_features`; of coded mid and side.
        state : tuple of Tensor
            From `initial_state` or from the call before; a network with both directions begins anew
            in every call.

        Returns
        -------
        levels : Tensor [shape=(batch, frames, 2, 64)]
            log10 of mean power: the median of what the original may have had.
        spread : Tensor [shape=(batch, frames, 2, 64)]
            Mean absolute error to be expected, in decades.
        played : Tensor [shape=(batch, frames, 2, 64)]
            log10 of the mean power to give the band: softer than the median where that is a guess.
            In evaluation, half as much softer where the band is surely missing.
        state : tuple of Tensor
        """
        held, recurrent = state
        features = features.float()
        bands = self.bands
        levels = features[..., :bands]
        reference, held = self.reference(levels, held)
        shift = reference[:, :, None, None]
        outline, filled = self.outline(levels)
        relative = torch.cat([levels, features[..., 2 * bands :]], dim=3) - shift
        relative = (1.0 + 0.25 * relative).clamp(-1.0, 2.0)
        carried = (1.0 + 0.25 * (outline - shift)).clamp(-1.0, 2.0)
        flatness = features[..., bands : 2 * bands]
        heard = torch.cat([relative, flatness, carried, filled], dim=3).flatten(2)
        x = self.enter(torch.cat([heard, 0.25 * reference[:, :, None]], dim=2))
        after: list[Tensor] = []
        for number, layer in enumerate(self.layers):
            x, last = layer(x, recurrent[number])
            after.append(last)
        x = self.norm(x)
        said = self.leave(x).float().unflatten(2, [2, 2, bands])
        chosen = self.choose(x).float().unflatten(2, [2, bands])
        # Decades around what is there, or around the outline where nothing is.
        base = torch.maximum(levels, outline)
        level = torch.maximum(base + 4.0 * said[:, :, 0], shift - self.deep)
        spread = 0.5 * torch.nn.functional.softplus(4.0 * said[:, :, 1]) + 0.02
        played = level + 2.0 * chosen - 0.5 * spread
        if not self.training:
            # Only in what is missing: a band that is there must not be taken for one that is not.
            lost = torch.sigmoid((played - levels - self.surely) / self.opening)
            played = played + (1.0 - self.leaning) * lost * (level - played)
        return level, spread, played, (held, torch.stack(after))

    def reference(self, levels: Tensor, held: Tensor) -> tuple[Tensor, Tensor]:
        """Peak-hold of the frames' mean power with linear decay, [shape=(batch, frames)]."""
        frames = levels.shape[1]
        energy = torch.log10(torch.pow(10.0, levels).mean((2, 3)))
        slope = torch.arange(1, frames + 1, device=levels.device, dtype=levels.dtype) * self.fall
        reference = torch.cummax(torch.cat([held, energy + slope], dim=1), dim=1)[0][:, 1:] - slope
        return reference, reference[:, -1:]

    def outline(self, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Outline of every frame, carried on beyond the last band with content; what has any."""
        place = torch.arange(self.bands, device=levels.device, dtype=levels.dtype)
        tilted = self.slope * place
        envelope = torch.cummax(levels + tilted, dim=3)[0] - tilted
        filled = (levels > (envelope - 1.5).clamp_min(self.least)).to(levels.dtype)
        last = torch.cummax(filled * place, dim=3)[0]
        carried = torch.gather(levels, 3, last.long()) - 0.05 * (place - last)
        return carried, filled

    def describe(self) -> dict[str, Any]:
        """Configuration as plain numbers, for the header of a weights file."""
        return asdict(self.config)


class _Layer(nn.Module):
    """A recurrence and a feed-forward layer, both around what runs through."""

    def __init__(self, config: LevelConfig) -> None:
        super().__init__()
        self.both, self.inner = config.both, config.inner
        ways = 2 if config.both else 1
        self.norm = nn.RMSNorm(config.width)
        # Candidate and gate for each direction, and one gate for what comes out.
        self.mix = nn.Linear(config.width, ways * 3 * config.inner)
        self.out = nn.Linear(ways * config.inner, config.width)
        self.norm_forward = nn.RMSNorm(config.width)
        self.up = nn.Linear(config.width, 2 * config.width)
        self.down = nn.Linear(2 * config.width, config.width)
        self.dropout = nn.Dropout(0.05)
        with torch.no_grad():
            self.out.weight.mul_(0.5)
            self.down.weight.mul_(0.5)
            # Memories from a frame to some ten seconds.
            gates = self.mix.bias.view(ways, 3, config.inner)[:, 1]
            gates.copy_(torch.linspace(0.0, -7.0, config.inner).expand_as(gates))

    def forward(self, x: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.mix(self.norm(x)).unflatten(2, [-1, 3, self.inner])
        candidate, gate, open_ = mixed.unbind(3)
        update = torch.sigmoid(gate.float())
        value = update * candidate.float()
        keep = 1.0 - update
        run, last = _recur(keep[:, :, 0], value[:, :, 0], before)
        if self.both:
            back, _ = _recur(keep[:, :, 1].flip(1), value[:, :, 1].flip(1), before)
            run = torch.stack([run, back.flip(1)], dim=2)
        else:
            run = run[:, :, None]
        passed = (run.to(open_.dtype) * torch.nn.functional.silu(open_)).flatten(2)
        x = x + self.dropout(self.out(passed))
        fed = torch.nn.functional.silu(self.up(self.norm_forward(x)))
        return x + self.dropout(self.down(fed)), last


def _recur(keep: Tensor, value: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """h[t] = keep[t] * h[t - 1] + value[t] along dimension 1."""
    state = before
    states: list[Tensor] = []
    kept, fresh = keep.unbind(1), value.unbind(1)
    for frame in range(keep.shape[1]):
        state = torch.addcmul(fresh[frame], kept[frame], state)
        states.append(state)
    return torch.stack(states, dim=1), state
