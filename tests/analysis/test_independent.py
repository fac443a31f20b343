"""The metrics against other people's implementations of them.

auraloss and pyloudnorm come with the development requirements, FFmpeg's ebur128 with PyAV.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import stft

from uncodec.analysis.loudness import integrated_loudness
from uncodec.analysis.metrics import lsd, mr_stft, si_sdr
from uncodec.codecs.resampling import low_pass


def music(rate, seconds=3.0, seed=0):
    """Noise bursts, panned, of falling spectrum: loud and soft stretches, both channels unlike."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (2, round(seconds * rate)))
    noise = noise + 3 * low_pass(noise.astype(np.float32), rate, 2000.0)
    beat = 0.03 + np.abs(np.sin(2 * np.pi * 0.7 * np.arange(noise.shape[1]) / rate)) ** 3
    return (0.08 * beat * noise * [[1.0], [0.6]]).astype(np.float32)


@pytest.fixture(scope="module", params=[44100, 48000])
def pair(request):
    """A reference, a duller and noisier version of it, and their rate."""
    rate = request.param
    reference = music(rate)
    estimate = low_pass(reference, rate, 9000.0) + np.float32(0.02) * music(rate, seed=1)
    return reference, estimate, rate


def test_loudness_is_that_of_pyloudnorm(pair):
    pyloudnorm = pytest.importorskip("pyloudnorm", reason="pip install pyloudnorm")
    reference, estimate, rate = pair
    # Its filters of the standard; those that it takes by default are 0.05 LU off.
    meter = pyloudnorm.Meter(rate, filter_class="DeMan")
    for audio in (reference, estimate, reference[:1]):
        loudness = meter.integrated_loudness(audio.T.astype(np.float64))
        assert integrated_loudness(audio, rate) == pytest.approx(loudness, abs=0.02)


def test_loudness_is_that_of_ffmpegs_ebur128(pair):
    av = pytest.importorskip("av", reason="pip install av")
    audio, _, rate = pair
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, format="fltp", layout="stereo")
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), "fltp", "stereo")
    frame.sample_rate = rate
    graph.push(frame)
    graph.push(None)
    told = []
    while True:
        try:
            told.append(graph.pull().metadata)
        except (av.error.BlockingIOError, av.error.EOFError):
            break
    loudness = float([each for each in told if each][-1]["lavfi.r128.I"])
    # It gives one decimal, and gates by a histogram of tenths.
    assert integrated_loudness(audio, rate) == pytest.approx(loudness, abs=0.1)


def test_mr_stft_is_that_of_auraloss(pair):
    auraloss = pytest.importorskip("auraloss", reason="pip install auraloss")
    import torch

    reference, estimate, _ = pair
    target, given = (torch.from_numpy(x)[None] for x in (reference, estimate))
    # With its defaults for mono; they are those of the published metric.
    plain = auraloss.freq.MultiResolutionSTFTLoss(w_phs=0.0)
    assert mr_stft(reference[:1], estimate[:1]) == pytest.approx(
        float(plain(given[:, :1], target[:, :1])), rel=2e-3
    )
    stereo = auraloss.freq.SumAndDifferenceSTFTLoss(
        [1024, 2048, 512], [120, 240, 50], [600, 1200, 240]
    )
    # It gives the mean of both parts.
    assert mr_stft(reference, estimate) == pytest.approx(float(stereo(given, target)), rel=2e-3)


def test_si_sdr_is_that_of_auraloss(pair):
    auraloss = pytest.importorskip("auraloss", reason="pip install auraloss")
    import torch

    reference, estimate, _ = pair
    loss = auraloss.time.SISDRLoss()
    given, target = (torch.from_numpy(x.astype(np.float64))[None] for x in (estimate, reference))
    assert si_sdr(reference, estimate) == pytest.approx(-float(loss(given, target)), abs=1e-3)


def test_lsd_is_that_of_scipys_spectra(pair):
    reference, estimate, rate = pair
    log_power = []
    for audio in (reference, estimate):
        # Scaled as scipy does, by the sum of the window; ends mirrored as torch does.
        padded = np.pad(audio, ((0, 0), (1024, 1024)), mode="reflect")
        spectra = stft(padded, rate, "hann", 2048, 1536, boundary=None, padded=False)[2] * 1024
        log_power.append(np.log10(np.maximum(np.abs(spectra) ** 2, 1e-8)))
    distance = np.sqrt(np.mean(np.square(log_power[0] - log_power[1]), axis=1)).mean()
    assert lsd(reference, estimate, rate) == pytest.approx(distance, rel=1e-3)


def test_visqol_is_that_of_its_own_reader_of_files(pair, tmp_path):
    visqol = pytest.importorskip("visqol", reason="pip install 'uncodec[visqol]'")
    import soundfile

    from uncodec.analysis.perceptual import visqol as ours

    reference, estimate, rate = pair
    if rate != 48000:
        pytest.skip("its files must have 48 kHz")
    judge = visqol.VisqolApi()
    judge.create(mode="audio")
    paths = []
    for name, audio in (("reference", reference), ("estimate", estimate)):
        paths.append(tmp_path / f"{name}.wav")
        soundfile.write(paths[-1], audio.mean(axis=0), rate, "FLOAT")
    told = judge.measure(*map(str, paths)).moslqo
    assert ours(reference, estimate, rate) == pytest.approx(told, abs=0.01)
