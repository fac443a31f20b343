"""Engines compared on the same clips: what they make, how good, how steady, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uncodec.analysis.cost import Cost, measure_cost
from uncodec.analysis.evaluation import Judge, code
from uncodec.analysis.loudness import integrated_loudness
from uncodec.analysis.metrics import null_depth
from uncodec.analysis.report import CLEAN, UNTOUCHED, ClipScore, Row, aggregate
from uncodec.analysis.restorers import Restore, Restorer, find_restorers
from uncodec.analysis.sources import Source, read_source
from uncodec.analysis.training_seeds import TrainingSeeds, training_seeds
from uncodec.errors import InvalidValue
from uncodec.loudness import BLOCK_S
from uncodec.parameters import DEFAULT_STEPS, check_integer, check_seed
from uncodec.signals import Array

if TYPE_CHECKING:
    from uncodec.analysis.notebook import Notebook

__all__ = [
    "ENGINES",
    "NOISE",
    "PROBE_S",
    "SHOWN_CLIPS",
    "Added",
    "ComparedClip",
    "Comparison",
    "Settings",
    "Stability",
    "compare",
    "find_engines",
    "pink_noise",
]

ENGINES = {"gan": "live-gan", "mse": "live-mse"}
"""Short names of models; every other name is that of a model, of its folder, or of a baseline."""
DEFAULT_ENGINES = ("gan", "diffusion", "mse", "exciter")
MOST_ENGINES = 7
SHOWN_CLIPS = 6
"""So many clips are kept to be heard and seen; more are scored alone."""
PROBE_S = 8.0
"""Steadiness, noise and cost are measured on so much from the middle of the first clip."""
NOISE = "with noise"
"""The material of rows that are about noisy input."""
NOISE_DB = -20.0
"""Level of the noise that is added for them, against the clip."""


@dataclass(frozen=True)
class Settings:
    """How to compare.

    Attributes
    ----------
    engines : sequence of str
        Keys of `ENGINES`, or what `uncodec.analysis.restorers.find_restorers` takes; one to seven.
    steps : int
        Of engines that work in steps, 1 to 32.
    seed : int
        Of the noise, 0 or more.
    seeds : int
        So many takes of each engine tell how steady it is; 1 leaves that out.
    perceptual : bool or None
        ViSQOL as well; None: where it is installed.
    noise : bool
        Also measure what engines make of noisy and of undamaged input.
    cost : bool
        Also measure parameters, multiply-adds, memory and speed.
    """

    engines: Sequence[str] = DEFAULT_ENGINES
    steps: int = DEFAULT_STEPS
    seed: int = 0
    seeds: int = 3
    perceptual: bool | None = None
    noise: bool = True
    cost: bool = True

    def __post_init__(self) -> None:
        check_integer("steps", self.steps, 1, 32)
        check_seed(self.seed)
        check_integer("seeds", self.seeds, 1, 100)
        if isinstance(self.engines, str) or not 1 <= len(self.engines) <= MOST_ENGINES:
            got = self.engines if isinstance(self.engines, str) else len(self.engines)
            raise InvalidValue(f"engines: must be 1 to {MOST_ENGINES} names, got {got!r}")


@dataclass(frozen=True)
class Stability:
    """Takes of one engine that differ in the seed of the noise alone.

    Attributes
    ----------
    engine : str
    takes : tuple of mapping
        Scores of each take; empty mappings without an original.
    apart_db : float
        RMS of the difference of the first two takes against the sound, in dB.
    apart_of_added_db : float
        The same against what the first take added.
    """

    engine: str
    takes: tuple[Mapping[str, float], ...]
    apart_db: float
    apart_of_added_db: float


@dataclass(frozen=True)
class Added:
    """What an engine added to a coded clip, for clips without an original."""

    clip: str
    engine: str
    level_db: float
    loudness_lu: float
    peak_db: float


@dataclass(frozen=True)
class ComparedClip:
    """A clip and what the engines made of it, by label, in the order they were asked for."""

    source: Source
    restored: Mapping[str, Array]


@dataclass(frozen=True)
class Comparison:
    """The result of `compare`.

    Attributes
    ----------
    restorers : tuple of Restorer
    settings : Settings
    clips : tuple of ComparedClip
        The first `SHOWN_CLIPS`.
    rows : list of Row
        Scores, with 95 % intervals over clips where there are several; empty without an original.
    noisy : list of Row
        Scores on noisy input (its reference is as noisy), and on undamaged input.
    added : list of Added
        For clips without an original.
    stability : list of Stability
    trained : mapping of str to TrainingSeeds
        Spread over seeds of training, of engines that have a record of it.
    costs : mapping of str to Cost
    clip_count : int
        How many were scored.
    """

    restorers: tuple[Restorer, ...]
    settings: Settings
    clips: tuple[ComparedClip, ...]
    rows: list[Row]
    noisy: list[Row] = field(default_factory=list)
    added: list[Added] = field(default_factory=list)
    stability: list[Stability] = field(default_factory=list)
    trained: Mapping[str, TrainingSeeds] = field(default_factory=dict)
    costs: Mapping[str, Cost] = field(default_factory=dict)
    clip_count: int = 0

    def save(
        self, folder: str | Path, *, overwrite: bool = False, embedded_mb: float | None = None
    ) -> list[Path]:
        """Write the report; see `uncodec.analysis.comparison_report.save_report`."""
        from uncodec.analysis.comparison_report import save_report

        return save_report(self, folder, overwrite=overwrite, embedded_mb=embedded_mb)

    def to_markdown(self) -> str:
        """All tables as Markdown, each with its heading."""
        from uncodec.analysis.comparison_report import report_markdown

        return report_markdown(self)

    def to_notebook(self) -> Notebook:
        """Picture, players and tables for the last line of a cell in Jupyter.

        Raises
        ------
        UncodecError
            matplotlib is not installed: it comes with the extra "plots".
        """
        from uncodec.analysis.notebook import comparison_notebook

        return comparison_notebook(self)


def find_engines(names: Iterable[str]) -> tuple[Restorer, ...]:
    """Look engines up by the names that `Settings` takes."""
    return tuple(find_restorers(ENGINES.get(name, name) for name in names))


def compare(
    sources: str | Path | Source | Iterable[Source | str | Path],
    settings: Settings | None = None,
    *,
    progress: Callable[[str], None] | None = None,
    **choices: Any,
) -> Comparison:
    """Send clips through engines and measure what comes out.

    Parameters
    ----------
    sources : path, Source, or iterable of them
        A path is read with the defaults of `uncodec.analysis.sources.read_source`. One after the
        other, so that many need no more memory than a few. Either all have an original or none.
    settings : Settings, optional
    progress : callable, optional
        Called with what is done next.
    **choices
        Fields of `Settings`, instead of `settings`.

    Returns
    -------
    Comparison

    Raises
    ------
    InvalidValue, ModelError
        An unknown engine, no clip, or an engine whose result has another shape than its input.
    UncodecError
        See `uncodec.analysis.perceptual` and `uncodec.analysis.cost`.

    Examples
    --------
    >>> from uncodec.analysis import compare
    >>> report = compare("song.flac", engines=["gan", "exciter"])  # doctest: +SKIP
    >>> report.save("report")  # doctest: +SKIP
    """
    if settings is None:
        settings = Settings(**choices)
    elif choices:
        raise InvalidValue("settings: give them as one object or by name, not both")
    tell = progress or _silently
    restorers = find_engines(settings.engines)
    perceptual = settings.perceptual
    if perceptual:
        from uncodec.analysis.perceptual import require_visqol

        require_visqol()
    elif perceptual is None:
        perceptual = find_spec("visqol") is not None
    if any(restorer.kind for restorer in restorers):
        import torch

        # As the command line does: the steps of the networks are too small to share.
        torch.set_num_threads(1)
    chosen = {"seed": settings.seed, "steps": settings.steps}
    engines = {restorer.label: restorer.open(**chosen) for restorer in restorers}
    clips: list[ComparedClip] = []
    scores: list[ClipScore] = []
    added: list[Added] = []
    count = 0
    for source in _opened(sources):
        if clips and (source.original is None) != (clips[0].source.original is None):
            raise InvalidValue(f"{source.name}: either all clips have an original or none")
        restored = {}
        for label, engine in engines.items():
            tell(f"{source.name}: {label}")
            restored[label] = _restored(label, engine, source.coded, source.sample_rate)
        clip = ComparedClip(source, restored)
        if source.original is None:
            added += _added(clip)
        else:
            tell(f"{source.name}: scores")
            scores += _scores(clip, perceptual)
        if count < SHOWN_CLIPS:
            clips.append(clip)
        count += 1
    if not clips:
        raise InvalidValue("sources: must be at least one clip, got none")
    first = clips[0].source
    noisy: list[ClipScore] = []
    if settings.noise and first.original is not None:
        tell("noisy and undamaged input")
        noisy = _noisy_scores(first, engines, perceptual)
    stability = []
    if settings.seeds > 1:
        for restorer in restorers:
            if restorer.takes("seed"):
                tell(f"{settings.seeds} seeds of {restorer.label}")
                stability.append(_stability(restorer, first, settings, perceptual))
    costs = {}
    if settings.cost:
        for restorer in restorers:
            tell(f"cost of {restorer.label}")
            probe = _probe(first.coded, first.sample_rate)
            costs[restorer.label] = measure_cost(restorer, probe, first.sample_rate, chosen)
    trained = {r.label: seeds for r in restorers if (seeds := training_seeds(r.source))}
    return Comparison(
        restorers,
        settings,
        tuple(clips),
        aggregate(scores),
        _noisy_rows(noisy),
        added,
        stability,
        trained,
        costs,
        count,
    )


def _silently(what: str) -> None:
    return None


def _opened(sources: str | Path | Source | Iterable[Source | str | Path]) -> Iterable[Source]:
    if isinstance(sources, (str, Path, Source)):
        sources = [sources]
    return (each if isinstance(each, Source) else read_source(each) for each in sources)


def _restored(label: str, engine: Restore, coded: Array, sample_rate: int) -> Array:
    out = np.asarray(engine(coded, sample_rate), dtype=np.float32)
    if out.shape != coded.shape:
        raise InvalidValue(f"{label}: must give back the shape {coded.shape}, gave {out.shape}")
    return out


def _scores(clip: ComparedClip, perceptual: bool) -> list[ClipScore]:
    source = clip.source
    if source.original is None:
        return []
    judge = Judge(source.original, source.sample_rate, source.coded, perceptual=perceptual)
    versions = {UNTOUCHED: source.coded, **clip.restored}
    return [
        ClipScore(source.name, source.codec, source.kbps, label, "", judge.score(audio))
        for label, audio in versions.items()
    ]


def _added(clip: ComparedClip) -> list[Added]:
    source = clip.source
    rate = source.sample_rate
    out = []
    for label, audio in clip.restored.items():
        peak = float(np.abs(audio).max())
        out.append(
            Added(
                source.name,
                label,
                null_depth(source.coded, audio),
                loudness_of(audio, rate) - loudness_of(source.coded, rate),
                20.0 * math.log10(peak) if peak > 0.0 else -math.inf,
            )
        )
    return out


def loudness_of(audio: Array, sample_rate: int) -> float:
    """Integrated loudness in LUFS; NaN for what is too short or silent."""
    if audio.shape[1] < round(sample_rate * BLOCK_S) + 4:
        return math.nan
    loudness = integrated_loudness(audio, sample_rate)
    return loudness if math.isfinite(loudness) else math.nan


def _probe(audio: Array, sample_rate: int) -> Array:
    length = min(audio.shape[1], round(PROBE_S * sample_rate))
    start = (audio.shape[1] - length) // 2
    return np.ascontiguousarray(audio[:, start : start + length])


def pink_noise(shape: tuple[int, int], seed: int = 0) -> Array:
    """Noise whose power falls by 3 dB an octave, of unit power, independent between channels.

    Parameters
    ----------
    shape : (channels, samples)
    seed : int
        The same seed gives the same noise.
    """
    channels, samples = shape
    bins = samples // 2 + 1
    rng = np.random.default_rng(seed)
    spectrum = rng.standard_normal((channels, bins)) + 1j * rng.standard_normal((channels, bins))
    spectrum /= np.sqrt(np.maximum(np.arange(bins), 1))
    spectrum[:, 0] = 0.0
    noise = np.fft.irfft(spectrum, samples)
    noise /= np.sqrt(np.mean(np.square(noise), axis=1, keepdims=True))
    return noise.astype(np.float32)


def _noisy_scores(
    source: Source, engines: Mapping[str, Restore], perceptual: bool
) -> list[ClipScore]:
    if source.original is None:
        return []
    rate = source.sample_rate
    original, coded = _probe(source.original, rate), _probe(source.coded, rate)
    level = float(np.sqrt(np.mean(np.square(original)))) * 10.0 ** (NOISE_DB / 20.0)
    noise = np.float32(level) * pink_noise((original.shape[0], original.shape[1]))
    noisy = original + noise
    # Where the codec is not known the noise comes on top of what it left.
    damaged = coded + noise if source.coding is None else code(noisy, rate, source.coding)
    judge = Judge(noisy, rate, damaged, perceptual=perceptual)
    clean = Judge(original, rate, perceptual=perceptual)
    out = [
        ClipScore(source.name, source.codec, source.kbps, UNTOUCHED, NOISE, judge.score(damaged))
    ]
    for label, engine in engines.items():
        scores = judge.score(_restored(label, engine, damaged, rate))
        out.append(ClipScore(source.name, source.codec, source.kbps, label, NOISE, scores))
        scores = clean.score(_restored(label, engine, original, rate))
        out.append(ClipScore(source.name, CLEAN, None, label, "", scores))
    return out


def _noisy_rows(scores: Sequence[ClipScore]) -> list[Row]:
    noisy = aggregate(score for score in scores if score.material)
    clean = aggregate(score for score in scores if not score.material)
    return [replace(row, material=NOISE) for row in noisy] + clean


def _stability(
    restorer: Restorer, source: Source, settings: Settings, perceptual: bool
) -> Stability:
    rate = source.sample_rate
    coded = _probe(source.coded, rate)
    judge = None
    if source.original is not None:
        judge = Judge(_probe(source.original, rate), rate, coded, perceptual=perceptual)
    takes: list[Mapping[str, float]] = []
    sounds: list[Array] = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        engine = restorer.open(seed=seed, steps=settings.steps)
        sound = _restored(restorer.label, engine, coded, rate)
        takes.append({} if judge is None else judge.score(sound))
        if len(sounds) < 2:
            sounds.append(sound)
    one, other = sounds
    apart = float(np.sum(np.square(one - other, dtype=np.float64)))
    change = float(np.sum(np.square(one - coded, dtype=np.float64)))
    of_added = 10.0 * math.log10(apart / change) if apart > 0.0 and change > 0.0 else -math.inf
    return Stability(restorer.label, tuple(takes), null_depth(one, other), of_added)
