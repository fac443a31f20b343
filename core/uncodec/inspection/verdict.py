"""From evidence to a verdict with its reasons: frames that show first, what was learned next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from uncodec.inspection.evidence import CERTAIN, Evidence, features
from uncodec.inspection.lattice import SHOWS, Lattice, place_at
from uncodec.inspection.results import Sound, Span
from uncodec.inspection.trees import Judge, load_judge

__all__ = ["Judgement", "decide", "is_shown", "judge"]

TITLES = {
    "mp3": "MP3", "aac": "AAC", "vorbis": "Vorbis", "opus": "Opus", "wma": "WMA", "ac3": "AC-3",
    "he-aac": "HE-AAC",
}  # fmt: skip
# So many excerpts show a lattice by themselves; or such a part of them, of a short sound.
_LEAST_SHOWN, _LEAST_SHARE, _MUCH_SHARE = 3, 0.1, 0.6
# Not one of the recordings measured has shown frames without having been coded.
_SHOWN = 0.995
# Another codec's lattice counts where it shows by itself and not because windows are alike; nothing
# is like MP3's bank, which casts no shadow on others' sound.
_SECOND_SHARE, _UNLIKE = 0.5, "mp3"
# Long frames throw shadows on the grid of shorter ones, by so many samples at most and so faintly.
_BESIDE, _FAINT = 1.5, 0.2
_SHORTEST_S = 0.5
# Where a sound was once sampled at a lower rate, it ends in a wall right below half of that rate.
_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
_WALL_DB, _WALL_FROM, _WALL_TO = 30.0, 0.95, 1.01
# No frames and a probability up to here: the treble alone accuses nobody.
_MANY_HOLES = 0.02


@dataclass(frozen=True)
class Judgement:
    """A verdict about samples.

    Attributes
    ----------
    sound : {"lossless", "lossy", "unknown"}
    confidence, probability : float
    reasons : tuple of str
    codec : str
    kbps : (int, int) or None
    inner_rate : int or None
    codings : tuple of str
    mid_side : bool
    spans : tuple of Span
    """

    sound: Sound
    confidence: float
    probability: float
    reasons: tuple[str, ...]
    codec: str
    kbps: tuple[int, int] | None
    inner_rate: int | None
    codings: tuple[str, ...]
    mid_side: bool
    spans: tuple[Span, ...]


def judge(evidence: Evidence) -> Judgement:
    """Judge samples by their evidence.

    Raises
    ------
    uncodec.errors.ModelError
        The model is missing or damaged.
    """
    model = load_judge()
    if not evidence.heard:
        return _undecided("nothing is heard in it: there is nothing to judge", 0.5)
    values = features(evidence)
    shown = [
        x for x in evidence.lattices if is_shown(x.score, x.share, x.shown, x.rate == evidence.rate)
    ]
    sound, probability = decide(model, values, bool(shown))
    reasons: list[str] = []
    if shown:
        reasons += [_told(lattice) for lattice in _distinct(shown)]
    else:
        reasons.append("no frames of MP3, AAC, HE-AAC, Vorbis, Opus, WMA or AC-3 stand out")
    inner = _inner_rate(evidence, shown)
    reasons += _seen(evidence)
    if inner and not shown:
        reasons.append(f"it ends as sound does that was once sampled at {inner / 1000:g} kHz")
    if evidence.seconds < _SHORTEST_S and not shown:
        return _undecided(f"it is too short to judge: {evidence.seconds:.2f} s", probability)
    best = shown[0] if shown else None
    return Judgement(
        sound,
        max(probability, 1.0 - probability),
        probability,
        tuple(reasons),
        best.family.codec if best else "",
        model.kbps(values) if sound == "lossy" else None,
        inner,
        tuple(x.family.codec for x in _distinct(shown)),
        bool(best and best.mid_side > 0.1),
        _time_map(best, evidence),
    )


def is_shown(score: float, share: float, shown: int, own_rate: bool = True) -> bool:
    """Whether a lattice is beyond doubt: by its score, and by several excerpts of their own.

    One event, such as a click at the edge of a frame, can lift a single excerpt. At other rates
    than the sound's own more is tried, and one more excerpt must show it.
    """
    least = _LEAST_SHOWN if own_rate else _LEAST_SHOWN + 1
    several = shown >= least and share >= _LEAST_SHARE
    return score >= CERTAIN and (several or share >= _MUCH_SHARE)


def decide(model: Judge, values: NDArray[np.float64], shown: bool) -> tuple[Sound, float]:
    """A verdict and how likely the sound was coded, by features and whether frames show."""
    probability = model.probability(values)
    if shown:
        return "lossy", max(probability, _SHOWN)
    if probability >= model.accused_from:
        return "lossy", probability
    return ("lossless" if probability <= model.cleared_to else "unknown"), probability


def _undecided(reason: str, probability: float) -> Judgement:
    confidence = max(probability, 1.0 - probability)
    return Judgement("unknown", confidence, probability, (reason,), "", None, None, (), False, ())


def _distinct(shown: list[Lattice]) -> list[Lattice]:
    """The clearest lattice, and others that are no shadow of it."""
    told = shown[:1]
    for lattice in shown[1:]:
        known = {x.family.codec for x in told}
        alike = any(_is_shadow(lattice, x) for x in told)
        clear = lattice.share >= _SECOND_SHARE or lattice.family.codec == _UNLIKE
        if lattice.family.codec not in known and not alike and clear:
            told.append(lattice)
    return told


def _is_shadow(lattice: Lattice, clearer: Lattice) -> bool:
    """Whether a lattice shows only because a clearer one lies on its grid."""
    a, b = lattice.family, clearer.family
    if a.search is b.search and lattice.rate == clearer.rate:
        return (lattice.offset - clearer.offset) % (a.fold or b.fold or 1024) == 0
    rate = max(lattice.rate, clearer.rate)
    hops = sorted(x.family.bank.hop * rate / x.rate for x in (lattice, clearer))
    same = hops[0] == hops[1]
    if hops[1] % hops[0] or not (same or lattice.contrast < _FAINT * clearer.contrast):
        return False
    # The middle of a frame falls on the middle of a shorter one, or between two.
    period = a.fold or b.fold or (hops[0] if same else hops[0] / 2)
    beside = (place_at(lattice, rate) - place_at(clearer, rate)) % period
    return min(beside, period - beside) <= _BESIDE


def _told(lattice: Lattice) -> str:
    rate = f" at {lattice.rate / 1000:g} kHz"
    every = lattice.family.bank.hop
    return (
        f"frames of {TITLES[lattice.family.codec]} show: at sample {lattice.offset} and every "
        f"{every}{rate} its coefficients fall to nothing, {lattice.score:.0f} standard deviations "
        f"beyond chance, by itself in {100 * lattice.share:.0f} % of the excerpts"
    )


def _inner_rate(evidence: Evidence, shown: list[Lattice]) -> int | None:
    """The rate at which a codec ran, or that of which the sound shows the upper end."""
    if shown:
        # HE-AAC makes the sound's own rate out of half of it.
        other = shown[0].rate != evidence.rate and shown[0].family.codec != "he-aac"
        return shown[0].rate if other else None
    picture = evidence.picture
    if not picture.edge_hz or picture.wall_db < _WALL_DB:
        return None
    for rate in _RATES:
        if rate < evidence.rate and _WALL_FROM <= picture.edge_hz / (rate / 2) <= _WALL_TO:
            return rate
    return None


def _seen(evidence: Evidence) -> list[str]:
    picture, told = evidence.picture, []
    if picture.wall_db and picture.edge_hz:
        told.append(
            f"the treble ends at {picture.edge_hz / 1000:.1f} kHz in a wall of "
            f"{picture.wall_db:.0f} dB"
        )
    for name, holes in (
        ("the spectrum", picture.holes),
        ("the difference of the channels", picture.side_holes),
    ):
        if max(holes) > _MANY_HOLES:
            told.append(f"{name} has holes in up to {100 * max(holes):.0f} % of a range")
    if picture.intensity_hz:
        told.append(
            f"from {picture.intensity_hz / 1000:.1f} kHz on both channels are copies of one sound"
        )
    return told


def _time_map(best: Lattice | None, evidence: Evidence) -> tuple[Span, ...]:
    """Excerpts side by side that show the same, as one stretch."""
    if best is None:
        return ()
    merged: list[list[float | str]] = []
    for start, end, score in sorted(best.spans):
        shows = best.family.codec if score > SHOWS else ""
        if merged and merged[-1][2] == shows:
            merged[-1][1] = end
            merged[-1][3] = max(float(merged[-1][3]), score)
        else:
            # What lies between two excerpts is half of each.
            if merged:
                start = (float(merged[-1][1]) + start) / 2.0
                merged[-1][1] = start
            merged.append([start, end, shows, score])
    return tuple(Span(float(a), float(b), str(c), float(d)) for a, b, c, d in merged)
