"""Pairs and levels that are small."""

import numpy as np
import pytest
import soundfile as sf
from tests.training.material import write_pairs

from uncodec.training.level_library import LevelLibrary, Teacher
from uncodec.training.recordings import Source


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    """Three coded pairs, cut at 10 kHz, and a clean one."""
    codings = [("clean", 0, 1), *[("mp3", 64, 0.4535)] * 3]
    return write_pairs(tmp_path_factory.mktemp("work") / "pairs", codings)


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """Items of three recordings of noise that comes in bursts."""
    folder = tmp_path_factory.mktemp("levels")
    rng = np.random.default_rng(0)
    sources = []
    for number in range(3):
        bursts = np.repeat(10 ** rng.uniform(-2, 0, 40), 3200)[:, None]
        path = folder / f"{number}.flac"
        sf.write(path, 0.3 * bursts * rng.normal(0, 0.3, (len(bursts), 2)), 44100)
        sources.append(Source(path, "drums", len(bursts) / 44100))
    made = LevelLibrary(folder / "items")
    made.build(Teacher(sources), range(6), seconds=2.0, seed=1)
    made.refresh()
    return made
