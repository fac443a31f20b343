"""Training of the live generator: what its losses count, and that they fall."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.training.material import rows, weights

from uncodec.analysis.loudness import loudness_error
from uncodec.errors import AudioFileError, InvalidValue
from uncodec.networks import Generator, GeneratorConfig
from uncodec.networks.level_features import HOP, WINDOW
from uncodec.networks.levelled import LevelledGenerator, opened
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.networks.spectra import change_to_audio, generator_input, left_right
from uncodec.training.adversarial_objective import AdversarialObjective, AdversarySettings
from uncodec.training.codings import Coding, draw_coding
from uncodec.training.loop import RunSettings, begin, train
from uncodec.training.losses import (
    clean_null_penalty,
    fidelity_penalty,
    level_penalty,
    log_spectral_distance,
    si_sdr,
)
from uncodec.training.pairs import PairSet, build_pairs
from uncodec.training.restoration_objective import restoration_scores, restore_batch
from uncodec.training.trainers import RESTORATIONS

SMALL = GeneratorConfig(window=512, hop=256, encoder=16, hidden=16, local=8)
QUICK = RunSettings(steps=6, learning_rate=3e-3)
LONGER = RunSettings(steps=25, learning_rate=5e-3, average=0.9)


def objective(pairs, name="distance", start=None, seconds=0.3, **more):
    settings = RESTORATIONS[name].SETTINGS(batch=2, seconds=seconds, **more)
    return RESTORATIONS[name](begin(Generator, SMALL, start=start), pairs, settings)


def test_it_lowers_the_distance_within_a_few_steps(pairs, tmp_path):
    scores = restoration_scores(train(objective(pairs), tmp_path, LONGER), pairs)["mp3-64"]
    assert scores["lsd"] < 0.6 * scores["lsd_in"]


def test_crops_longer_than_the_pairs_are_refused(pairs, tmp_path):
    with pytest.raises(InvalidValue, match=r"samples=44100: a crop must not be .* got 33075"):
        train(objective(pairs, seconds=1.0), tmp_path, QUICK)


def test_batches_depend_on_seed_and_step_only(pairs):
    for first, second in zip(pairs.batch(3, 2, 1000, 1), pairs.batch(3, 2, 1000, 1), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(pairs.batch(3, 2, 1000, 1)[0], pairs.batch(4, 2, 1000, 1)[0])


def test_an_empty_pair_folder_is_refused(tmp_path):
    with pytest.raises(AudioFileError, match="holds no training pairs"):
        PairSet(tmp_path)


def test_the_distance_of_two_noises_is_the_known_one():
    source = torch.Generator().manual_seed(0)
    first, second = (torch.randn(1, 1, 200_000, generator=source) * 0.1 for _ in range(2))
    assert log_spectral_distance(first, second, 2048, 512).item() == pytest.approx(0.79, abs=0.01)
    assert log_spectral_distance(first, first, 2048, 512).item() < 2e-3


def test_penalties_count_decibels():
    source = torch.Generator().manual_seed(0)
    clean = torch.randn(1, 2, 50_000, generator=source)
    noise = torch.randn(1, 2, 50_000, generator=source)
    coded, worse = clean + 0.1 * noise, clean + 0.2 * noise
    assert si_sdr(clean, coded).item() == pytest.approx(20.0, abs=0.2)
    assert fidelity_penalty(clean, coded, worse).item() == pytest.approx(6.0, abs=0.1)
    assert fidelity_penalty(clean, worse, coded).item() == 0.0
    # Turning up the whole does not hide the noise.
    assert fidelity_penalty(clean, coded, 3 * worse).item() > 20.0 - 1e-3
    assert clean_null_penalty(clean, 0.01 * clean, -60.0).item() == pytest.approx(20.0, abs=0.1)
    assert clean_null_penalty(clean, 0.0001 * clean, -60.0).item() == 0.0


def test_filling_what_the_codec_took_is_no_loss_of_fidelity():
    source = torch.Generator().manual_seed(0)
    clean, noise = 0.1 * torch.randn(2, 1, 2, 50_000, generator=source)

    def part(audio, first, stop):
        spectrum = torch.fft.rfft(audio)
        bins = torch.arange(spectrum.shape[-1])
        return torch.fft.irfft(spectrum * ((bins >= first) & (bins < stop)), n=audio.shape[-1])

    coded = part(clean, 0, 12_500)
    filled = coded + part(noise, 12_600, 25_001)
    assert fidelity_penalty(clean, coded, filled).item() < 0.1
    spoiled = coded + 0.3 * part(noise, 6_000, 12_400)
    assert fidelity_penalty(clean, coded, spoiled).item() > 6.0


def test_the_level_that_is_penalised_is_the_loudness_that_is_measured():
    source = torch.Generator().manual_seed(0)
    clean = 0.1 * torch.randn(1, 2, 88200, generator=source)
    spectrum = torch.fft.rfft(clean)
    spectrum[..., 20000:] = 0
    dull = torch.fft.irfft(spectrum, n=88200)
    measured = loudness_error(clean[0].numpy(), dull[0].numpy(), 44100)
    assert measured > 2.0
    assert level_penalty(clean, clean, dull).item() == pytest.approx(measured, abs=0.1)
    assert level_penalty(clean, dull, 0.5 * (clean + dull)).item() == 0.0
    assert level_penalty(clean, dull, dull).item() == 0.0


@pytest.mark.parametrize(("weight", "part"), [("neurogram", "unlike"), ("width", "width")])
def test_a_weight_brings_its_part_of_the_polish_in(pairs, tmp_path, weight, part):
    made = objective(pairs, "polish", seconds=0.5, **{weight: 0.5})
    train(made, tmp_path, replace(QUICK, steps=2))
    (row,) = rows(tmp_path)
    assert row[part] >= 0
    assert {"unlike", "width"} & set(row) == {part}


@pytest.mark.parametrize("name", ["distance", "mse"])
def test_the_care_for_undamaged_signals_has_weights_of_its_own(pairs, tmp_path, name):
    for weight in (0.0, 1.0):
        made = objective(pairs, name, null=weight, gate=weight)
        train(made, tmp_path / str(weight), replace(QUICK, steps=1))
        (row,) = rows(tmp_path / str(weight))
        assert (row["gate"] > 0) == (weight > 0)
        assert (row["null"] > 0) <= (weight > 0)


@pytest.fixture
def levels():
    torch.manual_seed(1)
    return LevelNetwork(LevelConfig(width=16, inner=8, layers=1))


@pytest.mark.parametrize("encoder_gain", [False, True])
@torch.inference_mode()
def test_levels_are_set_in_training_as_in_use(pairs, levels, encoder_gain):
    generator = begin(Generator, GeneratorConfig(encoder=16, hidden=16, local=8)).eval()
    generator.gate.bias.fill_(8.0)
    coded = torch.from_numpy(np.array(pairs.pair(1)))[1:]
    got, delta, _ = restore_batch(
        generator, coded, seed=3, half=False, encoder_gain=encoder_gain, levels=levels.eval()
    )
    noise = torch.randn(coded.shape, generator=torch.Generator().manual_seed(3))
    room = (WINDOW - HOP, 0)
    frames = generator_input(
        *(torch.nn.functional.pad(x, room) for x in (coded, noise)), WINDOW, HOP
    )
    used = LevelledGenerator(generator, levels)
    state = (*generator.initial_state(1), *levels.initial_state(1))
    change, damage, _ = used(frames, state)
    change, heard = (torch.view_as_complex(x.contiguous()) for x in (change, frames[:, :2]))
    wanted = left_right(change_to_audio(change, heard, WINDOW, HOP, opened(damage)))
    wanted = wanted[..., HOP : HOP + delta.shape[-1]]
    if not encoder_gain:  # Which had nothing to say yet.
        assert torch.allclose(delta, wanted, atol=1e-4)
    without, _, _ = restore_batch(generator, coded, seed=3, half=False, encoder_gain=encoder_gain)
    assert not torch.allclose(without, got, atol=1e-3)


def test_texture_is_learned_at_levels_that_stay_as_they_are(pairs, levels, tmp_path):
    settings = RESTORATIONS["polish"].SETTINGS(batch=2, seconds=0.3)
    config = GeneratorConfig(encoder=16, hidden=16, local=8)
    made = RESTORATIONS["polish"](begin(Generator, config), pairs, settings)
    made.set_levels(levels)
    before = weights(levels)
    begun = {key: value.clone() for key, value in made.network.state_dict().items()}
    trained = train(made, tmp_path, QUICK)
    assert torch.equal(weights(levels), before)
    moved = {
        k.split(".")[0] for k, v in trained.state_dict().items() if not torch.equal(v, begun[k])
    }
    assert moved == {"layout", "look", "fuse", "decide"}
    assert all(np.isfinite(row["total"]) and np.isfinite(row["norm"]) for row in rows(tmp_path))


def test_codings_are_drawn_over_the_whole_menu():
    rng = np.random.default_rng(0)
    drawn = [draw_coding(rng, 44100) for _ in range(600)]
    assert {coding.codec for coding in drawn} == {"clean", "mp3", "aac", "opus", "vorbis"}
    assert any(coding.vbr_quality is not None for coding in drawn)
    assert any(coding.cutoff_hz for coding in drawn)
    assert any(not coding.joint_stereo for coding in drawn)
    low = [coding for coding in drawn if coding.codec == "mp3" and 0 < coding.kbps <= 64]
    assert {coding.codec_rate for coding in low} == {None, 44100}
    audio = np.zeros((2, 10), np.float32)
    np.testing.assert_array_equal(Coding("clean", 0).apply(audio, 44100), audio)


def test_pairs_are_built_once_and_extended(tmp_path):
    import soundfile as sf

    data, folder = tmp_path / "data", tmp_path / "pairs"
    (data / "solo").mkdir(parents=True)
    rng = np.random.default_rng(0)
    sf.write(data / "solo" / "a.wav", 0.1 * rng.standard_normal((11 * 44100, 2)), 44100)
    first = build_pairs(data, folder, count=2, seconds=0.5)
    stamps = [path.stat().st_mtime_ns for path in sorted(folder.glob("*.npy"))]
    kept = np.array(first.pair(1))
    second = build_pairs(data, folder, count=4, seconds=0.5)
    assert (len(first), len(second)) == (2, 4)
    assert [path.stat().st_mtime_ns for path in sorted(folder.glob("*.npy"))][:2] == stamps
    np.testing.assert_array_equal(second.pair(1), kept)
    rebuilt = build_pairs(data, tmp_path / "again", count=2, seconds=0.5)
    np.testing.assert_array_equal(rebuilt.pair(1), kept)
    with pytest.raises(InvalidValue, match="was begun with"):
        build_pairs(data, folder, count=4, seconds=0.6)


def test_an_adversary_moves_the_generator_elsewhere(pairs, tmp_path):
    alone = train(objective(pairs), tmp_path / "alone", QUICK)
    judged = AdversarialObjective(objective(pairs), AdversarySettings("spectral"))
    assert not torch.equal(weights(train(judged, tmp_path / "judged", QUICK)), weights(alone))


def test_a_run_can_begin_with_given_weights(pairs, tmp_path):
    first = train(objective(pairs), tmp_path / "first", QUICK)
    still = RunSettings(steps=1, learning_rate=1e-9)
    second = train(objective(pairs, start=first.state_dict()), tmp_path / "second", still)
    assert torch.allclose(weights(second), weights(first), atol=1e-5)


def test_the_mean_square_error_alone_leaves_the_band_empty_that_distances_fill(pairs, tmp_path):
    def filled(name):
        generator = train(objective(pairs, name), tmp_path / name, replace(LONGER, steps=60))
        clean, coded = (torch.from_numpy(np.array(part))[None] for part in pairs.pair(1))
        restored = restore_batch(generator, coded, seed=0)[0]
        # Well above the cut-off at 10 kHz.
        above = [
            torch.fft.rfft(audio)[..., audio.shape[-1] // 4 :].abs().square().mean()
            for audio in (restored, clean)
        ]
        return 10 * torch.log10(above[0] / above[1]).item()

    assert filled("distance") > filled("mse") + 10
