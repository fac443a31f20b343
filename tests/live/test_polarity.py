"""A recording with one channel flipped is restored as the one without."""

import numpy as np
import pytest
import torch

from uncodec.live.engine import DeltaEngine
from uncodec.live.polarity import Polarity
from uncodec.networks import Generator, GeneratorConfig, load_model, save_weights

HOP = 64
CONFIG = GeneratorConfig(window=256, hop=HOP, encoder=16, hidden=16, local=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("model")
    save_weights(folder, Generator(CONFIG), name="small", version="1")
    return load_model(folder)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def music(hops, width=0.05):
    """Mostly mid."""
    mid, side = 0.1 * noise(2, hops * HOP)
    return np.stack([mid + width * side, mid - width * side])


def run(model, audio, sizes=()):
    engine, parts = DeltaEngine(model, 2), []
    edges = np.cumsum([0, *sizes, audio.shape[1] // HOP - sum(sizes)]) * HOP
    for i in range(len(edges) - 1):
        parts.append(engine.push(np.ascontiguousarray(audio[:, edges[i] : edges[i + 1]])))
    return np.concatenate(parts, axis=1)


FLIP = np.float32([[1], [-1]])


@pytest.mark.parametrize("width", [0.0, 0.05])
def test_a_flipped_channel_gets_the_flipped_delta(model, width):
    audio = music(100, width)
    straight, flipped = run(model, audio), run(model, audio * FLIP)
    assert np.abs(straight).max() > 1e-3
    np.testing.assert_allclose(flipped, straight * FLIP, atol=1e-5)


def half_flipped(hops=400):
    audio = music(hops)
    audio[1, hops * HOP // 2 :] *= -1
    return audio


def test_a_flip_on_the_way_is_followed(model):
    audio, late = half_flipped(1600), 1200 * HOP
    wanted = run(model, music(1600))[:, late:] * FLIP
    # What the recurrent layer and the long averages remember fades.
    assert np.abs(run(model, audio)[:, late:] - wanted).max() < 0.1 * np.abs(wanted).max()


@pytest.mark.parametrize("sizes", [(1,) * 300, (203, 1, 7)], ids=["hop by hop", "in parts"])
def test_calls_of_any_size_give_the_same(model, sizes):
    audio = half_flipped()
    assert np.abs(run(model, audio, sizes) - run(model, audio)).max() < 1e-5


def test_a_clone_goes_on_alone(model):
    audio = half_flipped()
    engine = DeltaEngine(model, 2)
    engine.push(audio[:, : 300 * HOP].copy())
    twin, rest = engine.clone(), audio[:, 300 * HOP :].copy()
    np.testing.assert_array_equal(engine.push(rest), twin.push(rest))


def judged(side_db, frames=600, start=None):
    spectra = (noise(frames, 2, 129) + 1j * noise(frames, 2, 129, seed=1)).astype(np.complex64)
    spectra[:, 1] *= np.float32(10) ** (np.asarray(side_db, np.float32)[..., None] / 20)
    found = np.zeros(frames, np.bool_)
    polarity = start or Polarity(HOP)
    polarity.look_into(spectra, found)
    assert polarity.flipped == found[-1]
    return found


@pytest.mark.parametrize(
    ("side_db", "flipped"), [(-20, False), (0, False), (15, False), (25, True)]
)
def test_only_what_is_all_but_without_a_mid_counts_as_flipped(side_db, flipped):
    assert (judged(side_db) == flipped).all()


def test_what_was_found_lasts_until_the_mid_is_back():
    levels = np.repeat([30.0, 10.0, 0.0, 10.0], 150)
    found = judged(levels)
    assert found[:300].all()
    assert not found[400:].any()


def test_silence_is_not_flipped():
    found = np.ones(5, np.bool_)
    Polarity(HOP).look_into(np.zeros((5, 2, 129), np.complex64), found)
    assert not found.any()
