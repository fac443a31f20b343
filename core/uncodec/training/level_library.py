"""The library of levels: what codecs leave of music, as band levels.

An item is some seconds of music, coded one way: the features that a level network hears of the
coded frames, and the band levels of the original. An hour takes some 280 MB. Items are pure
functions of (recordings, seed, number), so a library grows by going on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import torch
from numpy.typing import NDArray

from uncodec.errors import AudioFileError, UncodecError
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
from uncodec.training.mixing import Mixer
from uncodec.training.music import Recording
from uncodec.training.pairs import Coding
from uncodec.training.recordings import Source
from uncodec.whole_files import write_whole

__all__ = ["LevelLibrary", "Teacher", "as_items", "draw_level_coding", "lasting_bands"]


COLUMNS = FEATURES + BANDS
"""Numbers kept of a frame of mid or side: the coded features, then the original's levels."""

# How often an item is music that was coded before, a mix of clean recordings, a clean recording.
SHARES = {"music": 0.5, "mix": 0.3, "clean": 0.2}
# How often clean recordings of a kind are drawn; kinds of other names 1.
CLEAN_WEIGHTS = {"voice": 6.0, "music-mix": 3.0, "solo": 2.0, "drums": 2.0}
# Packages of voices, of which there is least.
VOICES = frozenset({"klettres-data"})

_MP3 = (24, 32, 32, 40, 48, 56, 64, 64, 80, 96, 112, 128, 160, 192)
_AAC = (32, 40, 48, 48, 64, 80, 96, 128)
_OPUS = (16, 24, 32, 48, 64, 96)
_VORBIS = (48, 56, 64, 80, 96, 112, 128)
_AGAIN = (("mp3", 128), ("mp3", 192), ("aac", 128), ("vorbis", 160), ("opus", 96))


def draw_level_coding(rng: np.random.Generator, rate: int) -> Coding:
    """Draw a coding as people make them: LAME's front end, FFmpeg's, and twice at times."""
    codec = str(
        rng.choice(["clean", "mp3", "aac", "opus", "vorbis"], p=[0.05, 0.5, 0.2, 0.13, 0.12])
    )
    if codec == "clean":
        return Coding("clean", 0)
    before = Coding(*_AGAIN[int(rng.integers(len(_AGAIN)))]) if rng.random() < 0.08 else None
    if codec == "mp3":
        if rng.random() < 0.1:
            return Coding("mp3", 0, vbr_quality=int(rng.integers(2, 10)), before=before)
        kbps = int(rng.choice(_MP3))
        # FFmpeg keeps the rate of what it is given; most files below 80 kb/s come from there.
        kept = rate if rng.random() < 0.65 else None
        joint = bool(rng.random() < 0.9)
        return Coding("mp3", kbps, joint_stereo=joint, before=before, codec_rate=kept)
    if codec == "aac":
        kept = None if rng.random() < 0.75 else int(rng.choice([22050, 32000]))
        return Coding("aac", int(rng.choice(_AAC)), before=before, codec_rate=kept)
    if codec == "opus":
        return Coding("opus", int(rng.choice(_OPUS)), before=before)
    return Coding("vorbis", int(rng.choice(_VORBIS)), before=before)


@dataclass(frozen=True)
class Teacher:
    """What items are cut from.

    Attributes
    ----------
    clean : sequence of Source
        Full-band recordings.
    music : sequence of Recording
        Recordings that were coded before, below `folder`.
    folder : Path
    """

    clean: Sequence[Source]
    music: Sequence[Recording] = ()
    folder: Path = Path()


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


class LevelLibrary:
    """A folder of items, to build and to draw from.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.notes: list[dict[str, Any]] = []
        self.refresh()

    def refresh(self) -> int:
        """Look for items that came since; returns how many there are."""
        known = {note["number"] for note in self.notes}
        for path in sorted(self.folder.glob("[0-9]*.json")):
            if int(path.stem) not in known:
                self.notes.append(json.loads(path.read_text()))
        return len(self.notes)

    def seconds(self) -> float:
        """Music in all items."""
        return float(sum(note["frames"] * (WINDOW // 2) / note["rate"] for note in self.notes))

    def item(self, place: int) -> NDArray[np.float16]:
        """Item at a place of `notes`, [shape=(frames, 2, 224)], memory mapped."""
        path = self.folder / f"{self.notes[place]['number']:06d}.npy"
        data: NDArray[np.float16] = np.load(path, mmap_mode="r")
        return data

    def batch(
        self, step: int, size: int, frames: int, seed: int = 0
    ) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
        """Draw the crops of a step, each with another loudness and at times another cut-off.

        Returns
        -------
        items : ndarray [shape=(size, frames, 2, 224)], float16
        trusted : ndarray [shape=(size, 64)], bool
            Bands in which the original's levels can be trusted.
        """
        rng = np.random.default_rng([seed, step, 21])
        items = np.empty((size, frames, 2, COLUMNS), np.float16)
        trusted = np.zeros((size, BANDS), np.bool_)
        for row, place in enumerate(rng.integers(0, len(self.notes), size)):
            data, note = self.item(int(place)), self.notes[int(place)]
            start = int(rng.integers(0, max(1, len(data) - frames + 1)))
            cut = np.asarray(data[start : start + frames], np.float16)
            items[row, : len(cut)] = cut
            items[row, len(cut) :] = cut[-1:]
            trusted[row, : note["bands"]] = True
            _vary(rng, items[row], note["codec"] == "clean")
        return items, trusted

    def build(self, teacher: Teacher, numbers: Sequence[int], *, seconds: float, seed: int) -> None:
        """Build items that are not there yet.

        Raises
        ------
        UncodecError
            A recording cannot be read.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        draw = _Drawer(teacher, seconds, seed)
        for number in numbers:
            if not (self.folder / f"{number:06d}.json").exists():
                clean, rate, cutoff, kind, coding = draw(number)
                try:
                    coded = coding.apply(clean, rate)
                except UncodecError as error:
                    raise UncodecError(f"item {number} ({coding}): {error}") from error
                data = as_items(clean, coded)
                content = io.BytesIO()
                np.save(content, data)
                write_whole(self.folder / f"{number:06d}.npy", content.getbuffer())
                note = {
                    "number": number,
                    "rate": rate,
                    "frames": len(data),
                    "bands": lasting_bands(cutoff, rate),
                    "kind": kind,
                    **asdict(coding),
                }
                write_whole(self.folder / f"{number:06d}.json", json.dumps(note).encode())


def _vary(rng: np.random.Generator, item: NDArray[np.float16], is_clean: bool) -> None:
    """Another loudness, and at times a lower cut-off, an emptier side, another polarity of side."""
    gain = np.float16(rng.uniform(-1.5, 0.5))
    level = np.r_[0:BANDS, 2 * BANDS : COLUMNS]
    item[..., level] = np.maximum(item[..., level] + gain, np.float16(-8.0))
    if rng.random() < (0.5 if is_clean else 0.2):
        last = int(rng.integers(8, BANDS))
        item[..., last:BANDS] = -8.0
        item[..., BANDS + last : 2 * BANDS] = 0.0


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

    def __call__(self, number: int) -> tuple[Array, int, float, str, Coding]:
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
            clean, rate = self._read(rng, [chosen.path])
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
            clean, rate = self._read(rng, [self.teacher.folder / e.path for e in near])
            cutoff, kind = float(min(e.cutoff_hz for e in near)), entry.package
        return clean, rate, cutoff, kind, draw_level_coding(rng, rate)

    def _read(self, rng: np.random.Generator, paths: Sequence[Path]) -> tuple[Array, int]:
        """A stretch of a recording, or several short ones behind one another."""
        parts: list[Array] = []
        missing, rate = 0, 0
        for path in paths:
            try:
                with sf.SoundFile(str(path)) as file:
                    rate = file.samplerate
                    missing = missing or round(self.seconds * rate)
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
        return np.nan_to_num(np.concatenate(parts, axis=1)), rate
