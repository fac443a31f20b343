"""Brightness of the restorers: the treble of what is added, and nothing else, on every engine."""

import copy
import pickle
import shutil

import numpy as np
import pytest
import torch

from uncodec import DiffusionRestorer, GANRestorer
from uncodec.errors import InvalidType, InvalidValue
from uncodec.files.render import RenderSettings
from uncodec.live import LiveSession
from uncodec.networks import DiffusionConfig, DiffusionNetwork, save_weights
from uncodec.networks.levels import LevelConfig, LevelNetwork

SAMPLES = 24_000


@pytest.fixture(scope="module")
def levelled(tmp_path_factory):
    """An offline model with a level network behind its steps."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("levelled")
    config = DiffusionConfig(window=2048, hop=512, width=8, dilations=(1,), local=2)
    save_weights(folder, DiffusionNetwork(config), name="small", version="1")
    network = LevelNetwork(LevelConfig(width=16, inner=8, layers=1, both=True))
    save_weights(folder, network, name="levels", version="1")
    yield folder
    shutil.rmtree(folder)


def live_effect(audio, rate, model, brightness_db):
    return GANRestorer(model=model, brightness_db=brightness_db)(audio, rate)


def live_session(audio, rate, model, brightness_db):
    with LiveSession(
        str(model),
        sample_rate=rate,
        channels=len(audio),
        block=500,
        turnaround_s=0.0,
        realtime=False,
        brightness_db=brightness_db,
    ) as session:
        late = session.latency_samples
        padded = np.pad(audio, ((0, 0), (0, late)))
        firsts = range(0, padded.shape[1], 500)
        blocks = [session.callback(padded[:, first : first + 500]) for first in firsts]
    return np.concatenate(blocks, axis=1)[:, late:]


def offline_effect(audio, rate, model, brightness_db):
    return DiffusionRestorer(steps=2, model=model, brightness_db=brightness_db)(audio, rate)


@pytest.fixture(
    params=["live", "live at 48 kHz", "live at 96 kHz", "mono", "session", "offline", "levels"]
)
def restored(request, model, diffusion_folder, levelled, noise):
    """Gives what is added to noise, (channels, samples), and the rate."""
    run, folder, rate, channels = {
        "live": (live_effect, model, 44100, 2),
        "live at 48 kHz": (live_effect, model, 48000, 2),
        "live at 96 kHz": (live_effect, model, 96000, 2),
        "mono": (live_effect, model, 44100, 1),
        "session": (live_session, model, 48000, 2),
        "offline": (offline_effect, diffusion_folder, 44100, 2),
        "levels": (offline_effect, levelled, 48000, 2),
    }[request.param]
    audio = noise(SAMPLES, channels)
    return lambda brightness_db: (run(audio, rate, folder, brightness_db) - audio, rate)


def power(delta, rate, low, high):
    """Of a band, in dB."""
    inner = delta[:, 3000:-3000] * np.hanning(delta.shape[1] - 6000)
    spectrum = np.abs(np.fft.rfft(inner)) ** 2
    at = np.fft.rfftfreq(inner.shape[1], 1 / rate)
    return 10 * np.log10(spectrum[:, (at >= low) & (at < high)].mean())


@pytest.mark.parametrize("brightness_db", [-12.0, 4.0])
def test_the_treble_of_what_is_added_changes_by_what_was_said(restored, brightness_db):
    (plain, rate), (tilted, _) = restored(0.0), restored(brightness_db)
    change = [
        power(tilted, rate, low, high) - power(plain, rate, low, high)
        for low, high in ((0, 1700), (3900, 4100), (16_500, 19_500))
    ]
    np.testing.assert_allclose(change, [0, brightness_db / 3, brightness_db], atol=0.35)


def test_zero_is_what_it_was_to_the_bit(restored, monkeypatch):
    with_tilt, _ = restored(0.0)
    monkeypatch.setattr("uncodec.streams.brightness.Brightness.tilt_into", lambda *_: None)
    without, _ = restored(0.0)
    np.testing.assert_array_equal(with_tilt, without)
    loud, _ = restored(6.0)
    np.testing.assert_array_equal(loud, without)


def test_amount_zero_gives_the_input_back_however_bright(model, noise):
    audio = noise(3000)
    restorer = GANRestorer(amount=0, model=model, brightness_db=12)
    np.testing.assert_array_equal(restorer(audio, 44100), audio)


def test_a_running_restorer_changes_from_the_next_block_on(model, noise, stream_through):
    audio = noise(8000)
    dark, bright = (GANRestorer(model=model, brightness_db=db)(audio, 44100) for db in (-12.0, 9.0))
    restorer = GANRestorer(model=model, brightness_db=-12.0)
    head = restorer.process(audio[:, :4000], 44100, reset=False)
    restorer.brightness_db = 9.0
    tail = np.concatenate(
        [restorer.process(audio[:, 4000:], 44100, reset=False), restorer.flush()], axis=1
    )
    result = np.concatenate([head, tail], axis=1)
    # Frames of 256 samples hold some of both.
    np.testing.assert_allclose(result[:, :3600], dark[:, :3600], atol=1e-5)
    np.testing.assert_allclose(result[:, 4400:], bright[:, 4400:], atol=1e-5)
    assert np.abs(dark - bright)[:, 4400:].max() > 1e-3


def test_every_partition_is_as_bright(model, noise, stream_through):
    audio = noise(6000)
    restorer = GANRestorer(model=model, brightness_db=6.0)
    whole = restorer(audio, 96000)
    restorer.reset()
    parts = stream_through(restorer, audio, [100, 700, 703, 3000], sample_rate=96000)
    assert np.abs(parts - whole).max() < 1e-5


def test_surround_is_tilted_in_all_groups(model, noise):
    audio = noise(4000, 6)
    plain, tilted = (
        GANRestorer(model=model, brightness_db=db)(audio, 44100) for db in (0.0, -12.0)
    )
    changed = np.abs(plain - tilted).max(1) > 1e-4
    assert changed.tolist() == [True, True, True, False, True, True]


def test_an_offline_restorer_takes_another_with_the_next_call(diffusion_folder, noise):
    audio = noise(12_000)
    restorer = DiffusionRestorer(steps=1, model=diffusion_folder)
    plain = restorer(audio, 44100)
    restorer.brightness_db = -9
    tilted = restorer(audio, 44100)
    assert np.abs(plain - tilted).max() > 1e-4
    restorer.brightness_db = 0
    np.testing.assert_array_equal(restorer(audio, 44100), plain)


def test_a_session_changes_while_it_runs_and_keeps_it_over_a_reset(model, noise):
    audio = noise(6000)

    def run(session):
        return np.concatenate(
            [session.callback(audio[:, first : first + 500]) for first in range(0, 6000, 500)],
            axis=1,
        )

    def opened(brightness_db):
        return LiveSession(
            str(model),
            sample_rate=44100,
            channels=2,
            block=500,
            turnaround_s=0.0,
            realtime=False,
            brightness_db=brightness_db,
        )

    with opened(0.0) as session, opened(7.0) as other:
        plain, bright = run(session), run(other)
        assert np.abs(plain - bright).max() > 1e-3
        session.brightness_db = 7.0
        assert session.brightness_db == 7.0
        session.reset()
        np.testing.assert_array_equal(run(session), bright)
        session.brightness_db = 0.0
        session.reset()
        np.testing.assert_array_equal(run(session), plain)


class Plain:
    """An engine of someone's own."""

    channels, hop, delay, tail_length = 2, 64, 64, 0


def test_a_session_over_an_engine_that_cannot_tilt_says_so():
    with pytest.raises(InvalidValue, match="brightness_db=1: Plain cannot tilt what it adds"):
        LiveSession(sample_rate=44100, channels=2, engine=Plain(), brightness_db=1.0)


@pytest.mark.parametrize("kind", [GANRestorer, DiffusionRestorer, RenderSettings])
@pytest.mark.parametrize("value", [13, -13.5, float("nan")])
def test_values_out_of_range_are_refused(kind, value):
    with pytest.raises(InvalidValue, match=r"brightness_db=\S+: must be from -12 to 12"):
        kind(brightness_db=value)


@pytest.mark.parametrize("kind", [GANRestorer, DiffusionRestorer])
def test_a_refused_value_leaves_the_one_before(kind):
    restorer = kind(brightness_db=-3)
    with pytest.raises(InvalidType, match="brightness_db='loud': must be a number from -12 to 12"):
        restorer.brightness_db = "loud"
    assert restorer.brightness_db == -3.0
    assert "brightness_db=-3.0" in repr(restorer)
    for twin in (copy.copy(restorer), pickle.loads(pickle.dumps(restorer))):
        assert twin.brightness_db == -3.0


def test_a_session_refuses_values_out_of_range(model):
    with pytest.raises(InvalidValue, match="brightness_db=13: must be from -12 to 12"):
        LiveSession(str(model), sample_rate=44100, channels=2, brightness_db=13)
    with LiveSession(str(model), sample_rate=44100, channels=2, realtime=False) as session:
        with pytest.raises(InvalidValue, match="brightness_db=-20: must be from -12 to 12"):
            session.brightness_db = -20
        assert session.brightness_db == 0.0
