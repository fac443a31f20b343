"""Measuring: metrics, score tables, pictures, evaluation on a folder, comparison of engines.

Only the command line depends on this one. The metrics need numpy only; `compare` is loaded on
first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.analysis.metrics import score
from uncodec.lazy import lazy_names

if TYPE_CHECKING:
    from uncodec.analysis.comparison import compare as compare

__all__ = ["compare", "score"]

__getattr__, __dir__ = lazy_names(__name__, {"compare": "uncodec.analysis.comparison"})
