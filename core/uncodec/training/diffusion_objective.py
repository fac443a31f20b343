"""What the diffusion network of the offline engine learns: from any state on, the clean signal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from uncodec.diffusion.flow_path import advance, between, time_grid
from uncodec.errors import InvalidValue
from uncodec.networks.diffusion import DiffusionConfig, DiffusionNetwork
from uncodec.networks.diffusion_scene import Scene, compand, look_at
from uncodec.networks.generator import Generator
from uncodec.networks.level_features import BANDS, HOP, WINDOW, level_features
from uncodec.networks.levelled import set_levels_offline
from uncodec.networks.levels import LevelNetwork
from uncodec.networks.spectra import (
    audio_to_frames,
    change_to_audio,
    frames_to_audio,
    left_right,
    mid_side,
)
from uncodec.training.codings import VALIDATION_MENU
from uncodec.training.feed import device_of, to_device
from uncodec.training.loop import RunSettings, begin
from uncodec.training.losses import (
    clean_null_penalty,
    fidelity_penalty,
    level_error,
    level_penalty,
    log_spectral_distance,
    si_sdr,
)
from uncodec.training.neurogram import neurogram_dissimilarity
from uncodec.training.pair_objective import (
    Crops,
    CropSettings,
    PairObjective,
    means_by_coding,
    name_of_coding,
)
from uncodec.training.pairs import PairSet
from uncodec.training.restoration_objective import restore_batch

__all__ = [
    "DiffusionObjective",
    "DiffusionSettings",
    "begin_diffusion",
    "diffusion_scores",
    "render_batch",
    "with_levels",
]

# (window, hop, share of the steps): the metric's own resolution most of the time, shorter ones so
# that energy is also placed right in time.
RESOLUTIONS = ((2048, 512, 0.7), (1024, 256, 0.15), (512, 128, 0.15))

# Step counts of the samplers whose states are trained on; half of them those of the default. More
# than half of the states are those of a sampler's last call, whose prediction is the result.
SAMPLED = (2, 4, 8, 8)
LAST = 0.6


@dataclass(frozen=True)
class DiffusionSettings(CropSettings):
    """Crops, and which states of them are trained on.

    Attributes
    ----------
    batch : int
        Crops per step.
    seconds : float
        Length of a crop, at 44.1 kHz.
    lead : float
        Seconds before a crop, at most, that the live generator has heard.
    seed : int
    begin, own : float
        Share of the steps that train the first call of the network, and share of those that train
        a later call on what the network made itself, not on what training pairs have there.
    neurogram : float
        Weight of neurogram similarity.
    """

    batch: int = 6
    lead: float = 2.0
    begin: float = 0.35
    own: float = 0.65
    neurogram: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.1 <= self.lead <= 60:
            raise InvalidValue(f"lead={self.lead}: must be from 0.1 to 60")
        if self.begin < 0 or self.own < 0 or self.begin + self.own > 1:
            raise InvalidValue(f"begin={self.begin}, own={self.own}: must be shares of the steps")

    @property
    def samples(self) -> int:
        return round((self.seconds + self.lead) * 44100)


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


def begin_diffusion(
    config: DiffusionConfig,
    live: Generator,
    *,
    seed: int = 0,
    start: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
) -> DiffusionNetwork:
    """A network to train, which starts from what `live` restores.

    Parameters
    ----------
    config : DiffusionConfig
        Its `live` is that of `live`.
    live : Generator
        Trained.
    seed : int
        Of the random weights.
    start : mapping of str to Tensor, optional
        Weights instead of random ones; those of a live generator in them are left out.
    device : str
    """
    network = begin(DiffusionNetwork, replace(config, live=live.config), seed=seed)
    begun = network.state_dict() if start is None else start
    own = {f"live.{key}": tensor for key, tensor in live.state_dict().items()}
    network.load_state_dict({key: begun[key] for key in begun if not key.startswith("live.")} | own)
    return network.to(device)


class DiffusionObjective(PairObjective[DiffusionNetwork]):
    """The clean signal is found from every state that a sampler may be in.

    Parameters
    ----------
    network : DiffusionNetwork
        See `begin_diffusion`.
    pairs : PairSet
    settings : DiffusionSettings
    validation : PairSet, optional
        Scored now and then.
    """

    SETTINGS = DiffusionSettings
    RUN = RunSettings(warm=100, average=0.985, decay=0.02)
    # Between weights of one run lie better ones than at its end.
    keeps_marks = True
    levels: LevelNetwork | None = None

    def set_levels(self, levels: LevelNetwork) -> None:
        """Have the levels of missing bands set behind the prediction, as they are where it is used.

        What is learned then is texture there, and all of what the codec kept. The level network
        does not learn itself.
        """
        self.levels = levels.eval().requires_grad_(False)

    def losses(self, batch: Crops, step: int) -> dict[str, Tensor]:
        network, settings = self.network, self.settings
        clean, coded, is_clean = batch
        window, hop = network.config.window, network.config.hop
        rng = np.random.default_rng([settings.seed, step, 5])
        # The end of what the live generator gives is missing.
        skip = int(rng.integers(max(1, round(settings.lead * 44100) - network.config.live.window)))
        with torch.no_grad():
            length = skip + round(settings.seconds * 44100) + network.config.live.window
            seed = settings.seed * 1_000_003 + step
            ground = _prepare(network, coded[..., :length], seed, skip)
            scene, coded = ground.scene, ground.coded
            clean = clean[..., skip : skip + coded.shape[-1]]
            end = audio_to_frames(mid_side(clean), window, hop) - scene.coded
            at, missing, known = _draw_state(network, ground, end, settings, rng)
        delta, damage = _predict(network, scene, missing, at)
        audio = left_right(change_to_audio(delta, scene.coded, window, hop))
        if self.levels is not None:
            audio = with_levels(self.levels, audio, coded)
        edge = window - hop
        change = audio[..., edge:-edge]
        span = slice(edge, edge + change.shape[-1])
        clean, coded = clean[..., span], coded[..., span]
        restored = coded + change
        pick = int(rng.choice(len(RESOLUTIONS), p=[share for _, _, share in RESOLUTIONS]))
        metric_window, metric_hop, _ = RESOLUTIONS[pick]
        damaged = 1 - is_clean
        distance = log_spectral_distance(clean, restored, metric_window, metric_hop)
        sides = mid_side(clean), mid_side(restored)
        image = log_spectral_distance(*sides, metric_window, metric_hop)
        drop = fidelity_penalty(clean, coded, restored) * damaged
        # Not against the coded signal's: what encoders take off shall come back.
        loudness = level_penalty(clean, clean, restored) * damaged
        unlike = neurogram_dissimilarity(clean, restored) * damaged
        null = clean_null_penalty(clean, change) * is_clean
        # The mean over all signals that may have been there is silent, so the distance to the one
        # that was there counts little at the start and more as the state tells which one it is.
        apart = compand(scene.coded + delta, scene.scale) - compand(scene.coded + end, scene.scale)
        # Where the outline is next to nothing and the clean signal is not, it has no bound.
        apart_by = (apart.real.square() + apart.imag.square() + 1e-4).sqrt().clamp(max=4.0)
        data = apart_by.mean((1, 2, 3)) * (0.02 + 0.3 * known * at) * damaged
        # The gate alone lets a clean signal pass untouched, and it has no gradient where it is
        # shut or open, so the odds behind it are also told directly.
        target = damaged[:, None].expand_as(damage)
        judged = binary_cross_entropy_with_logits(damage, target)
        return {
            "lsd": distance.mean(),
            "image": 0.15 * image.mean(),
            "level": 0.35 * level_error(clean, restored).mean(),
            "width": 0.25 * level_error(*sides).mean(),
            "unlike": settings.neurogram * unlike.mean(),
            "loudness": 0.4 * loudness.mean(),
            "data": data.mean(),
            "drop": 1.0 * drop.mean(),
            "null": 0.02 * null.mean(),
            "gate": 0.3 * judged,
        }

    def score(self, network: DiffusionNetwork, pairs: PairSet) -> Mapping[str, Any]:
        return diffusion_scores(network, pairs)


def with_levels(levels: LevelNetwork, change: Tensor, coded: Tensor) -> Tensor:
    """A change whose missing bands have the levels that a network says, as `LevelStage` does it.

    Both are left and right, [shape=(batch, 2, samples)]; the result may end up to a hop sooner.
    """
    added, heard = (
        audio_to_frames(mid_side(audio[..., : change.shape[-1]]), WINDOW, HOP)
        for audio in (change, coded)
    )
    with torch.no_grad():
        features = level_features(heard).transpose(1, 2)
        level, spread, played, _ = levels(features, levels.initial_state(len(heard)))
        loudest = levels.loudest(level, spread)
    share = features.new_ones(features.shape[:2])
    there = features[..., :BANDS]
    delta = set_levels_offline(torch.view_as_real(added), there, played, loudest, share)
    return left_right(change_to_audio(torch.view_as_complex(delta), heard, WINDOW, HOP, share))


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


def diffusion_scores(
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
        groups.setdefault(name_of_coding(note), []).append(row)
    scores = means_by_coding(groups)
    for key in list(scores.get("clean", {})):
        scores["clean"][f"worst_{key}"] = round(max(row[key] for row in groups["clean"]), 2)
    return scores
