"""Does an adversary help, which one, and how steady is it? Several seeds each, from one start.

    python bench/adversaries.py --work FOLDER --start CHECKPOINT
    python bench/adversaries.py --work FOLDER --objective mse --learning-rate 1e-3

FOLDER holds ``pairs`` and ``validation``, as training leaves them. Every run begins with the same
generator, trained without an adversary, or without `--start` from scratch, and goes on for as many
steps on the same batches with each kind of adversary; what differs between seeds is the order of
the batches, the noise, and the adversary's start (from scratch, the generator's too). Written to
FOLDER/adversaries: the runs, ``adversaries.json`` and ``adversaries.png``. Interrupted, it goes on
where it was.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from uncodec.networks.codec_net import CodecNet, codec_levels
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.store import load_codec_net
from uncodec.training.adversarial_objective import (
    ADVERSARIES,
    AdversarialObjective,
    AdversarySettings,
)
from uncodec.training.loop import Objective, RunSettings, begin, train
from uncodec.training.pairs import PairSet
from uncodec.training.restoration_objective import restore_batch
from uncodec.training.trainers import RESTORATIONS


@torch.inference_mode()
def frechet_distance(network: CodecNet, generator: Generator | None, pairs: PairSet) -> float:
    """Frechet distance between the codec network's features of clean and of restored sound.

    As the inception distance (M. Heusel et al., 2017), over the channel means of the two coarsest
    scales in stretches of half a second; without a generator that of the coded sound.
    """
    sides: tuple[list[torch.Tensor], list[torch.Tensor]] = ([], [])
    for number, note in enumerate(pairs.notes):
        if note["codec"] == "clean":
            continue
        clean, heard = (torch.from_numpy(np.array(part))[None] for part in pairs.pair(number))
        if generator is not None:
            heard = restore_batch(generator, heard, seed=number)[0]
        for side, audio in zip(sides, (clean[..., : heard.shape[-1]], heard), strict=True):
            pieces = audio[0, :, : audio.shape[-1] // 22050 * 22050].reshape(2, -1, 22050)
            maps = network.features(codec_levels(pieces.transpose(0, 1)))
            side.append(torch.cat([scale.mean((2, 3)) for scale in maps[2:]], 1))
    first, second = (torch.cat(side).double() for side in sides)
    gap = (first.mean(0) - second.mean(0)).square().sum()
    one, two = torch.cov(first.T), torch.cov(second.T)
    roots = torch.linalg.eigvals(one @ two).real.clamp_min(0).sqrt().sum()
    return float(gap + one.trace() + two.trace() - 2 * roots)


def _outcome(folder: Path, generator: Generator, features: CodecNet, pairs: PairSet) -> Any:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    curve = [
        {
            "step": row["step"],
            "lsd": float(np.mean([g["lsd"] for n, g in row["validation"].items() if n != "clean"])),
            "sdr_change": float(
                np.mean(
                    [g["sdr"] - g["sdr_in"] for n, g in row["validation"].items() if n != "clean"]
                )
            ),
            "null_db": row["validation"]["clean"]["null_db"],
        }
        for row in rows
        if "validation" in row
    ]
    losses = [
        {
            key: row[key]
            for key in ("step", "lsd", "hinge", "verdict", "matching", "norm")
            if key in row
        }
        for row in rows
        if "total" in row
    ]
    return {
        "curve": curve,
        "losses": losses,
        "frechet": frechet_distance(features, generator, pairs),
    }


def _picture(found: dict[str, list[Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), constrained_layout=True)
    for colour, (kind, runs) in enumerate(found.items()):
        for number, run in enumerate(runs):
            style = {"color": f"C{colour}", "label": kind if number == 0 else None, "alpha": 0.8}
            steps = [point["step"] for point in run["curve"]]
            axes[0].plot(steps, [point["lsd"] for point in run["curve"]], **style)
            axes[1].plot(steps, [point["sdr_change"] for point in run["curve"]], **style)
            hinge = [point for point in run["losses"] if "hinge" in point]
            axes[2].plot([p["step"] for p in hinge], [p["hinge"] for p in hinge], **style)
    titles = ("LSD on validation", "SI-SDR change on validation, dB", "hinge loss of the adversary")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title)
        axis.set_xlabel("step")
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="checkpoint of a generator; else from scratch")
    parser.add_argument("--features", default="codec-net", help="model with a codec network")
    parser.add_argument("--objective", choices=RESTORATIONS, default="distance")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config, start = GeneratorConfig(), None
    if options.start is not None:
        kept = torch.load(options.start, weights_only=True)
        config, start = GeneratorConfig(**kept["config"]), kept["average"]
    features = load_codec_net(options.features)
    pairs, validation = PairSet(options.work / "pairs"), PairSet(options.work / "validation")
    settings = RunSettings(steps=options.steps, learning_rate=options.learning_rate, average=0.98)
    wanted = RESTORATIONS[options.objective]
    root = options.work / "adversaries"
    found: dict[str, list[Any]] = {}
    for seed in range(options.seeds):
        crops = wanted.SETTINGS(batch=options.batch, seconds=1.0, seed=seed)
        for kind in ADVERSARIES:
            folder = root / f"{kind}-{seed}"
            network = begin(Generator, config, seed=seed, start=start)
            base = wanted(network, pairs, crops, validation)
            objective: Objective[Generator, Any] = base
            if kind != "none":
                adversary = AdversarySettings(kind, learning_rate=options.learning_rate)
                objective = AdversarialObjective(base, adversary, features)
            generator = train(
                objective, folder, replace(settings, seed=seed), every=max(1, options.steps // 4)
            )
            found.setdefault(kind, []).append(_outcome(folder, generator, features, validation))
    coded = frechet_distance(features, None, validation)
    (root / "adversaries.json").write_text(
        json.dumps({"frechet_coded": coded, "runs": found}, indent=1) + "\n"
    )
    _picture(found, root / "adversaries.png")
    print("| adversary | LSD | SI-SDR change, dB | Frechet distance |\n|---|---|---|---|")
    print(f"| (coded input) | | 0 | {coded:.4f} |")
    for kind, runs in found.items():
        ends = [run["curve"][-1] for run in runs]
        columns = [
            [end["lsd"] for end in ends],
            [end["sdr_change"] for end in ends],
            [run["frechet"] for run in runs],
        ]
        cells = [f"{np.mean(c):.4f} ± {np.std(c, ddof=min(1, len(c) - 1)):.4f}" for c in columns]
        print(f"| {kind} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
