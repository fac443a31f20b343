"""Latency of a live path, measured: a host with blocks of a given size, in real time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
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
    "Host",
    "HostPattern",
    "LatencyReport",
    "Percentiles",
    "circumstances",
    "late_rate_bound",
    "measure_impulse",
    "measure_latency",
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
class Host:
    """A host that plays in real time, and what it plays.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    channels : int
        1 or 2.
    block : int
        Samples of its longest call.
    pattern : {"fixed", "varying", "random"}
        "fixed": blocks of one size. "varying": the same, half of them cut in two, as hosts do
        around loop points and automation. "random": calls of 1 to `block` samples, each as soon as
        its last sample is there.
    turnaround_s : float
        What a path is given for a hop, as of `LiveSession`.
    seconds : float
        How long it plays, from 0.1 to 86400.
    seed : int
        Of the pattern and of the noise that it plays.

    Raises
    ------
    InvalidValue
        `pattern` or `seconds` is out of range. The path knows the rules of the others.
    """

    sample_rate: int = 48000
    channels: int = 2
    block: int = 128
    pattern: HostPattern = "fixed"
    turnaround_s: float = 0.01
    seconds: float = 10.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.pattern not in get_args(HostPattern):
            rule = f"must be one of {', '.join(get_args(HostPattern))}"
            raise InvalidValue(f"pattern={self.pattern!r}: {rule}")
        if not 0.1 <= self.seconds <= 86400:
            raise InvalidValue(f"seconds={self.seconds}: must be from 0.1 to 86400")

    @property
    def period_s(self) -> float:
        """Duration of a block."""
        return self.block / self.sample_rate

    def calls(self) -> Iterator[tuple[int, int]]:
        """Calls that it makes, without end.

        Yields
        ------
        size, due : int
            Samples of the call, and how many the stream must have brought before it is made.
        """
        rng = np.random.default_rng(self.seed)
        position = 0
        while True:
            if self.pattern == "random":
                size = int(rng.integers(1, self.block + 1))
                position += size
                yield size, position
                continue
            position += self.block
            cut = (
                int(rng.integers(1, self.block))
                if self.pattern == "varying" and self.block > 1
                else 0
            )
            if cut and rng.random() < 0.5:
                yield cut, position
                yield self.block - cut, position
            else:
                yield self.block, position

    def play(self, call: Call) -> float:
        """Play noise for `seconds`; the work does not depend on what it is.

        Parameters
        ----------
        call : callable
            Takes a block and writes its output; both [shape=(channels, n)], float32.

        Returns
        -------
        float
            How late the host itself was woken at worst, in seconds.
        """
        shape = (self.channels, self.sample_rate + self.block)
        noise = 0.1 * np.random.default_rng(self.seed).standard_normal(shape)
        audio = noise.astype(np.float32)
        return self._drive(
            call, audio, np.zeros_like(audio), round(self.seconds * self.sample_rate)
        )

    def find_impulse(self, call: Call, latency: int) -> tuple[int, Array]:
        """Send an impulse through a callback and see where it comes out.

        Parameters
        ----------
        call : callable
            As of `play`.
        latency : int
            Only to know how long to wait.

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
        total = _IMPULSE_AT + latency + int(_AFTER_IMPULSE_S * self.sample_rate)
        audio = np.zeros((self.channels, total + self.block), np.float32)
        audio[:, _IMPULSE_AT] = 1
        out = np.zeros_like(audio)
        replace(self, seed=0)._drive(call, audio, out, total)
        places = np.flatnonzero(out.any(axis=0))
        if len(places) != 1:
            found = f"{len(places)} came out at {places[:4]}"
            raise UncodecError(f"impulse: one sample went in, {found}")
        return int(places[0]) - _IMPULSE_AT, out[:, places[0]]

    def _drive(self, call: Call, audio: Array, out: Array, end: int) -> float:
        """Make calls when they are due, until `end` samples have gone in.

        `audio` and `out` are read and written from the start again where they are used up; they are
        `block` samples longer than what is used of them.
        """
        clock, start, length = HostClock(self.sample_rate), 0, audio.shape[1] - self.block
        for size, due in self.calls():
            first = start % length
            clock.wait(due)
            call(audio[:, first : first + size], out[:, first : first + size])
            start += size
            if start >= end:
                break
        return clock.worst_delay_s


@dataclass(frozen=True)
class LatencyReport:
    """What one run found.

    Attributes
    ----------
    host : Host
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

    host: Host
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

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and text, for JSON."""
        found = asdict(self)
        host = found.pop("host")
        return {**host, "turnaround_budget_s": host.pop("turnaround_s"), **found}


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


def _open_session(engine: HopEngine, host: Host) -> LiveSession:
    return LiveSession(
        sample_rate=host.sample_rate,
        channels=host.channels,
        block=host.block,
        turnaround_s=host.turnaround_s,
        pattern=_SESSION_PATTERN[host.pattern],
        engine=engine,
    )


def measure_impulse(engine: HopEngine, host: Host) -> tuple[int, bool]:
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
    with _open_session(passing, host) as session:
        samples, levels = host.find_impulse(session.callback_into, session.latency_samples)
    return samples, bool((levels == 2).all())


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
    host: Host, model: str = "live-gan", *, engine: HopEngine | None = None
) -> LatencyReport:
    """Drive a live session in real time and measure it.

    Parameters
    ----------
    host : Host
        Its rate is the network's. An impulse goes through before it plays.
    model : str
        Name of a released model, or a folder that holds one.
    engine : HopEngine, optional
        Runs in place of a model.

    Raises
    ------
    InvalidValue
        The host asks for what a session cannot do.
    ModelError
        The model cannot be loaded.
    """
    check_settings(host.sample_rate, host.channels, host.block, host.turnaround_s, "fixed")
    if engine is None:
        engine = DeltaEngine(load_model(model), host.channels, host.seed, host.sample_rate)
    impulse, wet = measure_impulse(engine, host)
    with _open_session(engine, host) as session, no_collection():
        delay_s = host.play(session.callback_into)
        counters = session.counters
        return LatencyReport(
            host=host,
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
