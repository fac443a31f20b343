"""What the decoders share: the queue between what FFmpeg gives and what is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from uncodec.signals import Array

__all__ = ["BlockQueue", "Unreadable", "change_of"]


class Unreadable(Exception):
    """What is wrong with a file, without its name."""


def change_of(old: tuple[int, int], new: tuple[int, int], seconds: float) -> str:
    """Say that a file is not one piece of audio; `old` and `new` are rates and channels."""
    before, after = (
        f"{rate} Hz, {count} channel{'' if count == 1 else 's'}" for rate, count in (old, new)
    )
    return (
        f"changes from {before} to {after} "
        f"at {seconds:.3f} s: a file must have one rate and one number of channels"
    )


class BlockQueue:
    """Takes arrays of any length from an iterator, gives them out in the lengths asked for."""

    def __init__(self, parts: Iterator[Array]) -> None:
        self._source = parts
        self._parts: list[Array] = []
        self._ready = 0
        self.passed = 0

    def fill(self, frames: int) -> bool:
        """Decode until `frames` samples are ready; False if the end came before."""
        while self._ready < frames:
            part = next(self._source, None)
            if part is None:
                return False
            self._parts.append(part)
            self._ready += part.shape[1]
            self.passed += part.shape[1]
        return True

    def take(self, frames: int, channels: int) -> Array:
        """(channels, n), n = frames until the end is reached."""
        self.fill(frames)
        count = min(frames, self._ready)
        if count <= 0:
            return np.zeros((channels, 0), np.float32)
        joined = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts, axis=1)
        block = np.ascontiguousarray(joined[:, :count])
        rest = joined[:, count:]
        self._parts = [rest] if rest.shape[1] else []
        self._ready -= count
        return block

    def close(self) -> None:
        """Let go of what the iterator holds."""
        self._source.close()  # type: ignore[attr-defined]
