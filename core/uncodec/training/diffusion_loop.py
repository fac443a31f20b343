"""The training loop of the offline diffusion network: resumable, seeded, logged."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from uncodec.diffusion.flow_path import advance, between, time_grid
from uncodec.errors import InvalidValue
from uncodec.networks.diffusion import DiffusionConfig, DiffusionNetwork
from uncodec.networks.diffusion_scene import Scene, compand, look_at
from uncodec.networks.generator import Generator
from uncodec.networks.spectra import (
    audio_to_frames,
    change_to_audio,
    frames_to_audio,
    left_right,
    mid_side,
)
from uncodec.training.checkpoints import Average, Due, Log, go_on, write_checkpoint
from uncodec.training.feed import device_of, to_device
from uncodec.training.generator_loop import restore_batch
from uncodec.training.losses import (
    clean_null_penalty,
    fidelity_penalty,
    level_error,
    level_penalty,
    log_spectral_distance,
    si_sdr,
)
from uncodec.training.neurogram import neurogram_dissimilarity
from uncodec.training.pairs import PairSet

__all__ = ["DiffusionSettings", "render_batch", "train_diffusion", "validate"]

CHECKPOINT_VERSION = 2
# (window, hop, share of the steps): the metric's own resolution most of the time, shorter ones so
# that energy is also placed right in time.
RESOLUTIONS = ((2048, 512, 0.7), (1024, 256, 0.15), (512, 128, 0.15))

# Step counts of the samplers whose states are trained on; half of them those of the default. More
# than half of the states are those of a sampler's last call, whose prediction is the result.
SAMPLED = (2, 4, 8, 8)
LAST = 0.6


@dataclass(frozen=True)
class DiffusionSettings:
    """What determines a training run besides its pairs.

    Attributes
    ----------
    steps : int
        Length of the run; the learning rate follows a cosine over it.
    batch : int
        Crops per step.
    seconds : float
        Length of a crop, at 44.1 kHz.
    lead : float
        Seconds before a crop, at most, that the live generator has heard.
    learning_rate : float
        Peak, reached after 100 steps.
    decay : float
        Weight decay.
    seed : int
    average : float
        Decay per step of the averaged weights, which are what is kept.
    begin, own : float
        Share of the steps that train the first call of the network, and share of those that train
        a later call on what the network made itself, not on what training pairs have there.
    neurogram : float
        Weight of neurogram similarity.
    """

    steps: int = 2000
    batch: int = 6
    seconds: float = 2.0
    lead: float = 2.0
    learning_rate: float = 1.5e-3
    decay: float = 0.02
    seed: int = 0
    average: float = 0.985
    begin: float = 0.35
    own: float = 0.65
    neurogram: float = 2.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InvalidValue(f"steps={self.steps}, batch={self.batch}: must be positive")
        if not 0.25 <= self.seconds <= 60:
            raise InvalidValue(f"seconds={self.seconds}: must be from 0.25 to 60")
        if not 0.1 <= self.lead <= 60:
            raise InvalidValue(f"lead={self.lead}: must be from 0.1 to 60")
        if self.begin < 0 or self.own < 0 or self.begin + self.own > 1:
            raise InvalidValue(f"begin={self.begin}, own={self.own}: must be shares of the steps")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / 100)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * warm * (0.02 + 0.98 * fall)


class _Ground(NamedTuple):
    """What a batch is before the network sees it."""

    coded: Tensor  # left and right, audio
    scene: Scene
    start: Tensor


def _prepare(network: DiffusionNetwork, coded: Tensor, seed: int, skip: int = 0) -> _Ground:
    """Start from what the live generator makes of it, without the first `skip` samples."""
    window, hop = network.config.window, network.config.hop
    with torch.no_grad():
        _, begun, _ = restore_batch(network.live, coded, seed)
        coded = coded[..., skip : begun.shape[-1]]
        scene = look_at(audio_to_frames(mid_side(coded), window, hop))
        start = audio_to_frames(mid_side(begun[..., skip:]), window, hop)
    return _Ground(coded, scene, start)


def _predict(
    network: DiffusionNetwork, scene: Scene, missing: Tensor, at: Tensor
) -> tuple[Tensor, Tensor]:
    with torch.autocast(at.device.type, torch.bfloat16):
        delta, damage = network(scene, missing, at)
    return delta, damage


def _sounding(network: DiffusionNetwork, spectra: Tensor) -> Tensor:
    """The spectra of the signal that these spectra make, which overlap and therefore differ."""
    window, hop = network.config.window, network.config.hop
    return audio_to_frames(frames_to_audio(spectra, window, hop), window, hop)


@torch.inference_mode()
def render_batch(
    network: DiffusionNetwork, coded: Tensor, seed: int, steps: int = 8
) -> tuple[Tensor, Tensor]:
    """Restore whole crops with the deterministic sampler.

    Parameters
    ----------
    network : DiffusionNetwork
    coded : Tensor [shape=(batch, 2, samples)]
        Left and right.
    seed : int
        Of the noise.
    steps : int

    Returns
    -------
    restored, delta : Tensor [shape=(batch, 2, trimmed)]
        Left and right, without the edges that fewer frames cover.
    """
    window, hop = network.config.window, network.config.hop
    ground = _prepare(network, coded, seed)
    missing, coded = ground.start, ground.coded
    grid = time_grid(steps)
    for now, later in pairwise(grid):
        at = torch.full((coded.shape[0],), now, device=coded.device)
        delta, _ = _predict(network, ground.scene, missing, at)
        missing = advance(ground.scene, missing, delta, now, later)
        if later < 1.0:
            missing = _sounding(network, missing)
    edge = window - hop
    delta = left_right(change_to_audio(missing, ground.scene.coded, window, hop))[..., edge:-edge]
    return coded[..., edge : edge + delta.shape[-1]] + delta, delta


def _loss(
    network: DiffusionNetwork,
    batch: tuple[Tensor, Tensor, Tensor],
    step: int,
    settings: DiffusionSettings,
) -> tuple[Tensor, dict[str, float]]:
    clean, coded, is_clean = batch
    window, hop = network.config.window, network.config.hop
    rng = np.random.default_rng([settings.seed, step, 5])
    # The end of what the live generator gives is missing.
    skip = int(rng.integers(max(1, round(settings.lead * 44100) - network.config.live.window)))
    with torch.no_grad():
        length = skip + round(settings.seconds * 44100)
        seed = settings.seed * 1_000_003 + step
        ground = _prepare(network, coded[..., : length + network.config.live.window], seed, skip)
        scene, coded = ground.scene, ground.coded
        clean = clean[..., skip : skip + coded.shape[-1]]
        end = audio_to_frames(mid_side(clean), window, hop) - scene.coded
        at, missing, known = _draw_state(network, ground, end, settings, rng)
    delta, damage = _predict(network, scene, missing, at)
    audio = left_right(change_to_audio(delta, scene.coded, window, hop))
    edge = window - hop
    change = audio[..., edge:-edge]
    span = slice(edge, edge + change.shape[-1])
    clean, coded = clean[..., span], coded[..., span]
    restored = coded + change
    pick = int(rng.choice(len(RESOLUTIONS), p=[share for _, _, share in RESOLUTIONS]))
    metric_window, metric_hop, _ = RESOLUTIONS[pick]
    damaged = 1 - is_clean
    distance = log_spectral_distance(clean, restored, metric_window, metric_hop)
    image = log_spectral_distance(mid_side(clean), mid_side(restored), metric_window, metric_hop)
    drop = fidelity_penalty(clean, coded, restored, 0.0) * damaged
    # Not against the coded signal's: what encoders take off shall come back.
    loudness = level_penalty(clean, clean, restored) * damaged
    unlike = neurogram_dissimilarity(clean, restored) * damaged
    null = clean_null_penalty(clean, change) * is_clean
    # The mean over all signals that may have been there is silent, so the distance to the one that
    # was there counts little at the start and more as the state tells which one it is.
    apart = compand(scene.coded + delta, scene.scale) - compand(scene.coded + end, scene.scale)
    # Where the outline is next to nothing and the clean signal is not, the distance has no bound.
    apart_by = (apart.real.square() + apart.imag.square() + 1e-4).sqrt().clamp(max=4.0)
    data = apart_by.mean((1, 2, 3)) * (0.02 + 0.3 * known * at) * damaged
    # The gate alone lets a clean signal pass untouched, and it has no gradient where it is shut or
    # open, so the odds behind it are also told directly.
    target = damaged[:, None].expand_as(damage)
    judged = torch.nn.functional.binary_cross_entropy_with_logits(damage, target)
    parts = {
        "lsd": distance.mean(),
        "image": 0.15 * image.mean(),
        "level": 0.35 * level_error(clean, restored).mean(),
        "width": 0.25 * level_error(mid_side(clean), mid_side(restored)).mean(),
        "unlike": settings.neurogram * unlike.mean(),
        "loudness": 0.4 * loudness.mean(),
        "data": data.mean(),
        "drop": 1.0 * drop.mean(),
        "null": 0.02 * null.mean(),
        "gate": 0.3 * judged,
    }
    total = torch.stack(list(parts.values())).sum()
    return total, {name: float(value.detach()) for name, value in parts.items()}


def _draw_state(
    network: DiffusionNetwork,
    ground: _Ground,
    end: Tensor,
    settings: DiffusionSettings,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, float]:
    """Time, state, and whether the state knows the clean signal (1) or guesses it (0)."""
    scene, state = ground.scene, ground.start
    count = state.shape[0]
    drawn = rng.random()
    if drawn < settings.begin:
        return torch.zeros(count, device=state.device), state, 1.0
    if drawn >= settings.begin + settings.own:
        at = torch.from_numpy(rng.random(count).astype(np.float32)).to(state.device)
        return at, _sounding(network, between(scene, ground.start, end, at)), 1.0
    # A state as the sampler meets it: what the network adds goes along with the noise it was made
    # of, and the clean signal does not. Trained on the clean signal's states alone, each step takes
    # its own guess for more than it was.
    grid = time_grid(int(rng.choice(SAMPLED)))
    last = len(grid) - 2
    reached = last if rng.random() < LAST else int(rng.integers(1, last + 1))
    for now, later in pairwise(grid[: reached + 1]):
        guess, _ = _predict(network, scene, state, torch.full((count,), now, device=state.device))
        state = _sounding(network, advance(scene, state, guess, now, later))
    return torch.full((count,), grid[reached], device=state.device), state, 0.0


def train_diffusion(
    pairs: PairSet,
    folder: str | Path,
    settings: DiffusionSettings,
    *,
    live: Generator,
    config: DiffusionConfig | None = None,
    start: Mapping[str, Tensor] | None = None,
    validation: PairSet | None = None,
    every: int = 250,
    device: str = "cpu",
) -> DiffusionNetwork:
    """Train a diffusion network, or go on where `folder` was left.

    Parameters
    ----------
    pairs : PairSet
    folder : path
        Takes ``checkpoint.pt`` (replaced as a whole, never half-written), ``average-STEP.pt`` every
        `every` steps, and ``log.jsonl``.
    settings : DiffusionSettings
        A resumed run must have the same settings but for `steps`, which may grow.
    live : Generator
        Trained; what it restores is where the flow starts.
    config : DiffusionConfig, optional
        Its `live` is that of `live`.
    start : mapping of str to Tensor, optional
        Weights to begin with, instead of random ones; those of the live generator in them are left
        out.
    validation : PairSet, optional
        Scored every `every` steps.
    every : int
        Steps between checkpoints; there is one every minute besides.
    device : str

    Returns
    -------
    DiffusionNetwork
        With the averaged weights.

    Raises
    ------
    ModelError
        The checkpoint was made by another version or with other settings.
    """
    root = Path(folder)
    root.mkdir(parents=True, exist_ok=True)
    path, log = root / "checkpoint.pt", Log(root)
    torch.manual_seed(settings.seed)
    network = DiffusionNetwork(replace(config or DiffusionConfig(), live=live.config))
    begun = network.state_dict() if start is None else start
    own = {f"live.{key}": tensor for key, tensor in live.state_dict().items()}
    network.load_state_dict({key: begun[key] for key in begun if not key.startswith("live.")} | own)
    network.to(device).train()
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=settings.decay
    )
    average = Average(network, settings.average)
    first = 0
    if path.exists():
        kept = go_on(path, CHECKPOINT_VERSION, settings, network, optimiser, average)
        first = int(kept["step"])
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    samples = round((settings.seconds + settings.lead) * 44100)
    due = Due(every, settings.steps)
    batches = pairs.batches(first, settings.steps, settings.batch, samples, settings.seed)
    for step, arrays in enumerate(batches, first):
        clean, coded, flags = to_device(arrays, device)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        total, parts = _loss(network, (clean, coded, flags), step, settings)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = float(torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0).detach())
        if math.isfinite(norm) and math.isfinite(float(total.detach())):
            optimiser.step()
            average.update(network, step)
        recent.append({**parts, "total": float(total.detach()), "norm": norm})
        if (step + 1) % 20 == 0:
            mean = {key: round(float(np.mean([r[key] for r in recent])), 4) for key in recent[0]}
            seconds = round((time.perf_counter() - started) / (step + 1 - first), 2)
            log.write({"step": step + 1, **mean, "seconds_per_step": seconds})
            recent.clear()
        if due.now(step + 1):
            write_checkpoint(
                path, CHECKPOINT_VERSION, step + 1, settings, network, optimiser, average
            )
            if due.mark(step + 1):
                torch.save(average.weights, root / f"average-{step + 1:06d}.pt")
                if validation is not None:
                    scores = validate(average.twin(network), validation)
                    log.write({"step": step + 1, "validation": scores})
    return average.twin(network)


def validate(
    network: DiffusionNetwork, pairs: PairSet, steps: Sequence[int] = (1, 4), every: int = 4
) -> dict[str, dict[str, float]]:
    """Score a network on pairs, grouped by codec and rate.

    Parameters
    ----------
    network : DiffusionNetwork
    pairs : PairSet
        Of `build_validation`.
    steps : sequence of int
        Step counts to try.
    every : int
        Every so many excerpts are used.

    Returns
    -------
    dict
        For each group, such as ``"mp3-64"``: ``lsd_in``, ``sdr_in``, and ``lsd`` and ``sdr`` with
        each step count behind them; for clean pairs ``null_db``, mean and worst.
    """
    from uncodec.training.pairs import VALIDATION_MENU

    groups: dict[str, list[dict[str, float]]] = {}
    edge = network.config.window - network.config.hop
    for number, note in enumerate(pairs.notes):
        if note["index"] // len(VALIDATION_MENU) % every and note["codec"] != "clean":
            continue
        # A copy: the pair is mapped from its file and may not be written to.
        clean, coded = to_device(np.array(pairs.pair(number))[:, None], device_of(network))
        row: dict[str, float] = {}
        for count in steps:
            restored, delta = render_batch(network, coded, seed=number, steps=count)
            span = slice(edge, edge + restored.shape[-1])
            kept, before = clean[..., span], coded[..., span]
            if note["codec"] == "clean":
                ratio = delta.square().sum() / kept.square().sum()
                row[f"null_db_{count}"] = float(10 * torch.log10(ratio + 1e-12))
                continue
            row["lsd_in"] = float(log_spectral_distance(kept, before, 2048, 512))
            row["sdr_in"] = float(si_sdr(kept, before))
            row[f"lsd_{count}"] = float(log_spectral_distance(kept, restored, 2048, 512))
            row[f"sdr_{count}"] = float(si_sdr(kept, restored))
        name = f"{note['codec']}-{note['kbps']}" if note["codec"] != "clean" else "clean"
        groups.setdefault(name, []).append(row)
    scores = {
        name: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
        for name, rows in sorted(groups.items())
    }
    for key in list(scores.get("clean", {})):
        scores["clean"][f"worst_{key}"] = round(max(row[key] for row in groups["clean"]), 2)
    return scores
