"""The streaming path: frames, network step, overlap-add.

Names are loaded on first use: streams without a network in them shall not bring torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uncodec.live.live_session import LiveSession as LiveSession
    from uncodec.live.overlap_add import OverlapAdd as OverlapAdd
    from uncodec.live.stream import RestoringStream as RestoringStream
    from uncodec.live.stream import Stream as Stream
    from uncodec.live.stream import open_stream as open_stream

__all__ = ["LiveSession", "OverlapAdd", "RestoringStream", "Stream", "open_stream"]

_LAZY = {
    "LiveSession": "uncodec.live.live_session",
    "OverlapAdd": "uncodec.live.overlap_add",
    "RestoringStream": "uncodec.live.stream",
    "Stream": "uncodec.live.stream",
    "open_stream": "uncodec.live.stream",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'uncodec.live' has no attribute {name!r}")
