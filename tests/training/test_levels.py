"""The library of levels, what is learned from it, and the loop that does it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile as sf
import torch

from uncodec.codecs import available
from uncodec.errors import CodecError, InvalidValue
from uncodec.networks.level_features import BANDS, FEATURES
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.training.level_codings import Handling, draw_handling, draw_level_coding
from uncodec.training.level_library import (
    Examiner,
    LevelLibrary,
    Teacher,
    as_items,
    lasting_bands,
)
from uncodec.training.level_objective import LevelObjective, LevelSettings, level_scores
from uncodec.training.level_variation import vary
from uncodec.training.loop import RunSettings, train
from uncodec.training.recordings import Source


def test_items_are_functions_of_their_number(library, tmp_path):
    sources = [Source(library.folder.parent / f"{n}.flac", "drums", 2.9) for n in range(3)]
    again = LevelLibrary(tmp_path)
    again.build(Teacher(sources), [4], seconds=2.0, seed=1)
    place = [note["number"] for note in library.notes].index(4)
    again.refresh()
    assert np.array_equal(again.item(0), library.item(place))
    assert len(library.notes) == 6
    assert library.seconds() == pytest.approx(12.0, abs=0.3)


def test_an_item_holds_what_was_coded_and_what_was_wanted():
    rng = np.random.default_rng(0)
    clean = rng.normal(0, 0.1, (2, 4096)).astype(np.float32)
    item = as_items(clean, 0.1 * clean)
    assert item.shape == (8, 2, FEATURES + BANDS)
    # A tenth of the amplitude is two decades of power.
    assert np.allclose(item[..., :BANDS], item[..., FEATURES:] - 2.0, atol=0.01)


def test_bands_above_a_cut_off_are_not_trusted():
    assert lasting_bands(22050, 44100) == BANDS
    assert lasting_bands(11025, 44100) == BANDS // 2


def test_codings_come_at_the_rate_of_the_input_and_at_lower_ones():
    drawn = [draw_level_coding(np.random.default_rng(i), 44100) for i in range(300)]
    low = [c for c in drawn if c.codec == "mp3" and 0 < c.kbps <= 64]
    assert {44100, None} == {c.codec_rate for c in low}
    assert {"clean", "mp3", "aac", "opus", "vorbis", "wma"} == {c.codec for c in drawn}
    assert any(c.average for c in low)
    assert any(c.cutoff_hz for c in drawn if c.codec == "opus")


def test_he_aac_is_drawn_where_it_is_asked_for_and_among_all_others():
    drawn = [draw_level_coding(np.random.default_rng(i), 44100, he_aac=True) for i in range(600)]
    own = [c for c in drawn if c.codec == "he-aac"]
    assert 0.04 < len(own) / len(drawn) < 0.13
    assert {c.kbps for c in own} == {24, 32, 48, 64}
    assert {c.codec for c in drawn} >= {"clean", "mp3", "aac", "opus", "vorbis", "wma"}


def test_a_library_keeps_to_he_aac_or_to_none(tmp_path):
    audio = 0.1 * np.random.default_rng(0).standard_normal((2 * 44100, 2))
    sf.write(tmp_path / "a.wav", audio, 44100)
    sources = [Source(tmp_path / "a.wav", "solo", 2.0)]
    LevelLibrary(tmp_path / "plain").complete(Teacher(sources), 1, seconds=1.0)
    head = json.loads((tmp_path / "plain" / "pairs.json").read_text())
    assert "he_aac" not in head
    with pytest.raises(InvalidValue, match="was begun with he_aac=None, now asked for he_aac=True"):
        LevelLibrary(tmp_path / "plain").complete(Teacher(sources, he_aac=True), 2, seconds=1.0)


@pytest.mark.parametrize("kind", [Teacher, Examiner])
def test_he_aac_without_its_program_is_told_before_anything_is_coded(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    audio = 0.1 * np.random.default_rng(0).standard_normal((2 * 44100, 2))
    sf.write(tmp_path / "a.wav", audio, 44100)
    teacher = kind([Source(tmp_path / "a.wav", "solo", 2.0)], he_aac=True)
    library = LevelLibrary(tmp_path / "levels")
    with pytest.raises(CodecError, match="fdkaac must be on PATH"):
        library.complete(teacher, 12, seconds=1.0)
    assert library.refresh() == 0


def test_a_judge_of_he_aac_asks_for_it_behind_all_others(tmp_path):
    if "he-aac" not in available():
        pytest.skip("the program fdkaac is not on PATH")
    audio = 0.1 * np.random.default_rng(0).standard_normal((2 * 44100, 2))
    sf.write(tmp_path / "a.wav", audio, 44100)
    examiner = Examiner([Source(tmp_path / "a.wav", "solo", 2.0)], he_aac=True)
    library = LevelLibrary(tmp_path / "levels")
    library.complete(examiner, examiner.count, seconds=1.0)
    codings = [(note["codec"], note["kbps"]) for note in library.notes]
    assert codings[-2:] == [("he-aac", 32), ("he-aac", 48)]
    assert codings[:2] == [("mp3", 24), ("mp3", 32)]
    assert len(codings) == 12


def test_a_coded_sound_is_trimmed_clipped_and_resampled_beside_its_original():
    rng = np.random.default_rng(0)
    clean = np.cumsum(rng.normal(0, 0.01, (2, 44100)), axis=1).astype(np.float32)
    first, second, rate = Handling(trim=1001).after(clean, 0.5 * clean, 44100)
    assert rate == 44100
    assert np.array_equal(first, clean[:, 1001:])
    assert np.array_equal(second, 0.5 * first)

    first, second, _ = Handling(clip_db=6.0).after(clean, clean, 44100)
    assert np.abs(second).max() == 1.0
    assert np.abs(first).max() == pytest.approx(10 ** (6 / 20), rel=1e-4)
    assert np.array_equal(second, np.clip(first, -1, 1))

    first, second, rate = Handling(resampled=48000).after(clean, clean, 44100)
    assert rate == 48000
    assert first.shape == second.shape
    assert first.shape[1] == pytest.approx(48000, abs=1)

    mono = Handling(mono=True).before(clean)
    assert np.array_equal(mono[0], mono[1])
    assert np.allclose(mono[0], clean.mean(axis=0))


def test_all_kinds_of_handling_are_drawn():
    drawn = [draw_handling(np.random.default_rng(i), 44100) for i in range(200)]
    assert {48000, None} == {h.resampled for h in drawn}
    assert {True, False} == {h.mono for h in drawn}
    assert 0 < sum(h.clip_db > 0 for h in drawn) < 40
    assert len({h.trim % 512 for h in drawn}) > 100


def test_a_varied_item_is_heard_and_wanted_alike():
    # Of a clean sound the coded levels are the wanted ones, and stay so.
    rng = np.random.default_rng(0)
    item = as_items(*2 * [rng.normal(0, 0.1, (2, 8192)).astype(np.float32)])
    for seed in range(20):
        made = item.copy()
        bands = vary(np.random.default_rng(seed), made, BANDS, is_clean=False)
        heard, wanted = made[..., :BANDS], made[..., FEATURES:]
        kept = heard[0, 0] > -8.0
        assert kept[:8].all()
        assert np.allclose(heard[..., kept], wanted[..., kept], atol=0.01)
        assert not np.array_equal(wanted, item[..., FEATURES:])
        assert 0 < bands <= BANDS


def test_varied_items_are_dark_and_bright():
    item = np.full((4, 2, FEATURES + BANDS), -4.0, np.float16)
    slopes = []
    for seed in range(100):
        made = item.copy()
        vary(np.random.default_rng(seed), made, BANDS, is_clean=False)
        wanted = made[0, 0, FEATURES:].astype(float)
        slopes.append(wanted[40:60].mean() - wanted[:3].mean())
    # Bands 40 to 60 lie four octaves above 1 kHz.
    assert 0.3 < np.std(slopes) < 0.8
    assert np.mean(slopes) < 0


def test_a_varied_item_moves_in_frequency_with_its_trusted_bands():
    item = np.full((4, 2, FEATURES + BANDS), -6.0, np.float16)
    item[..., [20, FEATURES + 20]] = 0.0
    item[..., 2 * BANDS + 16] = 0.0  # bin 17
    ratios = []
    for seed in range(40):
        made = item.copy()
        bands = vary(np.random.default_rng(seed), made, 32, is_clean=False)
        center = (10.0 ** made[0, 0, FEATURES:].astype(float)) @ (np.arange(BANDS) + 0.5)
        ratio = center / (10.0 ** made[0, 0, FEATURES:].astype(float)).sum() / 20.5
        bins = 10.0 ** made[0, 0, 2 * BANDS : FEATURES].astype(float)
        # Half a bin of 17 and half a band of 20 is how near a peak can be placed.
        assert bins @ np.arange(1, 33) / bins.sum() / 17 == pytest.approx(ratio, abs=0.055)
        assert bands == pytest.approx(32 * ratio, abs=2.5)
        ratios.append(ratio)
    assert min(ratios) < 0.96
    assert max(ratios) > 1.04


def objective(library, **settings):
    torch.manual_seed(0)
    network = LevelNetwork(LevelConfig(width=32, inner=24, layers=1))
    return LevelObjective(
        network, library, LevelSettings(batch=4, frames=96, **settings), validation=library
    )


def test_levels_are_learned(library, tmp_path):
    made = objective(library)
    before = level_scores(made.network.eval(), library)["all"]
    trained = train(made, tmp_path, RunSettings(steps=120, learning_rate=1e-2, warm=5, average=0.9))
    after = level_scores(trained, library)["all"]
    assert after["mean"] < 0.6 * before["mean"]
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["validation"]["all"] == pytest.approx(after)
