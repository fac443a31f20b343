"""Latency of ``uncodec pipe``, from a byte in to the byte of the same sample out.

``python bench/pipe.py [--seconds 20] [--block 480] [--rate 48000]`` feeds the command blocks at the
pace of a sound card, and prints the latency that it states, that in samples (how many stay inside
while the source is held), and that by the clock (median, 99 % and the longest).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time

import numpy as np

from uncodec import GANRestorer


def command(rate: int) -> list[str]:
    options = ["--format", "s16le", "--rate", str(rate), "--channels", "2"]
    return [sys.executable, "-m", "uncodec", "pipe", *options]


def held_samples(process: subprocess.Popen[bytes], frames: int) -> int:
    """How many of `frames` do not come out while the input stays open."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(noise(frames))
    process.stdin.flush()
    got = 0
    os.set_blocking(process.stdout.fileno(), False)
    quiet_since = None
    while quiet_since is None or time.monotonic() - quiet_since < 3.0:
        data = process.stdout.read(1 << 16)
        if data:
            got += len(data)
            quiet_since = time.monotonic()
        else:
            time.sleep(0.01)
    os.set_blocking(process.stdout.fileno(), True)
    return frames - got // 4


def noise(frames: int) -> bytes:
    return np.random.default_rng(0).integers(-9000, 9000, 2 * frames, "<i2").tobytes()


def by_the_clock(
    process: subprocess.Popen[bytes], behind: int, rate: int, block: int, seconds: float
) -> np.ndarray:
    """Seconds from writing the last sample of each block to reading it."""
    source, sink = process.stdin, process.stdout
    assert source is not None
    assert sink is not None
    count = round(seconds * rate / block)
    written = np.zeros(count)
    data = noise(block)

    def write() -> None:
        begun = time.perf_counter()
        for number in range(count):
            time.sleep(max(0.0, begun + number * block / rate - time.perf_counter()))
            written[number] = time.perf_counter()
            source.write(data)
            source.flush()

    writer = threading.Thread(target=write)
    writer.start()
    arrived, got, done = np.zeros(count), -behind * 4, 0
    while done < count - 1 - behind // block:
        got += len(os.read(sink.fileno(), 1 << 16))
        now = time.perf_counter()
        while done < count and got >= 4 * block * (done + 1):
            arrived[done] = now
            done += 1
    writer.join()
    return (arrived - written)[:done]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--block", type=int, default=480)
    parser.add_argument("--rate", type=int, default=48000)
    chosen = parser.parse_args()
    effect = GANRestorer()
    effect.process(np.zeros((2, 0), np.float32), chosen.rate)
    stated = effect.open_stream(chosen.rate, 2).latency
    with subprocess.Popen(
        command(chosen.rate), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        held = held_samples(process, 12_000)  # fewer than a pipe holds
        taken = by_the_clock(process, held, chosen.rate, chosen.block, chosen.seconds)
        assert process.stdin is not None
        process.stdin.close()
    ms = 1000 / chosen.rate
    print(f"stated: {stated} samples ({stated * ms:.1f} ms); held: {held} ({held * ms:.1f} ms)")
    low, high = np.percentile(taken, [50, 99])
    print(
        f"blocks of {chosen.block} at {chosen.rate} Hz, by the clock: median {1000 * low:.1f} ms, "
        f"99 % {1000 * high:.1f} ms, longest {1000 * taken.max():.1f} ms "
        f"(load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
