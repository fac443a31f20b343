"""The live engine: a causal network run hop by hop, as a stream or in a session of its own.

Names are loaded on first use: they bring torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.lazy import lazy_names

if TYPE_CHECKING:
    from uncodec.live.live_session import LiveSession as LiveSession
    from uncodec.live.stream import open_stream as open_stream

__all__ = ["LiveSession", "open_stream"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {"LiveSession": "uncodec.live.live_session", "open_stream": "uncodec.live.stream"},
)
