"""What the log-spectral distance of a restorer is made of.

    .venv/bin/python bench/distance_parts.py --data FOLDER --codec mp3:48

Beside the distance stand what would remain of it if the restorer had known the mean level of every
bin over the excerpt, and if it had known the levels of 64 bands in every frame: the first is the
part of a dynamic that is guessed, the second what two textures of the same levels differ by.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncodec import DiffusionRestorer, GANRestorer
from uncodec.analysis.evaluation import find_recordings, read_clip
from uncodec.codecs import round_trip

WINDOW, HOP, BANDS = 2048, 512, 64
COLUMNS = ("coded", "restored", "levels over time known", "levels of bands known")

Array = NDArray[np.float64]


def log_power(channel: Array) -> Array:
    """Decades of power, [shape=(frames, bins)], as `uncodec.analysis.metrics.lsd` has them."""
    frames = np.lib.stride_tricks.sliding_window_view(channel, WINDOW)[::HOP]
    spectra = np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=1)
    decades: Array = np.log10(np.maximum(np.abs(spectra) ** 2, 1e-8))
    return decades


def distance(difference: Array) -> float:
    """The log-spectral distance of two spectra whose difference this is."""
    return float(np.sqrt((difference**2).mean(1)).mean())


def parts(clean: Array, coded: Array, restored: Array) -> list[float]:
    """One value for each of `COLUMNS`, of one channel."""
    wanted = log_power(clean)
    left, got = wanted - log_power(coded), wanted - log_power(restored)
    edges = np.linspace(0, got.shape[1], BANDS + 1).astype(int)
    widths = np.diff(edges)
    means = np.add.reduceat(got, edges[:-1], axis=1) / widths
    return [
        distance(left),
        distance(got),
        distance(got - got.mean(0)),
        distance(got - np.repeat(means, widths, axis=1)),
    ]


def measure(
    data: Path, effect: Any, codec: str, files: int, seconds: float
) -> Iterator[tuple[str, list[float]]]:
    """Name and values of each excerpt, the mean of its channels."""
    name, _, kbps = codec.partition(":")
    for path in find_recordings(data, files=files):
        clip = read_clip(data, path, seconds=seconds, seed=0)
        if clip is None:
            continue
        coded = round_trip(clip.audio, clip.sample_rate, name, kbps=float(kbps))
        restored = effect(coded, clip.sample_rate)
        channels = zip(*(np.float64(x) for x in (clip.audio, coded, restored)), strict=True)
        yield clip.name, np.mean([parts(*channel) for channel in channels], axis=0).tolist()


def main() -> None:
    """Print a row for each excerpt and codec, and their means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of lossless recordings")
    parser.add_argument("--codec", action="append", help="codec:kbps; may be repeated")
    parser.add_argument("--offline", action="store_true", help="the offline engine, not the live")
    parser.add_argument("--files", type=int, default=22)
    parser.add_argument("--seconds", type=float, default=6.0)
    given = parser.parse_args()
    effect = DiffusionRestorer() if given.offline else GANRestorer()
    print(f"{'':48s}" + "".join(f"{name:>24s}" for name in COLUMNS))
    for codec in given.codec or ["mp3:48"]:
        rows = []
        for name, values in measure(given.data, effect, codec, given.files, given.seconds):
            rows.append(values)
            print(f"{name:48.48s}" + "".join(f"{value:24.2f}" for value in values), flush=True)
        means = np.mean(rows, axis=0)
        print(f"{codec + ', mean of ' + str(len(rows)):48s}" + "".join(f"{v:24.2f}" for v in means))


if __name__ == "__main__":
    main()
