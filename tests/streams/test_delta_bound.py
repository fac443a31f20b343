"""The bound on what is added, frame by frame: ceilings, silence, bits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.errors import InvalidType, InvalidValue
from uncodec.streams.delta_bound import BANDS, CEILING_DB, FALL_DB, MEMORY, SILENCE, DeltaBound

BINS = 129
CEILING = 10 ** (0.1 * CEILING_DB)


def noise(*shape, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    return (scale * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))).astype(
        np.complex64
    )


def held(delta, coded, sizes=()):
    bound, out = DeltaBound(delta.shape[1], delta.shape[2]), delta.copy()
    edges = np.cumsum([0, *sizes, len(delta) - sum(sizes)])
    for first, last in pairwise(edges):
        bound.hold_into(out[first:last], coded[first:last])
    return out


def components(frames):
    """Mid, side, left and right, in double precision."""
    mid, side = frames.astype(np.complex128).transpose(1, 0, 2)
    return np.stack([mid, side, mid + side, mid - side])


def powers(frames):
    """Of the bands of each component, [shape=(4, frames, bands)]; 2 bins each, and that at 0 Hz."""
    power = np.abs(components(frames)) ** 2
    rest = power[..., 1:].reshape(4, len(frames), BANDS, 2)
    rest = rest.mean(-1)
    rest[..., 0] = power[..., :3].mean(-1)
    return rest


def ceilings(coded):
    """What the docstring promises, computed the slow way."""
    now = powers(coded)
    known = now.copy()
    for age in range(1, MEMORY):
        fallen = now[:, :-age] * 10 ** (-0.1 * FALL_DB * age)
        known[:, age:] = np.maximum(known[:, age:], fallen)
    beside = np.maximum(known, np.pad(known[..., 1:], ((0, 0), (0, 0), (0, 1))))
    middle = np.arange(BANDS) + 0.5
    reach = np.tril((middle[None, :] / middle[:, None]) ** 2)
    envelope = (beside[:, :, None, :] * reach).max(-1)
    return CEILING * envelope * (now.mean(-1, keepdims=True) > SILENCE)


@st.composite
def scenes(draw):
    """Frames of mid and side, and of a delta, with every kind of relation between channels."""
    seed, frames = draw(st.integers(0, 2**20)), 24
    rng = np.random.default_rng(seed)
    left, other = noise(frames, BINS, seed=seed), noise(frames, BINS, seed=seed + 1)
    alike = draw(st.sampled_from([0.0, 0.5, 0.999, 1.0]))
    right = alike * left + np.sqrt(1 - alike**2) * other
    if draw(st.booleans()):
        right = right * np.exp(-2j * np.pi * np.arange(BINS) * draw(st.integers(1, 40)) / 256)
    right = right * draw(st.sampled_from([1.0, -1.0, 0.0, 1e-3, -1e-5, 0.3]))
    if draw(st.booleans()):
        right[frames // 2 :] *= -1
    coded = np.stack([left + right, left - right], 1) / 2
    coded[..., draw(st.integers(1, BINS)) :] *= draw(st.sampled_from([0.0, 1e-4, 1.0]))
    coded[draw(st.integers(0, frames)) :, draw(st.integers(0, 1))] *= draw(
        st.sampled_from([0.0, 1e-3, 1.0])
    )
    # Full scale is about 300 in a spectrum of this length.
    gain = 300 * 10 ** (draw(st.integers(-80, 20)) / 20)
    delta = noise(frames, 2, BINS, seed=seed + 2) * 10 ** rng.uniform(-4, 4, (frames, 2, 1))
    return (gain * coded).astype(np.complex64), (gain * delta).astype(np.complex64)


@settings(max_examples=200, deadline=None)
@given(scene=scenes())
def test_no_band_is_louder_than_its_ceiling(scene):
    coded, delta = scene
    out, most = held(delta, coded), ceilings(coded)
    assert np.isfinite(out).all()
    found = np.sqrt(powers(out))
    # Single precision: the quieter of two channels is known to 1e-7 of the louder one.
    unsure = 1e-7 * np.sqrt(most.max(0)) + 1e-15
    assert (found[2:] <= 1.0005 * np.sqrt(most[2:]) + unsure).all()
    assert (found[:2] <= 3.002 * np.sqrt(most[:2]) + unsure).all()


@settings(max_examples=50, deadline=None)
@given(scene=scenes())
def test_nothing_is_made_louder(scene):
    coded, delta = scene
    before, after = powers(delta), powers(held(delta, coded))
    assert (after[2:].sum(0) <= 1.0001 * before[2:].sum(0)).all()


def test_what_keeps_to_the_bound_passes_bit_for_bit():
    coded = noise(30, 2, BINS)
    delta = noise(30, 2, BINS, seed=1, scale=0.5)
    np.testing.assert_array_equal(held(delta, coded), delta)


def test_a_band_that_the_codec_emptied_may_be_filled():
    coded = noise(30, 2, BINS)
    coded[..., 70:] = 0
    delta = noise(30, 2, BINS, seed=1, scale=0.3)
    np.testing.assert_array_equal(held(delta, coded), delta)


def test_bass_allows_no_treble():
    coded = np.zeros((30, 2, BINS), np.complex64)
    coded[:, :, 1:3] = 100
    out = held(noise(30, 2, BINS, seed=1, scale=100), coded)
    assert np.abs(out[..., 65:]).max() < 100 * 10 ** ((CEILING_DB - 36 + 6) / 20)


@pytest.mark.parametrize("silent", ["mid", "side", "left", "right"])
def test_what_is_silent_stays_silent(silent):
    one, two = noise(30, BINS), noise(30, BINS, seed=1)
    image = {
        "mid": (0 * one, one),
        "side": (one, 0 * one),
        "left": (one, -one),
        "right": (one, one),
    }[silent]
    coded = np.stack(image, 1)
    for scale in (0.1, 1e3):
        out = held(np.stack([one, two], 1) * np.float32(scale), coded)
        assert np.abs(out).max() > 0.05
        mid, side = out.transpose(1, 0, 2)
        quiet = {"mid": mid, "side": side, "left": mid + side, "right": mid - side}[silent]
        assert not quiet.any()


def test_what_falls_silent_is_silent_at_once():
    coded, delta = noise(30, 2, BINS), noise(30, 2, BINS, seed=1)
    coded[15:, 0] = 1e-6
    out = held(delta, coded)
    assert np.abs(out[:15, 0]).max() > 0.1
    assert not out[15:, 0].any()


@pytest.mark.parametrize("sizes", [(1,) * 30, (5, 1, 24), (17,)], ids=str)
@pytest.mark.parametrize("channels", [1, 2])
def test_calls_of_any_size_give_the_same_bits(sizes, channels):
    coded = noise(30, channels, BINS) * np.geomspace(1, 1e-4, 30, dtype=np.float32)[:, None, None]
    delta = noise(30, channels, BINS, seed=1)
    np.testing.assert_array_equal(held(delta, coded, sizes), held(delta, coded))


def test_one_channel_is_held_as_mid_alone():
    coded, delta = noise(30, 2, BINS, scale=0.1), noise(30, 2, BINS, seed=1)
    coded[:, 1] = delta[:, 1] = 0
    np.testing.assert_allclose(held(delta[:, :1], coded[:, :1]), held(delta, coded)[:, :1], 1e-5)


def test_nothing_that_lies_longer_back_than_the_memory_counts():
    coded = noise(40, 2, BINS, scale=1e-3)
    loud = coded.copy()
    loud[: 39 - MEMORY] *= 1e4
    delta = noise(40, 2, BINS, seed=1)
    np.testing.assert_array_equal(held(delta, coded)[-2:], held(delta, loud)[-2:])


def test_numbers_that_are_not_finite_are_not_hidden():
    delta = noise(3, 2, BINS)
    delta[1, 0, 7] = np.nan
    assert np.isnan(held(delta, noise(3, 2, BINS))[1, 0, 7])


def test_a_clone_goes_on_alone():
    coded, delta = noise(30, 2, BINS, scale=0.1), noise(30, 2, BINS, seed=1)
    bound, whole = DeltaBound(2, BINS), held(delta, coded)
    bound.hold_into(delta[:20], coded[:20])
    for each in (bound.clone(), bound):
        rest = delta[20:].copy()
        each.hold_into(rest, coded[20:])
        np.testing.assert_array_equal(rest, whole[20:])


@pytest.mark.parametrize("bins", [2, 33, 65, 100, 1025])
def test_frames_may_have_any_number_of_bins(bins):
    coded = noise(20, 2, bins)
    delta = noise(20, 2, bins, seed=1, scale=100.0)
    out = held(delta, coded)
    assert 0.1 < np.abs(out).max() < 30


def test_arguments_are_checked():
    with pytest.raises(InvalidValue, match="channels=3: must be 1 or 2"):
        DeltaBound(3, BINS)
    with pytest.raises(InvalidValue, match="bins=1: must be 2 or more"):
        DeltaBound(2, 1)
    bound = DeltaBound(2, BINS)
    with pytest.raises(InvalidValue, match=r"delta: must have shape \(frames, 2, 129\)"):
        bound.hold_into(noise(1, 1, BINS), noise(1, 2, BINS))
    with pytest.raises(InvalidValue, match=r"coded: must have shape \(1, 2 or more, 129\)"):
        bound.hold_into(noise(1, 2, BINS), noise(2, 2, BINS))
    with pytest.raises(InvalidType, match="delta: must be complex64, got complex128"):
        bound.hold_into(noise(1, 2, BINS).astype(complex), noise(1, 2, BINS))
