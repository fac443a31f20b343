"""Hosts for a live session: one that keeps time by the clock, one that is a sound card."""

from __future__ import annotations

import gc
import importlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from uncodec.errors import UncodecError
from uncodec.live.live_session import LiveSession
from uncodec.signals import Array

__all__ = ["HostClock", "no_collection", "play_by_clock", "play_on_card"]


# Samples that the reader is ahead of the sound card: two seconds at 48 kHz.
AHEAD = 96000


class HostClock:
    """Tells when the samples of a stream are due, as the clock of a sound card does.

    Parameters
    ----------
    sample_rate : float
        In Hz.

    Attributes
    ----------
    worst_delay_s : float
        How late `wait` came back at worst.
    """

    def __init__(self, sample_rate: float) -> None:
        self.sample_rate = sample_rate
        self.worst_delay_s = 0.0
        self._began = time.perf_counter()

    def wait(self, position: int) -> None:
        """Return when the sample before `position` is there; at once if it was there before."""
        due = self._began + position / self.sample_rate
        ahead = due - time.perf_counter()
        if ahead > 0:
            time.sleep(ahead)
        self.worst_delay_s = max(self.worst_delay_s, time.perf_counter() - due)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of audio callbacks."""
    was_on = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def play_by_clock(
    session: LiveSession, blocks: Iterable[Array], sink: Callable[[Array], object] | None = None
) -> int:
    """Run audio through a session in real time, without a sound card.

    Parameters
    ----------
    session : LiveSession
    blocks : iterable of ndarray [shape=(channels, n)], float32
        At most as long as the session's longest block.
    sink : callable, optional
        Takes the output: aligned to the input and as long as it.

    Returns
    -------
    int
        Samples of the input.
    """
    clock = HostClock(session.sample_rate)
    early, total, position = session.latency_samples, 0, 0

    def call(block: Array) -> None:
        nonlocal early, position
        position += block.shape[1]
        clock.wait(position)
        out = session.callback(block)
        cut = min(early, out.shape[1])
        early -= cut
        if sink is not None and cut < out.shape[1]:
            sink(out[:, cut:])

    with no_collection():
        for block in blocks:
            total += block.shape[1]
            call(block)
        # Silence drives out what is still inside.
        rest = session.latency_samples
        while rest:
            size = min(rest, session.block)
            call(np.zeros((session.channels, size), np.float32))
            rest -= size
    return total


def play_on_card(session: LiveSession, blocks: Iterable[Array], device: str | None = None) -> int:
    """Play audio through a session on a sound card.

    Parameters
    ----------
    session : LiveSession
    blocks : iterable of ndarray [shape=(channels, n)], float32
        Of any length.
    device : str, optional
        Number or part of the name of the card, as `sounddevice` knows it.

    Returns
    -------
    int
        Samples of the input.

    Raises
    ------
    UncodecError
        `sounddevice` is not there, or the card cannot be opened.
    """
    try:
        sounddevice: Any = importlib.import_module("sounddevice")
    except ImportError as error:
        raise UncodecError(
            "playing needs sounddevice, which is not installed: pip install 'uncodec[sound]'"
        ) from error
    except OSError as error:
        # On Linux the package does not bring the library under it.
        raise UncodecError(
            "playing needs the library PortAudio, which sounddevice did not find "
            f"(Debian, Ubuntu: apt-get install libportaudio2): {error}"
        ) from error
    # One thread puts pieces in at the end, another takes them from the front: no lock is needed.
    waiting: deque[Array] = deque()
    buffer = np.zeros((session.channels, session.block), np.float32)

    def callback(outdata: Array, frames: int, *_: object) -> None:
        for first in range(0, frames, session.block):
            size = min(session.block, frames - first)
            part = buffer if size == session.block else buffer[:, :size].copy()
            _take_into(waiting, part)
            session.callback_into(part, outdata[first : first + size].T)

    total = 0
    try:
        with (
            no_collection(),
            sounddevice.OutputStream(
                samplerate=session.sample_rate,
                blocksize=session.block,
                device=int(device) if device is not None and device.isdecimal() else device,
                channels=session.channels,
                dtype="float32",
                latency="low",
                callback=callback,
            ),
        ):
            for block in blocks:
                for start in range(0, block.shape[1], session.block):
                    while len(waiting) * session.block >= AHEAD:
                        time.sleep(0.02)
                    waiting.append(block[:, start : start + session.block].copy())
                total += block.shape[1]
            while waiting:
                time.sleep(0.02)
            time.sleep(session.latency_samples / session.sample_rate + 0.1)
    except sounddevice.PortAudioError as error:
        raise UncodecError(f"the sound card cannot be used: {error}") from error
    return total


def _take_into(waiting: deque[Array], part: Array) -> None:
    """Fill a block from pieces of any length; what is not there yet is silence."""
    while part.shape[1] and waiting:
        piece = waiting[0]
        taken = min(piece.shape[1], part.shape[1])
        part[:, :taken] = piece[:, :taken]
        part = part[:, taken:]
        if taken < piece.shape[1]:
            waiting[0] = piece[:, taken:]
        else:
            waiting.popleft()
    part[:] = 0
