"""The streaming path: frames, network step, overlap-add.

Names are loaded on first use: streams without a network in them shall not bring torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uncodec.lazy import lazy_names

if TYPE_CHECKING:
    from uncodec.live.live_session import LiveSession as LiveSession
    from uncodec.live.overlap_add import OverlapAdd as OverlapAdd
    from uncodec.live.stream import RestoringStream as RestoringStream
    from uncodec.live.stream import Stream as Stream
    from uncodec.live.stream import open_stream as open_stream

__all__ = ["LiveSession", "OverlapAdd", "RestoringStream", "Stream", "open_stream"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "LiveSession": "uncodec.live.live_session",
        "OverlapAdd": "uncodec.live.overlap_add",
        "RestoringStream": "uncodec.live.stream",
        "Stream": "uncodec.live.stream",
        "open_stream": "uncodec.live.stream",
    },
)
