"""The training loop of the live generator: resumable, seeded, logged."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncodec.errors import InvalidValue, ModelError
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.spectra import audio_to_frames, frames_to_audio, left_right, mid_side
from uncodec.training.losses import (
    clean_null_penalty,
    fidelity_penalty,
    log_spectral_distance,
    si_sdr,
)
from uncodec.training.pairs import PairSet

__all__ = ["LoopSettings", "restore_batch", "train_generator", "validate"]

CHECKPOINT_VERSION = 1
# (window, hop, share of the steps): the metric's own resolution most of the time, shorter ones so
# that energy is also placed right in time.
RESOLUTIONS = ((2048, 512, 0.6), (1024, 256, 0.2), (512, 128, 0.2))


@dataclass(frozen=True)
class LoopSettings:
    """What determines a training run besides its pairs.

    Attributes
    ----------
    steps : int
        Length of the run; the learning rate follows a cosine over it.
    batch : int
        Crops per step.
    seconds : float
        Length of a crop, at 44.1 kHz.
    learning_rate : float
        Peak, reached after 50 steps.
    seed : int
    average : float
        Decay per step of the averaged weights, which are what is kept.
    allowed_drop_db : float
        Fall in SI-SDR that is not punished.
    """

    steps: int = 2000
    batch: int = 8
    seconds: float = 2.0
    learning_rate: float = 1.5e-3
    seed: int = 0
    average: float = 0.995
    allowed_drop_db: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InvalidValue(f"steps={self.steps}, batch={self.batch}: must be positive")
        if not 0.25 <= self.seconds <= 60:
            raise InvalidValue(f"seconds={self.seconds}: must be from 0.25 to 60")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / 50)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * warm * (0.02 + 0.98 * fall)


def restore_batch(
    generator: Generator, coded: Tensor, seed: int, half: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Run the generator over whole crops.

    Parameters
    ----------
    generator : Generator
    coded : Tensor [shape=(batch, 2, samples)]
        Left and right.
    seed : int
        Of the noise.
    half : bool
        Compute the network in bfloat16.

    Returns
    -------
    restored, delta : Tensor [shape=(batch, 2, trimmed)]
        Left and right, without the edges that fewer frames cover.
    damage : Tensor [shape=(batch, frames)]
        Log odds that the signal is damaged.
    """
    window, hop = generator.config.window, generator.config.hop
    source = torch.Generator().manual_seed(seed)
    noise = torch.randn(coded.shape, generator=source).to(coded.device)
    frames = audio_to_frames(mid_side(coded), window, hop)
    excitation = audio_to_frames(noise, window, hop)
    with torch.autocast(coded.device.type, torch.bfloat16, enabled=half):
        real, imag, damage, _ = generator(
            frames.real,
            frames.imag,
            excitation.real,
            excitation.imag,
            generator.initial_state(coded.shape[0]),
        )
    delta = left_right(frames_to_audio(torch.complex(real.float(), imag.float()), window, hop))
    edge = window - hop
    delta = delta[..., edge:-edge]
    kept = coded[..., edge : edge + delta.shape[-1]]
    return kept + delta, delta, damage.float()


def _loss(
    generator: Generator, batch: tuple[Tensor, Tensor, Tensor], step: int, settings: LoopSettings
) -> tuple[Tensor, dict[str, float]]:
    clean, coded, is_clean = batch
    restored, delta, damage = restore_batch(generator, coded, seed=settings.seed * 1_000_003 + step)
    edge = generator.config.window - generator.config.hop
    clean = clean[..., edge : edge + restored.shape[-1]]
    coded = coded[..., edge : edge + restored.shape[-1]]
    rng = np.random.default_rng([settings.seed, step, 3])
    pick = int(rng.choice(len(RESOLUTIONS), p=[share for _, _, share in RESOLUTIONS]))
    window, hop, _ = RESOLUTIONS[pick]
    damaged = 1 - is_clean
    distance = log_spectral_distance(clean, restored, window, hop)
    image = log_spectral_distance(mid_side(clean), mid_side(restored), window, hop)
    drop = fidelity_penalty(clean, coded, restored, settings.allowed_drop_db) * damaged
    null = clean_null_penalty(clean, delta) * is_clean
    # The gate alone lets a clean signal pass untouched, and it has no gradient where it is shut or
    # open, so the odds behind it are also told directly.
    target = damaged[:, None].expand_as(damage)
    judged = torch.nn.functional.binary_cross_entropy_with_logits(damage, target)
    parts = {
        "lsd": distance.mean(),
        "image": 0.15 * image.mean(),
        "drop": 0.3 * drop.mean(),
        "null": 0.02 * null.mean(),
        "gate": 0.3 * judged,
    }
    total = torch.stack(list(parts.values())).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}


class _Average:
    """Exponential moving average of a model's weights."""

    def __init__(self, generator: Generator, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in generator.state_dict().items()}

    def update(self, generator: Generator, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in generator.state_dict().items():
            self.weights[name].lerp_(value.detach(), 1 - decay)


def _batches(
    pairs: PairSet, settings: LoopSettings, first: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """Batches from step `first` on, one read ahead."""
    samples = round(settings.seconds * 44100)
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(pairs.batch, first, settings.batch, samples, settings.seed)
        for step in range(first, settings.steps):
            ready = ahead.result()
            ahead = pool.submit(pairs.batch, step + 1, settings.batch, samples, settings.seed)
            yield ready


def train_generator(
    pairs: PairSet,
    folder: str | Path,
    settings: LoopSettings,
    *,
    config: GeneratorConfig | None = None,
    validation: PairSet | None = None,
    every: int = 250,
    device: str = "cpu",
) -> Generator:
    """Train a generator, or go on where `folder` was left.

    Parameters
    ----------
    pairs : PairSet
    folder : path
        Takes ``checkpoint.pt`` (replaced as a whole, never half-written) and ``log.jsonl``.
    settings : LoopSettings
        A resumed run must have the same settings but for `steps`, which may grow.
    config : GeneratorConfig, optional
    validation : PairSet, optional
        Scored at every checkpoint.
    every : int
        Steps between checkpoints.
    device : str

    Returns
    -------
    Generator
        With the averaged weights.

    Raises
    ------
    ModelError
        The checkpoint was made by another version or with other settings.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path = root / "checkpoint.pt"
    torch.manual_seed(settings.seed)
    generator = Generator(config or GeneratorConfig()).to(device)
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.9, 0.99))
    average = _Average(generator, settings.average)
    first = 0
    if path.exists():
        first = _resume(path, generator, optimiser, average, settings)
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    for step, arrays in enumerate(_batches(pairs, settings, first), first):
        clean, coded, flags = (torch.from_numpy(a).to(device) for a in arrays)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        total, parts = _loss(generator, (clean, coded, flags), step, settings)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = float(torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0).detach())
        if math.isfinite(norm) and math.isfinite(float(total.detach())):
            optimiser.step()
            average.update(generator, step)
        recent.append({**parts, "total": float(total.detach()), "norm": norm})
        if (step + 1) % 20 == 0:
            mean = {key: round(float(np.mean([r[key] for r in recent])), 4) for key in recent[0]}
            seconds = round((time.perf_counter() - started) / (step + 1 - first), 2)
            _log(root, {"step": step + 1, **mean, "seconds_per_step": seconds})
            recent.clear()
        if (step + 1) % every == 0 or step + 1 == settings.steps:
            _save(path, generator, optimiser, average, settings, step + 1)
            if validation is not None:
                scores = validate(_averaged(generator, average), validation)
                _log(root, {"step": step + 1, "validation": scores})
    return _averaged(generator, average)


def _averaged(generator: Generator, average: _Average) -> Generator:
    twin = Generator(generator.config).to(generator.gate.weight.device)
    twin.load_state_dict(average.weights)
    return twin.eval()


def _save(
    path: Path,
    generator: Generator,
    optimiser: torch.optim.Optimizer,
    average: _Average,
    settings: LoopSettings,
    step: int,
) -> None:
    part = path.with_suffix(".part")
    torch.save(
        {
            "version": CHECKPOINT_VERSION,
            "step": step,
            "config": generator.describe(),
            "settings": asdict(settings),
            "generator": generator.state_dict(),
            "average": average.weights,
            "optimiser": optimiser.state_dict(),
        },
        part,
    )
    part.replace(path)


def _resume(
    path: Path,
    generator: Generator,
    optimiser: torch.optim.Optimizer,
    average: _Average,
    settings: LoopSettings,
) -> int:
    kept = torch.load(path, weights_only=True)
    version = kept.get("version")
    if version != CHECKPOINT_VERSION:
        rule = f"must be a checkpoint of version {CHECKPOINT_VERSION}"
        raise ModelError(f"{path}: {rule}, got {version}")
    if kept["config"] != generator.describe():
        raise ModelError(f"{path}: holds a generator {kept['config']}, not {generator.describe()}")
    begun = replace(LoopSettings(**kept["settings"]), steps=settings.steps)
    if begun != settings:
        raise ModelError(f"{path}: was begun with {kept['settings']}, not {asdict(settings)}")
    generator.load_state_dict(kept["generator"])
    optimiser.load_state_dict(kept["optimiser"])
    average.weights = kept["average"]
    return int(kept["step"])


def _log(root: Path, row: dict[str, Any]) -> None:
    with (root / "log.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")


@torch.inference_mode()
def validate(generator: Generator, pairs: PairSet) -> dict[str, dict[str, float]]:
    """Score a generator on every pair, grouped by codec and rate.

    Returns
    -------
    dict
        For each group, such as ``"mp3-64"``: ``lsd_in``, ``lsd``, ``sdr_in``, ``sdr`` and for clean
        pairs ``null_db``.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    edge = generator.config.window - generator.config.hop
    for number, note in enumerate(pairs.notes):
        clean, coded = (torch.from_numpy(np.array(part))[None] for part in pairs.pair(number))
        restored, delta, _ = restore_batch(generator, coded, seed=number)
        clean = clean[..., edge : edge + restored.shape[-1]]
        coded = coded[..., edge : edge + restored.shape[-1]]
        row = {
            "lsd_in": float(log_spectral_distance(clean, coded, 2048, 512)),
            "lsd": float(log_spectral_distance(clean, restored, 2048, 512)),
            "sdr_in": float(si_sdr(clean, coded)),
            "sdr": float(si_sdr(clean, restored)),
        }
        name = f"{note['codec']}-{note['kbps']}" if note["codec"] != "clean" else "clean"
        if name == "clean":
            ratio = delta.square().sum() / clean.square().sum()
            row = {"null_db": float(10 * torch.log10(ratio + 1e-12))}
        groups.setdefault(name, []).append(row)
    return {
        name: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
        for name, rows in sorted(groups.items())
    }
