"""Overlap-add of finished frames: the Numba kernel against torch.istft and librosa's way."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import scipy.fft
import torch

from measure import Row, alternate, ratio_row
from uncodec._native import InverseFrames, synthesis_window
from uncodec.live.overlap_add import OverlapAdd

WINDOW, HOP, CHANNELS, FRAMES = 1024, 256, 2, 1024


def rows() -> list[Row]:
    """The inverse transform and the overlap-add of six seconds, then the overlap-add alone."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    bins = WINDOW // 2 + 1
    spectra = rng.normal(size=(FRAMES, CHANNELS, bins)) + 1j * rng.normal(
        size=(FRAMES, CHANNELS, bins)
    )
    spectra = spectra.astype(np.complex64)
    # The peers take (channels, bins, frames); each gets the memory order it likes best.
    by_channel = np.ascontiguousarray(spectra.transpose(1, 2, 0))
    tensor = torch.from_numpy(np.ascontiguousarray(spectra.transpose(1, 0, 2))).transpose(1, 2)
    shape = np.sqrt(np.hanning(WINDOW + 1)[:-1]).astype(np.float32)
    tensor_shape = torch.from_numpy(shape)

    inverse = InverseFrames(CHANNELS, WINDOW)
    overlap = OverlapAdd(CHANNELS, synthesis_window(shape, HOP), HOP)
    frames = np.empty((FRAMES, CHANNELS, WINDOW), np.float32)
    out = np.empty((CHANNELS, FRAMES * HOP), np.float32)

    def native() -> None:
        inverse.inverse_into(spectra, frames)
        overlap.add_into(frames, out)

    def kernel_alone() -> None:
        overlap.add_into(frames, out)

    @torch.inference_mode()
    def with_torch() -> None:
        torch.istft(tensor, WINDOW, HOP, window=tensor_shape, center=True)

    frames_by_channel = np.ascontiguousarray(frames.transpose(1, 2, 0))

    def numpy_loop() -> None:
        total = np.zeros((CHANNELS, FRAMES * HOP + WINDOW), np.float32)
        weighted = frames_by_channel * shape[:, None]
        for frame in range(FRAMES):
            total[:, frame * HOP : frame * HOP + WINDOW] += weighted[..., frame]

    def loop_with_transform() -> None:
        scipy.fft.irfft(by_channel, WINDOW, axis=1)
        numpy_loop()

    calls = {"native": native, "torch": with_torch, "loop": loop_with_transform}
    if importlib.util.find_spec("librosa"):
        # By name, so that the type checker says the same whether or not it is installed.
        istft: Any = importlib.import_module("librosa").istft

        def with_librosa() -> None:
            istft(by_channel, hop_length=HOP, win_length=WINDOW, window=shape)

        calls["librosa"] = with_librosa
    times = alternate(calls, repeats=11)
    what = f"inverse STFT, {FRAMES} frames of {CHANNELS} x {WINDOW}"
    found = [ratio_row(what, times["native"], "torch.istft", times["torch"], at_least=2)]
    if "librosa" not in times:
        found.append(Row("librosa.istft", "not measured: librosa is not installed"))
    else:
        found.append(
            ratio_row(what, times["native"], "librosa.istft", times["librosa"], at_least=2)
        )
    found.append(ratio_row(what, times["native"], "numpy loop", times["loop"], at_least=2))

    alone = alternate({"kernel": kernel_alone, "loop": numpy_loop}, repeats=11)
    found.append(
        ratio_row("overlap-add alone", alone["kernel"], "numpy loop", alone["loop"], at_least=2)
    )

    one, one_out = frames[:1].copy(), np.empty((CHANNELS, HOP), np.float32)
    ring = np.zeros((CHANNELS, WINDOW), np.float32)

    def numpy_hop() -> None:
        ring[:] += one[0] * shape
        ring[:, :HOP].copy()
        ring[:, :-HOP] = ring[:, HOP:].copy()
        ring[:, -HOP:] = 0

    hops = alternate({"kernel": lambda: overlap.add_into(one, one_out), "numpy": numpy_hop})
    found.append(ratio_row("overlap-add of one hop", hops["kernel"], "numpy", hops["numpy"]))
    return found
