"""A generator as a TorchScript archive, for hosts that do not have this package."""

from __future__ import annotations

import io
import json
import os
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.generator import CHANNEL_NAMES
from uncodec.networks.levelled import OPENED_AT_EVEN, OPENED_SLOPE
from uncodec.networks.store import LoadedModel
from uncodec.whole_files import write_whole

__all__ = ["DESCRIPTION", "export_model"]

DESCRIPTION = "uncodec.json"
"""Name of the extra file in the archive that describes the model and the state it starts from."""


def export_model(
    model: LoadedModel, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a model as an archive for ``torch.jit.load``, whole or not at all.

    The archive holds the network alone. What the engines do around it is the host's to do: give it
    mid and side the other way round where a channel is flipped (`uncodec.live.polarity`), and hold
    what it says to a bound (`uncodec.streams.delta_bound`).

    Parameters
    ----------
    model : LoadedModel
    path : str or path
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    InvalidValue
        The file exists and may not be replaced.
    UncodecError
        It cannot be written.
    ModelError
        The state that it starts from cannot be described.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise InvalidValue(f"output={str(target)!r}: must not exist, or be allowed to be replaced")
    described = {
        "name": model.name,
        "version": model.version,
        "inputs": CHANNEL_NAMES,
        "delay": model.config.window - model.config.hop,
        "bins": model.config.bins,
        "returned": _returned(model),
        "state": [_described(tensor) for tensor in model.initial_state()],
        **asdict(model.config),
    }
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit\..*", category=Warning)
        torch.jit.save(model.step, content, {DESCRIPTION: json.dumps(described)})
    write_whole(target, content.getbuffer())
    return target


def _returned(model: LoadedModel) -> list[float]:
    """Slope over the log odds, and value at even odds, of the power that is returned."""
    if model.levels is None:
        return [0.0, 0.0]
    return [OPENED_SLOPE, OPENED_AT_EVEN] if model.gate is None else [0.0, 1.0]


def _described(tensor: Tensor) -> dict[str, Any]:
    """Shape and value of a tensor that holds one value, as hosts in any language can make it."""
    value = float(tensor.flatten()[0])
    if not bool((tensor == value).all()):
        raise ModelError("initial state: each tensor must hold a single value to be exported")
    return {"shape": list(tensor.shape), "value": value}
