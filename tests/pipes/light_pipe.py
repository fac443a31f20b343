"""A pipe that needs no network: halves the level, 700 samples late, in a process of its own."""

from __future__ import annotations

import sys

import numpy as np

from uncodec.pipes.ends import Ends
from uncodec.pipes.pump import Raw, pump
from uncodec.pipes.samples import sample_format
from uncodec.streams.aligned import AlignedStream

LATENCY = 700


class HalvingStream:
    """What an effect runs on; `factor` 1 gives the input back."""

    latency_samples = LATENCY

    def __init__(self, channels, factor):
        self.channels, self.factor = channels, factor
        self.held = np.zeros((channels, LATENCY), np.float32)

    def process(self, x):
        line = np.concatenate([self.held, x], axis=1)
        self.held = line[:, x.shape[1] :]
        return np.float32(self.factor) * line[:, : x.shape[1]]


class Halving:
    def __init__(self, factor=0.5):
        self.factor = factor
        self.asked = None

    def open_stream(self, sample_rate, channels, channel_layout=None):
        self.asked = (sample_rate, channels, channel_layout)
        return AlignedStream(HalvingStream(channels, self.factor))


def main():
    """``light_pipe.py FORMAT CHANNELS``: from standard input to standard output."""
    raw = Raw(sample_format(sys.argv[1]), 48000, int(sys.argv[2]))
    try:
        pump(Halving(), Ends(0, 1), raw)
    except BrokenPipeError:
        sys.exit(141)


if __name__ == "__main__":
    main()
