"""The live engine, hop by hop on one thread: how much of real time it takes."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch

from measure import Row
from uncodec.live import open_stream
from uncodec.networks import load_model

SAMPLE_RATE = 44_100


def rows(model: str = "live-gan", seconds: float = 6.0) -> list[Row]:
    """Feed a stream one hop at a time, as a host with small blocks would."""
    torch.set_num_threads(1)
    hop = load_model(model).config.hop
    found = []
    for channels in (1, 2):
        stream = open_stream(model, sample_rate=SAMPLE_RATE, channels=channels)
        rng = np.random.default_rng(0)
        block = rng.normal(0, 0.1, (channels, hop)).astype(np.float32)
        for _ in range(50):
            stream.process(block)
        times = []
        began = time.process_time()
        for _ in range(int(seconds * SAMPLE_RATE / hop)):
            start = time.perf_counter()
            stream.process(block)
            times.append(time.perf_counter() - start)
        # Judged by processor time, which other work on the machine hardly changes; on an idle
        # machine the two agree.
        used = (time.process_time() - began) / len(times)
        median, available = statistics.median(times), hop / SAMPLE_RATE
        found.append(
            Row(
                f"{model}, {channels} channel(s), hop {hop} ({available * 1e3:.1f} ms): "
                f"{used * 1e3:.2f} ms of processor, {median * 1e3:.2f} ms of clock",
                f"{used / available:.3f} of real time",
                "<= 0.15",
                used / available <= 0.15,
            )
        )
        found.append(
            Row(
                f"{model}, latency while streaming",
                f"{stream.latency_samples} samples",
            )
        )
    return found
