"""Make a model from its recipe: ``python -m uncodec.training RECIPE --data FOLDER --work
FOLDER``."""

from __future__ import annotations

import argparse
import os
import sys
import tomllib
from pathlib import Path

from uncodec.errors import ModelError, UncodecError


def main(arguments: list[str] | None = None) -> int:
    """Build the pairs, train, and export the weights; each part goes on where it was left."""
    parser = argparse.ArgumentParser(prog="python -m uncodec.training", description=main.__doc__)
    parser.add_argument("recipe", type=Path, help="recipe.toml of a model")
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and val/")
    parser.add_argument("--work", type=Path, required=True, help="pairs, checkpoints and logs")
    parser.add_argument("--release", type=Path, help="write the weights into this model folder")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--threads", type=int, default=0, help="threads of torch, 0 for all")
    parser.add_argument("--only", choices=["pairs", "train", "release"], help="do one part alone")
    options = parser.parse_args(arguments)
    try:
        _run(options)
    except UncodecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the last checkpoint is kept", file=sys.stderr)
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    import torch

    from uncodec.networks.generator import GeneratorConfig
    from uncodec.networks.store import save_weights
    from uncodec.training.generator_loop import LoopSettings, train_generator
    from uncodec.training.pairs import PairSet, build_pairs, build_validation

    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        recipe = tomllib.loads(options.recipe.read_text())
        settings = LoopSettings(**recipe["training"])
        config = GeneratorConfig(**recipe["generator"])
        name, version = recipe["name"], recipe["version"]
        trim_db = float(recipe["release"]["noise_trim_db"])
        pairs_wanted, validation_wanted = recipe["pairs"], recipe["validation"]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ModelError(
            f"{options.recipe}: must be a recipe of a live generator, {error}"
        ) from error
    folders = {part: options.work / part for part in ("pairs", "validation", "checkpoints")}
    if options.only in (None, "pairs"):
        build_validation(options.data / "val", folders["validation"], **validation_wanted)
        build_pairs(
            options.data / "train", folders["pairs"], workers=options.workers, **pairs_wanted
        )
    if options.only == "pairs":
        return
    steps_left = options.only in (None, "train")
    generator = train_generator(
        PairSet(folders["pairs"]),
        folders["checkpoints"],
        settings,
        config=config,
        validation=PairSet(folders["validation"]) if steps_left else None,
        device=options.device,
    )
    if options.release is not None:
        generator.trim_noise(trim_db)
        save_weights(options.release, generator, name=name, version=version)


if __name__ == "__main__":
    raise SystemExit(main())
