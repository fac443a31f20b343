"""What FFmpeg decodes, as the arrays this package works on."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["frame_samples", "frame_to_float", "samples_to_float"]

# All of FFmpeg's sample formats; planar ones have a "p" behind the name.
_SAMPLES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


def frame_samples(frame: Any) -> npt.NDArray[Any]:
    """One decoded PyAV frame as (channels, n) in the decoder's own type."""
    channels = len(frame.layout.channels)
    count = int(frame.samples)
    dtype = _SAMPLES[str(frame.format.name).removesuffix("p")]
    # Not frame.to_ndarray() nor frame.planes: with eight channels or more they take what lies
    # behind the last plane for another one, which ends the process or is an error. The former
    # refuses integers of 64 bits as well.
    if frame.format.is_planar:
        from av.audio.plane import AudioPlane

        planes: list[Any] = [AudioPlane(frame, number) for number in range(channels)]
        return np.stack([np.frombuffer(plane, dtype, count) for plane in planes])
    # A copy: what the frame holds goes with it.
    return np.frombuffer(frame.planes[0], dtype, count * channels).reshape(count, channels).T.copy()


def frame_to_float(frame: Any) -> npt.NDArray[np.float32]:
    """One decoded PyAV frame as (channels, n) float32; integers become [-1, 1)."""
    return samples_to_float(frame_samples(frame))


def samples_to_float(data: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Samples of any type as float32; integers become [-1, 1)."""
    if data.dtype == np.uint8:
        return np.ascontiguousarray((data.astype(np.float32) - 128.0) / 128.0)
    if data.dtype.kind == "i":
        scale = np.float32(1.0 / -float(np.iinfo(data.dtype).min))
        return np.ascontiguousarray(data.astype(np.float32) * scale)
    return np.ascontiguousarray(data, dtype=np.float32)
