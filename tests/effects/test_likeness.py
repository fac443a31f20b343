"""A reference on every engine: files, folders and arrays; what is added gets its balance."""

import copy
import pickle

import numpy as np
import pytest

from uncodec import DiffusionRestorer, GANRestorer
from uncodec.balance import Balance, Like
from uncodec.effects.reference import as_balance
from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.files.render import RenderSettings
from uncodec.io import write_audio
from uncodec.live import LiveSession

RATE, SAMPLES = 44_100, 30_000


@pytest.fixture(scope="module")
def sound():
    return np.random.default_rng(5).normal(0, 0.1, (2, SAMPLES)).astype(np.float32)


@pytest.fixture(scope="module")
def dull(sound):
    kernel = np.full(9, 1 / 9)
    return np.stack([np.convolve(row, kernel, "same") for row in sound]).astype(np.float32)


def test_a_file_an_array_and_a_balance_are_one_reference(sound, tmp_path):
    write_audio(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    of_file = as_balance(tmp_path / "a.wav")
    assert of_file.name == str(tmp_path / "a.wav")
    assert as_balance(str(tmp_path / "a.wav")).digest == of_file.digest
    assert as_balance((sound.T, RATE)).digest == of_file.digest
    assert as_balance(of_file) is of_file


def test_a_folder_is_the_mean_of_what_can_be_read_in_it(sound, dull, tmp_path):
    (tmp_path / "cd/.hidden").mkdir(parents=True)
    write_audio(tmp_path / "a.wav", sound, RATE, subtype="FLOAT")
    write_audio(tmp_path / "cd/b.wav", dull, RATE, subtype="FLOAT")
    write_audio(tmp_path / "cd/.hidden/c.wav", dull, RATE, subtype="FLOAT")
    (tmp_path / "cover.jpg").write_bytes(b"\xff\xd8 no sound")
    (tmp_path / "empty.wav").touch()
    one, two = (as_balance((audio, RATE)).levels_db for audio in (sound, dull))
    np.testing.assert_allclose(as_balance(tmp_path).levels_db, np.add(one, two) / 2, atol=1e-5)


@pytest.mark.parametrize("make", [GANRestorer, DiffusionRestorer, lambda like: as_balance(like)])
def test_bad_references_are_refused_when_they_are_set(make, sound, tmp_path):
    (tmp_path / "notes.txt").write_text("no sound")
    with pytest.raises(AudioFileError, match="must hold audio files that can be read, has none"):
        make(like=tmp_path)
    with pytest.raises(AudioFileError, match="nowhere"):
        make(like=tmp_path / "nowhere.wav")
    with pytest.raises(InvalidValue, match="like=array: must hold sound"):
        make(like=(np.zeros((2, 5000), np.float32), RATE))
    for wrong in (3, sound, (sound,), (sound, RATE, 1)):
        with pytest.raises(InvalidType, match="must be a file, a folder"):
            make(like=wrong)
    with pytest.raises(InvalidValue, match="sample_rate"):
        make(like=(sound, 3.5))


def power(audio, rate, low, high):
    """Mean of a band in the second half, in dB."""
    half = audio[:, audio.shape[1] // 2 :]
    spectrum, hertz = np.abs(np.fft.rfft(half)) ** 2, np.fft.rfftfreq(half.shape[1], 1 / rate)
    return 10 * np.log10(spectrum[:, (hertz > low) & (hertz < high)].mean())


def live(audio, rate, model, like, diffusion):
    return GANRestorer(model=model, like=like)(audio, rate)


def offline(audio, rate, model, like, diffusion):
    return DiffusionRestorer(steps=2, model=diffusion, like=like)(audio, rate)


def session(audio, rate, model, like, diffusion):
    told = None if like is None else Like(like)
    with LiveSession(
        str(model), sample_rate=rate, channels=2, block=512, realtime=False, like=told
    ) as running:
        late = running.latency_samples
        padded = np.pad(audio, ((0, 0), (0, late)))
        blocks = [running.callback(padded[:, i : i + 512]) for i in range(0, padded.shape[1], 512)]
    return np.concatenate(blocks, axis=1)[:, late:]


@pytest.mark.parametrize(
    ("run", "rate"), [(live, RATE), (live, 96_000), (offline, RATE), (session, RATE)]
)
def test_every_engine_follows_the_reference(run, rate, model, diffusion_folder, dull, noise):
    # Nothing above 6 kHz, so that what engines add there is all there is.
    spectrum = np.fft.rfft(noise(rate))
    spectrum[:, 6000:] = 0
    audio = np.fft.irfft(spectrum, rate).astype(np.float32)
    like = as_balance((dull, RATE))
    plain, drawn = (
        run(audio, rate, model, told, diffusion_folder) - audio for told in (None, like)
    )
    # Of the second half, when enough was heard; the reference's level there, beside 0.3 to 3 kHz.
    low = power(audio, rate, 300, 3000)
    wanted = 10 * np.log10(like.powers(np.array([13_000.0]))[0]) + low
    was, now = (power(added, rate, 12_000, 14_000) for added in (plain, drawn))
    assert abs(now - wanted) < 0.6 * abs(was - wanted)


def test_no_amount_of_it_changes_nothing(model, dull, noise):
    audio = noise(8000)
    plain = GANRestorer(model=model)(audio, RATE)
    none = GANRestorer(model=model, like=(dull, RATE), like_amount=0)(audio, RATE)
    np.testing.assert_array_equal(plain, none)


def test_blocks_make_no_difference(model, dull, noise, stream_through):
    audio = noise(9000)
    effect = GANRestorer(model=model, like=(dull, RATE))
    np.testing.assert_array_equal(
        stream_through(effect, audio, [700, 701, 5000]), effect(audio, RATE)
    )


def test_brightness_goes_on_top_of_a_reference(diffusion_folder, dull, noise):
    audio = noise(20_000)
    like = as_balance((dull, RATE))
    added = [
        DiffusionRestorer(steps=1, model=diffusion_folder, like=like, brightness_db=db)(audio, RATE)
        - audio
        for db in (0.0, -12.0)
    ]
    treble = [np.square(np.abs(np.fft.rfft(x[:, 4000:-4000])[:, -900:-300])).mean() for x in added]
    assert 10 * np.log10(treble[0] / treble[1]) == pytest.approx(12.0, abs=0.5)


def test_effects_with_a_reference_are_copied_and_pickled(dull):
    effect = GANRestorer(like=(dull, RATE), like_amount=0.25)
    for twin in (copy.deepcopy(effect), pickle.loads(pickle.dumps(effect))):
        assert isinstance(twin.like, Balance)
        assert (twin.like.digest, twin.like_amount) == (effect.like.digest, 0.25)
    effect.like = None
    assert effect.like is None


@pytest.mark.parametrize("amount", [-0.1, 1.1, float("nan")])
def test_amounts_outside_their_range_are_refused(amount, dull):
    with pytest.raises(InvalidValue, match="must be from 0 to 1"):
        GANRestorer(like_amount=amount)


def test_a_render_has_the_reference_in_its_settings(dull):
    like = Like(as_balance((dull, RATE)), 0.5)
    assert RenderSettings(like=like).take(2).like is like
