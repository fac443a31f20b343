"""Where the models that came with the package lie."""

from __future__ import annotations

from pathlib import Path

__all__ = ["model_roots"]

_PACKAGED = Path(__file__).resolve().parent / "weights"
# A source tree used in place keeps its models two levels above the package.
_SOURCE = Path(__file__).resolve().parents[2] / "models"


def model_roots() -> list[Path]:
    """Folders that hold the models which came with the package, a folder each."""
    return [root for root in (_PACKAGED, _SOURCE) if root.is_dir()]
