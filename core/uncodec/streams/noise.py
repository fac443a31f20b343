"""White noise that is a function of its place alone."""

from __future__ import annotations

import numpy as np

from uncodec.parameters import check_seed
from uncodec.signals import Array

__all__ = ["HopNoise"]


class HopNoise:
    """Unit-variance Gaussian noise keyed by (seed, absolute hop).

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    channels, hop : int
        Shape of the noise of one hop.
    stream : int
        Noises of other streams are independent.

    Notes
    -----
    The generator is the counter-based Philox 4x64 (Salmon et al., SC 2011): no state runs along
    with the stream, so a hop has the same noise whatever was computed before it.
    """

    def __init__(self, seed: int, channels: int, hop: int, stream: int = 0) -> None:
        self.seed = check_seed(seed)
        self.channels = channels
        self.hop = hop
        self.stream = stream
        self._bits = np.random.Philox(key=self.seed)
        self._generator = np.random.Generator(self._bits)
        # A fresh generator's state. Setting it costs a tenth of making a generator for each hop.
        self._start = self._bits.state

    def clone(self) -> HopNoise:
        """An independent one, which gives the same."""
        return HopNoise(self.seed, self.channels, self.hop, self.stream)

    def fill(self, first: int, out: Array) -> None:
        """Write the noise of consecutive hops.

        Parameters
        ----------
        first : int
            Absolute index of the first hop.
        out : ndarray [shape=(channels, hops * hop)], float32
        """
        for number in range(out.shape[1] // self.hop):
            # The hop sits in the second word of the counter, the stream in the third; the draws of
            # one hop count up the first.
            self._start["state"]["counter"][:] = (0, first + number, self.stream, 0)
            self._bits.state = self._start
            span = slice(number * self.hop, (number + 1) * self.hop)
            out[:, span] = self._generator.standard_normal(
                (self.channels, self.hop), dtype=np.float32
            )
