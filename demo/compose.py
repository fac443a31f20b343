"""Compose the demo piece: six bars of music, made of numpy alone, and its coded version.

Run as a script it writes the lossless piece to demo/out/reference.wav; with ``--coded`` it also
makes demo/coded.mp3 again, the clip that is bundled. The piece is the project's own work, under
the project's licences; the same seed always gives the same music.
"""

from __future__ import annotations

import argparse
import io
import sys
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instruments import (
    RATE,
    Signal,
    bass_note,
    closed_hat,
    convolve,
    crash,
    kick,
    lead_note,
    open_hat,
    pad_note,
    pan,
    ping_pong,
    pluck_note,
    reverb_response,
    shaker,
    snare,
)

__all__ = ["BPM", "CODED", "CODED_KBPS", "OUT", "RATE", "SECONDS", "compose", "encode_mp3"]

HERE = Path(__file__).resolve().parent
CODED = HERE / "coded.mp3"
OUT = HERE / "out"
CODED_KBPS = 64

BPM = 112.0
BEAT_S = 60.0 / BPM
BARS = 6
SECONDS = BARS * 4 * BEAT_S + 1.6

# MIDI notes: bass, pad voicing, arpeggio. Dm9, Bb maj9, F add9, C6, Bb maj7, C sus; ends on F add9.
CHORDS: tuple[tuple[int, tuple[int, ...], tuple[int, ...]], ...] = (
    (38, (53, 57, 60, 64), (62, 69, 72, 76)),
    (34, (53, 57, 60, 62), (65, 70, 74, 77)),
    (41, (53, 57, 60, 67), (65, 69, 72, 79)),
    (36, (52, 55, 57, 64), (64, 67, 72, 76)),
    (34, (53, 57, 58, 62), (62, 65, 70, 77)),
    (36, (53, 55, 60, 62), (60, 67, 72, 77)),
)
LAST_CHORD = (29, (53, 57, 60, 67), (65, 69, 72, 77, 84))
ARPEGGIO = (0, 2, 1, 3, 2, 1, 3, 2)

# (beat, length in beats, note)
MELODY: tuple[tuple[float, float, int], ...] = (
    (4.0, 0.75, 77),
    (4.75, 0.75, 74),
    (5.5, 0.5, 72),
    (6.0, 1.25, 74),
    (7.5, 0.5, 69),
    (8.0, 1.0, 72),
    (9.0, 0.5, 69),
    (9.5, 0.5, 72),
    (10.0, 1.25, 77),
    (11.5, 0.5, 79),
    (12.0, 1.5, 76),
    (13.5, 0.5, 74),
    (14.0, 1.0, 72),
    (15.0, 0.5, 67),
    (15.5, 0.5, 69),
    (16.0, 1.0, 74),
    (17.0, 0.5, 77),
    (17.5, 1.25, 81),
    (19.0, 0.5, 79),
    (19.5, 0.5, 77),
    (20.0, 1.0, 79),
    (21.0, 0.5, 76),
    (21.5, 1.0, 72),
    (22.5, 0.75, 74),
    (23.25, 0.75, 76),
    (24.0, 2.2, 77),
)


class _Bus:
    """A stereo track to which notes are added at beats."""

    def __init__(self, length: int) -> None:
        self.audio: Signal = np.zeros((2, length))

    def add(self, signal: Signal, beat: float, gain: float, position: float = 0.0) -> None:
        stereo = pan(signal, position) if signal.ndim == 1 else signal
        start = max(0, round(beat * BEAT_S * RATE))
        count = min(stereo.shape[1], self.audio.shape[1] - start)
        self.audio[:, start : start + count] += gain * stereo[:, :count]


def _play_pad(bus: _Bus, rng: np.random.Generator) -> None:
    for bar, (_, voicing, _) in enumerate(CHORDS):
        for note in voicing:
            bus.add(pad_note(rng, note, 4.4 * BEAT_S), 4.0 * bar, 0.11)
    for note in LAST_CHORD[1]:
        bus.add(pad_note(rng, note, 1.6), 24.0, 0.11)


def _play_plucks(bus: _Bus, rng: np.random.Generator) -> None:
    for bar, (_, _, notes) in enumerate(CHORDS):
        for step, index in enumerate(ARPEGGIO):
            accent = 1.0 if step % 3 == 0 else 0.72
            side = -0.55 if step % 2 else 0.55
            late = rng.uniform(0.0, 0.012)
            bus.add(
                pluck_note(rng, notes[index], 0.9),
                4.0 * bar + 0.5 * step + late,
                0.17 * accent * rng.uniform(0.9, 1.1),
                side,
            )
    for k, note in enumerate(LAST_CHORD[2]):
        bus.add(pluck_note(rng, note, 1.5), 24.0 + 0.06 * k, 0.15, -0.6 + 0.3 * k)


def _play_bass(bus: _Bus) -> None:
    for bar, (root, _, _) in enumerate(CHORDS[1:], start=1):
        for beat, length, up in ((0.0, 0.7, 0), (1.5, 0.4, 0), (2.0, 0.7, 7), (3.0, 0.45, 12)):
            bus.add(bass_note(root + up, length * BEAT_S), 4.0 * bar + beat, 0.3)
    bus.add(bass_note(LAST_CHORD[0] + 12, 1.5), 24.0, 0.3)


def _play_lead(bus: _Bus, rng: np.random.Generator) -> None:
    before: float | None = None
    for beat, length, note in MELODY:
        seconds = min(length * BEAT_S + 0.04, SECONDS - beat * BEAT_S)
        bus.add(lead_note(rng, note, seconds, before), beat, 0.2, 0.08)
        before = note


def _play_drums(bus: _Bus, rng: np.random.Generator) -> list[float]:
    """Fill the drum bus; returns the beats of the kick."""
    kicks: list[float] = []
    for bar in range(BARS):
        for step in range(16):
            beat = 4.0 * bar + 0.25 * step
            human = rng.uniform(0.85, 1.1)
            # The off-sixteenths come a little late: swing.
            swung = beat + (0.03 if step % 2 else 0.0)
            if bar > 0 and step % 8 == 6:
                bus.add(open_hat(rng), swung, 0.03 * human, 0.3)
            elif step % 2 == 0 or bar > 1:
                weight = 0.045 if step % 4 == 0 else 0.032 if step % 2 == 0 else 0.018
                bus.add(closed_hat(rng), swung, weight * human, 0.3)
            if bar > 0:
                bus.add(shaker(rng), swung, (0.014 if step % 4 else 0.008) * human, -0.5)
        if bar == 0:
            continue
        for beat in (0.0, 1.75, 2.0, 3.5) if bar % 2 else (0.0, 0.75, 2.0, 2.75):
            kicks.append(4.0 * bar + beat)
        for beat in (1.0, 3.0):
            bus.add(snare(rng), 4.0 * bar + beat, 0.3, -0.05)
        bus.add(snare(rng), 4.0 * bar + 3.78, 0.07, -0.05)
    for step in range(4):
        bus.add(snare(rng), 3.0 + 0.25 * step, 0.1 + 0.05 * step, -0.15 + 0.1 * step)
    kicks.append(24.0)
    bus.add(crash(rng), 4.0, 0.045)
    bus.add(crash(rng), 16.0, 0.03)
    bus.add(crash(rng), 24.0, 0.05)
    for beat in kicks:
        bus.add(kick(rng), beat, 0.52)
    return kicks


def _ducking(length: int, kicks: list[float]) -> Signal:
    """Gain of the pad: it makes room for every kick and swells back within a beat."""
    gain = np.ones(length)
    dip = 1.0 - 0.55 * np.exp(-np.arange(round(0.5 * RATE)) / (0.13 * RATE))
    for beat in kicks:
        start = round(beat * BEAT_S * RATE)
        count = min(dip.size, length - start)
        gain[start : start + count] = np.minimum(gain[start : start + count], dip[:count])
    return gain


def _soften(mix: Signal) -> Signal:
    """Fall by 5 dB per octave above 4.5 kHz: flat noise is harsher than any recording."""
    hz = np.fft.rfftfreq(mix.shape[1], 1.0 / RATE)
    tilt = (1.0 + (hz / 4500.0) ** 2) ** (-5.0 / 12.04)
    soft: Signal = np.fft.irfft(np.fft.rfft(mix) * tilt, n=mix.shape[1])
    return soft


@cache
def compose(seed: int = 0) -> NDArray[np.float32]:
    """The whole piece.

    Parameters
    ----------
    seed : int
        Of noise, detuning and human timing; the notes are written down.

    Returns
    -------
    array, shape (2, samples), float32
        `SECONDS` at `RATE`, peaks at -1 dBFS, read-only.
    """
    rng = np.random.default_rng(seed)
    length = round(SECONDS * RATE)
    pad, plucks, bass, lead, drums = (_Bus(length) for _ in range(5))
    _play_pad(pad, rng)
    _play_plucks(plucks, rng)
    _play_bass(bass)
    _play_lead(lead, rng)
    kicks = _play_drums(drums, rng)
    pad.audio *= _ducking(length, kicks)
    plucks.audio += ping_pong(plucks.audio, 0.75 * BEAT_S, 0.42)
    lead_wide = lead.audio + ping_pong(lead.audio, 0.5 * BEAT_S, 0.22)
    dry = pad.audio + plucks.audio + bass.audio + lead_wide + drums.audio
    send = 0.5 * pad.audio + 0.6 * plucks.audio + 0.55 * lead.audio + 0.16 * drums.audio
    mix = dry + 0.5 * convolve(send, reverb_response(rng))
    mix = _soften(mix)
    # Glue: a soft knee takes the peaks, as a mastering limiter would.
    mix = np.tanh(0.7 * mix / np.quantile(np.abs(mix), 0.9995))
    end = round(0.35 * RATE)
    mix[:, -end:] *= 0.5 + 0.5 * np.cos(np.linspace(0.0, np.pi, end))
    piece: NDArray[np.float32] = (mix * (10.0 ** (-1.0 / 20.0) / np.abs(mix).max())).astype(
        np.float32
    )
    piece.setflags(write=False)
    return piece


def encode_mp3(audio: NDArray[np.float32]) -> bytes:
    """The piece as an MP3 file of `CODED_KBPS`, at its own sample rate.

    `uncodec.codecs.encode` follows LAME in going down to 32 kHz for 64 kb/s. Files of 44.1 kHz at
    this rate are just as common, and leave room above the cut-off (11 kHz) for what is to be
    restored.
    """
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        container.metadata.update(title="Six bars in F", artist="Uncodec demo")
        stream = container.add_stream("libmp3lame", rate=RATE, layout="stereo")
        stream.bit_rate = 1000 * CODED_KBPS
        stream.codec_context.format = "fltp"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), "fltp", "stereo")
        frame.sample_rate = RATE
        for packets in (stream.encode(frame), stream.encode(None)):
            container.mux(packets)
    return buffer.getvalue()


def main() -> int:
    """Write the piece, and with ``--coded`` the bundled clip."""
    from uncodec.io import write_audio

    parser = argparse.ArgumentParser(description="Compose the demo piece.")
    parser.add_argument("--coded", action="store_true", help="make demo/coded.mp3 again as well")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    target = OUT / "reference.wav"
    write_audio(target, compose(), RATE, overwrite=True)
    print(f"{target}: {SECONDS:.1f} s, lossless")
    if options.coded:
        data = encode_mp3(compose())
        CODED.write_bytes(data)
        print(f"{CODED}: MP3, {CODED_KBPS} kb/s, {len(data) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
