"""The instruments of the demo piece: oscillators, drums, delay and reverb in plain numpy.

Everything returns float64 at `RATE`; mono signals are 1-D, stereo ones (2, samples). Oscillators
are band-limited at `TOP_HZ`, noises reach up to it, so that the piece has what a codec takes
away.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "RATE",
    "TOP_HZ",
    "bass_note",
    "closed_hat",
    "convolve",
    "crash",
    "kick",
    "lead_note",
    "open_hat",
    "pad_note",
    "pan",
    "ping_pong",
    "pluck_note",
    "reverb_response",
    "shaker",
    "shaped_noise",
    "snare",
]

RATE = 44100
TOP_HZ = 20800.0
_TABLE = 8192

Signal = NDArray[np.float64]


def _time(seconds: float) -> Signal:
    return np.arange(round(seconds * RATE)) / RATE


def _note_hz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69.0) / 12.0))


def _fade(n: int, attack_s: float, release_s: float) -> Signal:
    """Raised-cosine attack and release around a plateau of 1."""
    t = np.arange(n) / RATE
    rise = np.clip(t / attack_s, 0.0, 1.0)
    fall = np.clip((n / RATE - t) / release_s, 0.0, 1.0)
    ramp: Signal = 0.25 * (1.0 - np.cos(np.pi * rise)) * (1.0 - np.cos(np.pi * fall))
    return ramp


@lru_cache(maxsize=512)
def _table(partials: int, slope: float, odd: bool) -> Signal:
    """One period of sines with amplitudes ``k ** -slope``, and its first sample again."""
    k = np.arange(1, partials + 1)
    spectrum = np.zeros(_TABLE // 2 + 1, dtype=np.complex128)
    spectrum[k] = -0.5j * _TABLE * k**-slope
    if odd:
        spectrum[2 : partials + 1 : 2] = 0.0
    table = np.fft.irfft(spectrum, n=_TABLE)
    return np.append(table, table[0])


def _oscillator(hz: Signal, slope: float, *, odd: bool = False, phase: float = 0.0) -> Signal:
    """Periodic wave of varying frequency with as many partials as fit below `TOP_HZ`."""
    table = _table(max(1, int(TOP_HZ / float(hz.max()))), slope, odd)
    position = (phase + np.cumsum(hz) / RATE) % 1.0 * _TABLE
    index = position.astype(np.intp)
    part = position - index
    wave: Signal = table[index] * (1.0 - part) + table[index + 1] * part
    return wave


def _response(
    n: int, low_hz: float, high_hz: float, slope_db: float, edge_octaves: float = 0.35
) -> Signal:
    """Magnitudes on an rfft grid: a band with soft edges and a tilt in dB per octave."""
    hz = np.maximum(np.fft.rfftfreq(n, 1.0 / RATE), 1.0)
    octaves = np.log2(hz)
    up = 0.5 + 0.5 * np.tanh((octaves - np.log2(low_hz)) / (0.5 * edge_octaves))
    # The top of the band is steep: cymbals end where the piece ends, not gradually before.
    fall = 0.02 if high_hz >= TOP_HZ else 0.5 * edge_octaves
    down = 0.5 + 0.5 * np.tanh((np.log2(high_hz) - octaves) / fall)
    tilt = 10.0 ** (slope_db * (octaves - np.log2(low_hz)) / 20.0)
    shape: Signal = up * down * tilt
    return shape


def shaped_noise(
    rng: np.random.Generator,
    seconds: float,
    low_hz: float,
    high_hz: float = TOP_HZ,
    slope_db: float = 0.0,
) -> Signal:
    """Noise with unit standard deviation in a band, tilted by `slope_db` per octave."""
    n = round(seconds * RATE)
    spectrum = np.fft.rfft(rng.standard_normal(n)) * _response(n, low_hz, high_hz, slope_db)
    noise = np.fft.irfft(spectrum, n=n)
    scaled: Signal = noise / noise.std()
    return scaled


def pan(signal: Signal, position: float) -> Signal:
    """Constant-power panning of a mono signal; -1 is left, +1 is right."""
    angle = 0.25 * np.pi * (1.0 + position)
    return np.stack([np.cos(angle) * signal, np.sin(angle) * signal])


def pad_note(rng: np.random.Generator, note: float, seconds: float) -> Signal:
    """Five detuned saws spread over the stereo field, with a slow swell, stereo."""
    t = _time(seconds)
    swell = 0.35 + 0.65 * np.sin(np.pi * np.clip(t / seconds, 0.0, 1.0)) ** 0.7
    out = np.zeros((2, t.size))
    for place in np.linspace(-1.0, 1.0, 5):
        cents = 9.0 * place + rng.uniform(-2.0, 2.0)
        hz = np.full(t.size, _note_hz(note + cents / 100.0))
        phase = rng.uniform()
        dark = _oscillator(hz, 2.0, phase=phase)
        bright = _oscillator(hz, 1.5, phase=phase)
        out += pan(dark + swell * (bright - dark), 0.95 * place)
    return out * _fade(t.size, 0.25, 0.35) * 0.3


def pluck_note(rng: np.random.Generator, note: float, seconds: float) -> Signal:
    """A plucked string: bright at the attack, darker as it rings, mono."""
    t = _time(seconds)
    hz = np.full(t.size, _note_hz(note))
    phase = rng.uniform()
    parts = [_oscillator(hz, slope, phase=phase) for slope in (1.1, 1.6, 2.4)]
    decays = [np.exp(-t / tau) for tau in (0.045, 0.16, 0.42)]
    ring = sum((p * d for p, d in zip(parts, decays, strict=True)), np.zeros(t.size))
    pick = shaped_noise(rng, seconds, 3000.0) * np.exp(-t / 0.006)
    return (ring + 0.06 * pick) * _fade(t.size, 0.0015, 0.05)


def bass_note(note: float, seconds: float) -> Signal:
    """A round bass with a short bright attack, mono."""
    t = _time(seconds)
    hz = np.full(t.size, _note_hz(note))
    body = _oscillator(hz, 2.2)
    growl = _oscillator(hz, 1.15, odd=True)
    return (body + 0.55 * growl * np.exp(-t / 0.16)) * _fade(t.size, 0.004, 0.05)


def lead_note(
    rng: np.random.Generator, note: float, seconds: float, slide_from: float | None = None
) -> Signal:
    """Two detuned saws and an octave above, with vibrato and a glide from the last note, mono."""
    t = _time(seconds)
    start = note if slide_from is None else slide_from
    glide = note + (start - note) * np.exp(-t / 0.022)
    vibrato = 0.16 * np.clip((t - 0.22) / 0.3, 0.0, 1.0) * np.sin(2.0 * np.pi * 5.4 * t)
    hz = 440.0 * 2.0 ** ((glide + vibrato - 69.0) / 12.0)
    bright = np.exp(-t / 0.35)
    out = np.zeros(t.size)
    for detune, slope, gain in ((1.0023, 1.2, 1.0), (0.9977, 1.2, 1.0), (2.0, 1.4, 0.3)):
        phase = rng.uniform()
        dark = _oscillator(detune * hz, slope + 0.55, phase=phase)
        out += gain * (dark + bright * (_oscillator(detune * hz, slope, phase=phase) - dark))
    breath = shaped_noise(rng, seconds, 5000.0, slope_db=-3.0) * (0.01 + 0.03 * bright)
    return (0.5 * out + breath) * _fade(t.size, 0.008, 0.06)


def kick(rng: np.random.Generator) -> Signal:
    """A sine falling from 190 to 47 Hz under a click, mono."""
    t = _time(0.42)
    hz = 47.0 + 143.0 * np.exp(-t / 0.028)
    body = np.sin(2.0 * np.pi * np.cumsum(hz) / RATE) * np.exp(-t / 0.15)
    click = shaped_noise(rng, 0.42, 1500.0) * np.exp(-t / 0.004)
    return (body + 0.16 * click) * _fade(t.size, 0.0008, 0.06)


def snare(rng: np.random.Generator) -> Signal:
    """Two drum-head modes and wires up to the top of the band, mono."""
    t = _time(0.36)
    head = np.sin(2.0 * np.pi * 186.0 * t) + 0.6 * np.sin(2.0 * np.pi * 331.0 * t)
    wires = shaped_noise(rng, 0.36, 1300.0, slope_db=-3.5) * np.exp(-t / 0.085)
    crack = shaped_noise(rng, 0.36, 3000.0, slope_db=-3.0) * np.exp(-t / 0.012)
    hit: Signal = 0.55 * head * np.exp(-t / 0.06) + 0.5 * wires + 0.35 * crack
    return hit * _fade(t.size, 0.0006, 0.08)


def _metal(rng: np.random.Generator, t: Signal, low_hz: float, partials: int) -> Signal:
    """Inharmonic partials, as of a struck plate."""
    hz = np.exp(rng.uniform(np.log(low_hz), np.log(0.9 * TOP_HZ), partials))
    phases = rng.uniform(0.0, 2.0 * np.pi, partials)
    out = np.zeros(t.size)
    for f, phase in zip(hz, phases, strict=True):
        out += np.sin(2.0 * np.pi * f * t + phase)
    scaled: Signal = out / np.sqrt(0.5 * partials)
    return scaled


def closed_hat(rng: np.random.Generator, tau_s: float = 0.03) -> Signal:
    """A short tick of metal and noise from 6 kHz up, mono."""
    t = _time(0.03 + 6.0 * tau_s)
    noise = shaped_noise(rng, 0.03 + 6.0 * tau_s, 6000.0, slope_db=-4.0)
    tick: Signal = (0.75 * noise + 0.35 * _metal(rng, t, 5500.0, 24)) * np.exp(-t / tau_s)
    return tick


def open_hat(rng: np.random.Generator) -> Signal:
    """The hat left open for an eighth, mono."""
    tail = closed_hat(rng, 0.11)
    return tail * _fade(tail.size, 0.001, 0.12)


def shaker(rng: np.random.Generator) -> Signal:
    """A soft swish, mono."""
    t = _time(0.11)
    swish = np.sin(np.pi * np.clip(t / 0.11, 0.0, 1.0)) ** 3
    swung: Signal = shaped_noise(rng, 0.11, 6500.0, slope_db=-4.0) * swish
    return swung


def crash(rng: np.random.Generator, seconds: float = 2.6) -> Signal:
    """A crash cymbal: bands that die the sooner the higher they are, stereo."""
    t = _time(seconds)
    out = np.zeros((2, t.size))
    bands = ((700.0, 3500.0, 0.95, 0.5), (3500.0, 9000.0, 0.75, 1.0), (9000.0, TOP_HZ, 0.55, 0.75))
    for low, high, tau, gain in bands:
        shared = shaped_noise(rng, seconds, low, high, -4.0)
        for side in out:
            side += (
                gain
                * np.exp(-t / tau)
                * (0.6 * shared + shaped_noise(rng, seconds, low, high, -4.0))
            )
    out += 0.5 * _metal(rng, t, 900.0, 60) * np.exp(-t / 0.8)
    return out * _fade(t.size, 0.002, 0.5) / 1.5


def reverb_response(rng: np.random.Generator) -> Signal:
    """Impulse response of a hall of 1.5 s that darkens as it dies, stereo, energy 1 per channel."""
    seconds = 1.9
    t = _time(seconds)
    out = np.zeros((2, t.size))
    bands = ((150.0, 1200.0, 1.7), (1200.0, 4000.0, 1.5), (4000.0, 9000.0, 1.0), (9e3, 18e3, 0.6))
    for low, high, t60 in bands:
        decay = 10.0 ** (-3.0 * t / t60)
        width = np.sqrt(high - low)
        for side in out:
            side += shaped_noise(rng, seconds, low, high) * decay * width
    out *= np.clip(t / 0.02, 0.0, 1.0)
    late = np.pad(out, ((0, 0), (round(0.018 * RATE), 0)))
    scaled: Signal = late / np.sqrt(np.sum(np.square(late), axis=1, keepdims=True))
    return scaled


def convolve(signal: Signal, response: Signal) -> Signal:
    """Channel by channel, cut to the length of the signal."""
    n = signal.shape[1]
    points = 1 << (n + response.shape[1] - 1).bit_length()
    product = np.fft.rfft(signal, points) * np.fft.rfft(response, points)
    wet: Signal = np.fft.irfft(product, points)[:, :n]
    return wet


def ping_pong(signal: Signal, delay_s: float, feedback: float) -> Signal:
    """Echoes of a stereo signal that change sides; the echoes alone."""
    step = round(delay_s * RATE)
    out = np.zeros_like(signal)
    echo, gain = signal, 1.0
    for repeat in range(1, 6):
        echo = echo[::-1]
        gain *= feedback
        if repeat * step >= signal.shape[1]:
            break
        out[:, repeat * step :] += gain * echo[:, : signal.shape[1] - repeat * step]
    return out
