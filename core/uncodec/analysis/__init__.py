"""Measuring: metrics, score tables, pictures, and the evaluation of a restorer on a folder.

Nothing else in the package depends on this one. The metrics need numpy only.
"""

from uncodec.analysis.metrics import score

__all__ = ["score"]
