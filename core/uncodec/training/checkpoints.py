"""What every training run keeps: averaged weights, checkpoints written as a whole, a log."""

from __future__ import annotations

import copy
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from uncodec.errors import ModelError, UncodecError
from uncodec.whole_files import reason_of, write_whole

__all__ = ["Average", "Due", "Log", "read_checkpoint", "write_checkpoint"]

Network = TypeVar("Network", bound=nn.Module)

VERSION = 5


class Average:
    """Exponential moving average of a network's weights.

    Parameters
    ----------
    network : Module
    decay : float
        Per step; less in the first steps, so that the random start is forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {
            name: value.detach().clone() for name, value in network.state_dict().items()
        }

    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after step `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            kept = self.weights[name]
            if kept.is_floating_point():
                kept.lerp_(value.detach(), 1 - decay)
            else:
                kept.copy_(value)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from these averages; they stay on the device where the network is."""
        for name, value in weights.items():
            self.weights[name].copy_(value)

    def twin(self, network: Network) -> Network:
        """A copy of `network` with the averaged weights, in evaluation mode."""
        twin = copy.deepcopy(network)
        twin.load_state_dict(self.weights)
        return twin.eval()


class Due:
    """When to write a checkpoint: every so many steps, after the last one, and once a minute.

    The checkpoints by the clock change nothing of the run, but no interruption costs more than a
    minute of it.

    Parameters
    ----------
    every : int
        Steps.
    last : int
        The step that ends the run.
    """

    SECONDS = 60.0

    def __init__(self, every: int, last: int) -> None:
        self.every, self.last = every, last
        self._written = time.monotonic()

    def mark(self, done: int) -> bool:
        """Whether a mark is reached with `done` steps: there the run is also judged."""
        return done % self.every == 0 or done == self.last

    def now(self, done: int) -> bool:
        """Whether to write a checkpoint after `done` steps."""
        if not self.mark(done) and time.monotonic() - self._written < self.SECONDS:
            return False
        self._written = time.monotonic()
        return True


def write_checkpoint(path: Path, **kept: Any) -> None:
    """Write a checkpoint under its name when it is complete.

    Raises
    ------
    UncodecError
        It cannot be written; the one before is still there.
    """
    content = io.BytesIO()
    torch.save({"version": VERSION, **kept}, content)
    write_whole(path, content.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint.

    Raises
    ------
    ModelError
        It is unreadable or of another version.
    """
    try:
        # Whatever it was trained on may not be here.
        kept: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises whatever its unpickler came to
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: must be a checkpoint, cannot be read ({reason})") from error
    found = kept.get("version") if isinstance(kept, dict) else type(kept).__name__
    if found != VERSION:
        raise ModelError(f"{path}: must be a checkpoint of version {VERSION}, got {found}")
    return kept


class Log:
    """Rows of JSON in ``log.jsonl``.

    Parameters
    ----------
    folder : path
    told : callable, optional
        Called with every row that was written.
    """

    def __init__(self, folder: Path, told: Callable[[dict[str, Any]], None] | None = None) -> None:
        self.path, self.told = folder / "log.jsonl", told

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row.

        Raises
        ------
        UncodecError
            It cannot be written; no part of it is left there.
        """
        size = self.path.stat().st_size if self.path.exists() else 0
        try:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            if self.path.exists():
                os.truncate(self.path, size)
            raise UncodecError(f"{self.path}: cannot be written: {reason_of(error)}") from error
        if self.told is not None:
            self.told(dict(row))
