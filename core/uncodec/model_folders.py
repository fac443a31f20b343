"""Where models lie, and what is known of them without a network: a folder holds its weights."""

from __future__ import annotations

import os
from pathlib import Path

from uncodec.errors import ModelError

__all__ = [
    "GATE",
    "LEVELS",
    "SECOND_LEVELS",
    "WEIGHTS",
    "find_model",
    "list_models",
    "model_roots",
    "model_version",
    "weight_files",
]

WEIGHTS = "weights.safetensors"
LEVELS = "levels.safetensors"
SECOND_LEVELS = "second-levels.safetensors"
"""Another level network of a diffusion model: the mean of what both say is played."""
GATE = "gate.safetensors"
"""A network that tells a diffusion model whether there is anything to restore."""

_PACKAGED = Path(__file__).resolve().parent / "weights"
# A source tree used in place keeps its models two levels above the package.
_SOURCE = Path(__file__).resolve().parents[2] / "models"


def model_roots() -> list[Path]:
    """Folders that hold the models which came with the package, a folder each."""
    return [root for root in (_PACKAGED, _SOURCE) if root.is_dir()]


def list_models() -> list[str]:
    """Names of the models that came with the package."""
    return sorted({p.parent.name for root in model_roots() for p in root.glob(f"*/{WEIGHTS}")})


def model_version(model: str | os.PathLike[str]) -> tuple[str, str]:
    """Name and version of a model, as its weights say; errors as `find_model`."""
    from safetensors import SafetensorError, safe_open

    path = find_model(model) / WEIGHTS
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error})") from error
    return header.get("name", path.parent.name), header.get("version", "")


def find_model(model: str | os.PathLike[str], file: str = WEIGHTS) -> Path:
    """Folder of a model, given the name of a released one or a path of one's own.

    Raises
    ------
    ModelError
        No such model, or none with `file`.
    """
    own = Path(model)
    if (own / file).is_file():
        return own
    if own.name == str(model):
        for root in model_roots():
            if (root / own / file).is_file():
                return root / own
    known = ", ".join(list_models()) or "none installed"
    raise ModelError(
        f"model={str(model)!r}: must be a released model ({known}) or a folder with {file}"
    )


def weight_files(model: str | os.PathLike[str]) -> list[Path]:
    """Files that make up a model: its weights, and its level networks and gate if it has any.

    Raises
    ------
    ModelError
        No such model.
    """
    folder = find_model(model)
    names = (WEIGHTS, LEVELS, SECOND_LEVELS, GATE)
    return [folder / name for name in names if (folder / name).is_file()]
