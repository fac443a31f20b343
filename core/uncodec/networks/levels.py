"""The level network: how loud every band was before a codec took it.

It hears band levels of what the codec left and says band levels of the original, frame by frame,
with how sure it is. It also says which level to play: a guess sounds better when it is softer than
the likeliest level. It knows nothing of texture, so that it can learn from far more music than a
network that makes sound, and from music that was coded well.

A stack of recurrent layers (`uncodec.networks.recurrences`). With `both` directions every
recurrence has a twin that runs backwards, for whole files.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import InvalidValue
from uncodec.networks.level_errors import DEEP, OPENING
from uncodec.networks.level_features import BANDS, FEATURES, FLOOR
from uncodec.networks.recurrences import RecurrentLayer

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
    # Mean errors above the median that a band is likely to have at most: with errors as in the
    # distribution of Laplace it has more in one case of forty.
    LIKELY = 3.0

    def __init__(self, config: LevelConfig) -> None:
        super().__init__()
        self.config = config
        # As attributes, for TorchScript knows no module's constants.
        self.bands, self.fall, self.slope = BANDS, self.FALL, self.SLOPE
        self.least, self.deep, self.leaning = self.LEAST, self.DEEP, self.LEANING
        self.surely, self.opening, self.likely = self.SURELY, OPENING, self.LIKELY
        # Features, the carried outline and what is filled, for mid and side; the reference.
        self.enter = nn.Linear(2 * (FEATURES + 2 * BANDS) + 1, config.width)
        self.layers = nn.ModuleList(
            RecurrentLayer(config.width, config.inner, config.both) for _ in range(config.layers)
        )
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

    @torch.jit.export
    def loudest(self, levels: Tensor, spread: Tensor) -> Tensor:
        """Level that a band is not likely to have exceeded, from what `forward` says."""
        return levels + self.likely * spread

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
