"""The streaming path: frames, network step, overlap-add."""

from uncodec.live.overlap_add import OverlapAdd
from uncodec.live.session import LiveSession
from uncodec.live.stream import RestoringStream, Stream, open_stream

__all__ = ["LiveSession", "OverlapAdd", "RestoringStream", "Stream", "open_stream"]
