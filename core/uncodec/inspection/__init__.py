"""Finding out what happened to a sound: was it coded lossily, how, and what else is there to know.

Names are loaded on first use, as everywhere at the top of this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.lazy import lazy_names

if TYPE_CHECKING:
    from uncodec.inspection.inspector import Examined as Examined
    from uncodec.inspection.inspector import examine as examine
    from uncodec.inspection.inspector import inspect as inspect
    from uncodec.inspection.results import Inspection as Inspection
    from uncodec.inspection.results import Span as Span

__all__ = ["Examined", "Inspection", "Span", "examine", "inspect"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Examined": "uncodec.inspection.inspector",
        "Inspection": "uncodec.inspection.results",
        "Span": "uncodec.inspection.results",
        "examine": "uncodec.inspection.inspector",
        "inspect": "uncodec.inspection.inspector",
    },
)
