"""The search for a codec's lattice: the frames in which a sound was once cut and quantised.

A transform codec leaves coefficients that are zero, or stand on steps, in its own transform and at
its own frames, and nowhere else: one sample beside them the zeros are filled by their neighbours.
So the transform of each family is taken at every place that a frame can begin, and the places are
compared by how deep their coefficients fall. Sound that was never coded has no place that stands
out. What is found in a few frames is then held against other frames of the same sound, which took
no part in the search: only that counts as evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress, pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from uncodec.inspection.excerpts import PIECE, Excerpt
from uncodec.inspection.hybrid_bank import HybridBank
from uncodec.inspection.mdct import Mdct, celt_window, kbd_window, sine_window, vorbis_window
from uncodec.signals import Array

__all__ = [
    "CORES",
    "FAMILIES",
    "SHOWS",
    "SIGNALS",
    "Family",
    "Lattice",
    "find_lattice",
    "place_at",
    "widened",
    "zone_edges",
]

ZONES_HZ = (600, 2000, 3500, 5000, 6500, 8000, 10000, 12000, 14000, 16000, 18000, 20000, 24000)
"""Where the zones of the spectrum begin, in which the depth of coefficients is summed apart."""

SHOWS = 4.0
"""A score from which on a single excerpt shows a lattice by itself."""

SIGNALS = ("left", "right", "mid", "side")

_SEARCHED = 3
# Places that are looked at in each.
_PLACES = 3072
# A part of the sound this much fainter than the best excerpts is not searched in.
_FAINT = 0.05
_CANDIDATES = 2
# Other places beside a frame, in samples: what the frame is compared with.
_BESIDE = np.array([-13, -11, -7, -5, 5, 7, 11, 13])
_CLOSE = np.flatnonzero(np.abs(_BESIDE) < 9)
_FAR = np.flatnonzero(np.abs(_BESIDE) > 9)
_SQUARES = [float(np.square(_BESIDE[part]).mean()) for part in (_CLOSE, _FAR)]
# Of the difference of far and close places, what a parabola has between all of them and the middle;
# and how much more noise that lets in than a place beside has.
_BENT = float(np.square(_BESIDE).mean()) / (_SQUARES[1] - _SQUARES[0])
_WIDER = float(np.sqrt((1.0 + 1.0 / 8.0 + _BENT**2 / 2.0) / (1.0 + 1.0 / 7.0)))
# Neighbours from which a place must stand out in the search.
_NEAR = np.array([n for n in range(-12, 13) if abs(n) > 2])
# Per root of coefficients: a zone that moves less than this from place to place holds nothing.
_STILL = 0.3
# A place that is no higher than this over the second best, and does not stand out in the first so
# many excerpts by so much, is not held against the others.
_DULL, _FIRST, _NOTHING = 1.5, 6, 1.5
# What one excerpt can add to the score.
_MOST = 20.0
# Another place has so much by chance.
_CHANCE = 2.5
# Zones hold sound where there is so many times the noise of rounding.
_NOISE = 2.5
# What one zone of one excerpt can add to a place in the search, in standard deviations.
_CLIPPED = 12.0


class Bank(Protocol):
    """A transform at any place; see `uncodec.inspection.mdct.Mdct`."""

    @property
    def hop(self) -> int: ...
    @property
    def reach(self) -> int: ...
    def log_power(
        self, x: Array, starts: NDArray[np.int64], edges: NDArray[np.int64], floor: float
    ) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Family:
    """A family of codecs, by what its encoders do to sound.

    Attributes
    ----------
    name : str
        The name of its lattice: "aac", "aac-sine", ...
    codec : str
        What people call it: "aac".
    bank : Bank
    search : Bank
        With which it is searched for; families that share one are searched for together.
    rate : int or None
        The only sample rate of the codec, in Hz.
    fold : int
        Frames may move by multiples of so many samples, because blocks of two sizes take turns; 0
        where all frames have one size.
    emphasis : float
        Of the treble before the transform, a filter of the first order.
    rates : (int, int)
        Lowest and highest rate in Hz at which it is looked for.
    """

    name: str
    codec: str
    bank: Bank
    search: Bank
    rate: int | None = None
    fold: int = 0
    emphasis: float = 0.0
    rates: tuple[int, int] = (8000, 48000)


def _families() -> tuple[Family, ...]:
    # One window finds all families of its size: it lies between the others.
    middle, half = Mdct(vorbis_window(2048)), Mdct(vorbis_window(1024))
    celt = Mdct(celt_window(1920, 120))
    wma, ac3, hybrid = Mdct(sine_window(4096)), Mdct(kbd_window(512, 5.0)), HybridBank()
    return (
        Family("mp3", "mp3", hybrid, hybrid),
        Family("aac", "aac", Mdct(kbd_window(2048, 4.0)), middle),
        Family("aac-sine", "aac", Mdct(sine_window(2048)), middle),
        Family("vorbis", "vorbis", middle, middle, fold=128, rates=(26000, 48000)),
        Family("vorbis-half", "vorbis", half, half, fold=128, rates=(8000, 26000)),
        Family("opus", "opus", celt, celt, rate=48000, emphasis=0.85),
        Family("wma", "wma", wma, wma, rates=(22050, 48000)),
        Family("ac3", "ac3", ac3, ac3, rates=(32000, 48000)),
    )


FAMILIES = _families()

CORES = tuple(
    replace(family, name=f"he-{family.name}", codec="he-aac", rates=(11025, 24000))
    for family in FAMILIES
    if family.codec == "aac"
)
"""HE-AAC codes as AAC what lies below a quarter of the sample rate, at half of the sample rate
(ISO/IEC 14496-3, 4.6.18): its families are looked for there."""


@dataclass(frozen=True)
class Lattice:
    """The best place of one family's frames, and how far it stands out.

    Attributes
    ----------
    family : Family
    rate : int
        At which its frames were looked for, in Hz.
    shift : float
        Of the sampling grid at that rate, in samples; 0 at the file's own rate.
    offset : int
        Where frames begin, in samples from the beginning of the sound, modulo the hop.
    strength : float
        Height of the best place over the second best in the search; about 1 for sound that was
        never coded.
    score : float
        How far it stands out in frames that took no part in the search, in standard deviations of
        what other places do there. The evidence.
    contrast : float
        Mean of `depth` where it is above 0: the right window falls deepest of all that are alike.
    depth : ndarray [shape=(signals, zones)]
        How much deeper its coefficients are than beside it: mean of log2 of their power.
    spans : tuple of (float, float, float)
        Beginning and end in seconds, and score, of each excerpt that was looked at.
    """

    family: Family
    rate: int
    shift: float
    offset: int
    strength: float
    score: float
    contrast: float
    depth: NDArray[np.float32]
    spans: tuple[tuple[float, float, float], ...]

    @cached_property
    def share(self) -> float:
        """Part of the excerpts that show it by themselves."""
        return self.shown / len(self.spans) if self.spans else 0.0

    @property
    def shown(self) -> int:
        """How many excerpts show it by themselves."""
        return sum(score > SHOWS for _, _, score in self.spans)

    @property
    def mid_side(self) -> float:
        """How much more it shows in mid and side than in left and right; above 0: it was joint."""
        if self.depth.shape[0] < 4:
            return 0.0
        deep = np.maximum(self.depth, 0.0).sum(axis=1)
        return float((deep[2:].sum() - deep[:2].sum()) / (deep.sum() + 1e-9))


def place_at(lattice: Lattice, rate: int) -> float:
    """Where frames begin in samples of another rate; a sample stands in the middle of its time."""
    return (lattice.offset + lattice.shift + 0.5) * rate / lattice.rate - 0.5


def widened(lattice: Lattice, rate: int) -> Lattice:
    """A lattice that was found at a lower rate, with all the zones of `rate`.

    It shows nothing above its own rate: its contrast is the mean over as many zones as others'.
    """
    hop = lattice.family.bank.hop * rate // lattice.rate
    zones = int(np.count_nonzero(np.diff(zone_edges(hop, rate))))
    depth = np.pad(lattice.depth, ((0, 0), (0, max(0, zones - lattice.depth.shape[1]))))
    return replace(lattice, depth=depth, contrast=float(np.maximum(depth, 0.0).mean()))


def zone_edges(hop: int, rate: int) -> NDArray[np.int64]:
    """First coefficients of the zones of `ZONES_HZ`; zones above half the rate are empty."""
    edges = np.round(np.array(ZONES_HZ) * (2 * hop / rate)).astype(np.int64)
    edges = np.minimum(edges, hop)
    # A zone that was begun reaches to the top.
    return edges


def _emphasised(x: Array, amount: float) -> Array:
    if not amount:
        return x
    out = x.copy()
    out[:, 1:] -= np.float32(amount) * x[:, :-1]
    return out


def find_lattice(
    excerpts: Sequence[Excerpt],
    families: Sequence[Family],
    rate: int,
    shift: float,
    floor: float,
) -> list[Lattice]:
    """Look for families that share a search.

    Parameters
    ----------
    excerpts : sequence of Excerpt
        The best to search in first; all at `rate`.
    families : sequence of Family
        With one and the same `search`.
    rate : int
        In Hz.
    shift : float
        What the lattice is told to have, see `Lattice`.
    floor : float
        Power of the noise of rounding, of one sample.

    Returns
    -------
    list of Lattice
        The best of each family; empty where the sound is too short.
    """
    bank = families[0].search
    emphasis = families[0].emphasis
    edges = zone_edges(bank.hop, rate)
    used = np.flatnonzero(np.diff(edges) > 0)
    edges = edges[: used[-1] + 2] if used.size else edges[:1]
    if edges.shape[0] < 3:
        return []
    frames = max(1, _PLACES // bank.hop)
    need = (frames + 1) * bank.hop + bank.reach
    # Where treble goes on: neither silence nor the edge of an attack, which stands out as well.
    steady = [(e, e.faintest(need)) for e in excerpts]
    fits = [
        (float(least.max()), e, int(np.argmax(least)) * PIECE) for e, least in steady if least.size
    ]
    if not fits:
        return []
    fits.sort(key=lambda fit: -fit[0])
    sounds = {id(e): _emphasised(e.audio, emphasis) for e in excerpts}
    searched = _spread_out(fits)
    chosen = {id(e): at for _, e, at in searched}
    heard = {id(e): _heard(e, edges, bank.hop, floor) for _, e, _ in fits}
    found = []
    for _, e, at in searched:
        x = np.ascontiguousarray(sounds[id(e)][:, at : at + need])
        dips, spread = _dips(x, e.start + at, bank, edges, floor, frames)
        found.append((dips * heard[id(e)], spread))
    # The faint ones show little.
    told = [e for _, e, _ in fits]
    return [
        lattice
        for family in families
        if (
            lattice := _best(
                family, found, chosen, told, sounds, heard, edges, rate, shift, floor, need
            )
        )
    ]


def _spread_out(
    fits: list[tuple[float, Excerpt, int]],
) -> list[tuple[float, Excerpt, int]]:
    """The best excerpt of each part of the sound, which may be put together from pieces.

    Where a part is much fainter than the best of all, the next best of all stands in for it.
    """
    end = max(e.start for _, e, _ in fits) + 1
    least = _FAINT * fits[min(_SEARCHED, len(fits)) - 1][0]
    found = []
    for part in range(_SEARCHED):
        inside = [f for f in fits if part * end <= _SEARCHED * f[1].start < (part + 1) * end]
        found += [f for f in inside[:1] if f[0] >= least]
    taken = {id(f[1]) for f in found}
    found += [f for f in fits if id(f[1]) not in taken]
    return sorted(found[:_SEARCHED], key=lambda f: -f[0])


def _dips(
    x: Array, start: int, bank: Bank, edges: NDArray[np.int64], floor: float, frames: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How much deeper each place is than those near it, and how much that varies.

    [shape=(hop, signals, zones)] by the offset of the whole sound, and [shape=(signals, zones)].
    """
    hop = bank.hop
    stat = bank.log_power(x, np.arange(hop * frames), edges, floor)
    # Frame behind frame: the sum is over frames, the index is the place of the first.
    summed = stat.reshape(frames, hop, *stat.shape[1:]).sum(axis=0)
    padded = np.pad(summed, ((12, 12), (0, 0), (0, 0)), mode="reflect")
    near = np.mean([padded[12 + n : 12 + n + hop] for n in _NEAR], axis=0)
    dips = near - summed
    spread = 1.4826 * np.median(np.abs(dips - np.median(dips, axis=0)), axis=0)
    least = _STILL * np.sqrt(frames * np.maximum(np.diff(edges), 1))
    # Place p of the excerpt is offset start + p of the sound.
    spread = np.maximum(spread, least)
    dips = np.clip(dips, -_CLIPPED * spread, _CLIPPED * spread)
    turned = np.roll(dips, start % hop, axis=0)
    return turned.astype(np.float32), spread.astype(np.float32)


def _heard(
    excerpt: Excerpt, edges: NDArray[np.int64], hop: int, floor: float
) -> NDArray[np.float32]:
    """1 for the zones in which there is more than the noise of rounding and the skirts of tones."""
    at = np.minimum(np.round(edges * (32 / hop)).astype(int), 32)
    content = [
        np.median(excerpt.content[first : max(last, first + 1)]) for first, last in pairwise(at)
    ]
    return (np.array(content) > _NOISE * floor).astype(np.float32)


def _height(standing: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of places, out of how far each zone stands out, in standard deviations."""
    height: NDArray[np.float32] = np.square(np.maximum(standing, 0.0)).sum(axis=(-2, -1))
    return height


def _best(
    family: Family,
    found: list[tuple[NDArray[np.float32], NDArray[np.float32]]],
    chosen: Mapping[int, int],
    excerpts: Sequence[Excerpt],
    sounds: dict[int, Array],
    heard: dict[int, NDArray[np.float32]],
    edges: NDArray[np.int64],
    rate: int,
    shift: float,
    floor: float,
    need: int,
) -> Lattice | None:
    dips = [d for d, _ in found]
    spreads = [s for _, s in found]
    hop = family.search.hop
    joint = np.sum(dips, axis=0) / np.sqrt(np.square(spreads).sum(axis=0))
    heights = [_height(joint)] + [_height(d / s) for d, s in zip(dips, spreads, strict=True)]
    period = family.fold or hop
    if family.fold:
        # Each excerpt may stand on another of the places.
        each = [h.reshape(-1, period).max(axis=0) for h in heights[1:]]
        heights = [np.sum(each, axis=0), *each]
    standings = [joint] + [d / s for d, s in zip(dips, spreads, strict=True)]
    places: list[tuple[int, float, NDArray[np.float32]]] = []
    for number, height in enumerate(heights):
        top, second = _two_best(height)
        strength = float(height[top]) / max(float(height[second]), 1.0)
        if number and (strength < 2.0 or len(heights) == 2):
            # A single excerpt counts only where it is clear: sound may be put together from pieces.
            continue
        # The second best of all tells whether there is one lattice or a rhythm of many places.
        for place in (top, second)[: 2 if number == 0 else 1]:
            if all(abs(place - other) > 2 for other, _, _ in places):
                rows = [s[place::period].max(axis=0) for s in standings[1:]]
                standing = np.max(rows, axis=0) if family.fold else standings[number][place]
                places.append((place, strength, np.maximum(standing, 0.0)))
    held = [
        (place, strength, kept)
        for place, strength, weights in places[: _CANDIDATES + 1]
        if (
            kept := _hold(
                family,
                place,
                weights,
                chosen,
                excerpts,
                sounds,
                heard,
                edges,
                rate,
                floor,
                need,
                strength < _DULL,
            )
        )
    ]
    if not held:
        return None
    values = np.stack([kept.values for _, _, kept in held])
    best = int(np.argmax(np.nansum(np.minimum(values, _MOST), axis=1)))
    seen = np.isfinite(values[best])
    others = np.nan_to_num(np.delete(values, best, axis=0)).max(axis=0, initial=0.0)
    # A pure tone is deep wherever its phase comes round: there the others are as good.
    shadow = 2.0 * np.maximum(others - _CHANCE, 0.0)
    each = np.clip(values[best] - shadow, -3.0, _MOST)[seen]
    place, strength, found_here = held[best]
    return Lattice(
        family,
        rate,
        shift,
        place,
        strength,
        score=_score(each),
        contrast=float(np.maximum(found_here.depth, 0.0).mean()),
        depth=found_here.depth,
        spans=tuple(
            (first, last, float(value))
            for (first, last), value in zip(compress(found_here.spans, seen), each, strict=True)
        ),
    )


def _score(each: NDArray[np.float64]) -> float:
    """Of all excerpts, or of those that stand out by themselves, whichever says more."""
    together = each.sum() / np.sqrt(each.size)
    # Of normal values, what is above 1.5 has the mean 0.029 and the variance 0.023.
    above = np.maximum(each - 1.5, 0.0).sum()
    apart = (above - 0.029 * each.size) / np.sqrt(0.023 * max(each.size, 8))
    return float(max(together, 0.7 * apart))


def _two_best(height: NDArray[np.float32]) -> tuple[int, int]:
    """The best place, and the best of those that are not right beside it."""
    period = height.shape[0]
    top = int(np.argmax(height))
    distance = np.abs((np.arange(period) - top + period // 2) % period - period // 2)
    return top, int(np.argmax(np.where(distance > 3, height, -1.0)))


@dataclass(frozen=True)
class _Held:
    """How far a place stands out in each excerpt, in standard deviations; NaN where not looked."""

    values: NDArray[np.float64]
    depth: NDArray[np.float32]
    spans: list[tuple[float, float]]


def _hold(
    family: Family,
    place: int,
    weights: NDArray[np.float32],
    chosen: Mapping[int, int],
    excerpts: Sequence[Excerpt],
    sounds: dict[int, Array],
    heard: dict[int, NDArray[np.float32]],
    edges: NDArray[np.int64],
    rate: int,
    floor: float,
    need: int,
    dull: bool,
) -> _Held | None:
    """Hold a place against frames that took no part in the search."""
    bank = family.bank
    hop = bank.hop
    counts = np.sqrt(np.maximum(np.diff(edges), 1))
    length = float(np.sqrt(np.square(weights).sum()))
    if length == 0.0:
        return None
    weights = (weights / length / counts).astype(np.float32)
    phases = np.arange(0, hop, family.fold) if family.fold else np.zeros(1, np.int64)
    most = 3 if family.fold else 6
    nulls: list[NDArray[np.float64]] = []
    depths: list[NDArray[np.float32]] = []
    spans: list[tuple[float, float]] = []
    values = np.full(len(excerpts), np.nan)
    for number, excerpt in enumerate(excerpts):
        if dull and len(nulls) == _FIRST and np.nanmax(values) < _NOTHING:
            break
        x = sounds[id(excerpt)]
        spans.append((excerpt.start / rate, (excerpt.start + x.shape[1]) / rate))
        first = (place - excerpt.start) % hop
        # Room for what is beside the first frame.
        first += hop * -(-max(0, 13 - first) // hop)
        last = x.shape[1] - bank.reach - 14 - (hop if family.fold else 0)
        at = np.arange(first, last + 1, hop)
        if id(excerpt) in chosen:
            begin = chosen[id(excerpt)]
            at = at[(at + bank.reach + hop < begin) | (at > begin + need)]
        if not at.size:
            continue
        least = excerpt.faintest(2 * hop)
        if not least.size:
            continue
        loud = least[np.minimum(at // PIECE, least.size - 1)]
        at = np.sort(at[np.argsort(-loud, kind="stable")[:most]])
        beside = np.concatenate([[0], _BESIDE])
        starts = (at[:, None, None] + phases[:, None] + beside).ravel()
        stat = bank.log_power(x, starts, edges, floor)
        stat = stat.reshape(at.size, phases.size, beside.size, *stat.shape[1:])
        here = weights * heard[id(excerpt)]
        if not here.any():
            continue
        summed = (stat * here).sum(axis=(-2, -1))  # frames, phases, places
        mean = summed[:, :, 1:].mean(axis=2)
        # What a decay or an attack bends is seen in the places beside, near and far ones.
        far = summed[:, :, 1 + _FAR].mean(axis=2) - summed[:, :, 1 + _CLOSE].mean(axis=2)
        own = mean - summed[:, :, 0] - np.float32(_BENT) * far
        # A click at the edge of a frame lifts the places on one side only; frames lift both.
        sides = summed[:, :, 1:].reshape(*summed.shape[:2], 2, -1).mean(axis=3)
        least = sides.min(axis=2) - summed[:, :, 0]
        own = np.minimum(own, least)
        # A place beside, against the others beside: what nothing looks like.
        many = _BESIDE.size
        other = (mean[:, :, None] * many - summed[:, :, 1:]) / (many - 1) - summed[:, :, 1:]
        # Each excerpt by what varies in it: a loud one must not drown the others.
        scale = _WIDER * max(float(other.std()), 1e-3) / np.sqrt(at.size)
        value, null = own.mean(axis=0) / scale, other.mean(axis=0) / scale
        which = int(np.argmax(value))
        values[number] = float(value[which])
        nulls.append(null.max(axis=0))
        depth = stat[:, which, 1:].mean(axis=(0, 1)) - stat[:, which, 0].mean(axis=0)
        depths.append(depth / np.maximum(np.diff(edges), 1))
    if not nulls:
        return None
    null = np.concatenate(nulls)
    # The best of several places is above nothing by itself.
    centre = _WIDER * float(null.mean()) if family.fold else 0.0
    spread = _WIDER * max(float(null.std()), 0.5)
    return _Held((values - centre) / spread, np.mean(depths, axis=0).astype(np.float32), spans)
