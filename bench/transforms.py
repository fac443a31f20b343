"""STFT and inverse STFT of one hop: the native module against scipy, torch and bare realfft."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import scipy.fft
import torch

from measure import Row, alternate, ratio_row
from uncodec._native import InverseFrames, StreamingStft

SIZES = ((1024, 512), (1024, 256), (768, 256), (882, 441), (2048, 512))
CHANNELS = 2


def rows() -> list[Row]:
    """Measure every size."""
    torch.set_num_threads(1)
    bare, in_rust = bare_realfft()
    found = []
    for window, hop in SIZES:
        found += per_hop(window, hop, bare.get((window, hop)))
    return found + in_rust


def per_hop(window: int, hop: int, bare_us: float | None) -> list[Row]:
    """One hop of both channels, samples to spectrum and back to a frame; the same work for all.

    The last row is the bound: what the bare transforms alone take, which no call can be below.
    """
    rng = np.random.default_rng(0)
    block = rng.normal(0, 0.1, (CHANNELS, hop)).astype(np.float32)
    shape = np.sqrt(np.hanning(window + 1)[:-1]).astype(np.float32)

    stft, inverse = StreamingStft(CHANNELS, shape, hop), InverseFrames(CHANNELS, window)
    spectra = np.empty((1, CHANNELS, window // 2 + 1), np.complex64)
    frames = np.empty((1, CHANNELS, window), np.float32)

    def native() -> None:
        stft.push_into(block, spectra)
        inverse.inverse_into(spectra, frames)

    history = np.zeros((CHANNELS, window), np.float32)

    def with_scipy() -> None:
        history[:, :-hop] = history[:, hop:].copy()
        history[:, -hop:] = block
        scipy.fft.irfft(scipy.fft.rfft(history * shape, axis=1), window, axis=1)

    tensor, tensor_block = torch.zeros(CHANNELS, window), torch.from_numpy(block)
    tensor_shape = torch.from_numpy(shape)

    @torch.inference_mode()
    def with_torch() -> None:
        tensor[:, :-hop] = tensor[:, hop:].clone()
        tensor[:, -hop:] = tensor_block
        torch.fft.irfft(torch.fft.rfft(tensor * tensor_shape, dim=1), window, dim=1)

    times = alternate({"native": native, "scipy": with_scipy, "torch": with_torch})
    what = f"window {window}, hop {hop}"
    found = [
        ratio_row(what, times["native"], "scipy", times["scipy"], at_least=5),
        ratio_row(what, times["native"], "torch", times["torch"]),
    ]
    if bare_us is not None:
        bound = f"{what}: realfft alone, no windows, no calls"
        found.append(ratio_row(bound, bare_us * 1e-6, "scipy", times["scipy"]))
    return found


def bare_realfft() -> tuple[dict[tuple[int, int], float], list[Row]]:
    """The Rust side alone, against the two transforms it cannot do without.

    First the microseconds that these take for `CHANNELS` channels, by window and hop.
    """
    if shutil.which("cargo") is None:
        return {}, [Row("bare realfft", "not measured: cargo is missing")]
    command = ["cargo", "run", "--release", "--quiet", "-p", "uncodec-dsp"]
    command += ["--example", "transform_cost"]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    times, found = {}, []
    for line in done.stdout.splitlines():
        if not re.match(r"\s*\d", line):
            continue
        window, hop, channels, bare, ours, ratio = line.split()
        if int(channels) == CHANNELS:
            times[int(window), int(hop)] = float(bare)
        found.append(
            Row(
                f"window {window}, hop {hop}, {channels} channels, in Rust: {ours} us, "
                f"bare realfft pair {bare} us",
                f"{float(ratio):.2f} x its time",
                "<= 1.25 x",
                float(ratio) <= 1.25,
            )
        )
    return times, found
