"""Settings that hold for every test."""

import gc
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

# One thread per process, set before torch is imported: the arrays here are small, and threads that
# wait for each other on a busy machine make the suite many times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A tenth of the suite's time goes into looking for garbage among all that is imported, else.
gc.set_threshold(50_000, 10, 10)

# A script's background jobs are started to ignore Ctrl-C, and what they start ignores it too. What
# tests start must not: a handler is not handed on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, lambda number, frame: None)


# Files that take long for the number of their tests. Where several processes take one file after
# the other, these come first: the last one of a run should be short.
LONGEST = (
    "build/test_distributions.py",
    "training/test_recipes.py",
    "files/test_render.py",
    "cli/test_interrupts.py",
    "catalogue/test_workers.py",
    "bridge/test_plugin.py",
    "networks/test_released_diffusion.py",
    "cli/test_rendering.py",
    "examples/test_examples.py",
    "inspection/test_inspecting.py",
    "inspection/test_lattices.py",
    "inspection/test_spectrum.py",
    "bridge/test_core.py",
    "cli/test_pipe.py",
    "cli/test_inspecting.py",
    "cli/test_catalogue.py",
    "diffusion/test_seams.py",
    "effects/test_memory.py",
    "live/test_forking.py",
    "training/test_gate.py",
    "training/test_loop.py",
    "catalogue/test_lost_store.py",
    "catalogue/test_cluster.py",
    "web/test_keeping.py",
    "bridge/test_kills.py",
    "bridge/test_model_worker.py",
    "foundation/test_processes.py",
    "training/test_without_pyav.py",
)


def pytest_collection_modifyitems(items):
    """Long files first, all others as they come."""
    place = {Path(__file__).parent / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def diffusion_folder(tmp_path_factory):
    """A model of the offline engine that is small, untrained, and changes what it gets."""
    import torch

    from uncodec.networks import DiffusionConfig, DiffusionNetwork, GeneratorConfig, save_weights

    torch.manual_seed(0)
    live = GeneratorConfig(window=256, hop=64, encoder=8, hidden=8, local=2)
    config = DiffusionConfig(window=512, hop=128, width=16, dilations=(1, 2), local=4, live=live)
    folder = tmp_path_factory.mktemp("models") / "small"
    save_weights(folder, DiffusionNetwork(config), name="small", version="0.1")
    return folder


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """Folder of a small untrained generator with an audible delta."""
    import torch

    from uncodec.networks import Generator, GeneratorConfig, save_weights

    torch.manual_seed(3)
    generator = Generator(GeneratorConfig(window=256, hop=64, encoder=16, hidden=16, local=4))
    folder = tmp_path_factory.mktemp("models") / "small"
    save_weights(folder, generator, name="small", version="1")
    return folder


@pytest.fixture(scope="session")
def noise():
    """Makes (channels, samples) of white noise."""

    def make(samples, channels=2, seed=0):
        rng = np.random.default_rng(seed)
        return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)

    return make


@pytest.fixture(scope="session")
def tiny_recipe():
    """Writes the recipe of a live generator that is trained within a second."""

    def text(count=2, steps=20, batch=1, trim_db=0.0, encoder_gain=False):
        return f"""
name = "tiny"
version = "0.0.1"
[pairs]
count = {count}
seconds = 0.5
[validation]
excerpts = 1
seconds = 0.5
[generator]
window = 256
hop = 64
encoder = 16
hidden = 16
local = 8
[training]
steps = {steps}
batch = {batch}
seconds = 0.3
{"[encoder_gain]" if encoder_gain else ""}
{"seconds = 0.3" if encoder_gain else ""}
[release]
excitation_trim_db = {trim_db}
"""

    return text


@pytest.fixture
def full_disk():
    """``with full_disk(size):`` no file can grow beyond `size` bytes, as on a disk that is full.

    No longer than it must: what the tests themselves print may go to a file, too.
    """
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(size=100_000):
        kept = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, kept)
            signal.signal(signal.SIGXFSZ, handler)

    return limited
