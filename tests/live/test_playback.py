"""Playing through a live session: by the clock, and on a sound card that is played by a test."""

import gc
import importlib
import sys
import threading
import time
import types

import numpy as np
import pytest

from uncodec.errors import UncodecError
from uncodec.live import LiveSession
from uncodec.live.hop_engine import PassingEngine
from uncodec.live.playback import no_collection, play_by_clock, play_on_card


def open_dry(block, channels=2):
    """A session whose output does not depend on the worker's speed."""
    engine = PassingEngine(channels, 64, 192)
    return LiveSession(sample_rate=48000, channels=channels, block=block, amount=0.0, engine=engine)


def music(samples, channels=2):
    rng = np.random.default_rng(0)
    return (0.1 * rng.standard_normal((channels, samples))).astype(np.float32)


def pieces(audio, size):
    return (audio[:, start : start + size] for start in range(0, audio.shape[1], size))


@pytest.mark.parametrize(("samples", "block"), [(4001, 100), (30, 100), (0, 100), (5000, 4096)])
def test_the_clock_gives_back_what_it_was_given(samples, block):
    audio, out = music(samples), []
    with open_dry(block) as session:
        assert play_by_clock(session, pieces(audio, block), out.append) == samples
    joined = np.concatenate([np.zeros((2, 0), np.float32), *out], axis=1)
    np.testing.assert_array_equal(joined, audio)


def test_collection_is_as_it_was_afterwards():
    assert gc.isenabled()
    with no_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


class FakeCard(types.ModuleType):
    """A module `sounddevice` whose card keeps what it is given to play."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *, broken=False):
        super().__init__("sounddevice")
        self.played = []
        self.broken = broken
        self.options = {}

    def OutputStream(self, *, callback, blocksize, channels, **options):
        if self.broken:
            raise self.PortAudioError("no such device")
        self.options = options
        card = self

        class Stream:
            def __enter__(self):
                self.thread = CardThread(callback, blocksize, channels, card.played)
                return self

            def __exit__(self, *_):
                self.thread.stop()

        return Stream()


class CardThread(threading.Thread):
    """Calls for blocks, now and then for two at once, as cards may do."""

    def __init__(self, callback, blocksize, channels, played):
        super().__init__()
        self.parts = (callback, blocksize, channels, played)
        self.ended = threading.Event()
        self.start()

    def run(self):
        callback, blocksize, channels, played = self.parts
        while not self.ended.is_set():
            out = np.full((blocksize * (1 + len(played) % 2), channels), 9, np.float32)
            callback(out, len(out), None, None)
            played.append(out)
            time.sleep(0.0005)

    def stop(self):
        self.ended.set()
        self.join()


@pytest.mark.parametrize("channels", [1, 2])
def test_a_card_plays_everything_in_order(monkeypatch, channels):
    card = FakeCard()
    monkeypatch.setitem(sys.modules, "sounddevice", card)
    audio = music(20_000, channels)
    with open_dry(128, channels) as session:
        assert play_on_card(session, pieces(audio, 7000), "3") == 20_000
    heard = np.concatenate(card.played).T
    assert card.options["device"] == 3
    # What the reader had not brought yet was silence; take the audio itself and its order.
    heard = heard[:, heard.any(axis=0)]
    np.testing.assert_array_equal(heard, audio)


def test_a_missing_or_broken_card_is_told(monkeypatch):
    with open_dry(128) as session:
        monkeypatch.setitem(sys.modules, "sounddevice", None)
        with pytest.raises(UncodecError, match=r"not installed: pip install 'uncodec\[sound\]'"):
            play_on_card(session, [])
        monkeypatch.setitem(sys.modules, "sounddevice", FakeCard(broken=True))
        with pytest.raises(UncodecError, match="cannot be used: no such device"):
            play_on_card(session, [])


def test_a_library_that_is_missing_under_the_package_is_told(monkeypatch):
    def load(name: str) -> types.ModuleType:
        assert name == "sounddevice"
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(importlib, "import_module", load)
    told = "libportaudio2.*PortAudio library not found"
    with open_dry(128) as session, pytest.raises(UncodecError, match=told):
        play_on_card(session, [])
