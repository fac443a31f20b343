"""The library of a gate: what it hears of clean recordings, and of coded ones.

An item is a crop of a lossless recording, once clean and up to twice coded. Some crops are made
dark beforehand by gentle filters, and are rounded to 16 bits afterwards, the clean and the coded
ones alike: neither tells that there was a codec. Items are pure functions of (recordings, seed,
number), so a library grows by going on. A thousand crops of 5 s take some 0.9 GB of a generator's
gate; of 8 s some 1.3 GB of the offline engine's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pedalboard as pb
import soundfile as sf
import torch
from numpy.typing import NDArray
from pedalboard._pedalboard import Pedalboard
from torch import Tensor

from uncodec.codecs import available
from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.networks.gate import WINDOW, trace_features
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.networks.spectra import audio_to_frames, mid_side
from uncodec.rates import NETWORK_RATES
from uncodec.signals import Array
from uncodec.training.codings import Coding, draw_coding, left_out
from uncodec.training.item_folders import (
    ItemFolder,
    Progress,
    begin_folder,
    check_menu,
    fill_folder,
    missing_items,
    write_item,
)
from uncodec.training.level_codings import draw_handling, draw_level_coding
from uncodec.training.level_library import read_stretch
from uncodec.training.mixing import Mixer
from uncodec.training.music import LOSSLESS
from uncodec.training.recordings import Source

__all__ = [
    "GateLibrary",
    "GeneratorHearing",
    "Hearing",
    "Tone",
    "TraceHearing",
    "draw_tone",
    "gate_features",
    "list_lossless",
    "rounded",
]

SECONDS = 5.0
LEAST_SECONDS = 2.6
"""Of a recording: somewhat more than the frames that are learned from at once."""
MOST_KBPS = 128

# Recordings of at least so many seconds are drawn alike; shorter ones hold less that is new.
_LONG_SECONDS = 20.0
_FILTERED = 0.4
# How often a crop is rounded, clean and coded. What is clean mostly comes as a 16-bit file.
_ROUNDED = {False: 0.8, True: 0.5}
_PEAK_DB = (-14.0, -0.3)
_SILENCE = 1e-4
_DRAWS = 20


@dataclass(frozen=True)
class Tone:
    """A gentle filter, which makes a recording dark and is no codec.

    Attributes
    ----------
    kind : str
        "plain" for none, "low-pass" (of the first order), "low-pass twice" or "high shelf".
    hz : float
        Where it begins.
    gain_db : float
        Of the shelf.
    """

    kind: str = "plain"
    hz: float = 0.0
    gain_db: float = 0.0

    def apply(self, audio: Array, sample_rate: int) -> Array:
        """Filter `audio`, [shape=(2, samples)]."""
        chain: list[pb.Plugin] = []
        if self.kind == "high shelf":
            chain = [pb.HighShelfFilter(self.hz, self.gain_db)]
        elif self.kind != "plain":
            chain = [pb.LowpassFilter(self.hz) for _ in range(1 + self.kind.endswith("twice"))]
        if not chain:
            return audio
        return Pedalboard(chain)(np.ascontiguousarray(audio), sample_rate)


def draw_tone(rng: np.random.Generator) -> Tone:
    """Draw a filter, for two crops of five: a low-pass once or twice, or a high shelf."""
    if rng.random() >= _FILTERED:
        return Tone()
    kind = ("low-pass", "low-pass twice", "high shelf")[int(rng.integers(3))]
    shelf = kind == "high shelf"
    hz = float(np.exp(rng.uniform(np.log(2000.0 if shelf else 1500.0), np.log(9000.0))))
    return Tone(kind, round(hz, 1), round(float(rng.uniform(-30.0, -6.0)), 2) if shelf else 0.0)


def rounded(rng: np.random.Generator, audio: Array) -> Array:
    """Round to 16 bits, half of the time with dither, which spans one step."""
    dither = rng.random(audio.shape, np.float32) - 0.5 if rng.random() < 0.5 else np.float32(0)
    return (np.round(audio * np.float32(32768) + dither) / 32768).astype(np.float32)


@torch.no_grad()
def gate_features(generator: Generator, audio: Tensor) -> Tensor:
    """What the recurrent stage of a generator hears of whole signals.

    Parameters
    ----------
    generator : Generator
        Of which only the shape counts.
    audio : Tensor [shape=(batch, 2, samples)]
        Left and right.

    Returns
    -------
    Tensor [shape=(batch, frames, features)]
        `whole` of `Generator.frame_features`, from the frame on in which the first hop lies last.
    """
    window, hop = generator.config.window, generator.config.hop
    padded = torch.nn.functional.pad(mid_side(audio), (window - hop, 0))
    spectra = torch.view_as_real(audio_to_frames(padded, window, hop))
    real, imag = spectra[:, :, :, 1:, 0], spectra[:, :, :, 1:, 1]
    state = generator.initial_state(len(audio))
    power = torch.addcmul(real * real, imag, imag)
    return generator.frame_features(power, state[1], state[3])[0]


class Hearing(Protocol):
    """What a gate hears of signals, before anything that was learned."""

    def describe(self) -> dict[str, Any]:
        """What a library that was made with it has to go on with."""
        ...

    def __call__(self, audio: Tensor) -> Tensor:
        """[shape=(batch, 2, samples)], left and right, to [shape=(batch, frames, features)]."""
        ...


@dataclass(frozen=True)
class GeneratorHearing:
    """What the recurrent stage of a generator of some shape hears, see `gate_features`."""

    shape: GeneratorConfig

    def describe(self) -> dict[str, Any]:
        return {"window": self.shape.window, "hop": self.shape.hop}

    def __call__(self, audio: Tensor) -> Tensor:
        return gate_features(Generator(self.shape).eval(), audio)


@dataclass(frozen=True)
class TraceHearing:
    """What a gate network hears, see `uncodec.networks.gate.trace_features`."""

    window: int = WINDOW

    def describe(self) -> dict[str, Any]:
        # Libraries from before there were other windows say nothing of theirs.
        return {"heard": "traces"} | ({} if self.window == WINDOW else {"window": self.window})

    def __call__(self, audio: Tensor) -> Tensor:
        return trace_features(mid_side(audio), self.window).flatten(2)


def list_lossless(music: Path) -> list[Source]:
    """FLAC files of the lossless packages in a folder of music.

    Whatever can be cut from is taken, also where its treble is empty by nature, as a recording to
    learn to restore must not be. Files of other rates than 44.1 and 48 kHz, of more than two
    channels or shorter than 2.6 s are left out.

    Parameters
    ----------
    music : Path
        As `uncodec.training.music` makes it.

    Raises
    ------
    AudioFileError
        There are none, or one cannot be read.
    """
    found = []
    for package in LOSSLESS:
        for path in sorted((music / package).rglob("*.flac")):
            if not path.is_file():
                continue
            try:
                info = sf.info(str(path))
            except (OSError, sf.LibsndfileError) as error:
                raise AudioFileError(f"{path}: cannot be read as audio ({error})") from error
            seconds = info.frames / info.samplerate
            if info.samplerate in NETWORK_RATES and info.channels <= 2 and seconds > LEAST_SECONDS:
                found.append(Source(path, package, seconds))
    if not found:
        raise AudioFileError(
            f"music={music}: must hold FLAC files of {LEAST_SECONDS:g} s or more in "
            f"{' or '.join(LOSSLESS)} (make training-data), got none"
        )
    return found


class GateLibrary(ItemFolder):
    """A folder of items, to build and to draw from.

    Parameters
    ----------
    folder : path
        One ``.npy`` of [shape=(versions, frames, features)], float16, for each crop, of which the
        first version is clean and the others are coded, and one ``.json``, which tells what the
        crop is and what it went through.
    """

    def batch(self, step: int, size: int, frames: int, seed: int = 0) -> NDArray[np.float16]:
        """Draw the crops of a step, a pure function of the arguments.

        Parameters
        ----------
        step : int
        size : int
            Crops, an even number.
        frames : int
            Of each.
        seed : int

        Returns
        -------
        ndarray [shape=(size, frames, features)], float16
            Clean ones in the first half, coded ones in the second.

        Raises
        ------
        AudioFileError
            There are no items, or none that was coded.
        InvalidValue
            No item has so many frames.
        """
        if not self.notes:
            raise AudioFileError(f"{self.folder}: holds no crops to learn from")
        longest = max(note["frames"] for note in self.notes)
        places = [p for p, note in enumerate(self.notes) if note["frames"] >= frames]
        if not places:
            raise InvalidValue(
                f"frames={frames}: must be no more than the crops have, got {longest} in "
                f"{self.folder}"
            )
        clean = [(place, 0) for place in places]
        coded = [(p, 1 + v) for p in places for v in range(len(self.notes[p]["codings"]))]
        if not coded:
            raise AudioFileError(f"{self.folder}: holds no coded crops to learn from")
        rng = np.random.default_rng([seed, step, 25])
        rows = [
            kind[int(choice)]
            for kind in (clean, coded)
            for choice in rng.integers(0, len(kind), size // 2)
        ]
        cuts = []
        for place, version in rows:
            data = self.item(place)
            start = int(rng.integers(0, data.shape[1] - frames + 1))
            cuts.append(data[version, start : start + frames])
        return np.stack(cuts)

    def build(
        self,
        recordings: Sequence[Source],
        hearing: Hearing,
        numbers: Sequence[int],
        *,
        seconds: float,
        seed: int,
        he_aac: bool = False,
        mixes: float = 0.0,
        handled: float = 0.0,
    ) -> int:
        """Build items that are not there yet; returns how many.

        Raises
        ------
        UncodecError
            A recording cannot be read, coded or written; what was built is kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        mixers = {
            rate: Mixer(list(recordings), sample_rate=rate, seconds=seconds, seed=seed)
            for rate in NETWORK_RATES
        }
        missing = missing_items(self.folder, numbers)
        for number in missing:
            rng = np.random.default_rng([seed, number, 24])
            if mixes > 0.0 and rng.random() < mixes:
                rate = int(rng.choice(NETWORK_RATES))
                name, kind, clean = f"mix {number}", "mix", mixers[rate].mix(number)
            else:
                source, clean, rate = _draw_crop(rng, recordings, seconds)
                name, kind = source.path.name, source.kind
            tone = draw_tone(rng)
            clean = tone.apply(clean, rate)
            peak_db = float(rng.uniform(*_PEAK_DB))
            clean = clean * np.float32(10 ** (peak_db / 20) / max(float(np.abs(clean).max()), 1e-3))
            codings = _draw_codings(rng, rate, he_aac)
            versions = []
            for coding in (Coding("clean", 0), *codings):
                try:
                    made = coding.apply(clean, rate)
                except UncodecError as error:
                    raise UncodecError(f"crop {number} ({coding}): {error}") from error
                if handled > 0.0 and rng.random() < handled:
                    _, made, _ = draw_handling(rng, rate).after(clean, made, rate)
                if rng.random() < _ROUNDED[coding.codec != "clean"]:
                    made = rounded(rng, made)
                versions.append(np.ascontiguousarray(made, np.float32))
            samples = min(made.shape[1] for made in versions)
            heard = hearing(torch.from_numpy(np.stack([made[:, :samples] for made in versions])))
            note = {
                "number": number,
                "recording": name,
                "kind": kind,
                "rate": rate,
                "frames": heard.shape[1],
                "tone": asdict(tone),
                "codings": [asdict(coding) for coding in codings],
            }
            write_item(self.folder, number, heard.to(torch.float16).numpy(), note)
        return len(missing)

    def complete(
        self,
        recordings: Sequence[Source],
        hearing: Hearing,
        count: int,
        *,
        seconds: float = SECONDS,
        seed: int = 0,
        mixes: float = 0.0,
        handled: float = 0.0,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """Build items 0 to `count` - 1 in so many processes, skipping those already there.

        Some are coded as HE-AAC where its program is installed. The folder keeps the recordings,
        settings and encoders that it was begun with.

        Parameters
        ----------
        recordings : sequence of Source
            Lossless; those shorter than 2.6 s are left out.
        hearing : Hearing
            Of the gate that is to learn.
        count : int
            At least 1.
        seconds : float
            Length of a crop, at least 2.6. Shorter recordings are taken whole.
        seed, workers : int
        mixes : float
            Share of the crops that are mixes of recordings.
        handled : float
            How often a crop, clean or coded, went through what people do with a sound, see
            `uncodec.training.level_codings.draw_handling`.
        progress : callable, optional
            Called with the crops that are there and those wanted, now and then.

        Raises
        ------
        AudioFileError
            There are no recordings, or they are silent.
        InvalidValue
            A setting is out of its range; the folder was begun with others.
        UncodecError
            As for `build`, and where a process died.
        """
        if count < 1 or workers < 1:
            raise InvalidValue(f"count={count}, workers={workers}: must be positive")
        if not (0.0 <= mixes <= 1.0 and 0.0 <= handled <= 1.0):
            raise InvalidValue(f"mixes={mixes}, handled={handled}: must be from 0 to 1")
        if not LEAST_SECONDS <= seconds <= 60:
            raise InvalidValue(f"seconds={seconds}: must be from {LEAST_SECONDS:g} to 60")
        long_enough = [source for source in recordings if source.seconds > LEAST_SECONDS]
        if not long_enough:
            raise AudioFileError(
                f"recordings: must hold one of {LEAST_SECONDS:g} s or more for the gate to learn "
                f"from, got none among {len(recordings)}"
            )
        made: dict[str, Any] = {"seconds": seconds, "seed": seed, "he_aac": "he-aac" in available()}
        # Libraries without them say nothing of them, as those from before there were any.
        made |= {name: x for name, x in (("mixes", mixes), ("handled", handled)) if x > 0.0}
        lacks = begin_folder(self.folder, long_enough, **made, **hearing.describe())
        build = partial(self.build, long_enough, hearing, **made)
        check = partial(check_menu, self.folder, lacks)
        fill_folder(self.folder, build, count, workers, progress, check)
        self.refresh()


def _draw_crop(
    rng: np.random.Generator, recordings: Sequence[Source], seconds: float
) -> tuple[Source, Array, int]:
    """A crop that sounds, its recording and its rate."""
    weights = np.array([min(source.seconds, _LONG_SECONDS) for source in recordings])
    for _ in range(_DRAWS):
        source = recordings[int(rng.choice(len(recordings), p=weights / weights.sum()))]
        clean, rate = read_stretch(rng, [source.path], min(seconds, source.seconds))
        if float(np.sqrt(np.square(clean).mean())) >= _SILENCE:
            return source, clean, rate
    raise AudioFileError(
        f"recordings: must sound, got silence in {_DRAWS} crops, the last one of {source.path}"
    )


def _draw_codings(rng: np.random.Generator, rate: int, he_aac: bool) -> list[Coding]:
    """None, one or two, of at most 128 kb/s."""
    # The first menu knows nothing of codecs that cannot be coded here.
    drawn = [] if left_out() else [draw_level_coding(rng, rate, he_aac=he_aac)]
    drawn.append(draw_coding(rng, rate))
    return [c for c in drawn if c.codec != "clean" and c.kbps <= MOST_KBPS]
