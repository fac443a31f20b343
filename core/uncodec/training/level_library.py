"""The library of levels: what codecs leave of music, as band levels.

An item is some seconds of music, coded one way: the features that a level network hears of the
coded frames, and the band levels of the original. An hour takes some 280 MB. Items are pure
functions of (recordings, seed, number), so a library grows by going on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray

from uncodec.codecs import encoder_of
from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.networks.level_features import (
    BAND,
    BANDS,
    FEATURES,
    WINDOW,
    band_levels,
    level_features,
    stream_frames,
)
from uncodec.rates import NETWORK_RATES
from uncodec.signals import Array
from uncodec.training.codings import Coding, left_out
from uncodec.training.item_folders import (
    ItemFolder,
    Progress,
    begin_folder,
    fill_folder,
    missing_items,
    write_item,
)
from uncodec.training.level_codings import (
    HE_AAC_CODINGS,
    VALIDATION_CODINGS,
    Handling,
    draw_handling,
    draw_level_coding,
)
from uncodec.training.level_variation import vary
from uncodec.training.mixing import Mixer, resample
from uncodec.training.music import Recording
from uncodec.training.recordings import Source

__all__ = [
    "Examiner",
    "LevelLibrary",
    "Teacher",
    "as_items",
    "lasting_bands",
    "read_stretch",
]


COLUMNS = FEATURES + BANDS
"""Numbers kept of a frame of mid or side: the coded features, then the original's levels."""

# How often an item is music that was coded before, a mix of clean recordings, a clean recording.
SHARES = {"music": 0.5, "mix": 0.3, "clean": 0.2}
# How often clean recordings of a kind are drawn; kinds of other names 1.
CLEAN_WEIGHTS = {"voice": 6.0, "music-mix": 3.0, "solo": 2.0, "drums": 2.0}
# Packages of spoken words, short ones: they are put behind one another.
VOICES = frozenset(
    {
        "fillets-ng-data-cs",
        "klettres-data",
        "ktuberling-data",
        "qabcs-data",
        "tuxpaint-stamps-default",
    }
)

Excerpt = tuple[Array, int, float, str, Coding, Handling]
"""Audio, its rate, where it ends in Hz, the kind of material, how it is coded and handled."""


@dataclass(frozen=True)
class Teacher:
    """What items are cut from to learn from.

    Attributes
    ----------
    clean : sequence of Source
        Full-band recordings.
    music : sequence of Recording
        Recordings that were coded before, below `folder`.
    folder : Path
    he_aac : bool
        Some are coded as HE-AAC, see `uncodec.codecs`.
    """

    clean: Sequence[Source]
    music: Sequence[Recording] = ()
    folder: Path = Path()
    he_aac: bool = False

    def describe(self) -> dict[str, Any]:
        """What tells the music apart from other music, wherever it lies."""
        lines = "\n".join(f"{entry.path} {entry.sha256}" for entry in self.music)
        told = {"music": hashlib.sha256(lines.encode()).hexdigest()[:16] if lines else None}
        # Libraries without it say nothing of it, as those that were begun before there was any.
        return told | ({"he_aac": True} if self.he_aac else {})

    def drawer(self, seconds: float, seed: int) -> Callable[[int], Excerpt]:
        """Draws excerpts by their numbers."""
        return _Drawer(self, seconds, seed)


@dataclass(frozen=True)
class Examiner:
    """What items are cut from to be judged by: an excerpt of each recording in every coding.

    Attributes
    ----------
    clean : sequence of Source
        Full-band recordings; those shorter than an excerpt are taken as they are.
    he_aac : bool
        In HE-AAC as well.
    """

    clean: Sequence[Source]
    he_aac: bool = False

    @property
    def codings(self) -> tuple[tuple[str, int, bool], ...]:
        """Codec, rate in kb/s, and whether the codec runs at the rate of its input."""
        return (*VALIDATION_CODINGS, *(HE_AAC_CODINGS if self.he_aac else ()))

    def describe(self) -> dict[str, Any]:
        """What the excerpts are coded with."""
        return {"menu": [list(entry) for entry in self.codings]}

    @property
    def count(self) -> int:
        """Items in all."""
        return len(self.clean) * len(self.codings)

    def drawer(self, seconds: float, seed: int) -> Callable[[int], Excerpt]:
        """Cuts excerpts by their numbers: recording after recording, coding after coding."""

        def cut(number: int) -> Excerpt:
            place, entry = divmod(number, len(self.codings))
            source = self.clean[place]
            rng = np.random.default_rng([seed, place, 23])
            clean, rate = read_stretch(rng, [source.path], min(seconds, source.seconds))
            codec, kbps, kept = self.codings[entry]
            coding = Coding(codec, kbps, codec_rate=rate if kept else None)
            return clean, rate, rate / 2.0, source.kind, coding, Handling()

        return cut


def lasting_bands(cutoff_hz: float, rate: int) -> int:
    """Bands that lie wholly below a cut-off."""
    return min(BANDS, int(cutoff_hz / (rate / WINDOW) / BAND))


def as_items(clean: Array, coded: Array) -> NDArray[np.float16]:
    """Features and levels of a pair, [shape=(frames, 2, 224)]: coded features, original's levels.

    Parameters
    ----------
    clean, coded : ndarray [shape=(2, samples)]
        Left and right, aligned.
    """
    with torch.inference_mode():
        heard = level_features(stream_frames(torch.from_numpy(np.ascontiguousarray(coded))))
        wanted = band_levels(stream_frames(torch.from_numpy(np.ascontiguousarray(clean))))
        both = torch.cat([heard, wanted], dim=-1).transpose(0, 1)
        return both.to(torch.float16).contiguous().numpy()


class LevelLibrary(ItemFolder):
    """A folder of items, to build and to draw from.

    Parameters
    ----------
    folder : path
        Each item has [shape=(frames, 2, 224)], see `as_items`.
    """

    def seconds(self) -> float:
        """Music in all items."""
        return float(sum(note["frames"] * (WINDOW // 2) / note["rate"] for note in self.notes))

    def batch(
        self, step: int, size: int, frames: int, seed: int = 0
    ) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """Draw the crops of a step, each with another loudness and at times another cut-off.

        Returns
        -------
        items : ndarray [shape=(size, frames, 2, 224)], float16
        trusted : ndarray [shape=(size, 64)], bool
            Bands in which the original's levels can be trusted.

        Raises
        ------
        AudioFileError
            There are no items.
        """
        if not self.notes:
            raise AudioFileError(f"{self.folder}: holds no levels to learn from")
        rng = np.random.default_rng([seed, step, 21])
        items = np.empty((size, frames, 2, COLUMNS), np.float16)
        trusted = np.zeros((size, BANDS), np.bool_)
        for row, place in enumerate(rng.integers(0, len(self.notes), size)):
            data, note = self.item(int(place)), self.notes[int(place)]
            start = int(rng.integers(0, max(1, len(data) - frames + 1)))
            cut = np.asarray(data[start : start + frames], np.float16)
            items[row, : len(cut)] = cut
            items[row, len(cut) :] = cut[-1:]
            bands = vary(rng, items[row], note["bands"], note["codec"] == "clean")
            trusted[row, :bands] = True
        return items, trusted

    def build(
        self, teacher: Teacher | Examiner, numbers: Sequence[int], *, seconds: float, seed: int
    ) -> int:
        """Build items that are not there yet; returns how many.

        Raises
        ------
        UncodecError
            A recording cannot be read, coded or written; what was built is kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        draw = teacher.drawer(seconds, seed)
        missing = missing_items(self.folder, numbers)
        for number in missing:
            clean, rate, cutoff, kind, coding, handling = draw(number)
            clean = handling.before(clean)
            try:
                coded = coding.apply(clean, rate)
            except UncodecError as error:
                raise UncodecError(f"item {number} ({coding}): {error}") from error
            clean, coded, rate = handling.after(clean, coded, rate)
            data = as_items(clean, coded)
            note = {
                "number": number,
                "rate": rate,
                "frames": len(data),
                "bands": lasting_bands(cutoff, rate),
                "kind": kind,
                **asdict(coding),
                "handling": asdict(handling),
            }
            write_item(self.folder, number, data, note)
        return len(missing)

    def complete(
        self,
        teacher: Teacher | Examiner,
        count: int,
        *,
        seconds: float,
        seed: int = 0,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """Build items 0 to `count` - 1 in so many processes, skipping those already there.

        The folder keeps the recordings, `seconds` and `seed` that it was begun with.

        Raises
        ------
        InvalidValue
            It was begun with others; not all codecs can be coded here.
        CodecError
            HE-AAC is wanted and cannot be coded here.
        UncodecError
            As for `build`, and where a process died.
        """
        begin_folder(self.folder, teacher.clean, seconds=seconds, seed=seed, **teacher.describe())
        build = partial(self.build, teacher, seconds=seconds, seed=seed)
        check = partial(self._check_codecs, teacher.he_aac)
        fill_folder(self.folder, build, count, workers, progress, check)
        self.refresh()

    def _check_codecs(self, he_aac: bool) -> None:
        if absent := ", ".join(left_out()):
            rule = "must be built with all codecs"
            raise InvalidValue(f"{self.folder}: {rule}, got none for {absent} (pip install av)")
        if he_aac:
            encoder_of("he-aac")  # raises where there is none, and says what is missing


class _Drawer:
    """Draws what an item is made of, by its number."""

    def __init__(self, teacher: Teacher, seconds: float, seed: int) -> None:
        self.teacher, self.seconds, self.seed = teacher, seconds, seed
        self._mixers = {
            rate: Mixer(list(teacher.clean), sample_rate=rate, seconds=seconds, seed=seed)
            for rate in NETWORK_RATES
        }
        self._music = [entry for entry in teacher.music if entry.rate in NETWORK_RATES]
        packages = {entry.package for entry in self._music}
        total = {
            name: sum(e.seconds for e in self._music if e.package == name) for name in packages
        }
        # A package twice as long is not twice as different.
        weights = [
            entry.seconds
            / total[entry.package] ** 0.5
            * (0.25 if entry.seconds < 10.0 and entry.package not in VOICES else 1.0)
            for entry in self._music
        ]
        self._weights = np.array(weights) / (sum(weights) or 1.0)
        own = [s.seconds * CLEAN_WEIGHTS.get(s.kind, 1.0) for s in teacher.clean]
        self._own = np.array(own) / sum(own)

    def __call__(self, number: int) -> Excerpt:
        rng = np.random.default_rng([self.seed, number, 22])
        shares = dict(SHARES)
        if not self._music:
            del shares["music"]
        odds = np.array(list(shares.values()))
        kind = str(rng.choice(list(shares), p=odds / odds.sum()))
        if kind == "mix":
            rate = 48000 if rng.random() < 0.2 else 44100
            clean, cutoff = self._mixers[rate].mix(number), rate / 2.0
        elif kind == "clean":
            chosen = self.teacher.clean[int(rng.choice(len(self._own), p=self._own))]
            clean, rate = read_stretch(rng, [chosen.path], self.seconds)
            cutoff, kind = rate / 2.0, chosen.kind
        else:
            entry = self._music[int(rng.choice(len(self._music), p=self._weights))]
            near = [entry]
            if entry.seconds < self.seconds:
                folder = entry.path.rpartition("/")[0]
                others = [
                    e
                    for e in self._music
                    if e.path.rpartition("/")[0] == folder and e.rate == entry.rate
                ]
                near += [others[int(i)] for i in rng.permutation(len(others))[:24]]
            clean, rate = read_stretch(
                rng, [self.teacher.folder / e.path for e in near], self.seconds
            )
            cutoff, kind = float(min(e.cutoff_hz for e in near)), entry.package
        coding = draw_level_coding(rng, rate, he_aac=self.teacher.he_aac)
        handling = draw_handling(rng, rate)
        return clean, rate, cutoff, kind, coding, handling


def read_stretch(
    rng: np.random.Generator, paths: Sequence[Path], seconds: float
) -> tuple[Array, int]:
    """A stretch of a recording, or several short ones behind one another, at 44.1 or 48 kHz.

    Raises
    ------
    AudioFileError
        A recording cannot be read.
    """
    parts: list[Array] = []
    missing, rate = 0, 0
    for path in paths:
        try:
            with sf.SoundFile(str(path)) as file:
                rate = file.samplerate
                missing = missing or round(seconds * rate)
                count = min(file.frames, missing)
                file.seek(int(rng.integers(0, file.frames - count + 1)))
                audio = file.read(count, dtype="float32", always_2d=True).T
        except (OSError, sf.LibsndfileError) as error:
            raise AudioFileError(f"{path}: cannot be read as audio ({error})") from error
        gap = np.zeros((2, int(rng.integers(0, rate // 8))), np.float32)
        for piece in (np.broadcast_to(audio, (2, audio.shape[1])), gap):
            piece = piece[:, :missing]
            parts.append(np.ascontiguousarray(piece))
            missing -= piece.shape[1]
        if missing <= 0:
            break
    whole = np.nan_to_num(np.concatenate(parts, axis=1))
    if rate in NETWORK_RATES:
        return whole, rate
    near = 48000 if rate % 48000 == 0 else 44100
    return resample(whole, rate, near), near
