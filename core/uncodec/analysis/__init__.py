"""Measuring: metrics, score tables, pictures, evaluation on a folder, comparison of engines.

Only the command line depends on this one. The metrics need numpy only; `compare` is loaded on
first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uncodec.analysis.metrics import score

if TYPE_CHECKING:
    from uncodec.analysis.comparison import compare as compare

__all__ = ["compare", "score"]


def __getattr__(name: str) -> Any:
    if name == "compare":
        from uncodec.analysis.comparison import compare

        return compare
    raise AttributeError(f"module 'uncodec.analysis' has no attribute {name!r}")
