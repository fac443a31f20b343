"""What a restoration adds, alone, in a file of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from uncodec.errors import InvalidValue
from uncodec.io import AudioWriter, create_audio
from uncodec.signals import Array

__all__ = ["Added", "check_delta"]


class Added:
    """Writes the difference between what comes out of an effect and what went in.

    A context manager: the file is there when it ends well, and not at all otherwise.

    Parameters
    ----------
    path : Path
        A .wav file gets floats, a .flac file 24 bits, with dither where anything was added.
    sample_rate, channels : int
    layout : tuple of str or None
        Speakers of the channels, where they are known.
    overwrite : bool
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        layout: tuple[str, ...] | None,
        *,
        overwrite: bool,
    ) -> None:
        self._held: deque[Array] = deque()
        self._writer: AudioWriter = create_audio(
            path,
            sample_rate,
            channels,
            subtype="FLOAT" if path.suffix.lower() == ".wav" else "PCM_24",
            overwrite=overwrite,
            layout=layout,
        )

    def noted(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass on what goes into the effect, and keep it."""
        for block in blocks:
            self._held.append(block)
            yield block

    def written(self, blocks: Iterable[Array]) -> Iterator[Array]:
        """Pass on what comes out of it, and write the difference."""
        for block in blocks:
            delta = block.copy()
            done = 0
            while done < delta.shape[1] and self._held:
                held = self._held.popleft()
                count = min(held.shape[1], delta.shape[1] - done)
                delta[:, done : done + count] -= held[:, :count]
                if count < held.shape[1]:
                    self._held.appendleft(held[:, count:])
                done += count
            self._writer.write(delta, delta == 0.0)
            yield block

    def __enter__(self) -> Added:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._writer.__exit__(kind, *rest)


def check_delta(delta: Path, source: Path, target: Path) -> None:
    """Raise InvalidValue unless `delta` is a name for what is added to `source`."""
    if delta.suffix.lower() not in (".wav", ".flac"):
        raise InvalidValue(f"delta={str(delta)!r}: must end in .wav or .flac")
    for other, what in ((source, "source"), (target, "result")):
        if delta.resolve() == other.resolve():
            raise InvalidValue(f"delta={str(delta)!r}: is the {what}, choose another name")
