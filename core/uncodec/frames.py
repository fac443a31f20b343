"""What FFmpeg decodes, as the arrays this package works on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["frame_to_float"]


def frame_to_float(frame: Any) -> npt.NDArray[np.float32]:
    """One decoded PyAV frame as (channels, n) float32; integers become [-1, 1)."""
    data = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        data = data.reshape(-1, channels).T
    if data.dtype == np.uint8:
        return np.ascontiguousarray((data.astype(np.float32) - 128.0) / 128.0)
    if data.dtype.kind == "i":
        scale = np.float32(1.0 / -float(np.iinfo(data.dtype).min))
        return np.ascontiguousarray(data.astype(np.float32) * scale)
    return np.ascontiguousarray(data, dtype=np.float32)
