"""From float samples to integers: dither, rounding, counting what was cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from uncodec.signals import Array

__all__ = ["Dither", "quantise"]


_CHUNK = 16384


class Dither:
    """Triangular dither of two steps peak to peak, a pure function of seed, channel and position.

    Drawn from Philox, a counter-based generator (Salmon et al., "Parallel random numbers: as easy
    as 1, 2, 3", 2011), so that the same audio gives the same file however it was cut into blocks.
    Triangular dither of this width makes the mean and the power of the rounding error independent
    of the signal (Lipshitz, Wannamaker and Vanderkooy, "Quantization and dither", 1992).
    """

    def __init__(self, seed: int, channels: int) -> None:
        self._seed = seed
        self._channels = channels
        self._chunk = -1
        self._noise = np.zeros((channels, 0))

    def take(self, start: int, frames: int) -> npt.NDArray[np.float64]:
        """Noise in steps for samples `start` to `start + frames`, (channels, frames)."""
        out = np.empty((self._channels, frames))
        done = 0
        while done < frames:
            chunk, offset = divmod(start + done, _CHUNK)
            if chunk != self._chunk:
                bits = np.random.Philox(key=self._seed, counter=[0, 0, chunk, 0])
                pair = np.random.Generator(bits).random((2, self._channels, _CHUNK), np.float32)
                self._noise = pair[0] - pair[1]
                self._chunk = chunk
            count = min(frames - done, _CHUNK - offset)
            out[:, done : done + count] = self._noise[:, offset : offset + count]
            done += count
        return out


def quantise(
    audio: Array, bits: int, noise: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.int32]:
    """Round to `bits` (16 or 24) and cut what does not fit; (channels, n) int32."""
    scale = float(1 << (bits - 1))
    scaled = audio.astype(np.float64) * scale
    if noise is not None:
        scaled += noise
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -scale, scale - 1.0).astype(np.int32)
