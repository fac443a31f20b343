"""The released live model: what it promises on music that no training has seen.

The music is the demo piece, which the project synthesises itself; the bounds are well inside what
the model's card states, so that a damaged or swapped model is noticed and a rounding difference is
not.
"""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from uncodec import GANRestorer
from uncodec.analysis.metrics import lsd, null_depth, si_sdr
from uncodec.codecs import round_trip
from uncodec.networks import load_model

ROOT = Path(__file__).resolve().parents[2]
RATE = 44100


@pytest.fixture(scope="module")
def music(demo_piece):
    return np.ascontiguousarray(demo_piece[:, 3 * RATE : 8 * RATE])


@pytest.mark.parametrize(
    ("codec", "kbps"), [("mp3", 32), ("mp3", 64), ("mp3", 128), ("aac", 64), ("vorbis", 64)]
)
def test_it_comes_clearly_closer_and_keeps_the_waveform(music, codec, kbps):
    coded = round_trip(music, RATE, codec, kbps=kbps)
    restored = GANRestorer()(coded, RATE)
    assert lsd(music, restored, RATE) < 0.7 * lsd(music, coded, RATE)
    assert si_sdr(music, restored) > si_sdr(music, coded) - 1.0


def test_the_band_above_the_cut_off_gets_its_level_back(music):
    coded = round_trip(music, RATE, "mp3", kbps=64)
    restored = GANRestorer()(coded, RATE)
    top = np.fft.rfftfreq(music.shape[1], 1 / RATE) > 13000

    def level_db(audio):
        return 10 * np.log10((np.abs(np.fft.rfft(audio)[:, top]) ** 2).mean() + 1e-12)

    assert level_db(coded) < level_db(music) - 20
    assert abs(level_db(restored) - level_db(music)) < 15


def test_clean_music_is_hardly_touched(music):
    assert null_depth(music, GANRestorer()(music, RATE)) < -30


def test_silence_stays_silence():
    assert not GANRestorer()(np.zeros((2, RATE), np.float32), RATE).any()


def test_weights_and_recipe_belong_together():
    recipe = tomllib.loads((ROOT / "models" / "live-gan" / "recipe.toml").read_text())
    model = load_model("live-gan")
    assert (model.name, model.version) == (recipe["name"], recipe["version"])
    assert {k: getattr(model.config, k) for k in recipe["generator"]} == recipe["generator"]
