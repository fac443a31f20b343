"""Three to eight channels: pairs as stereo, single speakers as mono, the LFE only delayed."""

import copy
import pickle

import numpy as np
import pedalboard
import pytest

from uncodec import (
    ArtefactRepair,
    Board,
    DiffusionRestorer,
    GANRestorer,
    MakeupGain,
    PhaseAligner,
    StereoRepair,
    TransientRepair,
)
from uncodec.analysis.loudness import integrated_loudness
from uncodec.errors import InvalidType, InvalidValue
from uncodec.repair.limiter import true_peak
from uncodec.speakers import LAYOUTS
from uncodec.streams.channel_groups import channel_groups, group_seed

RATE = 44100


@pytest.mark.parametrize("layout", ["3.0", "quad", "5.0", "5.1", "6.1", "7.1", "2.1", "5.1(side)"])
def test_each_group_is_what_it_is_alone(model, noise, layout):
    channels = len(LAYOUTS[layout])
    audio = noise(3000, channels)
    restorer = GANRestorer(seed=5, model=model)
    restorer.channel_layout = layout
    result = restorer(audio, RATE)
    number = 0
    for group in channel_groups(layout, channels):
        places = list(group.channels)
        expected = audio[places]
        if group.touched:
            alone = GANRestorer(seed=group_seed(5, number), model=model)
            expected = alone(audio[places], RATE)
            assert np.abs(expected - audio[places]).max() > 1e-4
            number += 1
        np.testing.assert_array_equal(result[places], expected)


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8])
def test_a_restorer_streams_what_a_whole_call_gives(model, noise, stream_through, channels):
    audio = noise(5000, channels)
    effect = GANRestorer(model=model)
    whole = effect(audio, RATE)
    assert whole.shape == audio.shape
    for first_resets in (False, True):
        effect.reset()
        twice = [
            stream_through(effect, audio, [100, 1500, 1502], first_resets=first_resets)
            for _ in range(2)
        ]
        np.testing.assert_array_equal(*twice)
        known = np.ones(5000, bool)
        if first_resets:
            known[max(0, 100 - effect.latency_samples) : 100] = False
        assert np.abs(twice[0] - whole)[:, known].max() < 1e-5


@pytest.mark.parametrize(
    "kind", [ArtefactRepair, GANRestorer, MakeupGain, PhaseAligner, StereoRepair, TransientRepair]
)
def test_latency_is_that_of_stereo(kind, noise):
    effect = kind()
    effect.process(noise(100, 6), RATE, reset=False)
    surround = effect.latency_samples
    effect.reset()
    effect.process(noise(100, 2), RATE, reset=False)
    assert effect.latency_samples == surround


@pytest.mark.parametrize("kind", [GANRestorer, DiffusionRestorer])
def test_groups_with_the_same_sound_get_unlike_noise(kind, model, diffusion_folder, noise):
    offline = {"steps": 2, "sampler": "sde", "model": diffusion_folder}
    restorer = kind(**offline) if kind is DiffusionRestorer else kind(model=model)
    # In quad the front and the back hold the same.
    delta = restorer(np.tile(noise(20_000), (2, 1)), RATE) - np.tile(noise(20_000), (2, 1))
    for left, right in ((0, 2), (1, 3)):
        assert np.abs(delta[left] - delta[right]).max() > 0.05 * np.abs(delta[left]).max()


def test_the_offline_restorer_takes_surround(diffusion_folder, noise):
    audio = noise(20_000, 6)
    restorer = DiffusionRestorer(steps=2, seed=3, model=diffusion_folder)
    result = restorer(audio, RATE)
    np.testing.assert_array_equal(result[3], audio[3])
    np.testing.assert_array_equal(result[:2], restorer(audio[:2], RATE))
    restorer.reset()
    for channel in (2, 4, 5):
        assert np.abs(result[channel] - audio[channel]).max() > 1e-4
    restorer.seed = group_seed(3, 2)
    np.testing.assert_array_equal(result[4:], restorer(audio[4:], RATE))


def test_phase_is_corrected_pair_by_pair():
    rng = np.random.default_rng(0)
    front, back = (0.1 * rng.standard_normal((2, 6 * RATE))).astype(np.float32)
    quad = np.stack([front, -front, back, np.roll(back, 9)])
    aligner = PhaseAligner(lookahead_s=4)
    result = aligner(quad, RATE)
    np.testing.assert_allclose(result[0], result[1], atol=1e-6)
    assert np.abs(result[2] - result[3])[20:-20].max() < 1e-5
    assert (aligner.inverted, round(aligner.delay_samples, 3)) == (True, 0.0)


def test_makeup_gain_is_one_for_all_channels_and_weighs_them_as_the_standard_does(noise):
    audio = 0.3 * noise(10 * RATE, 6)
    audio[3] *= 20.0  # the LFE does not count
    makeup = MakeupGain(target_lufs=-20.0)
    makeup(audio, RATE)
    assert makeup.wanted_db == pytest.approx(-20.0 - integrated_loudness(audio, RATE), abs=0.1)
    louder = MakeupGain(gain_db=6.0, ceiling_db=0.0)(audio[:, :RATE] / 20.0, RATE)
    np.testing.assert_allclose(louder, audio[:, :RATE] / 20.0 * 10 ** (6 / 20), rtol=1e-5)


def test_makeup_gain_limits_all_channels_for_a_peak_in_one(noise):
    audio = noise(RATE, 6)
    audio[4, 20_000] = 2.0
    result = MakeupGain(ceiling_db=-1.0)(audio, RATE)
    assert true_peak(result) <= 10 ** (-1 / 20)
    ratio = result[:, 20_000] / audio[:, 20_000]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert ratio[0] < 0.5


def test_an_effect_of_ones_own_gets_pairs_and_single_channels_and_the_lfe(delayed, noise):
    own = delayed(10, 0.5)
    audio = noise(1000, 8)
    np.testing.assert_allclose(own(audio, RATE), 0.5 * audio, rtol=1e-6)
    assert [stream.channels for stream in own.streams] == [2, 1, 1, 2, 2]


def test_parameters_reach_every_group_in_mid_stream(delayed, noise):
    own = delayed(0, 1.0)
    audio = noise(200, 6)
    np.testing.assert_array_equal(own.process(audio, RATE, reset=False), audio)
    own.gain = 0.5
    np.testing.assert_array_equal(own.process(audio, RATE, reset=False), 0.5 * audio)


@pytest.mark.parametrize("transposed", [False, True])
def test_layouts_of_arrays(delayed, noise, transposed):
    audio = noise(500, 6)
    given = audio.T if transposed else audio
    own = delayed(30)
    np.testing.assert_array_equal(own(given, RATE), given)
    # Fewer samples than channels, and as many: read as the array before.
    for count in (1, 2, 5, 6, 7):
        short = given[:count] if transposed else given[:, :count]
        np.testing.assert_array_equal(own(short, RATE), short)
        assert own._channels == 6


def test_the_layout_tells_the_channels_of_a_first_short_array(delayed, noise):
    own = delayed(0)
    own.channel_layout = "5.1"
    own(noise(4, 6), RATE)
    assert own._channels == 6
    own.reset()
    own(noise(4, 6).T, RATE)
    assert own._channels == 6


def test_a_layout_that_does_not_fit_is_refused_and_leaves_the_stream(delayed, noise):
    own = delayed(10)
    head = own.process(noise(100), RATE, reset=False)
    own.channel_layout = "5.1"
    with pytest.raises(InvalidValue, match=r"channel_layout='5\.1': .* channels \(2\), got 6"):
        own.process(noise(100), RATE)
    tail = own.process(noise(100), RATE, reset=False)  # the stream that runs keeps its own
    joined = np.concatenate([head, tail, own.flush()], axis=1)
    np.testing.assert_array_equal(joined, np.tile(noise(100), 2))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (None, None),
        ("5.1", "5.1"),
        ("discrete", "discrete"),
        (("FL", "FR", "LFE"), "FL+FR+LFE"),
        (["FC"], "FC"),
    ],
)
def test_layouts_are_kept_in_copies_and_shown(given, kept, delayed):
    for thing in (GANRestorer(), Board([delayed()])):
        thing.channel_layout = given
        assert thing.channel_layout == kept
        assert copy.deepcopy(thing).channel_layout == kept
    restorer = GANRestorer()
    restorer.channel_layout = given
    assert pickle.loads(pickle.dumps(restorer)).channel_layout == kept
    assert (f"channel_layout={kept!r}" in repr(restorer)) == (given is not None)


@pytest.mark.parametrize(
    ("wrong", "error"), [("5,1", InvalidValue), ("", InvalidValue), (6, InvalidType)]
)
def test_layouts_are_checked_when_they_are_set(wrong, error):
    restorer = GANRestorer()
    with pytest.raises(error, match="channel_layout="):
        restorer.channel_layout = wrong
    assert restorer.channel_layout is None


def test_discrete_stereo_is_two_monos(delayed, noise):
    own = delayed(3)
    own.channel_layout = "discrete"
    np.testing.assert_array_equal(own(noise(100), RATE), noise(100))
    assert [stream.channels for stream in own.streams] == [1, 1]


NATIVE = {
    "filters": lambda: [pedalboard.Gain(-3), pedalboard.HighpassFilter(200), pedalboard.Chorus()],
    "dynamics": lambda: [pedalboard.Compressor(-30, 4), pedalboard.Limiter(-20)],
    "lookahead": lambda: [pedalboard.BrickwallLimiter(-20.0)],
    "nested": lambda: [pedalboard.Chain([pedalboard.Delay(0.01)]), pedalboard.Phaser()],
}


@pytest.mark.parametrize("kind", NATIVE)
@pytest.mark.parametrize("channels", [3, 6, 8])
def test_boards_of_native_plugins_equal_pedalboard(kind, channels, noise):
    audio = noise(3000, channels)
    expected = pedalboard.Pedalboard(NATIVE[kind]())(audio, RATE)
    np.testing.assert_array_equal(Board(NATIVE[kind]())(audio, RATE), expected)


@pytest.mark.parametrize("kind", ["filters", "dynamics", "nested"])
def test_native_plugins_do_to_each_channel_what_they_do_to_one(kind, noise):
    audio = noise(3000, 6)
    result = Board(NATIVE[kind]())(audio, RATE)
    for channel in range(6):
        alone = Board(NATIVE[kind]())(audio[channel], RATE)
        np.testing.assert_allclose(result[channel], alone, atol=1e-6)


@pytest.mark.parametrize("first_resets", [False, True])
def test_mixed_boards_stream_what_a_whole_call_gives(
    model, fir, noise, stream_through, first_resets
):
    def board():
        return Board(
            [
                pedalboard.Gain(-3),
                GANRestorer(model=model),
                pedalboard.BrickwallLimiter(-12),
                Board([fir(31), pedalboard.Delay(0.01)]),
            ]
        )

    audio = noise(6000, 6)
    whole = board()(audio, RATE)
    result = stream_through(board(), audio, [2000, 2003, 2005, 4000], first_resets=first_resets)
    assert result.shape == whole.shape
    difference = np.abs(result - whole)
    if first_resets:
        difference[:, 2000 - 1000 : 2000] = 0
    assert difference.max() < 1e-5


def test_short_blocks_of_many_channels_reach_native_plugins_whole(delayed, noise):
    audio = noise(60, 6)
    board = Board([delayed(1), pedalboard.Delay(0.0001, 0, 0)])
    board.channel_layout = "5.1"
    parts = [board.process(audio[:, i : i + 2], RATE, reset=False) for i in range(0, 60, 2)]
    np.testing.assert_allclose(np.concatenate([*parts, board.flush()], axis=1), audio, rtol=1e-6)


ECHO = np.ones((1, 10), np.float32)


@pytest.mark.parametrize(
    "plugin",
    [
        pedalboard.Reverb,
        pedalboard.MP3Compressor,
        lambda: pedalboard.Convolution(ECHO, 1.0, RATE),
        lambda: pedalboard.Chain([pedalboard.Gain(), pedalboard.Mix([pedalboard.Reverb()])]),
    ],
)
def test_native_plugins_that_cannot_are_refused_by_name(plugin, noise):
    board = Board([pedalboard.Gain(), plugin()])
    rule = "pedalboard's (Reverb|MP3Compressor|Convolution) takes one or two channels, got 6"
    with pytest.raises(InvalidValue, match=rule):
        board(noise(2000, 6), RATE)
    assert board(noise(2000), RATE).shape == (2, 2000)


def test_the_layout_of_a_board_is_that_of_its_effects(delayed, noise):
    inner = delayed(1)
    board = Board([Board([inner])])
    board.channel_layout = "2.1"
    board(noise(100, 3), RATE)
    inner.channel_layout = "3.0"
    board.channel_layout = None
    board(noise(100, 3), RATE)
    board.channel_layout = "discrete"
    board(noise(100, 3), RATE)
    channels = [stream.channels for stream in inner.streams]
    assert channels == [2, 1, 2, 1, 1, 1, 1]
    assert board[:1].channel_layout == "discrete"
