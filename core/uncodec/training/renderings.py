"""Full-band teachers of levels that nobody has to record: scores through sound fonts, and noise.

Games ship scores as well as recordings, and Debian has sound fonts of real instruments. fluidsynth
(Debian, Ubuntu: apt-get install fluidsynth) makes music without a codec of them. Besides, each
instrument plays a phrase alone, for recordings of soloists are rare. What rushes, such as sea, rain
and applause, is drawn as noise of many colours that swells.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile as sf

from uncodec.errors import UncodecError
from uncodec.signals import Array
from uncodec.training.synthesis import smooth_gains

__all__ = ["FONT_PACKAGES", "NAME", "SCORE_PACKAGES", "phrase", "render_all", "rushing"]

NAME = "renderings"
"""What stands for a package in the list of recordings."""

FONT_PACKAGES = (
    "csound-soundfont",
    "denemo-data",
    "fluid-soundfont-gm",
    "minuet-data",
    "musescore-general-soundfont-lossless",
)
"""Debian packages with sound fonts of General MIDI."""
SCORE_PACKAGES = (
    "freedink-data",
    "openttd-openmsx",
    "pianobooster",
    "planetblupi-music-midi",
    "simutrans-data",
)
"""Debian packages with MIDI files."""

RATE = 44100
# Of a tune; a phrase of a soloist, a stretch of noise.
_TUNE_S, _PHRASE_S, _RUSH_S = 90.0, 20.0, 20.0
_SOLOS, _RUSHES = 200, 80
# General MIDI: programs above are effects, this channel is drums.
_PROGRAMS, _DRUMS = 120, 9
_TICKS = 480
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))


def phrase(rng: np.random.Generator, program: int, seconds: float) -> bytes:
    """A MIDI file in which one instrument plays a melody, at times in chords.

    Parameters
    ----------
    rng : numpy Generator
    program : int
        0 to 119; from 120 on drums.
    seconds : float

    Returns
    -------
    bytes
        A standard MIDI file of format 0.
    """
    channel = _DRUMS if program >= _PROGRAMS else 0
    # At 120 beats a minute a beat is half a second.
    last = int(seconds * 2 * _TICKS)
    scale, root = _SCALES[int(rng.integers(len(_SCALES)))], int(rng.integers(40, 66))
    unit = int(rng.choice([_TICKS // 4, _TICKS // 2, _TICKS]))
    legato, chords = rng.uniform(0.3, 1.2), rng.random() < 0.3
    kit = rng.choice(np.arange(35, 60), 6, replace=False)
    loud = int(rng.integers(50, 110))
    events: list[tuple[int, bytes]] = []
    place, step = 0, 0
    while place < last:
        length = unit * int(rng.choice([1, 1, 2, 4]))
        step = int(np.clip(step + rng.integers(-3, 4), -5, 12))
        octave, degree = divmod(step, len(scale))
        notes = [root + 12 * octave + scale[degree]]
        if channel == _DRUMS:
            notes = [int(n) for n in rng.choice(kit, int(rng.integers(1, 3)), replace=False)]
        elif chords:
            notes += [notes[0] + 4, notes[0] + 7]
        if rng.random() < 0.85:
            for note in notes:
                force = int(np.clip(loud + rng.integers(-25, 18), 1, 127))
                events.append((place, bytes([0x90 | channel, note, force])))
                events.append(
                    (place + max(1, int(length * legato)), bytes([0x80 | channel, note, 0]))
                )
        place += length
    track = bytearray()
    if channel != _DRUMS:
        track += bytes([0, 0xC0 | channel, program])
    now = 0
    for at, event in sorted(events, key=lambda entry: entry[0]):
        track += _variable(at - now) + event
        now = at
    track += bytes([0, 0xFF, 0x2F, 0])
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    return head + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable(value: int) -> bytes:
    """A number in seven bits a byte, the highest first."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(0x80 | (value & 0x7F))
    return bytes(reversed(parts))


def rushing(rng: np.random.Generator, seconds: float, rate: int = RATE) -> Array:
    """Draw noise of a colour that swells, such as sea, wind, rain, a crowd.

    Returns
    -------
    ndarray [shape=(2, samples), float32]
        Peak 0.1 to 0.9.
    """
    samples = round(seconds * rate)
    size = 1 << (samples - 1).bit_length()
    bins = size // 2 + 1
    hz = np.linspace(0.0, rate / 2, bins)
    out = np.zeros((2, samples))
    for _ in range(int(rng.integers(1, 4))):
        # From white to brown and beyond, above a corner; with an equaliser of any shape.
        slope, corner = rng.uniform(0.0, 1.1), 10 ** rng.uniform(1.7, 3.5)
        shape = (1.0 + hz / corner) ** -slope * smooth_gains(rng, bins, 4.0, 12.0)
        middle, apart = np.fft.irfft(
            np.fft.rfft(rng.standard_normal((2, size)), axis=1) * shape, axis=1
        )[:, :samples]
        width = rng.uniform(0.0, 1.0)
        layer = np.stack([middle + width * apart, middle - width * apart])
        layer *= _swell(rng, samples, rate) / (layer.std() + 1e-12)
        out += layer * 10 ** (rng.uniform(-15.0, 0.0) / 20)
    return np.asarray(out * rng.uniform(0.1, 0.9) / np.abs(out).max(), np.float32)


def _swell(rng: np.random.Generator, samples: int, rate: int) -> Array:
    """Slow ups and downs of some dB, or none."""
    beat = 10 ** rng.uniform(-1.0, 0.8)
    count = max(2, int(samples / rate * beat) + 2)
    curve_db = rng.normal(0.0, rng.uniform(0.0, 8.0), count)
    places = np.linspace(0.0, samples, count)
    return np.asarray(10 ** (np.interp(np.arange(samples), places, curve_db) / 20), np.float32)


def render_all(folder: Path, fonts: Sequence[Path], scores: Sequence[Path]) -> Iterator[str]:
    """Render what is not there yet into a folder of recordings; yields names of files.

    Parameters
    ----------
    folder : Path
    fonts : sequence of Path
        Sound fonts (.sf2).
    scores : sequence of Path
        MIDI files. Each is played by one of the fonts.

    Raises
    ------
    UncodecError
        fluidsynth is missing or fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(_RUSHES):
        path = folder / f"rushing-{number:03d}.flac"
        if not path.exists():
            _write(path, rushing(np.random.default_rng([31, number]), _RUSH_S).T)
            yield path.name
    fonts = sorted(fonts, key=lambda font: font.name)
    for number, score in enumerate(sorted(scores)):
        path = folder / f"tune-{number:03d}-{score.stem}.flac"
        if fonts and not path.exists():
            font = fonts[int(np.random.default_rng([32, number]).integers(len(fonts)))]
            _render(font, score, path, _TUNE_S)
            yield path.name
    for number in range(_SOLOS if fonts else 0):
        path = folder / f"solo-{number:03d}.flac"
        if path.exists():
            continue
        rng = np.random.default_rng([33, number])
        font = fonts[int(rng.integers(len(fonts)))]
        program = int(rng.integers(_PROGRAMS + 10))
        score = path.with_suffix(".mid")
        score.write_bytes(phrase(rng, program, _PHRASE_S))
        _render(font, score, path, _PHRASE_S + 2.0)
        score.unlink()
        yield path.name


def _render(font: Path, score: Path, path: Path, seconds: float) -> None:
    """Play a score into a FLAC of so many seconds at most, normalised."""
    if shutil.which("fluidsynth") is None:
        raise UncodecError(
            "fluidsynth: must be there to render scores "
            "(Debian, Ubuntu: apt-get install fluidsynth)"
        )
    raw = path.with_suffix(".wav")
    command = ["fluidsynth", "-ni", "-q", "-r", str(RATE), "-g", "0.3", "-O", "float", "-T", "wav"]
    try:
        subprocess.run(
            [*command, "-F", str(raw), str(font), str(score)],
            check=True, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        audio, _ = sf.read(raw, frames=round(seconds * RATE), dtype="float32", always_2d=True)
    except (subprocess.SubprocessError, OSError, sf.LibsndfileError) as error:
        raise UncodecError(f"{score}: fluidsynth cannot render it ({error})") from error
    finally:
        raw.unlink(missing_ok=True)
    peak = float(np.abs(audio).max()) if len(audio) else 0.0
    _write(path, audio * (0.7 / peak if peak > 0 else 1.0))


def _write(path: Path, audio: Array) -> None:
    """Write a whole FLAC, [shape=(samples, channels)], or none."""
    part = path.with_suffix(".part")
    sf.write(part, audio, RATE, format="FLAC")
    part.replace(path)
