"""All evidence about a sound: the lattices of every family at every rate, and its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from uncodec.inspection.excerpts import Excerpt, resampled
from uncodec.inspection.lattice import CORES, FAMILIES, Family, Lattice, find_lattice, widened
from uncodec.inspection.spectrum import Picture, look_at

__all__ = ["CERTAIN", "FEATURES", "Evidence", "features", "gather"]

CERTAIN = 10.0
"""A score from which on a lattice is beyond doubt."""

_PROMISING = 4.0
_INNER_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
_HIGHEST_RATE = 48000
_SHIFTS = (0.0, 0.25, 0.5, 0.75)
_FINER = (-0.125, -0.0625, 0.0625, 0.125)
# At another rate than the sound's own only what shows well there is looked for.
_RESAMPLED = ("mp3", "aac", "aac-sine", "vorbis", "vorbis-half", "opus")
_RESAMPLED_EXCERPTS = 16
# A contrast from which on frames are no shadow that another codec's throw.
_CLEAR = 0.5
# Treble above a quarter of the rate is so many times noise, and so much of what lies below: what a
# change of the rate leaves there is less.
_LOUDER, _IMAGE = 4.0, 1e-5


@dataclass(frozen=True)
class Evidence:
    """What speaks for and against a codec.

    Attributes
    ----------
    rate, channels : int
        Of the sound, in Hz.
    seconds : float
        Of all excerpts together.
    heard : bool
        There is something to judge.
    lattices : tuple of Lattice
        The best of each family, best first.
    picture : Picture
    """

    rate: int
    channels: int
    seconds: float
    heard: bool
    lattices: tuple[Lattice, ...]
    picture: Picture

    @property
    def best(self) -> Lattice | None:
        return self.lattices[0] if self.lattices else None


def gather(excerpts: Sequence[Excerpt], rate: int, bits: int | None) -> Evidence:
    """Look for everything in the excerpts of a sound.

    Parameters
    ----------
    excerpts : sequence of Excerpt
        One channel or two.
    rate : int
        In Hz.
    bits : int or None
        That the samples use, see `uncodec.inspection.levels.Levels`.
    """
    picture = look_at(excerpts, rate)
    # The noise of rounding; float samples are as fine as 24 bits.
    step = 2.0 ** (1 - min(bits or 24, 24)) if bits != 0 else 2.0**-15
    floor = max(step * step / 12.0, 2.0**-46 / 12.0)
    found: list[Lattice] = []
    if picture.edge_hz is not None:
        if rate <= _HIGHEST_RATE:
            found += _search(excerpts, FAMILIES, rate, 0.0, floor)
            if _may_have_a_core(found, rate, picture):
                found += _search_core(excerpts, rate, floor)
        if not any(lattice.score >= CERTAIN for lattice in found):
            for inner in _inner_rates(rate, picture):
                found += _search_at(excerpts, rate, inner, floor)
                if any(lattice.score >= CERTAIN for lattice in found):
                    break
    found.sort(key=_clearness)
    kept: dict[str, Lattice] = {}
    for lattice in found:
        kept.setdefault(lattice.family.name, lattice)
    channels = excerpts[0].audio.shape[0] if excerpts else 0
    seconds = sum(e.audio.shape[1] for e in excerpts) / rate
    return Evidence(
        rate, channels, seconds, picture.edge_hz is not None, tuple(kept.values()), picture
    )


def _clearness(lattice: Lattice) -> tuple[bool, float]:
    """Orders what is certain by contrast: windows that are alike see each other's lattice."""
    certain = lattice.score >= CERTAIN
    return not certain, -(lattice.contrast if certain else lattice.score)


def _inner_rates(rate: int, picture: Picture) -> list[int]:
    """Rates at which a codec may have run before the sound came to its own."""
    edge = picture.edge_hz or rate / 2
    fits = [r for r in _INNER_RATES if r != rate and r / 2 >= 0.95 * min(edge, 20000.0)]
    if rate > _HIGHEST_RATE:
        return [r for r in fits if r in (44100, 48000)]
    # A rate far above the edge would have kept more.
    wanted = [r for r in fits if r in (44100, 48000) or r / 2 < 2.1 * edge]
    return wanted if picture.wall_db > 0.0 else [r for r in wanted if r >= 44100]


def _search(
    excerpts: Sequence[Excerpt],
    families: Sequence[Family],
    rate: int,
    shift: float,
    floor: float,
) -> list[Lattice]:
    fits = [f for f in families if f.rate in (None, rate) and f.rates[0] <= rate <= f.rates[1]]
    found = []
    for _, group in groupby(fits, key=lambda family: id(family.search)):
        found += find_lattice(excerpts, list(group), rate, shift, floor)
    return found


def _may_have_a_core(found: Sequence[Lattice], rate: int, picture: Picture) -> bool:
    """Whether a search at half of the rate is worth its time."""
    if rate % 2 or any(x.score >= CERTAIN and x.contrast >= _CLEAR for x in found):
        return False
    # Frames twice as long are WMA's; and the treble that HE-AAC makes ends in a wall.
    wma = any(x.family.codec == "wma" and x.score >= _PROMISING for x in found)
    return wma or picture.wall_db > 0.0


def _search_core(excerpts: Sequence[Excerpt], rate: int, floor: float) -> list[Lattice]:
    """AAC at half of the rate: HE-AAC's core, or AAC that was brought to twice its rate.

    The samples of the lower rate lie on every other one of these, on one of two grids. Only what is
    certain is given: the trees were fitted without this search.
    """
    inner = rate // 2
    some = _loudest(excerpts)
    extended = _is_extended(some, floor)
    families = CORES if extended else [f for f in FAMILIES if f.codec == "aac"]
    found = []
    for shift in (0.0, 0.5):
        moved = [resampled(e, rate, inner, shift) for e in some]
        found += _search(moved, families, inner, shift, floor)
    found = sorted((widened(x, rate) for x in found if x.score >= CERTAIN), key=_clearness)
    # WMA has frames of this size and AAC's sine window, too, where it runs at 22.05 kHz and below.
    if found and found[0].family.name == "aac-sine":
        return []
    return found


def _is_extended(excerpts: Sequence[Excerpt], floor: float) -> bool:
    """Whether there is treble above a quarter of the rate, which no sound of half the rate has."""
    content = np.mean([e.content for e in excerpts], axis=0)
    quarter = content.size // 2
    treble = content[quarter : quarter + 4].max()
    # HE-AAC leaves the top of the spectrum to the noise.
    noise = max(floor, content[-1])
    below = content[quarter - 4 : quarter].max()
    return bool(treble > max(_LOUDER * noise, _IMAGE * below))


def _loudest(excerpts: Sequence[Excerpt]) -> list[Excerpt]:
    loud = sorted(excerpts, key=lambda e: -float(np.median(e.treble)) if e.treble.size else 0.0)
    return loud[:_RESAMPLED_EXCERPTS]


def _search_at(excerpts: Sequence[Excerpt], rate: int, inner: int, floor: float) -> list[Lattice]:
    """The same at another rate, on sampling grids that lie a part of a sample apart."""
    families = [
        f
        for f in FAMILIES
        if f.name in _RESAMPLED and (f.rate == inner or (f.rate is None and inner != 48000))
    ]
    # Resampling spreads the noise of rounding over the new rate.
    noise = floor * min(1.0, rate / inner)
    some = _loudest(excerpts)
    found = []
    for shift in _SHIFTS:
        found += _search(
            [resampled(e, rate, inner, shift) for e in some], families, inner, shift, noise
        )
    if not found:
        return []
    best = max(found, key=lambda lattice: lattice.score)
    if best.score >= _PROMISING:
        for step in _FINER:
            shift = best.shift + step
            moved = [resampled(e, rate, inner, shift) for e in some]
            alike = [f for f in families if f.search is best.family.search]
            found += _search(moved, alike, inner, shift, noise)
    return found


FEATURES = (
    "score", "strength", "share", "second", "codec_mp3", "codec_aac", "codec_vorbis", "codec_opus",
    "codec_other", "other_rate", "edge", "edge_part", "wall", "above", "holes_low", "holes_middle",
    "holes_high", "holes_top", "side_low", "side_middle", "side_high", "side_top", "tilt",
    "channels", "rate", "depth_low", "depth_middle", "depth_high", "depth_top", "depth_most",
    "mid_side",
)  # fmt: skip
"""Names of what `features` gives, in order."""


def features(evidence: Evidence) -> NDArray[np.float64]:
    """Evidence as numbers for the trees, [shape=(len(FEATURES),)]."""
    best, picture = evidence.best, evidence.picture
    depth = np.zeros(4)
    most = 0.0
    if best is not None:
        pairs = np.maximum(best.depth, 0.0)
        # Coded as left and right or as mid and side: whichever shows more.
        if pairs.shape[0] == 4:
            pairs = np.stack([pairs[:2].mean(axis=0), pairs[2:].mean(axis=0)])
        deep = pairs.max(axis=0)
        parts = np.array_split(np.pad(deep, (0, max(0, 12 - deep.size))), 4)
        depth = np.array([part.mean() for part in parts])
        most = float(deep.max())
    codec = best.family.codec if best is not None and best.score > _PROMISING else ""
    edge = picture.edge_hz or 0.0
    second = [x.score for x in evidence.lattices if best and x.family.codec != best.family.codec]
    return np.array(
        [
            np.arcsinh(best.score) if best else 0.0,
            np.log2(best.strength) if best else 0.0,
            best.share if best else 0.0,
            np.arcsinh(second[0]) if second else 0.0,
            *(codec == name for name in ("mp3", "aac", "vorbis", "opus")),
            codec not in ("", "mp3", "aac", "vorbis", "opus"),
            best is not None and best.rate != evidence.rate,
            edge / 1000.0,
            edge / (evidence.rate / 2),
            picture.wall_db,
            picture.above_db,
            *picture.holes,
            *picture.side_holes,
            picture.tilt_db,
            evidence.channels,
            evidence.rate / 1000.0,
            *depth,
            most,
            best.mid_side if best else 0.0,
        ],
        dtype=np.float64,
    )
