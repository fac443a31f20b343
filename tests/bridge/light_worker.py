"""A worker that starts in a fraction of a second: all of it is real but the network.

In the place of the network is an engine whose delta is its input, so PyTorch is never loaded.
What a supervisor would give to ``python -m uncodec.bridge`` goes to ``python light_worker.py``.
"""

import json
import sys
from types import ModuleType, SimpleNamespace

WINDOW, HOP = 1024, 512
# What needs PyTorch or Numba, and nothing of which is called here.
LEFT_OUT = [
    "torch",
    "uncodec.networks",
    "uncodec.live.engine",
    "uncodec.streams.overlap_add",
    "uncodec.live.live_session",
    "uncodec.live.stream",
]


def set_up():
    """Put empty modules in the place of those, and an engine and a model for the worker."""
    for name in LEFT_OUT:
        sys.modules[name] = module = ModuleType(name)
        module.__getattr__ = lambda _: None
    sys.modules["torch"].set_num_threads = lambda _: None
    sys.modules["torch"].set_flush_denormal = lambda _: None
    sys.modules["uncodec.networks"].load_model = lambda name, _: SimpleNamespace(
        name=name,
        version="light",
        device="cpu",
        config=SimpleNamespace(window=WINDOW, hop=HOP),
    )
    from uncodec.live import hop_engine

    hop_engine.restoring_engine = lambda _, *, sample_rate, hop, channels, seed=0, like=None: (
        hop_engine.PassingEngine(channels, hop, WINDOW - HOP)
    )


if __name__ == "__main__":
    set_up()
    from uncodec.bridge.__main__ import run_worker

    sys.exit(run_worker(json.loads(sys.argv[2])))
