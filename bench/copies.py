"""Copies of a block on its way through an effect, between the public face and the engine.

NumPy is stood in for by one whose arrays count what is copied into them; the engine is stood in for
by one that counts nothing. Arithmetic is work and not a copy, and so is what the engine writes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from measure import Row
from uncodec import Board, GANRestorer
from uncodec.effects.base import Processor

__all__ = ["copies_per_block", "rows"]

HOP, DELAY = 384, 384
GOAL = 3.0
CONVERTED = (22_050, 32_000, 88_200, 96_000, 192_000)
"""Rates of hosts at which the network does not run, in Hz."""


class Counter:
    """Bytes copied so far."""

    total = 0


class Counted(np.ndarray):
    """An array that counts what is copied into it, and whose results do so too."""

    def __setitem__(self, key: Any, value: Any) -> None:
        if np.ndim(value):
            Counter.total += self[key].nbytes
        super().__setitem__(key, value)

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        plain = [np.asarray(each) for each in inputs]
        if out is not None:
            options["out"] = tuple(np.asarray(each) for each in out)
        result = getattr(ufunc, method)(*plain, **options)
        return out[0] if out is not None else _counted(result)

    def __array_function__(self, function: Any, kinds: Any, inputs: Any, options: Any) -> Any:
        result = super().__array_function__(function, kinds, inputs, options)
        if function is np.concatenate:
            Counter.total += result.nbytes
        return result

    def copy(self, *inputs: Any) -> Any:
        Counter.total += self.nbytes
        return super().copy(*inputs)

    def astype(self, *inputs: Any, **options: Any) -> Any:
        result = super().astype(*inputs, **options)
        if not np.shares_memory(result, self):
            Counter.total += result.nbytes
        return result


def _counted(array: Any) -> Any:
    return array.view(Counted) if isinstance(array, np.ndarray) else array


class CountingNumpy:
    """NumPy whose new arrays count, and which counts conversions that copy."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def ascontiguousarray(self, array: Any, dtype: Any = None) -> Any:
        """Count where memory is not shared."""
        result = np.ascontiguousarray(array, dtype)
        if not np.shares_memory(result, array):
            Counter.total += result.nbytes
        return _counted(result)

    def empty(self, *inputs: Any, **options: Any) -> Any:
        """A buffer that counts."""
        return _counted(np.empty(*inputs, **options))

    def zeros(self, *inputs: Any, **options: Any) -> Any:
        """Silence that counts what replaces it."""
        return _counted(np.zeros(*inputs, **options))


class SilentEngine:
    """Stands in for the network: whole hops in, silence out."""

    def __init__(
        self,
        model: object = None,
        channels: int = 2,
        seed: int = 0,
        sample_rate: int = 44_100,
        like: object = None,
    ) -> None:
        self.channels, self.hop, self.delay = channels, HOP, DELAY

    def push(self, audio: Any) -> Any:
        """Give silence."""
        return np.zeros(audio.shape, np.float32).view(Counted)

    def push_into(self, audio: Any, out: Any) -> None:
        """Write silence."""
        np.asarray(out)[:] = 0.0

    def clone(self) -> SilentEngine:
        """Another one."""
        return SilentEngine(channels=self.channels)


@contextmanager
def _counting() -> Iterator[None]:
    from uncodec.live import engine, open_stream  # noqa: F401

    rooms = tuple(f"uncodec.{room}." for room in ("effects", "streams", "live", "repair"))
    before: list[tuple[Any, str, Any]] = []

    def put(module: Any, name: str, value: Any) -> None:
        before.append((module, name, getattr(module, name)))
        setattr(module, name, value)

    for name, module in list(sys.modules.items()):
        if name.startswith(rooms):
            if getattr(module, "np", None) is np:
                put(module, "np", CountingNumpy())
            if hasattr(module, "DeltaEngine"):
                put(module, "DeltaEngine", SilentEngine)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def copies_per_block(effect: Processor, blocks: list[Any], sample_rate: int = 44_100) -> float:
    """Bytes copied over bytes that came in, the first fifth left out."""
    with _counting():
        came = 0
        for number, block in enumerate(blocks):
            if number == len(blocks) // 5:
                Counter.total = came = 0
            effect.process(_counted(block), sample_rate, reset=False)
            came += block.size * 4
        return Counter.total / came


def rows() -> list[Row]:
    """Blocks of a sound card and of a file, in the layouts that callers have."""
    rng = np.random.default_rng(0)
    found = []
    for size, count in ((64, 3000), (8192, 50)):
        audio = [rng.normal(0, 0.1, (2, size)).astype(np.float32) for _ in range(count)]
        layouts: dict[str, list[Any]] = {
            "(channels, samples)": audio,
            "(samples, channels)": [np.ascontiguousarray(block.T) for block in audio],
            "(channels, samples), float64": [block.astype(np.float64) for block in audio],
        }
        for layout, blocks in layouts.items():
            copies = copies_per_block(GANRestorer(), blocks)
            what = f"GANRestorer, {size} samples, {layout}"
            goal = GOAL if blocks[0].dtype == np.float32 else GOAL + 1
            found.append(Row(what, f"{copies:.2f} copies", f"<= {goal:g}", copies <= goal))
        copies = copies_per_block(Board([GANRestorer()]), audio)
        found.append(Row(f"a board of it, {size} samples", f"{copies:.2f} copies"))
        for rate in CONVERTED:
            for what, blocks in (("stereo", audio), ("mono", [block[:1] for block in audio])):
                copies = copies_per_block(GANRestorer(), blocks, rate)
                what = f"GANRestorer, {size} samples, {what} at {rate / 1000:g} kHz"
                found.append(Row(what, f"{copies:.2f} copies", f"<= {GOAL:g}", copies <= GOAL))
    return found


if __name__ == "__main__":
    for row in rows():
        print(f"{row.what:60} {row.measured}")
