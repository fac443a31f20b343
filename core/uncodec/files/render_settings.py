"""What a render can be told. It is known without the network, which takes long to import."""

from __future__ import annotations

from dataclasses import dataclass, replace

from uncodec.balance import Like
from uncodec.errors import InvalidValue
from uncodec.parameters import (
    CHUNK,
    DEFAULT_STEPS,
    check_amount,
    check_brightness,
    check_sampler,
    check_seed,
    check_steps,
)

__all__ = ["RenderSettings"]


@dataclass(frozen=True)
class RenderSettings:
    """How a file is rendered.

    Attributes
    ----------
    steps : int
        Calls of the network, 1 to 32. More take longer; the card of a model tells what they bring.
    seed : int
        Of the noise, 0 to 2**64 - 1: another one is another take.
    amount : float
        How much of the restoration is added, 0 to 1.
    sampler : {"ode", "sde"}
        Deterministic, or stochastic: with fresh noise in every step.
    model : str
        Name of a released model, or a folder that holds one.
    device : str
        Where the network runs, as PyTorch names it.
    ceiling_db : float, optional
        Keep true peaks below this many dB, -20 to 0. Without it nothing limits them.
    chunk : int
        Frames of the network computed at once. Smaller chunks need less memory and more time.
    brightness_db : float
        Tilts what is added, -12 to 12 dB: nothing up to 2 kHz, all of it from 16 kHz on.
    like : Like, optional
        Draws what is added towards the tonal balance of a reference.
    """

    steps: int = DEFAULT_STEPS
    seed: int = 0
    amount: float = 1.0
    sampler: str = "ode"
    model: str = "diffusion"
    device: str = "cpu"
    ceiling_db: float | None = None
    chunk: int = CHUNK
    brightness_db: float = 0.0
    like: Like | None = None

    def __post_init__(self) -> None:
        check_steps(self.steps)
        check_seed(self.seed)
        check_amount(self.amount)
        check_brightness(self.brightness_db)
        check_sampler(self.sampler)
        if self.ceiling_db is not None:
            from uncodec.repair.limiter import check_ceiling

            check_ceiling(self.ceiling_db)
        if self.chunk < 1:
            raise InvalidValue(f"chunk={self.chunk}: must be a positive integer")

    def take(self, number: int) -> RenderSettings:
        """Settings of take `number`, 0 being these."""
        return replace(self, seed=(self.seed + number) % 2**64)
