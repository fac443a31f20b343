"""Endless clean mixes out of a folder of clean recordings.

A mix is a pure function of (folder, seed, index): the same index gives the same samples, so that a
set of training pairs can be rebuilt or continued at any point. The effects are pedalboard's own.
"""

from __future__ import annotations

import numpy as np
import pedalboard as pb
import soundfile as sf
from pedalboard._pedalboard import Pedalboard
from pedalboard.io import StreamResampler

from uncodec.errors import AudioFileError, InvalidValue
from uncodec.rates import NETWORK_RATES
from uncodec.signals import Array
from uncodec.training.recordings import Source
from uncodec.training.synthesis import synthesize

__all__ = ["Mixer", "resample"]


# How often a layer of a mix comes from a folder of that name; folders of other names count as 1.
FOLDER_WEIGHTS = {"music-mix": 3.0, "solo": 2.0, "drums": 2.5, "voice": 3.5}
# How often a recording of that kind is cut up into a sequence; folders of other names 0.25.
SEQUENCED = {"music-mix": 0.0, "ambience": 0.0, "voice": 0.05, "drums": 0.5, "solo": 0.35}
# How often a layer is synthetic instead.
SYNTHETIC = 0.15
# How often a voice, where there are any, is put over what else was mixed.
VOICE_OVER = 0.12
# Semitones of a sequence.
SCALES = ((0, 2, 4, 7, 9), (0, 3, 5, 7, 10), (0, 4, 7, 12), (0, 1, 2, 3, 4, 5))


class Mixer:
    """Draws stereo mixes of one to eight layers.

    Parameters
    ----------
    sources : list of Source
    sample_rate : int
        44100 or 48000, in Hz.
    seconds : float
        Length of a mix, 0.5 or more.
    seed : int
    """

    def __init__(
        self,
        sources: list[Source],
        *,
        sample_rate: int = 44100,
        seconds: float = 4.0,
        seed: int = 0,
    ) -> None:
        if sample_rate not in NETWORK_RATES:
            raise InvalidValue(f"sample_rate={sample_rate}: must be 44100 or 48000")
        if not seconds >= 0.5:
            raise InvalidValue(f"seconds={seconds}: must be 0.5 or more")
        if not sources:
            raise InvalidValue("sources=[]: must hold at least one recording")
        self.sample_rate = sample_rate
        self.samples = round(seconds * sample_rate)
        self.seed = seed
        self._kinds: dict[str, list[Source]] = {}
        for source in sources:
            self._kinds.setdefault(source.kind, []).append(source)

    def mix(self, index: int) -> Array:
        """Return mix number `index`, [shape=(2, samples)], peak at most 1."""
        rng = np.random.default_rng([self.seed, index, self.sample_rate])
        layers = int(rng.choice([1, 2, 3, 4, 5, 6, 8], p=[0.4, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03]))
        out = np.zeros((2, self.samples), np.float32)
        for number in range(layers):
            level_db = rng.uniform(-3, 0) if number == 0 else rng.uniform(-18, 3)
            _add(out, self._layer(rng, first=number == 0), level_db)
        if "voice" in self._kinds and rng.random() < VOICE_OVER:
            _add(out, self._record(rng, "voice"), rng.uniform(-6, 6))
        return self._master(rng, out)

    def _layer(self, rng: np.random.Generator, first: bool) -> Array:
        if rng.random() < SYNTHETIC:
            return self._colour(rng, synthesize(rng, self.samples, self.sample_rate))
        kinds = sorted(self._kinds)
        weights = np.array([FOLDER_WEIGHTS.get(kind, 1.0) for kind in kinds])
        if first and rng.random() < 0.5 and "music-mix" in self._kinds:
            kind = "music-mix"
        else:
            kind = str(rng.choice(kinds, p=weights / weights.sum()))
        return self._record(rng, kind)

    def _record(self, rng: np.random.Generator, kind: str) -> Array:
        """A coloured stretch of a recording of that kind, or a rhythm made of its sounds."""
        pool = self._kinds[kind]
        seconds = np.array([source.seconds for source in pool])
        choice = pool[int(rng.choice(len(pool), p=seconds / seconds.sum()))]
        # Upwards only: a lower pitch would leave the top of the band empty, and the model would
        # learn to leave it so.
        speed = 2 ** (rng.integers(1, 5) / 12) if rng.random() < 0.3 else 1.0
        if rng.random() < SEQUENCED.get(kind, 0.25):
            audio = self._sequence(rng, self._read(rng, choice, max(12.0, choice.seconds), speed))
        else:
            audio = self._cut(rng, self._read(rng, choice, self.samples / self.sample_rate, speed))
        return self._colour(rng, audio)

    def _read(
        self, rng: np.random.Generator, source: Source, seconds: float, speed: float
    ) -> Array:
        """Read a stretch at random that lasts `seconds` when played `speed` times as fast."""
        try:
            with sf.SoundFile(str(source.path)) as file:
                count = min(file.frames, round(seconds * speed * file.samplerate) + 64)
                file.seek(int(rng.integers(0, file.frames - count + 1)))
                audio = file.read(count, dtype="float32", always_2d=True)
                ratio = speed * file.samplerate / self.sample_rate
        except (OSError, sf.LibsndfileError) as error:
            raise AudioFileError(f"{source.path}: cannot be read as audio ({error})") from error
        if not np.isfinite(audio).all():
            raise AudioFileError(f"{source.path}: must be finite, holds NaN or infinite samples")
        stereo = np.ascontiguousarray(np.broadcast_to(audio.T, (2, len(audio))))
        return stereo if ratio == 1 else _play(stereo, ratio)

    def _cut(self, rng: np.random.Generator, audio: Array) -> Array:
        """Cut a stretch at random; what is too short is repeated with short fades."""
        length = audio.shape[1]
        if length >= self.samples:
            start = int(rng.integers(0, length - self.samples + 1))
            return audio[:, start : start + self.samples].copy()
        faded = _fade_ends(audio)
        turns = -(-self.samples // length)
        looped = np.tile(faded, (1, turns + 1))
        start = int(rng.integers(0, length))
        return looped[:, start : start + self.samples].copy()

    def _sequence(self, rng: np.random.Generator, audio: Array) -> Array:
        """Cut the recording at its sharpest onsets and play the sounds in rhythm and in pitch.

        The grid has sixteenths of 80 to 160 beats a minute. Half of the sequences keep the pitch
        (drums), the others climb a scale upwards from it.
        """
        step = int(self.sample_rate * 60 / rng.uniform(80, 160) / 4)
        hop = 512
        power = np.square(audio[:, : audio.shape[1] // hop * hop]).sum(0).reshape(-1, hop).sum(1)
        rise = np.diff(np.log10(power + 1e-8), prepend=-8.0)
        # 4 ms ahead of the hop that rises, so that no attack is cut.
        hits = np.maximum(0, np.sort(np.argsort(rise)[-8:]) * hop - hop // 3)
        steps = SCALES[int(rng.integers(len(SCALES)))] if rng.random() < 0.5 else (0,)
        played: dict[tuple[int, int], Array] = {}
        longest = 4 * step
        out = np.zeros((2, self.samples), np.float32)
        for position in range(0, self.samples, step):
            if rng.random() < 0.5:
                continue
            start, note = int(rng.choice(hits)), int(rng.choice(steps))
            if (start, note) not in played:
                speed = 2 ** (note / 12)
                sound = audio[:, start : start + int(longest * speed)]
                played[start, note] = _play(sound, speed) if note else sound
            piece = _fade_ends(played[start, note][:, : int(step * rng.uniform(1, 4))])
            piece = piece[:, : self.samples - position]
            gain = np.float32(rng.uniform(0.3, 1.0))
            out[:, position : position + piece.shape[1]] += piece * gain
        return out

    def _colour(self, rng: np.random.Generator, audio: Array) -> Array:
        """Width, pan, equaliser, compressor and room, each with its own chance."""
        mid, side = (audio[0] + audio[1]) / 2, (audio[0] - audio[1]) / 2
        side = side * np.float32(rng.uniform(0.0, 1.5) if rng.random() < 0.5 else 1.0)
        if rng.random() < 0.05:
            side = np.zeros_like(side)
        pan = rng.uniform(-0.7, 0.7) if rng.random() < 0.4 else 0.0
        gains = np.sqrt(np.array([1 - pan, 1 + pan])).astype(np.float32)
        audio = np.stack([mid + side, mid - side]) * gains[:, None]
        chain: list[pb.Plugin] = []
        if rng.random() < 0.5:
            # Downwards on average: the sum of several layers is as bright as its brightest.
            chain.append(pb.HighShelfFilter(rng.uniform(2000, 9000), rng.uniform(-14, 4)))
        if rng.random() < 0.3:
            chain.append(pb.PeakFilter(rng.uniform(200, 6000), rng.uniform(-6, 6), 0.8))
        if rng.random() < 0.3:
            chain.append(pb.LowShelfFilter(rng.uniform(80, 300), rng.uniform(-6, 6)))
        if rng.random() < 0.2:
            chain.append(pb.Compressor(rng.uniform(-30, -12), rng.uniform(2, 5), 5.0, 120.0))
        if rng.random() < 0.25:
            chain.append(
                pb.Reverb(
                    room_size=rng.uniform(0.1, 0.8),
                    damping=rng.uniform(0.0, 0.6),
                    wet_level=rng.uniform(0.05, 0.3),
                    dry_level=0.8,
                )
            )
        if not chain:
            return audio
        return Pedalboard(chain)(audio, self.sample_rate, buffer_size=8192)

    def _master(self, rng: np.random.Generator, audio: Array) -> Array:
        if rng.random() < 0.35:
            loud = audio * np.float32(10 ** (rng.uniform(6, 14) / 20))
            audio = Pedalboard([pb.Limiter(-1.0, 80.0)])(loud, self.sample_rate)
        peak = float(np.max(np.abs(audio)))
        if peak < 1e-5:
            return audio
        top_db = rng.uniform(-6.0, -0.2) if rng.random() < 0.7 else rng.uniform(-30.0, -6.0)
        return np.ascontiguousarray(audio * np.float32(10 ** (top_db / 20) / peak), np.float32)


def _add(out: Array, layer: Array, level_db: float) -> None:
    """Add a layer at a level relative to -20 dB; one that is silent adds nothing."""
    rms = float(np.sqrt(np.mean(layer**2)))
    if rms >= 1e-5:
        out += layer * np.float32(0.1 / rms * 10 ** (level_db / 20))


def resample(audio: Array, rate: float, to: float) -> Array:
    """Audio, [shape=(channels, samples)], at another sample rate."""
    resampler = StreamResampler(float(rate), float(to), audio.shape[0])
    parts = [resampler.process(np.ascontiguousarray(audio)), resampler.process(None)]
    return np.ascontiguousarray(np.concatenate(parts, axis=1), np.float32)


def _play(audio: Array, speed: float) -> Array:
    """Play `audio` `speed` times as fast."""
    return resample(audio, round(44100 * speed), 44100)


def _fade_ends(audio: Array) -> Array:
    faded = audio.copy()
    n = min(256, audio.shape[1] // 2)
    if n:
        ramp = np.linspace(0, 1, n, dtype=np.float32)
        faded[:, :n] *= ramp
        faded[:, -n:] *= ramp[::-1]
    return faded
