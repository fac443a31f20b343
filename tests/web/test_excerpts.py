"""Excerpts: the right place of a file, restored from the playhead on, and complete."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from tests.web.desks import RATE, noise

from uncodec.io import write_audio
from uncodec.web.excerpts import (
    described,
    loudness_of,
    overview,
    read_excerpt,
    restored_pieces,
)


def returned(generator):
    """What a generator returns."""
    while True:
        try:
            next(generator)
        except StopIteration as end:
            return end.value


@pytest.fixture
def ramp(tmp_path):
    """A file whose samples tell their place; returns path and audio."""

    def written(seconds, channels=2, rate=RATE):
        count = round(seconds * rate)
        audio = np.tile(np.arange(count, dtype=np.float32) / 2**23, (channels, 1))
        path = tmp_path / "ramp.wav"
        write_audio(path, audio, rate, subtype="FLOAT", overwrite=True)
        return path, audio

    return written


@pytest.mark.parametrize(
    ("length", "start", "begins", "samples"),
    [
        (30.0, 0.0, 0.0, 20.0),
        (30.0, 5.0, 5.0, 20.0),
        (30.0, 10.0, 10.0, 20.0),
        (30.0, 17.0, 10.0, 20.0),
        (30.0, 999.0, 10.0, 20.0),
        (20.0, 3.0, 0.0, 20.0),
        (3.0, 0.0, 0.0, 3.0),
        (3.0, 2.0, 0.0, 3.0),
        (0.01, 0.0, 0.0, 0.01),
    ],
)
def test_an_excerpt_is_the_sound_around_a_place(ramp, length, start, begins, samples):
    path, audio = ramp(length)
    excerpt = returned(read_excerpt(path, start))
    first = round(begins * RATE)
    count = round(samples * RATE)
    assert excerpt.start_s == pytest.approx(begins)
    assert np.array_equal(excerpt.body, audio[:, first : first + count])
    # Around it there is as much sound as there is, up to a second.
    assert excerpt.first == min(first, RATE)


def test_of_surround_the_front_pair_is_heard(ramp):
    path, _ = ramp(1.0, channels=6)
    assert returned(read_excerpt(path, 0.0)).body.shape == (2, RATE)


def test_a_low_rate_is_heard_at_the_rate_at_which_it_is_restored(ramp):
    path, _ = ramp(3.0, rate=22050)
    excerpt = returned(read_excerpt(path, 1.0, 1.0))
    assert excerpt.sample_rate == 44100
    assert excerpt.body.shape == (2, 44100)
    middle = excerpt.body[0, 1000:-1000] * 2**23
    assert middle == pytest.approx(22050 + 0.5 * np.arange(1000, 43100), abs=1)


class Doubling:
    """Doubles, with a latency that it hides, and counts what it was given."""

    def __init__(self, latency=3000):
        self.latency, self.taken, self.opened = latency, 0, 0

    def open_stream(self, sample_rate, channels, channel_layout=None):
        self.opened += 1
        self.held = np.zeros((channels, 0), np.float32)
        return self

    def push(self, audio):
        self.taken += audio.shape[1]
        audio = np.concatenate([self.held, audio], axis=1)
        ready = max(0, audio.shape[1] - self.latency)
        self.held = audio[:, ready:]
        return 2 * audio[:, :ready]

    def finish(self):
        return 2 * self.held

    def reset(self):
        pass


@pytest.mark.parametrize("latency", [0, 3000, 60000])
@pytest.mark.parametrize(("start", "at"), [(0.0, 0.0), (4.0, 0.0), (4.0, 7.3), (4.0, 99.0)])
@pytest.mark.parametrize("length", [30.0, 9.0])
def test_pieces_come_from_the_playhead_on_and_cover_everything(ramp, latency, start, at, length):
    path, _ = ramp(length)
    excerpt = returned(read_excerpt(path, start, 10.0))
    effect = Doubling(latency)
    place = min(round(at * RATE), excerpt.body.shape[1] - 1)
    pieces = [each for each in restored_pieces(excerpt, effect, place) if each is not None]
    assert pieces[0][0] == place
    result = np.full_like(excerpt.body, np.nan)
    for first, audio in pieces:
        assert np.isnan(result[:, first : first + audio.shape[1]]).all()
        result[:, first : first + audio.shape[1]] = audio
    assert np.array_equal(result, 2 * excerpt.body)
    # Who waits gets the first piece before much has been computed.
    if excerpt.body.shape[1] - place > 3 * RATE:
        effect = Doubling(latency)
        assert next(each for each in restored_pieces(excerpt, effect, place) if each)[0] == place
        assert effect.taken < 2 * RATE + latency + 8192


def test_versions_are_described_as_the_player_wants_them():
    loud, soft = noise(2.0), 0.5 * noise(2.0)
    spectrogram, facts, cells = described([loud, soft], RATE)
    assert facts[0]["lufs"] - facts[1]["lufs"] == pytest.approx(6.02, abs=0.02)
    assert facts[0]["match_db"] == pytest.approx(-6.02, abs=0.02)
    assert facts[1]["match_db"] == 0.0
    for packed in cells:
        assert len(zlib.decompress(packed)) == spectrogram["columns"] * spectrogram["bins"]
    assert loudness_of(np.zeros((2, RATE), np.float32), RATE) is None
    spectrogram, facts, cells = described([loud[:, :100], soft[:, :100]], RATE)
    assert cells == []
    assert facts[0] == {"lufs": None, "match_db": 0.0}


def test_the_course_of_a_file_has_its_peaks(tmp_path):
    audio = np.zeros((1, 10 * RATE), np.float32)
    audio[0, 3 * RATE] = 0.5
    audio[0, 7 * RATE] = -0.25
    path = tmp_path / "peaks.wav"
    write_audio(path, audio, RATE, subtype="FLOAT")
    course = returned(overview(path))
    assert course["seconds"] == 10.0
    count = len(course["low"])
    assert count <= 1200
    high, low = np.array(course["high"]), np.array(course["low"])
    assert high.max() == 0.5
    assert abs(high.argmax() / count - 0.3) < 0.01
    assert low.min() == -0.25
    assert abs(low.argmin() / count - 0.7) < 0.01
