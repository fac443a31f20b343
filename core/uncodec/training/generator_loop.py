"""The training loop of the live generator: resumable, seeded, logged."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from uncodec.errors import InvalidValue
from uncodec.networks.codec_net import CodecNet
from uncodec.networks.encoder_gain import TURNED_DOWN
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.spectra import change_to_audio, generator_input, left_right, mid_side
from uncodec.training.adversary import ADVERSARIES, Adversary
from uncodec.training.checkpoints import Average, Due, Log, go_on, write_checkpoint
from uncodec.training.feed import device_of, to_device
from uncodec.training.losses import (
    clean_null_penalty,
    distance_of_spectra,
    fidelity_penalty,
    level_error,
    level_penalty,
    log_spectral_distance,
    short_time_spectra,
    si_sdr,
    was_turned_down,
)
from uncodec.training.neurogram import neurogram_dissimilarity
from uncodec.training.pairs import PairSet

__all__ = ["LoopSettings", "restore_batch", "train_generator", "validate"]

CHECKPOINT_VERSION = 4
# (window, hop, share of the steps): the metric's own resolution most of the time, shorter ones so
# that energy is also placed right in time.
OBJECTIVES = ("levels", "mse")
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
    fidelity : float
        Weight of that punishment, for a dB.
    loudness : float
        Weight of a dB of level error beyond the coded input's.
    neurogram, width : float
        Weights of neurogram similarity and of the error of the band energies of mid and side, with
        the objective "levels".
    objective : str
        "levels": log-spectral distances and the waveform's fidelity. "mse": the mean square error
        of the waveform alone, the baseline that over-smooths.
    adversary : str
        "none", "spectral", "projected" or "both".
    adversary_after : int
        Step from which on the adversary counts.
    verdict, matching : float
        Weights of the adversary's verdict and of the distance between its features.
    """

    steps: int = 2000
    batch: int = 8
    seconds: float = 2.0
    learning_rate: float = 1.5e-3
    seed: int = 0
    average: float = 0.995
    allowed_drop_db: float = 0.0
    fidelity: float = 0.3
    loudness: float = 0.2
    neurogram: float = 0.0
    width: float = 0.0
    objective: str = "levels"
    adversary: str = "none"
    adversary_after: int = 0
    verdict: float = 0.5
    matching: float = 1.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise InvalidValue(f"steps={self.steps}, batch={self.batch}: must be positive")
        if not 0.25 <= self.seconds <= 60:
            raise InvalidValue(f"seconds={self.seconds}: must be from 0.25 to 60")
        if self.objective not in OBJECTIVES:
            rule = f"must be one of {', '.join(OBJECTIVES)}"
            raise InvalidValue(f"objective={self.objective!r}: {rule}")
        if self.adversary not in ADVERSARIES:
            rule = f"must be one of {', '.join(ADVERSARIES)}"
            raise InvalidValue(f"adversary={self.adversary!r}: {rule}")

    def rate_at(self, step: int) -> float:
        """Learning rate of a step."""
        warm = min(1.0, (step + 1) / 50)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * warm * (0.02 + 0.98 * fall)


def restore_batch(
    generator: Generator, coded: Tensor, seed: int, half: bool = True, encoder_gain: bool = True
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
    encoder_gain : bool
        Apply the encoder gain.

    Returns
    -------
    restored, delta : Tensor [shape=(batch, 2, trimmed)]
        Left and right, from the first sample on, without the end that fewer frames cover.
    damage : Tensor [shape=(batch, frames)]
        Log odds that the signal is damaged.
    """
    window, hop = generator.config.window, generator.config.hop
    source = torch.Generator().manual_seed(seed)
    noise = torch.randn(coded.shape, generator=source).to(coded.device)
    # As in a stream, where the first hop meets a window that is otherwise empty: a generator that
    # never saw that takes the sudden start for a full band, and the signal for undamaged.
    edge = window - hop
    padded, noise = (torch.nn.functional.pad(audio, (edge, 0)) for audio in (coded, noise))
    frames = generator_input(padded, noise, window, hop)
    with torch.autocast(coded.device.type, torch.bfloat16, enabled=half):
        step = generator if encoder_gain else generator.repair
        delta, damage, _ = step(frames, generator.initial_state(coded.shape[0]))
    change, heard = (torch.view_as_complex(part) for part in (delta.float(), frames[:, :2]))
    delta = left_right(change_to_audio(change, heard, window, hop))[..., edge:-edge]
    kept = coded[..., : delta.shape[-1]]
    return kept + delta, delta, damage.float()


def _level_losses(
    clean: Tensor,
    coded: Tensor,
    restored: Tensor,
    is_clean: Tensor,
    step: int,
    settings: LoopSettings,
) -> dict[str, Tensor]:
    rng = np.random.default_rng([settings.seed, step, 3])
    pick = int(rng.choice(len(RESOLUTIONS), p=[share for _, _, share in RESOLUTIONS]))
    window, hop, _ = RESOLUTIONS[pick]
    with torch.no_grad():
        wanted = short_time_spectra(clean, window, hop)
    got = short_time_spectra(restored, window, hop)
    distance = distance_of_spectra(wanted, got)
    image = distance_of_spectra(_mid_side_spectra(wanted), _mid_side_spectra(got))
    drop = fidelity_penalty(clean, coded, restored, settings.allowed_drop_db) * (1 - is_clean)
    loudness = level_penalty(clean, coded, restored) * (1 - is_clean)
    parts = {
        "lsd": distance.mean(),
        "image": 0.15 * image.mean(),
        "drop": settings.fidelity * drop.mean(),
        "loudness": settings.loudness * loudness.mean(),
    }
    if settings.neurogram:
        unlike = neurogram_dissimilarity(clean, restored) * (1 - is_clean)
        parts["unlike"] = settings.neurogram * unlike.mean()
    if settings.width:
        parts["width"] = settings.width * level_error(mid_side(clean), mid_side(restored)).mean()
    return parts


def _waveform_losses(clean: Tensor, restored: Tensor) -> dict[str, Tensor]:
    """Square error relative to the signal's energy, so that no level counts for more."""
    energy = clean.square().mean((1, 2)) + 1e-9
    return {"mse": 10 * ((clean - restored).square().mean((1, 2)) / energy).mean()}


def _losses(
    generator: Generator,
    batch: tuple[Tensor, Tensor, Tensor],
    step: int,
    settings: LoopSettings,
    adversary: Adversary | None,
) -> dict[str, Tensor]:
    """Everything a step lowers, by name; the adversary learns on the way."""
    clean, coded, is_clean = batch
    seed = settings.seed * 1_000_003 + step
    restored, delta, damage = restore_batch(generator, coded, seed=seed, encoder_gain=False)
    clean, coded = clean[..., : restored.shape[-1]], coded[..., : restored.shape[-1]]
    # What is to be filled in is learned at the level that the encoder left; turning the whole up
    # again is another matter (`uncodec.training.encoder_gain_loop`).
    turned_down = was_turned_down(clean, coded) * (1 - is_clean)
    clean = clean * (1 - (1 - TURNED_DOWN) * turned_down)[:, None, None]
    if settings.objective == "mse":
        parts = _waveform_losses(clean, restored)
    else:
        parts = _level_losses(clean, coded, restored, is_clean, step, settings)
    if adversary is not None and step >= settings.adversary_after:
        hinge = adversary.learn(clean, restored)
        verdict, matching = adversary.judge(clean, restored)
        parts["verdict"] = settings.verdict * verdict
        parts["matching"] = settings.matching * matching
        parts["hinge"] = torch.tensor(hinge)  # for the log; it moves nothing
    # The gate alone lets a clean signal pass untouched, and it has no gradient where it is shut or
    # open, so the odds behind it are also told directly.
    target = (1 - is_clean)[:, None].expand_as(damage)
    judged = torch.nn.functional.binary_cross_entropy_with_logits(damage, target)
    parts["null"] = 0.02 * (clean_null_penalty(clean, delta) * is_clean).mean()
    parts["gate"] = 0.3 * judged
    return parts


def _mid_side_spectra(spectra: Tensor) -> Tensor:
    left, right = spectra.unbind(1)
    return torch.stack([left + right, left - right], 1) * 0.5


def train_generator(
    pairs: PairSet,
    folder: str | Path,
    settings: LoopSettings,
    *,
    config: GeneratorConfig | None = None,
    start: Mapping[str, Tensor] | None = None,
    features: CodecNet | None = None,
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
    start : mapping of str to Tensor, optional
        Weights to begin with, instead of random ones.
    features : CodecNet, optional
        Feature network of a projected adversary.
    validation : PairSet, optional
        Scored every `every` steps.
    every : int
        Steps between checkpoints; there is one every minute besides.
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
    path, log = root / "checkpoint.pt", Log(root)
    torch.manual_seed(settings.seed)
    generator = Generator(config or GeneratorConfig()).to(device)
    if start is not None:
        generator.load_state_dict(dict(start))
    optimiser = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.9, 0.99))
    average = Average(generator, settings.average)
    adversary = None
    if settings.adversary != "none":
        adversary = Adversary(
            settings.adversary,
            features,
            seed=settings.seed,
            learning_rate=settings.learning_rate,
            device=device,
        )
    first = 0
    if path.exists():
        kept = go_on(path, CHECKPOINT_VERSION, settings, generator, optimiser, average)
        first = int(kept["step"])
        if adversary is not None:
            adversary.load_state_dict(kept["adversary"])
    started = time.perf_counter()
    recent: list[dict[str, float]] = []
    samples = round(settings.seconds * 44100)
    due = Due(every, settings.steps)
    batches = pairs.batches(first, settings.steps, settings.batch, samples, settings.seed)
    for step, arrays in enumerate(batches, first):
        clean, coded, flags = to_device(arrays, device)
        for group in optimiser.param_groups:
            group["lr"] = settings.rate_at(step)
        # Dropout draws from the global generator; a resumed run has to draw the same.
        torch.manual_seed(settings.seed * 1_000_003 + step)
        parts = _losses(generator, (clean, coded, flags), step, settings, adversary)
        total = torch.stack([part for name, part in parts.items() if name != "hinge"]).sum()
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = float(torch.nn.utils.clip_grad_norm_(generator.parameters(), 1.0).detach())
        if math.isfinite(norm) and math.isfinite(float(total.detach())):
            optimiser.step()
            average.update(generator, step)
        row = {name: float(part.detach()) for name, part in parts.items()}
        recent.append({**row, "total": float(total.detach()), "norm": norm})
        if (step + 1) % 20 == 0:
            mean = {key: round(float(np.mean([r[key] for r in recent])), 4) for key in recent[-1]}
            seconds = round((time.perf_counter() - started) / (step + 1 - first), 2)
            log.write({"step": step + 1, **mean, "seconds_per_step": seconds})
            recent.clear()
        if due.now(step + 1):
            extra = {"adversary": adversary.state_dict() if adversary is not None else None}
            write_checkpoint(
                path, CHECKPOINT_VERSION, step + 1, settings, generator, optimiser, average, **extra
            )
            if validation is not None and due.mark(step + 1):
                scores = validate(average.twin(generator), validation)
                log.write({"step": step + 1, "validation": scores})
    return average.twin(generator)


def _level_db(audio: Tensor, reference: Tensor) -> Tensor:
    return 10 * torch.log10((audio.square().sum() + 1e-9) / (reference.square().sum() + 1e-9))


@torch.inference_mode()
def validate(generator: Generator, pairs: PairSet) -> dict[str, dict[str, float]]:
    """Score a generator on every pair, grouped by codec and rate.

    Returns
    -------
    dict
        For each group, such as ``"mp3-64"``: ``lsd_in``, ``lsd``, ``sdr_in``, ``sdr``,
        ``level_in``, ``level`` (errors in dB), and for clean pairs ``null_db``.
    """
    groups: dict[str, list[dict[str, float]]] = {}
    for number, note in enumerate(pairs.notes):
        # A copy: the pair is mapped from its file and may not be written to.
        clean, coded = to_device(np.array(pairs.pair(number))[:, None], device_of(generator))
        restored, delta, _ = restore_batch(generator, coded, seed=number)
        clean, coded = clean[..., : restored.shape[-1]], coded[..., : restored.shape[-1]]
        row = {
            "lsd_in": float(log_spectral_distance(clean, coded, 2048, 512)),
            "lsd": float(log_spectral_distance(clean, restored, 2048, 512)),
            "sdr_in": float(si_sdr(clean, coded)),
            "sdr": float(si_sdr(clean, restored)),
            "level_in": abs(float(_level_db(coded, clean))),
            "level": abs(float(_level_db(restored, clean))),
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
