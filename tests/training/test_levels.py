"""The library of levels, what is learned from it, and the loop that does it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from uncodec.networks.level_features import BANDS, FEATURES
from uncodec.networks.levels import LevelConfig, LevelNetwork
from uncodec.training.level_library import (
    LevelLibrary,
    Teacher,
    as_items,
    draw_level_coding,
    lasting_bands,
)
from uncodec.training.level_objective import LevelObjective, LevelSettings, level_scores
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
    assert {"clean", "mp3", "aac", "opus", "vorbis"} == {c.codec for c in drawn}


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
