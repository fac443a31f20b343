"""The live engine as a stream: any number of samples in, as many out."""

from __future__ import annotations

from uncodec.balance import Like
from uncodec.live.engine import DeltaEngine
from uncodec.networks import load_model
from uncodec.rates import network_rate
from uncodec.streams.delta import DeltaStream, HopSource, at_rate

__all__ = ["open_stream"]


def open_stream(
    model: str = "live-gan",
    *,
    sample_rate: float,
    channels: int,
    seed: int = 0,
    amount: float = 1.0,
    device: str = "cpu",
    brightness_db: float = 0.0,
    like: Like | None = None,
) -> DeltaStream:
    """Open a restoring stream.

    Parameters
    ----------
    model : str
        Name of a released model, or a folder that holds one.
    sample_rate : float
        In Hz, a whole number from 8000 to 384000. The network runs at 44.1 or 48 kHz; at other
        rates the delta is resampled, and what lies above the network's band passes untouched.
    channels : int
        1 or 2.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    amount : float
        From 0 to 1.
    device : str
        Where the network runs.
    brightness_db : float
        Tilts what is added, from -12 to 12 dB: nothing up to 2 kHz, all of it from 16 kHz on.
    like : Like, optional
        Draws what is added towards the tonal balance of a reference.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    ModelError
        The model cannot be loaded.
    """
    inner_rate = network_rate(sample_rate)
    source = HopSource(DeltaEngine(load_model(model, device), channels, seed, inner_rate, like))
    return DeltaStream(at_rate(source, sample_rate, inner_rate), amount, brightness_db)
