"""The offline restorer as a stream, with every rate and the delta form of the live one."""

from __future__ import annotations

import os
from collections.abc import Callable

from uncodec.balance import Like
from uncodec.diffusion.engine import DiffusionEngine
from uncodec.diffusion.source import ChunkStore, DiffusionSource
from uncodec.networks import load_diffusion
from uncodec.parameters import CHUNK, DEFAULT_STEPS, check_sampler
from uncodec.rates import network_rate
from uncodec.streams.delta import DeltaStream, at_rate
from uncodec.streams.like_stage import LikeStage

__all__ = ["open_diffusion"]


def open_diffusion(
    model: str | os.PathLike[str] = "diffusion",
    *,
    sample_rate: float,
    channels: int,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
    amount: float = 1.0,
    sampler: str = "ode",
    device: str = "cpu",
    chunk: int = CHUNK,
    store: ChunkStore | None = None,
    on_chunk: Callable[[int, float], None] | None = None,
    on_memory: Callable[[float], None] | None = None,
    brightness_db: float = 0.0,
    like: Like | None = None,
) -> DeltaStream:
    """Open a stream that restores with many calls of the network, late by many seconds.

    Parameters
    ----------
    model : str or path
        Name of a released model, or a folder that holds one.
    sample_rate : float
        In Hz, a whole number from 8000 to 384000; as for `uncodec.live.open_stream`.
    channels : int
        1 or 2.
    steps : int
        Calls of the network, 1 to 32.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    amount : float
        From 0 to 1.
    sampler : {"ode", "sde"}
        Deterministic or stochastic.
    device : str
        Where the network runs.
    chunk : int
        Frames that a step takes at once: memory, latency and the grain of `store`.
    store : ChunkStore, optional
        Finished chunks, read and written.
    on_chunk : callable, optional
        Called as ``on_chunk(index, share)`` when a share of the work at a chunk was done.
    on_memory : callable, optional
        Called with a number of seconds when memory ran out and pieces of that length are tried.
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
    loaded = load_diffusion(model, device)
    engine = DiffusionEngine(
        loaded, steps, seed, check_sampler(sampler), piece=chunk, sample_rate=inner_rate
    )
    if on_memory is not None:
        engine.on_memory = lambda piece: on_memory(piece * engine.hop / inner_rate)
    drawing = None if like is None else LikeStage(like, inner_rate)
    source = DiffusionSource(engine, channels, chunk, store, on_chunk, drawing)
    return DeltaStream(at_rate(source, sample_rate, inner_rate), amount, brightness_db)
