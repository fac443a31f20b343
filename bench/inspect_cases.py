"""Cases for the inspector: recordings, clean and coded in every way, and what it sees in them.

``python bench/inspect_cases.py DATA SPLIT OUT`` writes one JSON object a line. A run that was
stopped goes on where it was. DATA holds ``manifest.csv`` with the columns split, path, category.
"""

from __future__ import annotations

import csv
import json
import sys
import time
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from uncodec.codecs import round_trip
from uncodec.codecs.resampling import low_pass, resample
from uncodec.inspection.evidence import FEATURES, Evidence, features, gather
from uncodec.inspection.excerpts import Excerpts
from uncodec.inspection.levels import LevelMeter
from uncodec.inspection.verdict import judge

Audio = NDArray[np.float32]

# Recordings of the collection that were coded before, which the lattice itself told.
CODED_BEFORE = (
    "180961_kleeb_gunshots",
    "nam__inputs_Tomb",
    "nam__inputs_Hammer_Lead",
    "nam__inputs_Pop_Punk",
    "lmms__CapDan-ReggaeTry",
    "apbwe__HiFi-TTS",
)
LEAST_SECONDS = 1.5
SPECIAL = ("vinyl", "tape", "game", "sines", "quiet")
VBR = {"vorbis": {96: 0.2, 128: 0.4, 192: 0.6}}
# By codec: the rates of the confusion matrix.
MATRIX = {
    "mp3": (24, 32, 48, 64, 96, 128, 192, 256, 320),
    "aac": (24, 32, 48, 64, 96, 128, 192, 256, 320),
    "vorbis": (48, 64, 96, 128, 192, 256, 320),
    "opus": (24, 32, 48, 64, 96, 128, 160, 256),
    "wma": (48, 64, 96, 128, 192),
}
# How the trees are fitted. Not a single example of the settings held out is trained on.
RECIPE = tomllib.loads((Path(__file__).parents[1] / "models/inspect/recipe.toml").read_text())
HELD_OUT = {(codec, kbps) for codec, rates in RECIPE["cases"]["held_out"].items() for kbps in rates}
DETECTED = {
    "mp3": (128, 192, 256, 320),
    "aac": (128, 192, 256, 320),
    "vorbis": (128, 192),
    "opus": (96, 160),
}
AFTER = ("gain", "resampled", "mp3-aac")
STEREO = 14


@dataclass(frozen=True)
class Case:
    """One thing done to one recording."""

    recording: str
    category: str
    codec: str  # "" for none
    kbps: int
    after: str  # "", "gain", "resampled", "mp3-aac", "apart" (no joint stereo), a special class
    seed: int

    @property
    def key(self) -> str:
        return f"{self.recording}|{self.codec}|{self.kbps}|{self.after}"


def recordings(data: Path, split: str) -> list[dict[str, str]]:
    """Rows of the manifest, without what was coded before and what is too short."""
    with (data / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    kept = [
        row
        for row in rows
        if float(row["seconds"]) >= LEAST_SECONDS
        and not any(name in row["path"] for name in CODED_BEFORE)
    ]
    return sorted(kept, key=lambda row: zlib.crc32(row["path"].encode()))


def validation_cases(data: Path) -> Iterator[Case]:
    """All of the measurement, mixed, so that a part of it is a fair sample of the whole."""
    rows = recordings(data, "val")
    long = [row for row in rows if float(row["seconds"]) >= 4.0]
    cases = [Case(row["path"], row["category"], "", 0, "", 0) for row in rows]

    def add(some: list[dict[str, str]], codec: str, kbps: int, after: str) -> None:
        cases.extend(Case(row["path"], row["category"], codec, kbps, after, 0) for row in some)

    for name in ("gain", "resampled", *SPECIAL):
        add(long, "", 0, name)
    wide = [row for row in long if row["channels"] == "2"][:STEREO]
    for codec in ("mp3", "aac"):
        for after in ("", "apart"):
            add(wide, codec, 128, after)
    for codec, rates in DETECTED.items():
        for kbps in rates:
            add(long[:14], codec, kbps, "")
            for after in AFTER:
                if after != "mp3-aac" or codec == "mp3":
                    add(long[:12], codec, kbps, after)
    for codec, rates in MATRIX.items():
        for kbps in rates:
            add(long[6:12], codec, kbps, "")
    unique = list({case.key: case for case in cases}.values())
    return iter(sorted(unique, key=lambda case: zlib.crc32(case.key.encode())))


def training_cases(data: Path) -> Iterator[Case]:
    """Drawn at random, without the settings that are held out."""
    rows = recordings(data, "train")
    rng = np.random.default_rng(RECIPE["cases"]["seed"])
    settings = [
        (codec, kbps)
        for codec, rates in MATRIX.items()
        for kbps in (*rates, 40, 80, 112, 160, 224)
        if (codec, kbps) not in HELD_OUT and not (codec == "wma" and kbps > 192)
    ]
    for number in range(RECIPE["cases"]["count"]):
        row = rows[int(rng.integers(len(rows)))]
        if rng.random() < 0.4:
            after = str(rng.choice(["", "", "", "gain", "resampled", *SPECIAL]))
            yield Case(row["path"], row["category"], "", 0, after, number)
            continue
        codec, kbps = settings[int(rng.integers(len(settings)))]
        after = str(rng.choice(["", "", "", "gain", "resampled", "mp3-aac"]))
        if after == "mp3-aac" and codec != "mp3":
            after = ""
        yield Case(row["path"], row["category"], codec, kbps, after, number)


def sixteen_bits(x: Audio) -> Audio:
    """Rounded as every decoder and mastering does it."""
    return (np.round(np.clip(x, -1.0, 32767 / 32768) * 32768.0) / 32768.0).astype(np.float32)


def build(case: Case, data: Path) -> tuple[Audio, int]:
    """Make the sound of a case: (channels, n) and its rate."""
    x, rate = sf.read(data / case.recording, dtype="float32", always_2d=True)
    x = np.ascontiguousarray(x.T)
    rng = np.random.default_rng(zlib.crc32(case.key.encode()))
    count = int(RECIPE["cases"]["seconds"] * rate)
    if x.shape[1] > count:
        first = int(rng.integers(x.shape[1] - count))
        x = np.ascontiguousarray(x[:, first : first + count])
    if case.after in SPECIAL:
        return special(case.after, x, rate, rng), rate
    if case.codec:
        x, rate = coded(x, rate, case.codec, case.kbps, case.after != "apart")
    if case.after == "mp3-aac":
        x = round_trip(sixteen_bits(x), rate, "aac", kbps=192)
    if case.after == "gain":
        x = sixteen_bits(x) * np.float32(10.0 ** (-rng.uniform(0.5, 6.0) / 20.0))
    if case.after == "resampled":
        other = 48000 if rate == 44100 else 44100
        x, rate = resample(sixteen_bits(x), rate, other), other
    # An odd number of samples is always taken off: where frames begin is never known.
    trim = 2 * int(rng.integers(300, 3000)) + 1
    return np.ascontiguousarray(sixteen_bits(x)[:, min(trim, x.shape[1] // 4) :]), rate


def coded(x: Audio, rate: int, codec: str, kbps: int, joint: bool = True) -> tuple[Audio, int]:
    """A round trip; Opus comes out at its own rate, as its decoders give it."""
    channels = x.shape[0]
    # The rate of a mono file is half of what its setting would be for stereo.
    own = kbps if channels == 2 or codec == "vorbis" else max(kbps / 2, 24)
    if codec == "opus":
        return round_trip(resample(x, rate, 48000), 48000, "opus", kbps=own), 48000
    quality = VBR.get(codec, {}).get(kbps)
    if quality is not None:
        return round_trip(x, rate, codec, vbr_quality=quality), rate
    if codec == "mp3":
        steps = (24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
        own = min(steps, key=lambda step: abs(step - own))
        # As FFmpeg does it from 48 on: the rate stays; below it is lowered, as LAME does.
        kept = rate if own >= 48 else None
        return round_trip(x, rate, codec, kbps=own, codec_rate=kept, joint_stereo=joint), rate
    if codec == "vorbis":
        own = kbps if channels == 2 else max(kbps / 2, 32)
    return round_trip(x, rate, codec, kbps=own, joint_stereo=joint), rate


def special(name: str, x: Audio, rate: int, rng: np.random.Generator) -> Audio:
    """Lossless sound of a kind that is easily accused."""
    n = x.shape[1]
    time = np.arange(n) / rate
    if name == "vinyl":
        y = low_pass(x, rate, float(rng.uniform(14000, 17000)))
        crackle = (rng.random(n) < 20 / rate) * rng.normal(0, 0.05, n)
        noise = rng.normal(0, 10 ** rng.uniform(-4.2, -3.2), x.shape)
        y = y + low_pass((noise + crackle).astype(np.float32), rate, 16000.0)
    elif name == "tape":
        y = low_pass(x, rate, 15000.0)
        hiss = rng.normal(0, 10 ** rng.uniform(-3.6, -2.6), x.shape).astype(np.float32)
        y = (np.tanh(1.5 * y) / 1.5).astype(np.float32) + low_pass(hiss, rate, 15000.0)
    elif name == "game":
        # Square waves and noise of eight bits at a low rate, held from sample to sample.
        hold = int(rng.integers(2, 6))
        notes = 110 * 2 ** (rng.integers(0, 36, n // (rate // 8) + 1) / 12)
        pitch = np.repeat(notes, rate // 8)[:n]
        phase = np.cumsum(pitch) / rate
        wave = np.where(phase % 1 < rng.choice([0.125, 0.25, 0.5]), 0.3, -0.3)
        beat = (time * 4 % 1 < 0.1) * rng.choice([-0.2, 0.2], n)
        mixed = np.round((wave + beat) * 127) / 127
        held = mixed[::hold].repeat(hold)[:n]
        y = np.tile(held, (x.shape[0], 1))
    elif name == "sines":
        y = np.zeros_like(x)
        for _ in range(int(rng.integers(1, 8))):
            hz = float(rng.choice([100, 440, 1000, 3000, rng.uniform(50, 15000)]))
            y += np.float32(rng.uniform(0.02, 0.2) * np.sin(2 * np.pi * hz * time))
        if rng.random() < 0.5:
            y[:, n // 3 : n // 2] = 0.0
    else:
        # So quiet that little but the noise of rounding is left, and silence.
        y = x * np.float32(10 ** rng.uniform(-3.3, -2.0))
        y[:, : n // 3] = 0.0
    return sixteen_bits(np.asarray(y, np.float32))


def look(x: Audio, rate: int) -> Evidence:
    """What the inspector gathers from a sound."""
    excerpts, meter = Excerpts(rate), LevelMeter(rate, x.shape[0], np.ones(x.shape[0]))
    for at in range(0, x.shape[1], 65536):
        block = np.ascontiguousarray(x[:, at : at + 65536])
        excerpts.push(block)
        meter.push(block)
    return gather(excerpts.finish(), rate, meter.finish().bits)


def row_of(case: Case, data: Path) -> dict[str, Any]:
    """A case with all that the bench and the fit need of it."""
    began = time.process_time()
    x, rate = build(case, data)
    made = time.process_time()
    evidence = look(x, rate)
    looked = time.process_time()
    best, named = evidence.best, zip(FEATURES, features(evidence).tolist(), strict=True)
    return {
        "key": case.key,
        **asdict(case),
        "rate": rate,
        "seconds": x.shape[1] / rate,
        "features": {name: round(value, 5) for name, value in named},
        "lattices": [
            [
                lattice.family.name,
                lattice.rate,
                round(lattice.strength, 2),
                round(lattice.score, 2),
                round(lattice.share, 2),
                lattice.shown,
            ]
            for lattice in evidence.lattices
        ],
        "codings": list(judge(evidence).codings),
        "mid_side": 0.0 if best is None else round(best.mid_side, 3),
        "intensity_hz": evidence.picture.intensity_hz,
        "same": evidence.picture.same,
        "made_s": round(made - began, 3),
        "looked_s": round(looked - made, 3),
    }


def load(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of cases."""
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def total_kbps(row: dict[str, Any]) -> float:
    """Of all channels together: a mono file was coded at half of its setting."""
    if row["features"]["channels"] == 2:
        return float(row["kbps"])
    return float(max(row["kbps"] / 2, 32 if row["codec"] == "vorbis" else 24))


def run(data: Path, split: str, out: Path, limit: int) -> None:
    """Add the cases that `out` has not yet."""
    done: set[str] = set()
    if out.exists():
        done = {row["key"] for row in load(out)}
    cases = training_cases(data) if split == "train" else validation_cases(data)
    with out.open("a") as file:
        for number, case in enumerate(cases):
            if number >= limit:
                return
            if case.key in done:
                continue
            done.add(case.key)
            print(json.dumps(row_of(case, data)), file=file, flush=True)


def main(arguments: list[str]) -> int:
    """Write the cases of a split."""
    if len(arguments) not in (3, 4) or arguments[1] not in ("train", "val"):
        print("usage: inspect_cases.py DATA train|val OUT [LIMIT]", file=sys.stderr)
        return 2
    limit = int(arguments[3]) if len(arguments) == 4 else 10**9
    run(Path(arguments[0]), arguments[1], Path(arguments[2]), limit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
