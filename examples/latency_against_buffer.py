"""Latency against the host's buffer

Acts as an audio host with buffers of several sizes, in real time, and tells what a live session
costs: latency, late stretches, time in the callback. With an argument it draws them.

    python examples/latency_against_buffer.py [seconds] [picture.png]
"""

import sys

import torch

from uncodec.analysis.latency import Host, measure_latency

seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0

torch.set_num_threads(1)
reports = []
for block in (64, 256, 1024):
    report = measure_latency(Host(sample_rate=48000, block=block, seconds=seconds))
    reports.append(report)
    print(
        f"{block:5} samples: latency {report.latency_samples / 48:.1f} ms, {report.late} of "
        f"{report.hops} hops late, callback {1e6 * report.callback.p99:.0f} us (99 %)"
    )

if len(sys.argv) > 2:
    from uncodec.analysis.latency_picture import draw_latency

    draw_latency(reports, sys.argv[2])
