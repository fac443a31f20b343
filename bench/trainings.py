"""How far do trainings lie apart that differ in the seed alone? GAN, diffusion and regression.

    python bench/trainings.py --work FOLDER

FOLDER holds ``pairs`` and ``validation``, as training leaves them. Every run starts from random
weights and takes so many steps of its model's recipe, on the same pairs; seeds differ in the
weights, the order of the batches and the noise. Written beside the weights of each model as
``trainings.json``, which `uncodec compare` reads. Interrupted, it goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from uncodec.networks.diffusion import DiffusionConfig
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.store import load_codec_net, load_generator
from uncodec.parameters import DEFAULT_STEPS
from uncodec.training.adversarial_objective import AdversarialObjective, AdversarySettings
from uncodec.training.diffusion_objective import (
    DiffusionObjective,
    DiffusionSettings,
    begin_diffusion,
    diffusion_scores,
)
from uncodec.training.distance_objective import DistanceObjective, DistanceSettings
from uncodec.training.loop import Objective, RunSettings, begin, train
from uncodec.training.pair_objective import CropSettings
from uncodec.training.pairs import PairSet
from uncodec.training.regression_objective import RegressionObjective
from uncodec.training.restoration_objective import restoration_scores

ROOT = Path(__file__).resolve().parents[1]
ADVERSARY = "projected"
BATCH, SECONDS = 4, 1.0

Scores = Callable[[Any], dict[str, dict[str, float]]]


def gan(seed: int, pairs: PairSet) -> Objective[Any, Any]:
    """The live generator against the adversary of its recipe."""
    crops = DistanceSettings(batch=BATCH, seconds=SECONDS, seed=seed)
    base = DistanceObjective(begin(Generator, GeneratorConfig(), seed=seed), pairs, crops)
    return AdversarialObjective(base, AdversarySettings(ADVERSARY), load_codec_net())


def mse(seed: int, pairs: PairSet) -> Objective[Any, Any]:
    """The same generator on the squared error."""
    crops = CropSettings(batch=BATCH, seconds=SECONDS, seed=seed)
    return RegressionObjective(begin(Generator, GeneratorConfig(), seed=seed), pairs, crops)


def diffusion(seed: int, pairs: PairSet) -> Objective[Any, Any]:
    """The offline network, which starts from what the released live generator makes."""
    network = begin_diffusion(DiffusionConfig(), load_generator(), seed=seed)
    crops = DiffusionSettings(batch=BATCH, seconds=SECONDS, lead=1.0, seed=seed)
    return DiffusionObjective(network, pairs, crops)


def outcome(scores: dict[str, dict[str, float]], key: str) -> float:
    """Mean log-spectral distance over codecs and rates."""
    return statistics.fmean(group[key] for name, group in scores.items() if name != "clean")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    pairs, validation = PairSet(options.work / "pairs"), PairSet(options.work / "validation")

    def sampled(network: Any) -> dict[str, dict[str, float]]:
        return diffusion_scores(network, validation, (DEFAULT_STEPS,), every=1)

    def restored(network: Any) -> dict[str, dict[str, float]]:
        return restoration_scores(network, validation)

    models: dict[str, tuple[Callable[[int, PairSet], Objective[Any, Any]], Scores, str, float]] = {
        "live-mse": (mse, restored, "lsd", 2e-3),
        "live-gan": (gan, restored, "lsd", 2e-3),
        "diffusion": (diffusion, sampled, f"lsd_{DEFAULT_STEPS}", 1.5e-3),
    }
    for name, (make, scored, key, rate) in models.items():
        ends: list[float] = []
        for seed in range(options.seeds):
            folder = options.work / "trainings" / f"{name}-{seed}"
            settings = RunSettings(
                steps=options.steps, learning_rate=rate, average=0.95, warm=10, seed=seed
            )
            network = train(make(seed, pairs), folder, settings, every=options.steps)
            ends.append(round(outcome(scored(network), key), 4))
            print(name, seed, ends[-1], flush=True)
        record = {
            "adversary": ADVERSARY if name == "live-gan" else "none",
            "steps": options.steps,
            "crops": BATCH,
            "seconds": SECONDS,
            "lsd": ends,
        }
        path = ROOT / "models" / name / "trainings.json"
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
