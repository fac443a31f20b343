"""Quality and cost of the offline engine by number of steps, sampler and seed.

    .venv/bin/python bench/diffusion_steps.py --data FOLDER --codec mp3:64 --json steps.json

The recordings are sent through real codecs, as `uncodec evaluate` does it. With `--visqol` ViSQOL
judges them as well, which needs the extra "visqol".
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from uncodec import DiffusionRestorer
from uncodec.analysis.evaluation import find_recordings, read_clip
from uncodec.analysis.metrics import lsd, si_sdr
from uncodec.analysis.perceptual import require_visqol, visqol
from uncodec.codecs import round_trip

STEPS = (1, 2, 4, 8, 16, 32)
CODECS = ("mp3:32", "mp3:64", "aac:64")


def variants(model: str, seeds: int) -> dict[str, DiffusionRestorer]:
    """What is compared, by the name of its row."""
    make = partial(DiffusionRestorer, model=model)
    found = {f"{steps} steps": make(steps=steps) for steps in STEPS}
    found["8 steps, sde"] = make(steps=8, sampler="sde")
    return found | {f"8 steps, seed {seed}": make(steps=8, seed=seed) for seed in range(1, seeds)}


def measure(
    data: Path,
    model: str,
    codecs: list[str],
    files: int,
    seconds: float,
    seeds: int,
    perceptual: bool,
) -> list[dict[str, Any]]:
    """Mean scores over all clips and codecs, and processor time over playing time."""
    scores: dict[str, list[dict[str, float]]] = defaultdict(list)
    compared = variants(model, seeds)
    for path in find_recordings(data, files=files):
        clip = read_clip(data, path, seconds=seconds, seed=0)
        if clip is None:
            continue
        for codec in codecs:
            name, _, kbps = codec.partition(":")
            coded = round_trip(clip.audio, clip.sample_rate, name, kbps=float(kbps))
            rows: dict[str, Any] = {"untouched": None} | compared
            for row, effect in rows.items():
                began = time.process_time()
                result = coded if effect is None else effect(coded, clip.sample_rate)
                used = (time.process_time() - began) * clip.sample_rate / coded.shape[1]
                score = {
                    "lsd": lsd(clip.audio, result, clip.sample_rate),
                    "si_sdr_db": si_sdr(clip.audio, result),
                    "processor_time_per_second": used,
                }
                if perceptual:
                    score["visqol"] = visqol(clip.audio, result, clip.sample_rate)
                scores[row].append(score)
            print(f"{clip.name}, {codec}", flush=True)
    return [
        {"what": row, "clips": len(values)}
        | {key: round(statistics.fmean(v[key] for v in values), 4) for key in values[0]}
        for row, values in scores.items()
    ]


def main() -> None:
    """Print a table, and write it as JSON where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of lossless recordings")
    parser.add_argument("--model", default="diffusion")
    parser.add_argument("--codec", action="append", help="mp3:64, ... (repeatable)")
    parser.add_argument("--files", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--visqol", action="store_true", help="a column more (slow)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.visqol:
        require_visqol()
    rows = measure(
        options.data,
        options.model,
        options.codec or list(CODECS),
        options.files,
        options.seconds,
        options.seeds,
        options.visqol,
    )
    more = " ViSQOL |" if options.visqol else ""
    print(f"| what | LSD | SI-SDR, dB | processor time per second |{more}")
    print("|---|---|---|---|" + ("---|" if options.visqol else ""))
    for row in rows:
        heard = f" {row['visqol']:.3f} |" if options.visqol else ""
        print(
            f"| {row['what']} | {row['lsd']:.3f} | {row['si_sdr_db']:.2f} "
            f"| {row['processor_time_per_second']:.2f} |{heard}"
        )
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
