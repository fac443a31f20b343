"""Latency of a live path, measured: a host with blocks of a given size, in real time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from uncodec.errors import InvalidValue, UncodecError
from uncodec.live.budget import Pattern, check_settings
from uncodec.live.engine import DeltaEngine
from uncodec.live.hop_engine import HopEngine, PassingEngine
from uncodec.live.live_session import LiveSession
from uncodec.live.playback import HostClock, no_collection
from uncodec.live.times import Percentiles
from uncodec.networks import load_model
from uncodec.signals import Array

__all__ = [
    "SWEEP",
    "HostPattern",
    "LatencyReport",
    "Percentiles",
    "check_host",
    "circumstances",
    "drive",
    "find_impulse",
    "host_calls",
    "late_rate_bound",
    "measure_impulse",
    "measure_latency",
    "noise_to_play",
]

HostPattern = Literal["fixed", "varying", "random"]
Call = Callable[[Array, Array], object]

SWEEP = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)

# What the session has to be told about a host.
_SESSION_PATTERN: dict[str, Pattern] = {
    "fixed": "fixed",
    "varying": "varying",
    "random": "irregular",
}
_IMPULSE_AT = 1000
# Clears the latency that follows an impulse, and a little more.
_AFTER_IMPULSE_S = 0.1


@dataclass(frozen=True)
class LatencyReport:
    """What one run found.

    Attributes
    ----------
    sample_rate, block, channels : int
    pattern : str
    seconds, turnaround_budget_s : float
        As asked for.
    hop : int
    algorithmic, buffering, turnaround, latency_samples : int
        Reported latency and its parts, in samples.
    impulse_samples : int
        Where an impulse came out, in samples after it went in.
    impulse_wet : bool
        Whether dry and wet path both had it on that very sample. False if the hop was late.
    hops, late, resyncs : int
    late_rate, late_rate_bound : float
        Share of late hops, and its upper 95 % bound; see `late_rate_bound`.
    callback, turnaround_times : Percentiles
        Time in the callback; time from a hop's last sample to its result. Of the whole run.
    calls, late_calls : int
        Calls of the callback, and how many of them took longer than a buffer lasts.
    worst_host_delay_s : float
        How late the measuring host itself was woken by the system at worst.
    load : float or None
        Load average of the machine over the last minute, at the end of the run, where it has one.
    processors : int
    path : str
        "session": a `LiveSession` in this process. "plugin": the plugin with a core; the
        turnaround is then as the core sees it.
    """

    sample_rate: int
    block: int
    channels: int
    pattern: str
    seconds: float
    turnaround_budget_s: float
    hop: int
    algorithmic: int
    buffering: int
    turnaround: int
    latency_samples: int
    impulse_samples: int
    impulse_wet: bool
    hops: int
    late: int
    resyncs: int
    late_rate: float
    late_rate_bound: float
    callback: Percentiles
    turnaround_times: Percentiles
    calls: int
    late_calls: int
    worst_host_delay_s: float
    load: float | None
    processors: int
    path: str = "session"

    @property
    def period_s(self) -> float:
        """Duration of a block."""
        return self.block / self.sample_rate

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and text, for JSON."""
        return asdict(self)


def host_calls(pattern: HostPattern, block: int, seed: int = 0) -> Iterator[tuple[int, int]]:
    """Calls that a host makes, without end.

    Parameters
    ----------
    pattern : {"fixed", "varying", "random"}
        "fixed": blocks of one size. "varying": the same, half of them cut in two, as hosts do
        around loop points and automation. "random": calls of 1 to `block` samples, each as soon as
        its last sample is there.
    block : int
    seed : int

    Yields
    ------
    size, due : int
        Samples of the call, and how many the stream must have brought before it is made.
    """
    rng = np.random.default_rng(seed)
    position = 0
    while True:
        if pattern == "random":
            size = int(rng.integers(1, block + 1))
            position += size
            yield size, position
            continue
        position += block
        cut = int(rng.integers(1, block)) if pattern == "varying" and block > 1 else 0
        if cut and rng.random() < 0.5:
            yield cut, position
            yield block - cut, position
        else:
            yield block, position


def late_rate_bound(late: int, hops: int) -> float:
    """Upper bound of a rate, one-sided, at 95 % confidence.

    Parameters
    ----------
    late, hops : int
        Events seen, out of how many.

    Returns
    -------
    float
        ``3 / hops`` if there were none, the exact bound of Clopper and Pearson (Biometrika 26,
        1934) otherwise; 1 if nothing was seen at all. Both take hops as independent; late ones come
        in bunches, so that the bound is too low where there are many.
    """
    if hops == 0 or late >= hops:
        return 1.0
    if late == 0:
        return min(1.0, 3.0 / hops)
    counts = np.arange(1, late + 1)
    # log of the binomial coefficients, one from the other.
    log_choose = np.concatenate([[0.0], np.cumsum(np.log((hops - counts + 1) / counts))])
    k = np.arange(late + 1)
    low, high = late / hops, 1.0
    for _ in range(60):
        p = 0.5 * (low + high)
        terms = log_choose + k * np.log(p) + (hops - k) * np.log1p(-p)
        if np.exp(terms).sum() > 0.05:
            low = p
        else:
            high = p
    return high


def measure_impulse(
    engine: HopEngine, *, sample_rate: int, block: int, pattern: HostPattern, turnaround_s: float
) -> tuple[int, bool]:
    """Send an impulse through a session in real time and see where it comes out.

    The session runs on an engine with the hop and the delay of `engine` whose delta is its input:
    a wet impulse on another sample than the dry one would be seen beside it.

    Returns
    -------
    samples : int
        From input to output.
    wet : bool
        Whether the output is the impulse of both paths, on one sample.

    Raises
    ------
    UncodecError
        Something else than one impulse came out.
    """
    passing = PassingEngine(engine.channels, engine.hop, engine.delay)
    with LiveSession(
        sample_rate=sample_rate,
        channels=engine.channels,
        block=block,
        turnaround_s=turnaround_s,
        pattern=_SESSION_PATTERN[pattern],
        engine=passing,
    ) as session:
        samples, levels = find_impulse(
            session.callback_into,
            channels=engine.channels,
            latency=session.latency_samples,
            sample_rate=sample_rate,
            block=block,
            pattern=pattern,
        )
    return samples, bool((levels == 2).all())


def find_impulse(
    call: Call, *, channels: int, latency: int, sample_rate: int, block: int, pattern: HostPattern
) -> tuple[int, Array]:
    """Send an impulse through a callback in real time and see where it comes out.

    Parameters
    ----------
    call : callable
        Takes a block and writes its output; both [shape=(channels, n)], float32.
    channels, latency, sample_rate, block : int
        `latency` is only to know how long to wait.
    pattern : {"fixed", "varying", "random"}
        See `host_calls`.

    Returns
    -------
    samples : int
        From input to output.
    levels : ndarray [shape=(channels,)]
        Of what came out.

    Raises
    ------
    UncodecError
        Something else than one impulse came out.
    """
    total = _IMPULSE_AT + latency + int(_AFTER_IMPULSE_S * sample_rate)
    audio = np.zeros((channels, total + block), np.float32)
    audio[:, _IMPULSE_AT] = 1
    out = np.zeros_like(audio)
    drive(call, audio, out, sample_rate=sample_rate, block=block, pattern=pattern, end=total)
    places = np.flatnonzero(out.any(axis=0))
    if len(places) != 1:
        raise UncodecError(f"impulse: one sample went in, {len(places)} came out at {places[:4]}")
    return int(places[0]) - _IMPULSE_AT, out[:, places[0]]


def drive(
    call: Call,
    audio: Array,
    out: Array,
    *,
    sample_rate: int,
    block: int,
    pattern: HostPattern,
    end: int,
    seed: int = 0,
) -> float:
    """Be a host: make calls when they are due, until `end` samples have gone in.

    Parameters
    ----------
    call : callable
        See `find_impulse`.
    audio, out : ndarray [shape=(channels, n)], float32
        Read and written from the start again where they are used up; `block` samples longer than
        what is used of them.
    sample_rate, block, end, seed : int
    pattern : {"fixed", "varying", "random"}
        See `host_calls`.

    Returns
    -------
    float
        How late the host itself was woken at worst, in seconds.
    """
    clock, start, length = HostClock(sample_rate), 0, audio.shape[1] - block
    for size, due in host_calls(pattern, block, seed):
        first = start % length
        clock.wait(due)
        call(audio[:, first : first + size], out[:, first : first + size])
        start += size
        if start >= end:
            return clock.worst_delay_s
    return clock.worst_delay_s


def check_host(pattern: str, seconds: float) -> None:
    """Raise `InvalidValue` for a host that there is not."""
    if pattern not in get_args(HostPattern):
        rule = f"must be one of {', '.join(get_args(HostPattern))}"
        raise InvalidValue(f"pattern={pattern!r}: {rule}")
    if not 0.1 <= seconds <= 86400:
        raise InvalidValue(f"seconds={seconds}: must be from 0.1 to 86400")


def noise_to_play(channels: int, samples: int, seed: int) -> Array:
    """What a measuring host plays again and again: the work does not depend on what it is."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal((channels, samples))
    return noise.astype(np.float32)


def circumstances(late: int, hops: int) -> dict[str, Any]:
    """The entries of a report that follow from its counts, and those about the machine."""
    return {
        "late": late,
        "hops": hops,
        "late_rate": late / hops if hops else 0.0,
        "late_rate_bound": late_rate_bound(late, hops),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "processors": os.cpu_count() or 1,
    }


def measure_latency(
    model: str = "live-gan",
    *,
    sample_rate: int = 48000,
    channels: int = 2,
    block: int = 128,
    pattern: HostPattern = "fixed",
    turnaround_s: float = 0.01,
    seconds: float = 10.0,
    seed: int = 0,
    engine: HopEngine | None = None,
) -> LatencyReport:
    """Drive a live session in real time and measure it.

    Parameters
    ----------
    model, sample_rate, channels, block, turnaround_s
        As of `LiveSession`.
    pattern : {"fixed", "varying", "random"}
        See `host_calls`.
    seconds : float
        How long to run, from 0.1; the impulse comes before that.
    seed : int
        Of the pattern and of the noise.
    engine : HopEngine, optional
        Runs in place of a model.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    ModelError
        The model cannot be loaded.
    """
    check_host(pattern, seconds)
    check_settings(sample_rate, channels, block, turnaround_s, "fixed")
    if engine is None:
        engine = DeltaEngine(load_model(model), channels, seed)
    impulse, wet = measure_impulse(
        engine, sample_rate=sample_rate, block=block, pattern=pattern, turnaround_s=turnaround_s
    )
    audio = noise_to_play(channels, sample_rate + block, seed)
    with (
        LiveSession(
            sample_rate=sample_rate,
            channels=channels,
            block=block,
            turnaround_s=turnaround_s,
            pattern=_SESSION_PATTERN[pattern],
            engine=engine,
        ) as session,
        no_collection(),
    ):
        delay_s = drive(
            session.callback_into,
            audio,
            np.zeros_like(audio),
            sample_rate=sample_rate,
            block=block,
            pattern=pattern,
            end=round(seconds * sample_rate),
            seed=seed,
        )
        counters = session.counters
        return LatencyReport(
            sample_rate=sample_rate,
            block=block,
            channels=channels,
            pattern=pattern,
            seconds=float(seconds),
            turnaround_budget_s=float(turnaround_s),
            hop=session.hop,
            algorithmic=session.latency.algorithmic,
            buffering=session.latency.buffering,
            turnaround=session.latency.turnaround,
            latency_samples=session.latency_samples,
            impulse_samples=impulse,
            impulse_wet=wet,
            resyncs=counters.resyncs,
            callback=session.callback_times,
            turnaround_times=session.turnaround_times,
            calls=session.calls,
            late_calls=session.late_calls,
            worst_host_delay_s=delay_s,
            **circumstances(counters.late, counters.hops),
        )
