"""The released offline model: what it promises on music that no training has seen.

The music is the demo piece, which the project synthesises itself; the bounds are well inside what
the model's card states.
"""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from uncodec import DiffusionRestorer
from uncodec.analysis.loudness import integrated_loudness
from uncodec.analysis.metrics import lsd, null_depth, si_sdr
from uncodec.codecs import round_trip
from uncodec.networks import load_diffusion

ROOT = Path(__file__).resolve().parents[2]
RATE = 44100


@pytest.fixture(scope="module")
def music(demo_piece):
    return np.ascontiguousarray(demo_piece[:, 3 * RATE : 5 * RATE])


@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 32), ("mp3", 128), ("aac", 64)])
def test_it_comes_clearly_closer_and_keeps_the_waveform(music, codec, kbps):
    coded = round_trip(music, RATE, codec, kbps=kbps)
    restored = DiffusionRestorer(steps=4)(coded, RATE)
    assert lsd(music, restored, RATE) < 0.7 * lsd(music, coded, RATE)
    assert si_sdr(music, restored) > si_sdr(music, coded) - 0.5


def test_clean_music_is_not_touched(music):
    assert null_depth(music, DiffusionRestorer(steps=2)(music, RATE)) < -60


@pytest.mark.parametrize(("codec", "kbps"), [("mp3", 64), ("opus", 32)])
def test_the_loudness_is_kept(music, codec, kbps):
    coded = round_trip(music, RATE, codec, kbps=kbps)
    restored = DiffusionRestorer(steps=2)(coded, RATE)
    loud = [integrated_loudness(audio, RATE) for audio in (music, coded, restored)]
    assert abs(loud[2] - loud[1]) < 0.5
    assert abs(loud[2] - loud[0]) < abs(loud[1] - loud[0]) + 0.3


def test_silence_stays_silence():
    assert not DiffusionRestorer()(np.zeros((2, RATE), np.float32), RATE).any()


def test_weights_and_recipe_belong_together():
    recipe = tomllib.loads((ROOT / "models" / "diffusion" / "recipe.toml").read_text())
    model = load_diffusion()
    assert (model.name, model.version) == (recipe["name"], recipe["version"])
    wanted = recipe["diffusion"] | {"dilations": tuple(recipe["diffusion"]["dilations"])}
    assert {k: getattr(model.config, k) for k in recipe["diffusion"]} == wanted
    parameters = sum(p.numel() for p in model.network.parameters())
    assert parameters <= 8_000_000
