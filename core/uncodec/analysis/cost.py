"""What a restorer costs: parameters, multiply-adds, memory and speed, each measured.

In a process of its own for every restorer, on one thread: the peak memory that the system reports
never goes down.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from uncodec.analysis.restorers import PLAIN, Restorer
from uncodec.errors import UncodecError
from uncodec.signals import Array

__all__ = ["Cost", "count_parameters", "measure_cost"]


@dataclass(frozen=True)
class Cost:
    """What a restorer costs.

    Attributes
    ----------
    parameters : int
        Numbers in its weights; 0 without weights.
    macs_per_s : float or None
        Multiply-adds of matrix products and convolutions for a second of this audio (transforms and
        what works element by element left out, as is the live stage of an offline engine, which is
        below one in a hundred); None without a network.
    times_real_time : float
        Seconds of audio per second of processor time, one thread.
    memory_mb : float
        Peak memory of the process, Python and PyTorch included, in millions of bytes.
    seconds, channels : float, int
        Of the audio that was restored.
    """

    parameters: int
    macs_per_s: float | None
    times_real_time: float
    memory_mb: float
    seconds: float
    channels: int


def measure_cost(
    restorer: Restorer, audio: Array, sample_rate: int, settings: Mapping[str, Any] | None = None
) -> Cost:
    """Measure a restorer on audio.

    Parameters
    ----------
    restorer : Restorer
    audio : array, shape (channels, samples)
        Coded; it is restored twice.
    sample_rate : int
        In Hz.
    settings : mapping, optional
        See `Restorer.open`.

    Raises
    ------
    UncodecError
        The process failed; the message is its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "audio.npy"
        np.save(place, np.ascontiguousarray(audio, dtype=np.float32))
        task = {
            "restorer": asdict(restorer),
            "audio": str(place),
            "rate": int(sample_rate),
            "settings": dict(settings or {}),
        }
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", "uncodec.analysis.cost"],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            env=environment,
        )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UncodecError(f"{restorer.label}: its cost cannot be measured ({lines[-1]})")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def count_parameters(restorer: Restorer) -> int:
    """Numbers in the weights of a restorer, 0 where it has none.

    Raises
    ------
    ModelError
        No such model.
    """
    if restorer.source in PLAIN:
        return 0
    from safetensors import safe_open

    from uncodec.model_folders import weight_files

    count = 0
    for path in weight_files(restorer.source):
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118
                count += int(np.prod(file.get_slice(name).get_shape(), dtype=np.int64))
    return count


def _measure_here(task: Mapping[str, Any]) -> Cost:
    restorer = Restorer(**task["restorer"])
    audio, rate = np.load(task["audio"]), task["rate"]
    has_network = restorer.source not in PLAIN
    if has_network:
        import torch

        torch.set_num_threads(1)
    restore = restorer.open(**task["settings"])
    # Kernels are compiled and tables are made on first use.
    restore(audio[:, : rate // 2], rate)
    start = time.process_time()
    restore(audio, rate)
    spent = time.process_time() - start
    # Before the count, which keeps a record of every operation.
    memory = _peak_memory_mb()
    seconds = audio.shape[1] / rate
    macs = None
    if restorer.kind == "generator":
        macs = _hop_macs(restorer.source, rate)
    elif has_network:
        macs = _counted(lambda: restore(audio, rate)) / seconds
    return Cost(
        count_parameters(restorer),
        macs,
        seconds / max(spent, 1e-9),
        memory,
        seconds,
        int(audio.shape[0]),
    )


def _counted(work: Callable[[], object]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return float(counter.get_total_flops()) / 2


def _hop_macs(model: str, rate: float) -> float:
    """Of the live generator as it was trained: its compiled hops pass PyTorch's counter by."""
    import torch

    from uncodec.model_folders import GATE, LEVELS, find_model
    from uncodec.networks.gate import TRACES
    from uncodec.networks.store import load_gate, load_generator, load_levels
    from uncodec.rates import network_rate

    generator = load_generator(model)
    config = generator.config
    frames = 16
    spectra = torch.zeros(1, 6, frames, config.bins, 2)
    with torch.no_grad():
        macs = _counted(lambda: generator(spectra, generator.initial_state(1)))
        if (find_model(model) / LEVELS).is_file():
            levels = load_levels(model)
            features = torch.zeros(1, frames, 2, 160)
            macs += _counted(lambda: levels(features, levels.initial_state(1)))
        if (find_model(model) / GATE).is_file():
            gate = load_gate(model)
            macs += _counted(lambda: gate(torch.zeros(1, frames, 2, TRACES)))
    return macs / frames * float(network_rate(rate)) / int(config.hop)


def _peak_memory_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: what it gives there began with the memory of the parent.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


if __name__ == "__main__":
    print(json.dumps(asdict(_measure_here(json.load(sys.stdin)))))
