"""A live session: an audio callback on one side, the network in its own thread on the other."""

from __future__ import annotations

import threading
import time
import weakref
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from uncodec._native import LiveCore
from uncodec.balance import Like
from uncodec.errors import InvalidType, InvalidValue, UncodecError
from uncodec.live.budget import Latency, Pattern, check_settings, latency_of, open_host
from uncodec.live.engine import DeltaEngine
from uncodec.live.hop_engine import HopEngine
from uncodec.live.network_thread import NetworkThread
from uncodec.live.times import Percentiles, TimeHistogram
from uncodec.networks import load_model
from uncodec.parameters import check_amount, check_brightness
from uncodec.sealed import Sealed
from uncodec.signals import Array
from uncodec.streams.brightness import check_tilting

__all__ = ["Latency", "LiveCounters", "LiveSession", "Pattern"]


@dataclass(frozen=True)
class LiveCounters:
    """What a session has done since it began or was reset.

    Attributes
    ----------
    samples : int
        Given out, per channel; ``wet + dry`` and, at the beginning, the latency without the
        model's own part.
    wet, dry : int
        Samples played with the delta, and without it or under a fade. The level and the bypass do
        not count.
    hops, late : int
        Hops played, and those of them whose result was not there in time.
    dropped : int
        Hops that the network never got, because it was too far behind.
    resyncs : int
        Times that the network went on with a hop that did not follow the last one.
    failures : int
        Times that the engine failed.
    worst_callback_s : float
        Longest call of the callback.
    """

    samples: int
    wet: int
    dry: int
    hops: int
    late: int
    dropped: int
    resyncs: int
    failures: int
    worst_callback_s: float


class LiveSession(Sealed):
    """Restores audio from within an audio callback.

    A thread runs the network; the callback hands it hops and takes results through memory that both
    reach without a lock, and never waits for it. What is not there in time is replaced by the
    input, delayed as always. It is the audio path of the plugin, in one process.

    Parameters
    ----------
    model : str
        Name of a released model, or a folder that holds one.
    sample_rate : float
        44100 or 48000, in Hz.
    channels : int
        1 or 2.
    block : int
        Longest block that a call will bring, from 1 to 65536 samples; shorter ones are welcome.
    turnaround_s : float
        Seconds that a hop may take until its result is there, from 0 to 1. The latency grows with
        it, and late hops get fewer.
    pattern : {"varying", "fixed", "irregular"}
        "fixed": every block has `block` samples. "varying": blocks of that size come at their time
        and may be cut into parts. "irregular": calls of any size up to `block` come as soon as
        their last sample is there. More freedom costs more latency; a host that takes more than
        was said gets late hops, nothing worse.
    seed : int
        Of the noise, from 0 to 2**64 - 1.
    amount : float
        From 0 to 1.
    device : str
        Where the network runs.
    realtime : bool
        False: no thread, the work is done within the call, and what the engine raises reaches the
        caller. For renders and tests: the same output bit for bit however the blocks are cut.
    engine : HopEngine, optional
        Runs in place of a model.
    brightness_db : float
        Tilts what is added, from -12 to 12 dB: nothing up to 2 kHz, all of it from 16 kHz on.
    like : Like, optional
        Draws what is added towards the tonal balance of a reference, see
        `uncodec.effects.reference.as_balance`. For a model; an engine brings its own.

    Attributes
    ----------
    latency_samples : int
        Constant delay from input to output, given by `uncodec._native.latency_samples`.
    latency : Latency
        Its parts.
    hop : int
        Samples that the network takes at a time.

    Raises
    ------
    InvalidValue
        An argument is outside its range.
    ModelError
        The model cannot be loaded.
    UnknownAttribute
        An attribute is set that a session does not have, such as a misspelt `amount`.

    Notes
    -----
    A forked process inherits the session without its thread: it plays dry until `reset`.

    One thread at a time may call `callback`, `callback_into` and `reset`; `amount`, `brightness_db`
    and `bypass` may be set, and everything else be read, from any. The callback runs Python and
    therefore needs the interpreter lock: the network lets go of it while it computes, other busy
    Python threads of the same process do not, for 5 ms at a time (`sys.setswitchinterval`). Garbage
    collection is the caller's as well: ``gc.freeze(); gc.disable()`` keeps it out of the callback.

    Examples
    --------
    >>> with LiveSession(sample_rate=48000, channels=2, block=128) as session:  # doctest: +SKIP
    ...     out = session.callback(block)
    """

    def __init__(
        self,
        model: str = "live-gan",
        *,
        sample_rate: float,
        channels: int,
        block: int = 128,
        turnaround_s: float = 0.01,
        pattern: Pattern = "varying",
        seed: int = 0,
        amount: float = 1.0,
        device: str = "cpu",
        realtime: bool = True,
        engine: HopEngine | None = None,
        brightness_db: float = 0.0,
        like: Like | None = None,
    ) -> None:
        check_settings(sample_rate, channels, block, turnaround_s, pattern)
        self._amount = check_amount(amount)
        self._brightness_db = check_brightness(brightness_db)
        self._bypass = False
        if engine is None:
            engine = DeltaEngine(load_model(model, device), channels, seed, sample_rate, like)
        elif engine.channels != channels:
            raise InvalidValue(f"engine: must have {channels} channels, got {engine.channels}")
        check_tilting(engine, self._brightness_db)
        self.sample_rate = int(sample_rate)
        self.channels = channels
        self.block = int(block)
        self.hop = engine.hop
        self.realtime = realtime
        self._host = open_host(engine, self.block, turnaround_s, self.sample_rate, pattern)
        self.latency = latency_of(self._host, engine, self.block, pattern)
        self.latency_samples = self.latency.total
        # Behind by twice what the latency allows for, the network goes on with the newest hop.
        per_call = -(-self.block // self.hop)
        self._most_behind = max(16, 2 * (per_call + -(-self.latency_samples // self.hop)))
        self._engine = engine
        self._callback_times = TimeHistogram()
        self._late_calls = 0
        self._closed = False
        self._set_level()
        if realtime:
            _warm_up(engine)
        self._start()

    def _start(self) -> None:
        # An end of its own: the last thread's may be held by a thread that is gone.
        self._core = self._host.open_core(most_behind=self._most_behind if self.realtime else None)
        self._network = NetworkThread(self._engine, self._core)
        self._network.brightness_db = self._brightness_db
        self._host.reset()
        self._thread: threading.Thread | None = None
        if self.realtime:
            self._thread = threading.Thread(
                target=self._network.run, args=(_settle_thread,), name="uncodec-live", daemon=True
            )
            self._thread.start()
            # Also at the interpreter's exit: no thread is to come back to Python after that.
            weakref.finalize(self, _end, self._core, self._thread)

    @property
    def amount(self) -> float:
        """How much of the delta is added, from 0 to 1; a change is spread over 10 ms."""
        return self._amount

    @amount.setter
    def amount(self, amount: float) -> None:
        self._amount = check_amount(amount)
        self._set_level()

    @property
    def brightness_db(self) -> float:
        """Tilt of what is added, from -12 to 12 dB; a change holds from the next hop on."""
        return self._brightness_db

    @brightness_db.setter
    def brightness_db(self, brightness_db: float) -> None:
        brightness_db = check_brightness(brightness_db)
        # Told to the caller, not to the thread that would find it out.
        check_tilting(self._engine, brightness_db)
        self._brightness_db = self._network.brightness_db = brightness_db

    @property
    def bypass(self) -> bool:
        """Whether the input is played, as late as ever, and nothing added."""
        return self._bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        self._bypass = bool(bypass)
        self._set_level()

    def _set_level(self) -> None:
        self._host.set_level(0.0 if self._bypass else self._amount)

    @property
    def running(self) -> bool:
        """Whether hops are worked on; if not, the session plays dry."""
        if self._closed:
            return False
        return self._thread is None or self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """What the engine failed with last, or why there is nothing that runs it."""
        if self._network.error is None and not (self._closed or self.running):
            return UncodecError(
                "the network's thread is gone, as in a forked process: reset starts another"
            )
        return self._network.error

    @property
    def counters(self) -> LiveCounters:
        """What was done since the session began or was reset."""
        samples, wet, dry, late = self._host.counters()
        played = samples - self.latency.buffering - self.latency.turnaround
        return LiveCounters(
            samples=samples,
            wet=wet,
            dry=dry,
            hops=max(0, -(-played // self.hop)),
            late=late,
            dropped=self._network.dropped,
            resyncs=self._network.hops.resyncs,
            failures=self._network.hops.failures,
            worst_callback_s=self._callback_times.max_ns * 1e-9,
        )

    @property
    def callback_times(self) -> Percentiles:
        """Durations of all calls since the start or the last `reset`."""
        return self._callback_times.percentiles()

    @property
    def calls(self) -> int:
        """Calls since the start or the last `reset`."""
        return self._callback_times.count

    @property
    def late_calls(self) -> int:
        """How many of them took longer than the longest block lasts."""
        return self._late_calls

    @property
    def turnaround_times(self) -> Percentiles:
        """Times from a hop's end to its result, of all hops."""
        return self._network.turnarounds.percentiles()

    def callback(self, block: NDArray[np.floating]) -> Array:
        """Allocating twin of `callback_into`.

        Parameters
        ----------
        block : ndarray [shape=(channels, n) or (n, channels), or (n,) if mono], float
            Where both fit, it is taken as (channels, n).

        Returns
        -------
        ndarray, float32, of the same shape
        """
        samples = np.asarray(block)
        if samples.dtype.kind != "f":
            # Whole numbers would be taken for samples beyond full scale.
            raise InvalidType(f"block: must be float32 or float64, got {samples.dtype}")
        samples = samples.astype(np.float32, copy=False)
        out = np.empty(samples.shape, np.float32)
        self.callback_into(samples, out)
        return out

    def callback_into(self, block: Array, out: Array) -> None:
        """Take a block of any size up to the longest, and write as much output.

        Allocates no buffer, takes no lock, never waits. `out` may be `block`.

        Parameters
        ----------
        block, out : ndarray [shape=(channels, n) or (n, channels), or (n,) if mono], float32

        Raises
        ------
        InvalidValue, InvalidType
            A shape or type does not fit, or the block is too long; nothing was consumed then.
        """
        began = time.perf_counter_ns()
        if block.dtype != np.float32 or out.dtype != np.float32:
            raise InvalidType(f"block, out: must be float32, got {block.dtype}, {out.dtype}")
        if not (out.flags.writeable and out.flags.aligned and block.flags.aligned):
            raise InvalidType("block, out: must be aligned in memory, and out be writable")
        source, target = self._by_channel(block, "block"), self._by_channel(out, "out")
        if target.shape != source.shape:
            raise InvalidValue(f"out: must have the shape of block {block.shape}, got {out.shape}")
        if source.shape[1] > self.block:
            got = source.shape[1]
            raise InvalidValue(f"block: must have at most {self.block} samples, got {got}")
        self._host.push(source, began)
        try:
            if not (self.realtime or self._closed):
                self._network.work()
        finally:
            self._host.pull_into(target)
        taken = time.perf_counter_ns() - began
        self._callback_times.add(taken)
        self._late_calls += taken * self.sample_rate > self.block * 1_000_000_000

    def _by_channel(self, array: Array, name: str) -> Array:
        if array.ndim == 2:
            if array.shape[0] == self.channels:
                return array
            if array.shape[1] == self.channels:
                return array.T
        elif array.ndim == 1 and self.channels == 1:
            return array[None]
        wanted = f"({self.channels}, samples)"
        raise InvalidValue(f"{name}: must have shape {wanted}, got {array.shape}")

    def reset(self) -> None:
        """Forget all audio and all counts, and start the thread again if it has died.

        Not from within the callback, nor at the same time as it.

        Raises
        ------
        UncodecError
            The session is closed.
        """
        if self._closed:
            raise UncodecError("the session is closed")
        self._late_calls = 0
        self._callback_times.clear()
        if self._thread is None or not self._thread.is_alive():
            self._start()
            return
        # Results under way are of the old generation, and are not taken for new ones.
        self._network.forget_counts()
        self._host.reset()

    def close(self) -> None:
        """Stop the thread; calls that still come are answered dry. May be called twice."""
        self._closed = True
        if self._thread is not None:
            _end(self._core, self._thread)

    def __enter__(self) -> LiveSession:
        """The session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the session."""
        self.close()


def _warm_up(engine: HopEngine) -> None:
    """Run a copy once, so that nothing is compiled or allocated when audio comes."""
    twin = engine.clone()
    audio, out = np.zeros((2, engine.channels, engine.hop), np.float32)
    for _ in range(8):
        twin.push_into(audio, out)


def _settle_thread() -> None:
    """Set the network's thread up for steps that are short and must not stall."""
    # Both hold for this thread alone. The steps are too small to share, and a fading signal must
    # not turn slow on numbers close to zero.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _end(core: LiveCore, thread: threading.Thread) -> None:
    """Have a network's thread end, and wait for it."""
    core.stop()
    # A session may be let go by its own network's thread.
    if thread is not threading.current_thread():
        # One that hangs in its engine is left alone: it is a daemon and holds no audio up.
        thread.join(timeout=2.0)
