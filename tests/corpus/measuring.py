"""What the project makes of a file: length, place, channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.corpus.signals import Array, common_lag

from uncodec.io import open_audio

__all__ = ["Reading", "read"]


@dataclass(frozen=True)
class Reading:
    """A file as it was read."""

    audio: Array
    sample_rate: int
    frames: int | None
    problems: tuple[str, ...]

    def lag(self, reference: Array) -> int:
        """Samples by which the audio is late; ValueError if it is something else."""
        found, likeness = common_lag(reference, self.audio)
        if likeness < 0.3:
            raise ValueError(f"likeness={likeness:.2f}: the audio is not the reference")
        return found


def read(path: Path) -> Reading:
    """Read a file to its end."""
    with open_audio(path) as reader:
        audio = reader.read()
        return Reading(audio, reader.sample_rate, reader.frames, tuple(reader.problems))
