"""Overlap-add of finished frames: the Numba kernel against torch.istft and librosa's way."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray

from measure import Call, Row, alternate, ratio_row
from uncodec._native import InverseFrames, synthesis_window
from uncodec.streams.overlap_add import OverlapAdd

WINDOW, HOP, CHANNELS, FRAMES = 1024, 256, 2, 1024
OTHER_SIZES = ((1024, 512), (768, 256), (882, 441), (2048, 512))


def rows() -> list[Row]:
    """The inverse transform and the overlap-add of 1024 frames, then the overlap-add alone."""
    torch.set_num_threads(1)
    found = with_all_peers()
    for window, hop in OTHER_SIZES:
        native, istft = inverse_stft(window, hop, random_spectra(window))
        times = alternate({"native": native, "torch": istft}, repeats=11)
        found.append(
            ratio_row(title(window, hop), times["native"], "torch.istft", times["torch"], 2)
        )
    return found


def title(window: int, hop: int) -> str:
    return f"inverse STFT, {FRAMES} frames of {CHANNELS} x {window}, hop {hop}"


def random_spectra(window: int) -> NDArray[np.complex64]:
    """Noise: (frames, channels, bins)."""
    parts = np.random.default_rng(0).normal(size=(2, FRAMES, CHANNELS, window // 2 + 1))
    spectra: NDArray[np.complex64] = (parts[0] + 1j * parts[1]).astype(np.complex64)
    return spectra


def root_hann(window: int) -> NDArray[np.float32]:
    return np.sqrt(np.hanning(window + 1)[:-1]).astype(np.float32)


def inverse_stft(window: int, hop: int, spectra: NDArray[np.complex64]) -> tuple[Call, Call]:
    """Ours and torch's, each given the memory order it likes best."""
    shape = root_hann(window)
    inverse = InverseFrames(CHANNELS, window)
    overlap = OverlapAdd(CHANNELS, synthesis_window(shape, hop), hop)
    frames = np.empty((FRAMES, CHANNELS, window), np.float32)
    out = np.empty((CHANNELS, FRAMES * hop), np.float32)

    def native() -> None:
        inverse.inverse_into(spectra, frames)
        overlap.add_into(frames, out)

    # torch takes (channels, bins, frames).
    tensor = torch.from_numpy(np.ascontiguousarray(spectra.transpose(1, 0, 2))).transpose(1, 2)
    tensor_shape = torch.from_numpy(shape)

    @torch.inference_mode()
    def with_torch() -> None:
        torch.istft(tensor, window, hop, window=tensor_shape, center=True)

    return native, with_torch


def with_all_peers() -> list[Row]:
    """The sizes of the live model against torch, librosa and a loop in NumPy."""
    spectra = random_spectra(WINDOW)
    native, with_torch = inverse_stft(WINDOW, HOP, spectra)
    by_channel = np.ascontiguousarray(spectra.transpose(1, 2, 0))
    shape = root_hann(WINDOW)

    inverse = InverseFrames(CHANNELS, WINDOW)
    overlap = OverlapAdd(CHANNELS, synthesis_window(shape, HOP), HOP)
    frames = np.empty((FRAMES, CHANNELS, WINDOW), np.float32)
    out = np.empty((CHANNELS, FRAMES * HOP), np.float32)

    def kernel_alone() -> None:
        overlap.add_into(frames, out)

    inverse.inverse_into(spectra, frames)
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
    what = title(WINDOW, HOP)
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
