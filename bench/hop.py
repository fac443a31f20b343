"""A hop of the live engine: what it costs, beside other ways to compute it and other programs."""

from __future__ import annotations

import dataclasses
import statistics
import time

import numpy as np
import pedalboard
import torch

from measure import Call, Row, alternate
from uncodec.live import open_stream
from uncodec.live.engine import RUN, DeltaEngine
from uncodec.networks import CHANNELS, LoadedModel, load_model
from uncodec.signals import Array

SAMPLE_RATE = 44_100
PIECE = 2 * RUN
"""Hops that are given in one piece."""


def operations(model: LoadedModel) -> int:
    """What PyTorch starts for one frame, operations inside of operations included."""
    if model.hops is None:
        raise SystemExit("the model has to be on the CPU")
    step, bins = model.hops.clone(), model.config.bins
    spectra = np.ones((CHANNELS, bins), np.complex64)
    delta = np.empty((2, bins), np.complex64)
    with torch.inference_mode(), torch.profiler.profile() as profiled:
        step.step_into(spectra, delta)
    return sum(event.name.startswith("aten::") for event in profiled.events())


def coded(hops: int, hop: int) -> Array:
    """Stereo noise below a third of the band, that swells and fades."""
    samples = hops * hop
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(0, 0.1, (2, samples)))
    spectrum[:, samples // 6 :] = 0
    swell = 1.0 + 0.9 * np.sin(np.arange(samples) / 3000)
    return (np.fft.irfft(spectrum, samples) * swell).astype(np.float32)


def apart(calls: dict[str, Call], every_s: float, number: int = 150) -> dict[str, float]:
    """Median seconds of processor time of calls that come at their time, in turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(number):
        for name, call in calls.items():
            time.sleep(every_s)
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def rows(name: str = "live-gan") -> list[Row]:
    """Costs of a hop in stereo, all measured in turns."""
    torch.set_num_threads(1)
    model = load_model(name)
    hop, window = model.config.hop, model.config.window
    audio = coded(PIECE, hop)
    block, out = np.ascontiguousarray(audio[:, :hop]), np.empty((2, hop), np.float32)
    piece_out = np.empty_like(audio)
    ours, piece = DeltaEngine(model, 2), DeltaEngine(model, 2)
    in_runs = DeltaEngine(dataclasses.replace(model, hops=None), 2)
    runs_piece = DeltaEngine(dataclasses.replace(model, hops=None), 2)
    stream = open_stream(name, sample_rate=SAMPLE_RATE, channels=2)
    pitch = pedalboard.PitchShift(semitones=1.0)
    shape = torch.hann_window(window)
    frames = torch.from_numpy(audio[:, : window + hop].copy())

    def transforms() -> None:
        """Two frames of both channels and back: for each hop there is one frame of four signals."""
        with torch.inference_mode():
            spectra = torch.stft(
                frames, window, hop, window=shape, center=False, return_complex=True
            )
            torch.istft(spectra, window, hop, window=shape, center=True)

    calls: dict[str, Call] = {
        "hop": lambda: ours.push_into(block, out),
        "piece": lambda: piece.push_into(audio, piece_out),
        "runs": lambda: in_runs.push_into(block, out),
        "runs piece": lambda: runs_piece.push_into(audio, piece_out),
        "stream": lambda: stream.process(block),
        "pitch": lambda: pitch.process(block, SAMPLE_RATE, buffer_size=hop, reset=False),
        "transforms": transforms,
    }
    for call in list(calls.values()) * 3:
        call()
    took = alternate(calls)
    took["piece"] /= PIECE
    took["runs piece"] /= PIECE
    spaced = apart({key: calls[key] for key in ("hop", "runs")}, hop / SAMPLE_RATE)
    started = operations(model)

    def times(what: str, key: str, at_most: float | None = None) -> Row:
        ratio = took["hop"] / took[key]
        return Row(
            f"{what}: a hop {took['hop'] * 1e6:.0f} us, this {took[key] * 1e6:.0f} us",
            f"{ratio:.2f} x its cost",
            "" if at_most is None else f"<= {at_most:g} x",
            None if at_most is None else ratio <= at_most,
        )

    return [
        Row(f"{name}, operations that PyTorch starts", f"{started}", "<= 70", started <= 70),
        Row(
            "processor time",
            f"{took['hop'] * 1e3:.2f} ms",
            "<= 0.9 ms",
            took["hop"] <= 0.9e-3,
        ),
        Row("as a part of real time", f"{took['hop'] * SAMPLE_RATE / hop:.3f}"),
        times("the same audio in one piece, per hop", "piece", 2.5),
        times("the network as one graph, runs of frames, per hop", "runs piece", 2.5),
        times("the network as one graph, frame by frame", "runs"),
        Row(
            f"the same two, hops {hop / SAMPLE_RATE * 1e3:.1f} ms apart:"
            f" {spaced['hop'] * 1e6:.0f} us, {spaced['runs'] * 1e6:.0f} us",
            f"{spaced['hop'] / spaced['runs']:.2f} x its cost",
        ),
        times("through a stream", "stream"),
        times("pedalboard.PitchShift, blocks of a hop", "pitch"),
        times("torch.stft and istft of two frames, 2 channels", "transforms"),
    ]
