"""Mixes: pure functions of seed and index, of sane level, and clear errors."""

import numpy as np
import pytest
import soundfile as sf

from uncodec.errors import InvalidValue
from uncodec.training.mixing import Mixer
from uncodec.training.recordings import scan_folder


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    root = tmp_path_factory.mktemp("clean")
    rng = np.random.default_rng(0)
    for kind, rate, seconds, channels in (
        ("music-mix", 44100, 6, 2),
        ("drums", 48000, 3, 1),
        ("voice", 44100, 2, 1),
    ):
        (root / kind).mkdir()
        audio = 0.1 * rng.standard_normal((seconds * rate, channels))
        sf.write(root / kind / "a.flac", audio, rate)
    return root


def test_a_mix_depends_on_seed_and_index_only(recordings):
    sources = scan_folder(recordings)
    assert [source.kind for source in sources] == ["drums", "music-mix", "voice"]
    first = Mixer(sources, seconds=1.0, seed=5)
    second = Mixer(sources, seconds=1.0, seed=5)
    second.mix(0)  # leaves nothing behind
    np.testing.assert_array_equal(first.mix(3), second.mix(3))
    assert not np.array_equal(first.mix(3), first.mix(4))
    assert not np.array_equal(first.mix(3), Mixer(sources, seconds=1.0, seed=6).mix(3))


@pytest.mark.parametrize("rate", [44100, 48000])
def test_mixes_have_the_right_shape_and_do_not_clip(recordings, rate):
    mixer = Mixer(scan_folder(recordings), sample_rate=rate, seconds=0.7)
    peaks = []
    for index in range(12):
        mix = mixer.mix(index)
        assert mix.shape == (2, round(0.7 * rate))
        assert mix.dtype == np.float32
        assert np.isfinite(mix).all()
        peaks.append(np.abs(mix).max())
    assert max(peaks) <= 1.0
    assert min(peaks) > 0.0
    assert np.std(20 * np.log10(peaks)) > 2.0


def test_mixes_keep_the_top_of_the_band(recordings):
    # White sources: pitch changes and rate conversion must not empty the highest octave.
    mixer = Mixer(scan_folder(recordings), seconds=1.0)
    for index in range(8):
        power = np.abs(np.fft.rfft(mixer.mix(index).sum(0))) ** 2
        top, middle = power[19000:20000].mean(), power[9000:11000].mean()
        assert 10 * np.log10(top / middle) > -20


def test_a_sequence_plays_the_sounds_of_a_recording_in_pitch(recordings):
    # A recording of one tone: whatever sounds lies on semitones above it, and not on it alone.
    tone = np.sin(2 * np.pi * 1000 * np.arange(5 * 44100) / 44100) * (
        np.arange(220500) % 22050 < 8820
    )
    audio = np.stack([tone, tone]).astype(np.float32)
    mixer = Mixer(scan_folder(recordings), seconds=2.0)
    found = set()
    for seed in range(12):
        out = mixer._sequence(np.random.default_rng(seed), audio)
        assert out.shape == (2, 88200)
        spectrum = np.abs(np.fft.rfft(out[0] * np.hanning(88200)))
        if spectrum.max() > 0:
            found.add(round(12 * np.log2(np.argmax(spectrum) / 2 / 1000)))
    assert 0 in found
    assert len(found) > 2
    assert found <= set(range(13))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"sample_rate": 32000}, "sample_rate=32000"), ({"seconds": 0.1}, r"seconds=0\.1")],
)
def test_arguments_are_checked(recordings, arguments, message):
    with pytest.raises(InvalidValue, match=message):
        Mixer(scan_folder(recordings), **arguments)
