"""What every training run keeps: averaged weights, checkpoints written as a whole, a log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from uncodec.errors import ModelError

__all__ = ["Average", "Log", "read_checkpoint", "write_checkpoint"]


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


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint under its name when it is complete."""
    part = path.with_suffix(".part")
    torch.save(dict(content), part)
    part.replace(path)


def read_checkpoint(path: Path, version: int) -> dict[str, Any]:
    """Read a checkpoint.

    Raises
    ------
    ModelError
        It is unreadable or of another version.
    """
    try:
        kept: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: must be a checkpoint, cannot be read ({reason})") from error
    if kept.get("version") != version:
        rule = f"must be a checkpoint of version {version}"
        raise ModelError(f"{path}: {rule}, got {kept.get('version')}")
    return kept


class Log:
    """Rows of JSON in ``log.jsonl``.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.jsonl"

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
