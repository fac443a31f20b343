"""Every engine's delta keeps to the bound, whatever the network says and whatever comes in."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.diffusion.engine import DiffusionEngine
from uncodec.diffusion.source import DiffusionSource
from uncodec.live import LiveSession
from uncodec.live.engine import DeltaEngine
from uncodec.live.hop_engine import restoring_engine
from uncodec.networks import (
    DiffusionConfig,
    DiffusionNetwork,
    Generator,
    GeneratorConfig,
    load_diffusion,
    load_model,
    save_weights,
)
from uncodec.streams.brightness import Brightness
from uncodec.streams.delta_bound import CEILING_DB, FALL_DB, MEMORY
from uncodec.streams.line import Line

RATE, SAMPLES, WINDOW, HOP = 44100, 9000, 256, 64
SHAPE = GeneratorConfig(window=WINDOW, hop=HOP, encoder=16, hidden=16, local=4)


def shouting(generator):
    """A network that fills everything, far too loud."""
    with torch.no_grad():
        generator.decide.weight.mul_(30)
        generator.decide.bias += 2.0
    return generator


@pytest.fixture(scope="module")
def live_folder(tmp_path_factory):
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("live")
    save_weights(folder, shouting(Generator(SHAPE)), name="loud", version="1")
    return str(folder)


@pytest.fixture(scope="module")
def diffusion_model(tmp_path_factory):
    torch.manual_seed(3)
    config = DiffusionConfig(window=512, hop=128, width=16, dilations=(1, 2), local=4, live=SHAPE)
    network = DiffusionNetwork(config)
    shouting(network.live)
    with torch.no_grad():
        # Trusts nothing of the coded signal, and turns up what was added.
        network.decide.bias[:2] -= 5.0
        network.decide.bias[4:] += 2.0
    folder = tmp_path_factory.mktemp("offline")
    save_weights(folder, network, name="loud", version="1")
    return load_diffusion(folder)


def from_engine(folder, audio):
    engine = DeltaEngine(load_model(folder), 2)
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % HOP + 4 * HOP)))
    return engine.push(padded)[:, engine.delay :][:, : audio.shape[1]]


def from_hops(folder, audio):
    """What plugin instances run on."""
    engine = restoring_engine(load_model(folder), sample_rate=RATE, hop=HOP, channels=2)
    padded = np.pad(audio, ((0, 0), (0, -audio.shape[1] % HOP + 4 * HOP)))
    out = np.empty_like(padded)
    for first in range(0, padded.shape[1], HOP):
        hop = np.empty((2, HOP), np.float32)
        engine.push_into(np.ascontiguousarray(padded[:, first : first + HOP]), hop)
        out[:, first : first + HOP] = hop
    return out[:, engine.delay :][:, : audio.shape[1]]


def from_session(folder, audio):
    with LiveSession(
        folder, sample_rate=RATE, channels=2, block=500, turnaround_s=0.0, realtime=False
    ) as session:
        late = session.latency_samples
        padded = np.pad(audio, ((0, 0), (0, late)))
        firsts = range(0, padded.shape[1], 500)
        out = [session.callback(padded[:, first : first + 500]) for first in firsts]
    return np.concatenate(out, axis=1)[:, late:] - audio


def from_diffusion(model, audio):
    source = DiffusionSource(DiffusionEngine(model, 2, 0), 2, 32)
    padded = np.pad(audio, ((0, 0), (0, source.lead)))
    line, delta = Line(2, source.lead), Line(2)
    line.append(padded)
    source.push(line, padded.shape[1], delta)
    return delta.view(0, audio.shape[1]).copy()


ENGINES = {
    "live engine": (from_engine, WINDOW),
    "plugin core": (from_hops, WINDOW),
    "live session": (from_session, WINDOW),
    "diffusion": (from_diffusion, 512),
}


@pytest.fixture(params=ENGINES, scope="module")
def engine(request, live_folder, diffusion_model):
    run, window = ENGINES[request.param]
    model = diffusion_model if request.param == "diffusion" else live_folder
    return lambda audio: run(model, audio), window


def components(audio):
    left, right = audio.astype(np.float64)
    return np.stack([0.5 * (left + right), 0.5 * (left - right), left, right])


def powers(audio, window):
    """Of eight bands of mid, side, left and right, [shape=(4, frames, 8)]."""
    shape = np.sin(np.pi * np.arange(window) / window)
    padded = np.pad(components(audio), ((0, 0), (window, window)))
    cut = np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, :: window // 4]
    power = np.abs(np.fft.rfft(cut * shape)) ** 2
    return power[..., :-1].reshape(*power.shape[:2], 8, -1).mean(-1)


def check(audio, delta, window):
    assert np.isfinite(delta).all()
    ceiling = 10 ** (0.1 * CEILING_DB)
    # Frames of the engine lie anywhere within two of these.
    known = powers(audio, window)
    near = known.copy()
    for shift in range(1, 5):
        near[:, shift:] = np.maximum(near[:, shift:], known[:, :-shift])
        near[:, :-shift] = np.maximum(near[:, :-shift], known[:, shift:])
    held = near.copy()
    for age in range(1, MEMORY):
        fallen = near[:, :-age] * 10 ** (-0.1 * FALL_DB * age)
        held[:, age:] = np.maximum(held[:, age:], fallen)
    beside = np.maximum(held, np.pad(held[..., 1:], ((0, 0), (0, 0), (0, 1))))
    envelope = np.maximum.accumulate(beside, axis=-1)
    found = powers(delta, window)
    # Bands of an eighth: the loudest of eight bands is at most 9 dB above their mean. What sounds
    # in one band is cut short by the hold-back and heard a little in all.
    most = 8 * ceiling * envelope
    most = most + 1e-2 * most.max(-1, keepdims=True)
    # Where single precision ends: samples of the other channel, rounded.
    floor = 1e-13 * window * np.square(audio.astype(np.float64)).max() + 1e-16
    assert (found[2:] <= most[2:] + floor).all()
    assert (found[:2] <= 9 * most[:2] + floor).all()
    quiet = np.abs(components(audio)).max(1) == 0
    loudest = np.abs(audio).max()
    assert (np.abs(components(delta)).max(1)[quiet] <= 1e-7 * loudest).all()


def scene(seed, kind, relation, gain_db, cut_hz):
    rng = np.random.default_rng(seed)
    t = np.arange(SAMPLES) / RATE
    one, two = rng.standard_normal((2, SAMPLES))
    if kind == "bursts":
        one, two = one * np.exp(-(t % 0.05) * 60), two * np.exp(-(t % 0.08) * 60)
    elif kind == "tones":
        one, two = np.sin(2 * np.pi * 440 * t), np.sin(2 * np.pi * 3000 * t)
    spectrum = np.fft.rfft([one, two])
    spectrum[:, np.fft.rfftfreq(SAMPLES, 1 / RATE) > cut_hz] = 0
    one, two = np.fft.irfft(spectrum, SAMPLES)
    half = np.where(t < t[-1] / 2, 1.0, -1.0)
    steps = np.sign(rng.standard_normal(SAMPLES)) / 32768
    right = {
        "alike": one,
        "opposed": -one,
        "unrelated": two,
        "silent": 0 * one,
        "quiet": 1e-3 * two,
        "residue": -one * 1e-5,
        "off by a bit": one + steps,
        "opposed but for a bit": -one + steps,
        "flipped in the middle": one * half,
        "delayed": np.roll(one, int(rng.integers(1, 200))),
        "delayed and opposed": -np.roll(one, int(rng.integers(1, 200))),
        "correlated": 0.7 * one + 0.5 * two,
        "gone in the middle": one * (half > 0),
    }[relation]
    audio = np.stack([one, right][:: 1 if rng.random() < 0.5 else -1])
    return (0.3 * 10 ** (gain_db / 20) * audio).astype(np.float32)


RELATIONS = [
    "alike",
    "opposed",
    "unrelated",
    "silent",
    "quiet",
    "residue",
    "off by a bit",
    "opposed but for a bit",
    "flipped in the middle",
    "delayed",
    "delayed and opposed",
    "correlated",
    "gone in the middle",
]


SCENES = st.builds(
    scene,
    seed=st.integers(0, 2**20),
    kind=st.sampled_from(["noise", "bursts", "tones"]),
    relation=st.sampled_from(RELATIONS),
    gain_db=st.integers(-80, 20),
    cut_hz=st.sampled_from([2000, 8000, 11000, 16000, 22050]),
)


@pytest.mark.parametrize("relation", RELATIONS)
def test_relations_between_channels_do_not_break_it(engine, relation):
    run, window = engine
    audio = scene(0, "bursts", relation, 0, 11000)
    check(audio, run(audio), window)


@settings(max_examples=12, deadline=None)
@given(audio=SCENES)
def test_no_band_is_louder_than_its_ceiling(engine, audio):
    run, window = engine
    check(audio, run(audio), window)


@pytest.mark.nightly
@settings(max_examples=100, deadline=None)
@given(audio=SCENES)
def test_no_band_of_many_scenes_is_louder_than_its_ceiling(engine, audio):
    run, window = engine
    check(audio, run(audio), window)


@pytest.mark.parametrize("relation", ["unrelated", "opposed", "quiet"])
def test_brightness_does_not_break_it(engine, relation, monkeypatch):
    run, window = engine
    audio = scene(0, "noise", relation, 0, 11000)
    plain = run(audio)
    as_made = Brightness.__init__

    def made_bright(self, bins, sample_rate):
        as_made(self, bins, sample_rate)
        self.db = 12.0

    monkeypatch.setattr(Brightness, "__init__", made_bright)
    bright = run(audio)
    assert np.abs(bright - plain).max() > 1e-4
    check(audio, bright, window)


def test_without_the_bound_these_networks_break_it(engine, monkeypatch):
    """The tests above can fail."""
    run, window = engine
    audio = scene(0, "noise", "opposed", 0, 8000)
    monkeypatch.setattr("uncodec.streams.delta_bound.DeltaBound.hold_into", lambda *_: None)
    with pytest.raises(AssertionError):
        check(audio, run(audio), window)


@pytest.mark.parametrize("flip", [1, -1])
def test_one_channel_alone_stays_alone(engine, flip):
    run, _ = engine
    audio = scene(0, "bursts", "silent", 0, 8000)[::flip]
    delta = run(np.ascontiguousarray(audio))
    sounding = np.abs(audio).max(1) > 0
    assert np.abs(delta[sounding]).max() > 1e-3
    assert not delta[~sounding].any()
