"""A render in a process that really has too little memory, not one that is told so."""

import json
import os
import subprocess
import sys

import pytest

CHILD = """
import json, resource, sys
import numpy as np
import torch
from uncodec.errors import UncodecError
from uncodec.networks import (
    DiffusionConfig, DiffusionNetwork, GeneratorConfig, load_diffusion, save_weights,
)
from uncodec.diffusion.engine import DiffusionEngine
from uncodec.diffusion.source import DiffusionSource
from uncodec.streams.line import Line

torch.set_num_threads(1)
torch.manual_seed(0)
live = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
network = DiffusionNetwork(DiffusionConfig(width=16, dilations=(1, 2), local=4, live=live))
save_weights(sys.argv[1], network, name="wide", version="1")
model = load_diffusion(sys.argv[1])
audio = 0.1 * np.random.default_rng(0).standard_normal((2, 260_000)).astype(np.float32)

def render(piece):
    told = []
    engine = DiffusionEngine(model, 1, 0, piece=piece)
    engine.on_memory = told.append
    source = DiffusionSource(engine, 2, piece)
    line, delta = Line(2, source.lead), Line(2)
    for block in (audio, np.zeros((2, source.lead), np.float32)):
        line.append(block)
        source.push(line, block.shape[1], delta)
        line.drop(block.shape[1])
    return delta.view(0, 260_000), told

def room():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

free, _ = render(256)
# What libraries keep from the first time on is not to count.
render(512)
for megabytes in (150, 125, 115, 85):
    resource.setrlimit(resource.RLIMIT_AS, (room() + megabytes * 2**20, resource.RLIM_INFINITY))
    try:
        result, told = render(512)
    except UncodecError as error:
        print(json.dumps({"refused": str(error)}))
    else:
        ratio = float(np.sum((result - free) ** 2) / np.sum(free**2))
        print(json.dumps({"told": told, "ratio": ratio}))
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits address space as Linux does")
def test_a_render_that_lacks_memory_goes_on_in_smaller_pieces_or_says_why(tmp_path):
    # What is freed goes back at once, so that no limit profits from the render before.
    frugal = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, str(tmp_path)],
        capture_output=True,
        text=True,
        env=frugal,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 4
    spared = [row for row in rows if row.get("told")]
    assert spared, rows
    assert all(row["ratio"] < 1e-6 for row in rows if "ratio" in row)
    assert all("out of memory" in row["refused"] for row in rows if "refused" in row)
