"""Training: it learns, it resumes exactly, it refuses what does not belong together."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from uncodec.analysis.loudness import loudness_error
from uncodec.errors import AudioFileError, InvalidValue, ModelError
from uncodec.networks import GeneratorConfig
from uncodec.training.checkpoints import Due
from uncodec.training.generator_loop import LoopSettings, restore_batch, train_generator, validate
from uncodec.training.losses import (
    clean_null_penalty,
    fidelity_penalty,
    level_penalty,
    log_spectral_distance,
    si_sdr,
)
from uncodec.training.pairs import Coding, PairSet, build_pairs, draw_coding

SMALL = GeneratorConfig(window=512, hop=256, encoder=16, hidden=16, local=8)
QUICK = LoopSettings(steps=6, batch=2, seconds=0.3, learning_rate=3e-3)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """White noise and its low-passed twin, plus one clean pair."""
    root = tmp_path_factory.mktemp("pairs")
    rng = np.random.default_rng(0)
    for index in range(4):
        clean = (0.1 * rng.standard_normal((2, 22050))).astype(np.float32)
        spectrum = np.fft.rfft(clean)
        spectrum[:, 5000:] = 0
        coded = np.fft.irfft(spectrum, n=22050).astype(np.float32) if index else clean
        np.save(root / f"{index:06d}.npy", np.stack([clean, coded]))
        codec, kbps = ("mp3", 64) if index else ("clean", 0)
        note = {"index": index, "rate": 44100, "codec": codec, "kbps": kbps}
        (root / f"{index:06d}.json").write_text(json.dumps(note))
    return PairSet(root)


def weights(generator):
    return torch.cat([p.flatten() for p in generator.state_dict().values()])


def test_it_lowers_the_distance_within_a_few_steps(pairs, tmp_path):
    settings = LoopSettings(steps=40, batch=2, seconds=0.3, learning_rate=5e-3, average=0.9)
    generator = train_generator(pairs, tmp_path, settings, config=SMALL)
    scores = validate(generator, pairs)["mp3-64"]
    assert scores["lsd"] < 0.6 * scores["lsd_in"]


def test_an_interrupted_run_ends_where_a_whole_one_does(pairs, tmp_path):
    whole = train_generator(pairs, tmp_path / "whole", QUICK, config=SMALL, every=3)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 5:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    with pytest.raises(KeyboardInterrupt):
        train_generator(Interrupted(pairs.folder), tmp_path / "part", QUICK, config=SMALL, every=3)
    resumed = train_generator(pairs, tmp_path / "part", QUICK, config=SMALL, every=3)
    assert torch.equal(weights(resumed), weights(whole))


def test_an_interruption_costs_what_was_done_since_the_clock_last_struck(
    pairs, tmp_path, monkeypatch
):
    whole = train_generator(pairs, tmp_path / "whole", QUICK, config=SMALL)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 5:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    monkeypatch.setattr(Due, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train_generator(Interrupted(pairs.folder), tmp_path / "part", QUICK, config=SMALL)
    path = tmp_path / "part" / "checkpoint.pt"
    assert torch.load(path, weights_only=True)["step"] in (4, 5)
    resumed = train_generator(pairs, tmp_path / "part", QUICK, config=SMALL, validation=pairs)
    assert torch.equal(weights(resumed), weights(whole))
    # A checkpoint by the clock is not judged, the last one is.
    assert (tmp_path / "part" / "log.jsonl").read_text().count("validation") == 1


def test_checkpoints_are_due_at_marks_at_the_end_and_by_the_clock(monkeypatch):
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    due = Due(10, 25)
    assert [done for done in range(1, 26) if due.now(done)] == [10, 20, 25]
    now = 61.0
    assert [due.now(done) for done in (11, 12, 20)] == [True, False, True]
    assert not due.mark(11)


def test_checkpoints_of_other_runs_are_refused(pairs, tmp_path):
    short = LoopSettings(steps=1, batch=2, seconds=0.3)
    train_generator(pairs, tmp_path, short, config=SMALL)
    with pytest.raises(ModelError, match="was begun with"):
        train_generator(pairs, tmp_path, LoopSettings(steps=1, batch=3, seconds=0.3), config=SMALL)
    with pytest.raises(ModelError, match="holds a network"):
        train_generator(pairs, tmp_path, short, config=GeneratorConfig(window=512, hop=256))
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    torch.save(kept | {"version": 99}, tmp_path / "checkpoint.pt")
    with pytest.raises(ModelError, match="must be a checkpoint of version 4, got 99"):
        train_generator(pairs, tmp_path, short, config=SMALL)


def test_what_another_run_was_begun_with_is_told_and_nothing_else(pairs, tmp_path):
    train_generator(pairs, tmp_path, LoopSettings(steps=1, batch=2, seconds=0.3), config=SMALL)
    settings = LoopSettings(steps=9, batch=3, seconds=0.3, seed=1)
    with pytest.raises(ModelError) as caught:
        train_generator(pairs, tmp_path, settings, config=SMALL)
    told = "was begun with batch=2, seed=0, must go on with it, got batch=3, seed=1"
    assert str(caught.value).endswith(told)
    path = tmp_path / "checkpoint.pt"
    kept = torch.load(path, weights_only=True)
    torch.save(kept | {"settings": kept["settings"] | {"colour": "red"}}, path)
    with pytest.raises(ModelError, match=r"begun with colour='red', must .* got colour=None"):
        train_generator(pairs, tmp_path, replace(settings, batch=2, seed=0), config=SMALL)
    torch.save([1, 2], path)
    with pytest.raises(ModelError, match="checkpoint of version 4, got list"):
        train_generator(pairs, tmp_path, settings, config=SMALL)


def test_crops_longer_than_the_pairs_are_refused(pairs, tmp_path):
    with pytest.raises(InvalidValue, match=r"samples=44100: a crop must not be .* got 22050"):
        train_generator(pairs, tmp_path, replace(QUICK, seconds=1.0), config=SMALL)


def test_batches_depend_on_seed_and_step_only(pairs):
    for first, second in zip(pairs.batch(3, 2, 1000, 1), pairs.batch(3, 2, 1000, 1), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(pairs.batch(3, 2, 1000, 1)[0], pairs.batch(4, 2, 1000, 1)[0])


def test_an_empty_pair_folder_is_refused(tmp_path):
    with pytest.raises(AudioFileError, match="holds no training pairs"):
        PairSet(tmp_path)


def test_settings_are_checked():
    with pytest.raises(InvalidValue, match="steps=0"):
        LoopSettings(steps=0)
    with pytest.raises(InvalidValue, match=r"seconds=0\.1"):
        LoopSettings(seconds=0.1)


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
    assert fidelity_penalty(clean, coded, worse, 0.0).item() == pytest.approx(6.0, abs=0.1)
    assert fidelity_penalty(clean, coded, worse, 7.0).item() == 0.0
    assert fidelity_penalty(clean, worse, coded, 0.0).item() == 0.0
    # Turning up the whole does not hide the noise.
    assert fidelity_penalty(clean, coded, 3 * worse, 0.0).item() > 20.0 - 1e-3
    assert clean_null_penalty(clean, 0.01 * clean, -60.0).item() == pytest.approx(20.0, abs=0.1)
    assert clean_null_penalty(clean, 0.0001 * clean, -60.0).item() == 0.0


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
def test_a_weight_brings_its_part_of_the_loss_in(pairs, tmp_path, weight, part):
    settings = LoopSettings(steps=20, batch=2, seconds=0.5, **{weight: 0.5})
    train_generator(pairs, tmp_path, settings, config=SMALL)
    row = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[0])
    assert row[part] >= 0
    assert {"unlike", "width"} & set(row) == {part}


def test_codings_are_drawn_over_the_whole_menu():
    rng = np.random.default_rng(0)
    drawn = [draw_coding(rng) for _ in range(600)]
    assert {coding.codec for coding in drawn} == {"clean", "mp3", "aac", "opus", "vorbis"}
    assert any(coding.vbr_quality is not None for coding in drawn)
    assert any(coding.cutoff_hz for coding in drawn)
    assert any(not coding.joint_stereo for coding in drawn)
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


def test_an_adversary_takes_part_and_is_resumed_exactly(pairs, tmp_path):
    settings = LoopSettings(steps=4, batch=2, seconds=0.3, adversary="spectral", adversary_after=1)
    whole = train_generator(pairs, tmp_path / "whole", settings, config=SMALL, every=2)

    class Interrupted(PairSet):
        def batch(self, step, *rest):
            if step == 3:
                raise KeyboardInterrupt
            return super().batch(step, *rest)

    with pytest.raises(KeyboardInterrupt):
        train_generator(
            Interrupted(pairs.folder), tmp_path / "part", settings, config=SMALL, every=2
        )
    resumed = train_generator(pairs, tmp_path / "part", settings, config=SMALL, every=2)
    assert torch.equal(weights(resumed), weights(whole))
    alone = train_generator(
        pairs, tmp_path / "alone", replace(settings, adversary="none"), config=SMALL
    )
    assert not torch.equal(weights(alone), weights(whole))


def test_a_run_can_begin_with_given_weights(pairs, tmp_path):
    first = train_generator(pairs, tmp_path / "first", QUICK, config=SMALL)
    still = LoopSettings(steps=1, batch=2, seconds=0.3, learning_rate=1e-9)
    second = train_generator(
        pairs, tmp_path / "second", still, config=SMALL, start=first.state_dict()
    )
    assert torch.allclose(weights(second), weights(first), atol=1e-5)


def test_the_mean_square_error_alone_leaves_the_band_empty_that_levels_fill(pairs, tmp_path):
    def filled(objective):
        settings = LoopSettings(
            steps=60, batch=2, seconds=0.3, learning_rate=5e-3, average=0.9, objective=objective
        )
        generator = train_generator(pairs, tmp_path / objective, settings, config=SMALL)
        clean, coded = (torch.from_numpy(np.array(part))[None] for part in pairs.pair(1))
        restored = restore_batch(generator, coded, seed=0)[0]
        # Above the cut-off at 10 kHz.
        above = [
            torch.fft.rfft(audio)[..., audio.shape[-1] // 4 :].abs().square().mean()
            for audio in (restored, clean)
        ]
        return 10 * torch.log10(above[0] / above[1]).item()

    assert filled("levels") > filled("mse") + 10
