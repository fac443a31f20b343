"""Known values: what a metric must read for signals whose distance can be written down."""

from __future__ import annotations

import doctest
import time

import numpy as np
import pytest

from uncodec.analysis import metrics
from uncodec.errors import InvalidType, InvalidValue

RATE = 44100


def noise(seconds: float = 3.0, channels: int = 2, seed: int = 0, level: float = 0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((channels, round(seconds * RATE)))).astype(np.float32)


def orthogonal(x, seed: int = 9):
    """Noise without mean, orthogonal to every channel of `x` and of its energy, in float64."""
    n = np.random.default_rng(seed).standard_normal(x.shape)
    ref = x.astype(np.float64)
    ref -= ref.mean(axis=1, keepdims=True)
    n -= n.mean(axis=1, keepdims=True)
    n -= ref * np.sum(n * ref, axis=1, keepdims=True) / np.sum(ref * ref, axis=1, keepdims=True)
    return n * np.sqrt(np.sum(ref * ref, axis=1) / np.sum(n * n, axis=1))[:, None]


def test_two_noises_of_one_level_have_the_lsd_of_two_exponential_variables():
    a, b = noise(10.0), noise(10.0, seed=1)
    for value in metrics.lsd_bands(a, b, RATE).values():
        assert value == pytest.approx(np.pi / np.sqrt(3) / np.log(10), abs=0.01)


@pytest.mark.parametrize("band", [None, "low", "high", (1000.0, 2000.0)])
def test_lsd_of_a_gain_is_the_gain_in_decades_of_power(band):
    x = noise()
    assert metrics.lsd(x, 0.1 * x, RATE, band) == pytest.approx(2.0, abs=1e-4)


def test_lsd_is_a_root_within_a_frame_and_a_mean_over_frames():
    x = noise(4.0)
    half = x.copy()
    half[:, x.shape[1] // 2 :] *= 0.1
    # Half of the frames at 0 and half at 2; a root over all would give 1.41.
    assert metrics.lsd(x, half, RATE) == pytest.approx(1.0, abs=0.02)


def test_lsd_of_a_missing_band_is_in_that_band_only():
    x = noise()
    spectrum = np.fft.rfft(x.astype(np.float64), axis=1)
    spectrum[:, round(13000 / RATE * x.shape[1]) :] = 0.0
    bands = metrics.lsd_bands(x, np.fft.irfft(spectrum, n=x.shape[1]).astype(np.float32), RATE)
    assert bands["low"] < 0.02
    assert bands["mid"] < 0.02
    assert bands["high"] > 5.0


def test_lsd_clamps_powers_at_1e_8():
    silence = np.zeros((1, 8192), np.float32)
    hiss = noise(8192 / RATE, 1, level=1e-7)
    assert metrics.lsd(silence, hiss, RATE) == 0.0


def test_lsd_of_a_band_above_half_the_rate_is_not_a_number():
    x = noise(1.0, 1)
    assert np.isnan(metrics.lsd(x, x, 16000, "high"))


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 12.5, 40.0])
def test_si_sdr_of_orthogonal_noise_is_its_snr_whatever_gain_and_offset(snr_db):
    x = noise()
    estimate = 0.3 * (x + orthogonal(x) * 10.0 ** (-snr_db / 20.0)) + 0.05
    assert metrics.si_sdr(x, estimate) == pytest.approx(snr_db, abs=0.01)


def test_si_sdr_is_the_mean_over_channels():
    x = noise()
    gains = np.array([[0.1], [0.01]])
    assert metrics.si_sdr(x, x + gains * orthogonal(x)) == pytest.approx(30.0, abs=0.02)


def test_si_sdr_of_mid_and_side_sees_which_of_them_was_hurt():
    mid, side = noise(2.0, 1, 1), noise(2.0, 1, 2, level=0.03)
    hurt = side + orthogonal(side) * 0.1
    mid_db, side_db = metrics.si_sdr_mid_side(
        np.concatenate([mid + side, mid - side]), np.concatenate([mid + hurt, mid - hurt])
    )
    assert side_db == pytest.approx(20.0, abs=0.05)
    assert mid_db > 80.0


def test_si_sdr_leaves_silent_reference_channels_out():
    x = noise()
    estimate = x + 0.1 * orthogonal(x)
    x[1] = 0.0
    assert metrics.si_sdr(x, estimate) == pytest.approx(20.0, abs=0.01)


def test_band_error_of_a_gain_is_the_gain():
    x = noise()
    assert metrics.band_error(x, 0.5 * x, RATE) == pytest.approx(20 * np.log10(2), abs=1e-3)


def test_band_error_forgives_fine_structure_that_lsd_does_not():
    a, b = noise(), noise(seed=1)
    assert 2.0 < metrics.band_error(a, b, RATE) < 4.0
    assert 10.0 * metrics.lsd(a, b, RATE) > 2.0 * metrics.band_error(a, b, RATE)


def mr_stft_by_torch(reference, estimate):
    """The definition of auraloss written down again with torch, windows centred in the frame."""
    torch = pytest.importorskip("torch")
    x, y = (torch.as_tensor(s) for s in (estimate, reference))
    total = []
    for a, b in ((x[0] + x[1], y[0] + y[1]), (x[0] - x[1], y[0] - y[1])):
        for n_fft, hop, win in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
            m, n = (
                torch.stft(s, n_fft, hop, win, torch.hann_window(win), return_complex=True)
                .abs()
                .square()
                .clamp(min=1e-8)
                .sqrt()
                for s in (a, b)
            )
            total.append(torch.norm(n - m) / torch.norm(n) + (m.log() - n.log()).abs().mean())
    return float(sum(total) / len(total))


def test_mr_stft_agrees_with_auraloss_definition():
    x = noise(1.0)
    x[1] = 0.5 * x[0] + 0.1 * x[1]
    y = x + 0.3 * noise(1.0, seed=5)
    assert metrics.mr_stft(x, y) == pytest.approx(mr_stft_by_torch(x, y), rel=1e-4)


def test_mr_stft_of_a_gain_is_known():
    x = noise(1.0)
    # Spectral convergence 1/2 plus ln 2.
    assert metrics.mr_stft(x, 0.5 * x) == pytest.approx(0.5 + np.log(2.0), rel=1e-4)


def test_stereo_error_is_the_change_of_the_side_level():
    mid, side = noise(2.0, 1, 1), noise(2.0, 1, 2, level=0.03)
    narrowed = side * 10.0 ** (-6.0 / 20.0)
    reference = np.concatenate([mid + side, mid - side])
    estimate = np.concatenate([mid + narrowed, mid - narrowed])
    assert metrics.stereo_error(reference, estimate, RATE) == pytest.approx(6.0, abs=0.05)
    assert metrics.stereo_error(reference, 0.2 * reference, RATE) < 1e-3


def test_stereo_error_of_missing_content_is_left_to_other_metrics():
    x = noise(2.0)
    spectrum = np.fft.rfft(x, axis=1)
    spectrum[:, spectrum.shape[1] // 2 :] = 0.0
    cut = np.fft.irfft(spectrum, n=x.shape[1]).astype(np.float32)
    assert metrics.stereo_error(x, cut, RATE) < 0.5


def test_coherence_error_between_independent_and_identical_channels():
    wide = noise(6.0)
    mono = np.repeat(wide[:1], 2, axis=0)
    assert metrics.coherence_error(mono, mono, RATE) < 1e-6
    # Independent channels: coherence near 0 where a cell has many bins, 1 for the same channel.
    assert 0.8 < metrics.coherence_error(wide, mono, RATE) < 1.0


def clicks(at=(0.5, 1.0, 1.7)):
    x = np.zeros((2, 2 * RATE + RATE // 2), np.float32)
    hit = np.exp(-np.arange(4000) / 800.0) * noise(4000 / RATE, 1, 3, level=0.3)[0]
    for t in at:
        x[:, round(t * RATE) : round(t * RATE) + 4000] += hit
    return x + noise(2.5, 2, 4, level=1e-3)


def test_onsets_are_found_where_they_are():
    assert metrics.find_onsets(clicks(), RATE) == pytest.approx([0.5, 1.0, 1.7], abs=0.0025)
    assert metrics.find_onsets(noise(), RATE).size == 0


def test_pre_echo_is_the_level_added_in_front_of_the_onset():
    x = clicks()
    dirty = x.copy()
    for t in (0.5, 1.0, 1.7):
        span = slice(round((t - 0.03) * RATE), round(t * RATE))
        # 20 dB above the noise of the reference there.
        dirty[:, span] += noise(0.03, 2, 7, level=1e-2)[:, : span.stop - span.start]
    assert metrics.pre_echo(x, x, RATE) == 0.0
    assert metrics.pre_echo(x, dirty, RATE) == pytest.approx(20.0, abs=0.8)


def test_pre_echo_after_the_onset_is_none_and_softness_is_negative():
    x = clicks()
    louder = x.copy()
    for t in (0.5, 1.0, 1.7):
        louder[:, round(t * RATE) : round((t + 0.05) * RATE)] *= 2.0
    assert metrics.pre_echo(x, louder, RATE) == pytest.approx(0.0, abs=0.01)
    assert metrics.pre_echo(x, 0.5 * x, RATE) == pytest.approx(-6.02, abs=0.1)
    assert np.isnan(metrics.pre_echo(noise(), noise(), RATE))


def test_null_depth_is_the_level_of_the_difference():
    x = noise()
    assert metrics.null_depth(x, x * 1.001) == pytest.approx(-60.0, abs=0.01)
    assert metrics.null_depth(x, x) == -200.0
    assert metrics.null_depth(0 * x, 0 * x) == -200.0
    assert metrics.null_depth(0 * x, x) == 200.0


def test_stereo_of_kept_bands_does_not_judge_what_was_filled_in():
    reference = noise(seconds=2.0)
    spectrum = np.fft.rfft(reference)
    low, high = spectrum.copy(), spectrum.copy()
    low[:, 10000:], high[:, :10000] = 0, 0
    coded, missing = (np.fft.irfft(s, n=reference.shape[1]) for s in (low, high))
    filled = coded + missing[:1]  # the right level, without any side
    shared = metrics.Reference(reference, RATE)
    kept = shared.kept_cells(coded)
    before, after = (shared.score(x, kept=kept) for x in (coded, filled))
    assert before["stereo_kept_db"] == before["stereo_error_db"]
    assert after["stereo_error_db"] > before["stereo_error_db"] + 3.0
    # The band that the edge runs through counts as kept.
    assert after["stereo_kept_db"] < 1.0
    assert "stereo_kept_db" not in metrics.Reference(reference[:1], RATE).score(
        coded[:1], kept=None
    )


def test_a_shared_reference_scores_as_a_fresh_one():
    reference, estimates = noise(seed=0), [noise(seed=1), 0.5 * noise(seed=2)]
    shared = metrics.Reference(reference, RATE)
    for estimate in estimates:
        np.testing.assert_equal(shared.score(estimate), metrics.score(reference, estimate, RATE))


def test_score_has_every_metric_and_says_the_same_as_each_of_them():
    x, y = clicks(), clicks() + noise(2.5, 2, 8, level=0.01)
    result = metrics.score(x, y, RATE)
    assert list(result) == list(metrics.METRICS) == list(metrics.LOWER_IS_BETTER)
    mid, side = metrics.si_sdr_mid_side(x, y)
    bands = metrics.lsd_bands(x, y, RATE)
    assert result == pytest.approx(
        {
            "lsd": metrics.lsd(x, y, RATE),
            "lsd_low": bands["low"],
            "lsd_mid": bands["mid"],
            "lsd_high": bands["high"],
            "si_sdr_db": metrics.si_sdr(x, y),
            "si_sdr_mid_db": mid,
            "si_sdr_side_db": side,
            "band_error_db": metrics.band_error(x, y, RATE),
            "mr_stft": metrics.mr_stft(x, y),
            "stereo_error_db": metrics.stereo_error(x, y, RATE),
            "coherence_error": metrics.coherence_error(x, y, RATE),
            "pre_echo_db": metrics.pre_echo(x, y, RATE),
            "loudness_error_lu": metrics.loudness_error(x, y, RATE),
        }
    )


def test_identical_signals_score_no_distance():
    x = clicks()
    result = metrics.score(x, x.copy(), RATE)
    for key, lower in metrics.LOWER_IS_BETTER.items():
        assert result[key] == (0.0 if lower else 200.0), key


def test_silence_gives_documented_values():
    silence, x = np.zeros((2, RATE), np.float32), noise(1.0)
    nothing = metrics.score(silence, x, RATE)
    assert np.isnan(nothing["si_sdr_db"])
    assert np.isnan(nothing["stereo_error_db"])
    assert np.isnan(nothing["pre_echo_db"])
    assert nothing["loudness_error_lu"] > 30.0
    assert np.isfinite(nothing["mr_stft"])
    lost = metrics.score(x, silence, RATE)
    assert lost["si_sdr_db"] == -200.0
    both = metrics.score(silence, silence, RATE)
    assert both["lsd"] == both["mr_stft"] == both["loudness_error_lu"] == 0.0


def test_mono_has_no_stereo_scores():
    x = noise(1.0, 1)[0]
    result = metrics.score(x, x + 0.1 * noise(1.0, 1, 2)[0], RATE)
    for key in ("si_sdr_side_db", "stereo_error_db", "coherence_error"):
        assert np.isnan(result[key])
    assert result["si_sdr_mid_db"] == result["si_sdr_db"]


def test_dual_mono_has_no_side_but_stereo_scores():
    x = np.repeat(noise(1.0, 1), 2, axis=0)
    result = metrics.score(x, 0.9 * x, RATE)
    assert np.isnan(result["si_sdr_side_db"])
    assert result["stereo_error_db"] == 0.0


@pytest.mark.parametrize(
    ("reference", "estimate", "message"),
    [
        (np.zeros((2, 4096)), np.zeros((2, 4097)), "shape of the reference"),
        (np.zeros((2, 4096)), np.zeros((1, 4096)), "shape of the reference"),
        (np.zeros((2, 100)), np.zeros((2, 100)), "at least 2048"),
        (np.zeros((4096, 2)), np.zeros((4096, 2)), "channels"),
        (np.zeros((2, 2, 4096)), np.zeros((2, 2, 4096)), "shape"),
        (np.full((2, 4096), np.nan), np.zeros((2, 4096)), "reference: must be finite"),
        (np.zeros((2, 4096)), np.full((2, 4096), np.inf), "estimate: must be finite"),
        (np.zeros((0, 4096)), np.zeros((0, 4096)), "channels"),
    ],
)
def test_wrong_signals_are_refused_in_words(reference, estimate, message):
    with pytest.raises(InvalidValue, match=message):
        metrics.score(reference, estimate, RATE)


def test_wrong_types_rates_and_bands_are_refused_in_words():
    x = noise(0.5)
    with pytest.raises(InvalidType, match="int16"):
        metrics.score(np.zeros((2, 4096), np.int16), np.zeros((2, 4096), np.int16), RATE)
    with pytest.raises(InvalidType, match="real numbers"):
        metrics.si_sdr(np.zeros(4096, np.complex64), np.zeros(4096))
    with pytest.raises(InvalidValue, match="sample_rate=0"):
        metrics.score(x, x, 0)
    with pytest.raises(InvalidValue, match="band='top'"):
        metrics.lsd(x, x, RATE, "top")
    with pytest.raises(InvalidValue, match="low_hz"):
        metrics.lsd(x, x, RATE, (5000.0, 100.0))
    with pytest.raises(InvalidValue, match="one or two channels"):
        metrics.score(noise(0.5, 3), noise(0.5, 3), RATE)


@pytest.mark.parametrize("rate", [4000, 16000, 192000])
@pytest.mark.parametrize("samples", [2048, 2049, 9001])
def test_any_rate_and_length_is_scored_without_a_warning(rate, samples):
    x = noise(samples / RATE)
    x[:, : samples // 2] *= 1e-2
    result = metrics.score(x, 0.5 * x, rate)
    assert result["lsd"] == pytest.approx(2 * np.log10(2), abs=1e-2)
    assert result["pre_echo_db"] <= 0.0 or np.isnan(result["pre_echo_db"])


def test_ten_seconds_of_stereo_are_scored_in_about_half_a_second():
    x, y = noise(10.0), noise(10.0, seed=1)
    start = time.process_time()
    metrics.score(x, y, RATE)
    # CPU time, with room for a busy machine; 0.55 s on an idle core.
    assert time.process_time() - start < 2.0


def test_examples_in_the_docstrings_are_true():
    assert doctest.testmod(metrics).failed == 0
