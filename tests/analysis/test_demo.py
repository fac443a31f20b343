"""The demo piece: the same every time, full-band, and the bundled clip is its coded version."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from uncodec.analysis.loudness import integrated_loudness
from uncodec.analysis.metrics import find_onsets, score
from uncodec.analysis.spectra import power_spectra, stft

DEMO = Path(__file__).resolve().parents[2] / "demo"


@pytest.fixture(scope="module")
def compose():
    """The demo's own module, which is a script and not part of the package."""
    sys.path.insert(0, str(DEMO))
    try:
        yield import_module("compose")
    finally:
        sys.path.remove(str(DEMO))


def third_octave_db(audio, hz, rate):
    power = power_spectra(stft(audio, 4096, 2048)).mean(axis=(0, 1))
    bins = np.arange(2049) * rate / 4096
    return 10 * np.log10(power[(bins >= hz * 2 ** (-1 / 6)) & (bins < hz * 2 ** (1 / 6))].sum())


def test_the_piece_is_a_full_band_stereo_recording(compose):
    piece = compose.compose()
    assert piece.shape == (2, round(compose.SECONDS * compose.RATE))
    assert 12.0 <= compose.SECONDS <= 15.0
    assert np.abs(piece).max() == pytest.approx(10 ** (-1 / 20), abs=1e-6)
    assert -16.0 < integrated_loudness(piece, compose.RATE) < -10.0
    assert find_onsets(piece, compose.RATE).size >= 10
    mid, side = piece[0] + piece[1], piece[0] - piece[1]
    assert -15.0 < 10 * np.log10(np.mean(side**2) / np.mean(mid**2)) < -5.0


def test_the_spectrum_has_the_tilt_of_music_up_to_20_khz(compose):
    piece = compose.compose()
    middle = third_octave_db(piece, 500.0, compose.RATE)
    tilt = {hz: third_octave_db(piece, hz, compose.RATE) - middle for hz in (2e3, 8e3, 16e3, 2e4)}
    assert -16.0 < tilt[2e3] < -6.0
    assert -28.0 < tilt[8e3] < -16.0
    assert -35.0 < tilt[16e3] < -22.0
    assert -40.0 < tilt[2e4] < -26.0


def test_the_bundled_clip_is_this_piece_aligned_to_the_sample(compose):
    from uncodec.io import read_audio

    assert compose.CODED.stat().st_size < 200_000
    piece = compose.compose()
    coded, rate = read_audio(compose.CODED)
    assert rate == compose.RATE
    assert 0 <= coded.shape[1] - piece.shape[1] < 2304
    coded = coded[:, : piece.shape[1]]
    points = 1 << 20
    cross = np.fft.irfft(
        np.fft.rfft(coded[0], points) * np.conj(np.fft.rfft(piece[0], points)), points
    )
    assert int(np.argmax(cross)) == 0
    scores = score(piece, coded, rate)
    # What the demo is to mend: nothing above 11 kHz, most of the waveform there.
    assert scores["lsd_high"] > 4.0
    assert scores["lsd_low"] < 1.0
    assert scores["si_sdr_db"] > 15.0


def test_the_same_seed_gives_the_same_samples(compose):
    one = compose.compose()
    compose.compose.cache_clear()
    assert np.array_equal(compose.compose(), one)


def test_the_table_begins_with_the_coded_clip(compose):
    run = import_module("run")
    piece = compose.compose()[:, : compose.RATE * 2]
    short = run.fit(0.5 * piece[:, :-500], piece.shape[1])
    assert short.shape == piece.shape
    rows = run.score_rows(piece, compose.RATE, {"untouched input": short, "restored": piece})
    assert [r.restorer for r in rows] == ["untouched input", "restored"]
    assert rows[1].scores["lsd"].mean == 0.0
