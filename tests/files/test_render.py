"""Rendering files: aligned, complete or not there, and able to go on where it was stopped."""

import json
from dataclasses import replace

import numpy as np
import pedalboard
import pytest
import soundfile

from uncodec import Board, DiffusionRestorer, PhaseAligner
from uncodec.diffusion.engine import DiffusionEngine
from uncodec.errors import AudioFileError, InvalidValue, ModelError, OutputExists
from uncodec.files.render import RenderSettings, render_file
from uncodec.io import open_audio, write_audio
from uncodec.repair.limiter import true_peak

RATE = 44100


@pytest.fixture
def settings(diffusion_folder):
    return RenderSettings(steps=3, seed=4, model=str(diffusion_folder), chunk=140)


@pytest.fixture
def source(tmp_path):
    audio = 0.1 * np.random.default_rng(0).standard_normal((60_001, 2))
    path = tmp_path / "song.wav"
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    return path


def read(path):
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


class Stopped(BaseException):
    """As Ctrl-C, but from the test."""


def stop_after(calls, monkeypatch, error):
    """Let the network run so many times, then raise."""
    left = [calls]
    compute = DiffusionEngine._compute

    def counted(self, *arguments):
        if left[0] == 0:
            raise error
        left[0] -= 1
        return compute(self, *arguments)

    monkeypatch.setattr(DiffusionEngine, "_compute", counted)
    return left


def test_the_result_is_aligned_and_as_long_as_its_source(source, settings, tmp_path):
    target = tmp_path / "out.wav"
    seen = []
    report = render_file(source, target, settings, bits=32, progress=lambda *a: seen.append(a))
    coded, result = read(source), read(target)
    assert result.shape == coded.shape == (2, report.frames)
    assert np.abs(result - coded).max() > 0
    lags = np.fft.irfft(np.fft.rfft(result[0]) * np.conj(np.fft.rfft(coded[0])))
    assert np.argmax(lags) == 0
    assert seen[-1] == (60_001, 60_001)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.wav", "song.wav"]


def test_amount_zero_gives_the_source_back(source, settings, tmp_path):
    render_file(source, tmp_path / "dry.wav", replace(settings, amount=0.0), bits=32)
    np.testing.assert_array_equal(read(tmp_path / "dry.wav"), read(source))


def test_brightness_is_that_of_the_effect(source, settings, tmp_path):
    bright = replace(settings, brightness_db=9.0)
    render_file(source, tmp_path / "bright.wav", bright, bits=32)
    restorer = DiffusionRestorer(steps=3, seed=4, model=settings.model, brightness_db=9.0)
    expected = restorer(read(source), RATE)
    np.testing.assert_allclose(read(tmp_path / "bright.wav"), expected, atol=1e-5)
    render_file(source, tmp_path / "plain.wav", settings, bits=32)
    assert np.abs(read(tmp_path / "plain.wav") - expected).max() > 1e-3


@pytest.mark.parametrize(("before", "after"), [(0.0, 3.0), (3.0, 0.0), (3.0, -3.0)])
def test_chunks_of_another_brightness_are_refused(
    source, settings, tmp_path, monkeypatch, before, after
):
    target = tmp_path / "out.wav"
    with monkeypatch.context() as patched:
        stop_after(9, patched, Stopped())
        with pytest.raises(Stopped):
            render_file(source, target, replace(settings, brightness_db=before))
    with pytest.raises(InvalidValue, match="were made with another brightness_db"):
        render_file(source, target, replace(settings, brightness_db=after), resume=True)
    render_file(source, target, replace(settings, brightness_db=before), resume=True)


def test_what_runs_before_the_engine_is_in_the_result(source, settings, tmp_path):
    target = tmp_path / "out.wav"
    softer = Board([pedalboard.Gain(gain_db=-6.0), PhaseAligner()])
    render_file(source, target, replace(settings, amount=0.0), bits=32, before=softer)
    np.testing.assert_allclose(read(target), 10 ** (-6 / 20) * read(source), rtol=1e-5, atol=1e-7)
    render_file(source, tmp_path / "wet.wav", settings, bits=32, before=softer)
    restorer = DiffusionRestorer(steps=3, seed=4, model=settings.model)
    expected = restorer(softer(read(source), RATE), RATE)
    np.testing.assert_allclose(read(tmp_path / "wet.wav"), expected, atol=1e-5)


def test_chunks_of_which_something_else_ran_before_are_refused(
    source, settings, tmp_path, monkeypatch
):
    target = tmp_path / "out.wav"
    for before in (None, PhaseAligner(), PhaseAligner(lookahead_s=1.0)):
        others = (None, PhaseAligner(), PhaseAligner(lookahead_s=1.0))
        with monkeypatch.context() as patched:
            stop_after(9, patched, Stopped())
            with pytest.raises(Stopped):
                render_file(source, target, settings, before=before, overwrite=True)
        for other in others:
            if repr(other).partition(" at ")[0] != repr(before).partition(" at ")[0]:
                with pytest.raises(InvalidValue, match="were made with another before"):
                    render_file(source, target, settings, before=other, resume=True)
    again = PhaseAligner(lookahead_s=1.0)
    render_file(source, target, settings, before=again, resume=True)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(Stopped(), marks=pytest.mark.nightly),
        KeyboardInterrupt(),
        OSError(28, "no space"),
    ],
)
def test_a_stopped_render_goes_on_and_ends_the_same(source, settings, tmp_path, monkeypatch, error):
    whole, target = tmp_path / "whole.wav", tmp_path / "out.wav"
    render_file(source, whole, settings, bits=32)
    with monkeypatch.context() as patched:
        stop_after(9, patched, error)
        with pytest.raises(type(error)):
            render_file(source, target, settings, bits=32)
    assert not target.exists()
    store = tmp_path / ".out.wav.uncodec"
    kept = sorted(p.name for p in store.iterdir())
    assert kept == ["000000.npy", "000001.npy", "render.json"]
    # Four chunks of three steps, less what the two finished ones spare.
    left = stop_after(100, monkeypatch, AssertionError("too many calls"))
    render_file(source, target, settings, bits=32, resume=True)
    assert 100 - left[0] <= 12 - 3
    np.testing.assert_array_equal(read(target), read(whole))
    assert not store.exists()


def test_without_resume_it_begins_again(source, settings, tmp_path, monkeypatch):
    target = tmp_path / "out.wav"
    with monkeypatch.context() as patched:
        stop_after(9, patched, Stopped())
        with pytest.raises(Stopped):
            render_file(source, target, settings)
    np.save(tmp_path / ".out.wav.uncodec/000000.npy", np.full((2, 17_920), 0.5, np.float32))
    render_file(source, target, settings, bits=32)
    assert np.abs(read(target)).max() < 0.8


def test_nothing_is_left_where_nothing_was_finished(source, settings, tmp_path, monkeypatch):
    stop_after(1, monkeypatch, Stopped())
    with pytest.raises(Stopped):
        render_file(source, tmp_path / "out.wav", settings)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["song.wav"]


@pytest.mark.parametrize("change", ["seed", "source"])
def test_chunks_of_something_else_are_refused(source, settings, tmp_path, monkeypatch, change):
    target = tmp_path / "out.wav"
    with monkeypatch.context() as patched:
        stop_after(9, patched, Stopped())
        with pytest.raises(Stopped):
            render_file(source, target, settings)
    if change == "seed":
        settings = settings.take(1)
    else:
        soundfile.write(source, read(source).T * 0.5, RATE, subtype="FLOAT")
    with pytest.raises(InvalidValue, match=f"made with another {change}"):
        render_file(source, target, settings, resume=True)
    assert json.loads((tmp_path / ".out.wav.uncodec/render.json").read_text())["seed"] == 4


def test_a_full_disk_is_told_and_what_is_finished_stays(source, settings, full_disk, tmp_path):
    # Chunks of 143 kB fit, the file of 480 kB does not.
    told = pytest.raises(AudioFileError, match=r"out\.wav: cannot be written")
    with full_disk(200_000), told:
        render_file(source, tmp_path / "out.wav", settings, bits=32)
    assert not (tmp_path / "out.wav").exists()
    render_file(source, tmp_path / "out.wav", settings, bits=32, resume=True)
    assert read(tmp_path / "out.wav").shape == (2, 60_001)


def test_an_existing_target_is_refused_before_anything_is_done(source, settings, tmp_path):
    target = tmp_path / "out.wav"
    target.write_bytes(b"precious")
    with pytest.raises(OutputExists):
        render_file(source, target, settings)
    assert target.read_bytes() == b"precious"


def test_the_ceiling_holds_and_the_level_is_kept_otherwise(source, settings, tmp_path):
    plain, low = tmp_path / "plain.wav", tmp_path / "low.wav"
    render_file(source, plain, settings, bits=32)
    peak_db = 20 * np.log10(true_peak(read(plain)))
    ceiling_db = float(peak_db - 0.5)
    render_file(source, low, replace(settings, ceiling_db=ceiling_db), bits=32)
    assert 20 * np.log10(true_peak(read(low))) <= ceiling_db
    same = read(low) == read(plain)
    assert 0.3 < same.mean() < 1.0


@pytest.fixture
def surround(tmp_path):
    """5.1 of which the front is the stereo of `source`, the LFE noise as well."""
    noise = 0.1 * np.random.default_rng(1).standard_normal((6, 60_001)).astype(np.float32)
    noise[:2] = 0.1 * np.random.default_rng(0).standard_normal((60_001, 2)).T
    path = tmp_path / "surround.wav"
    write_audio(path, noise, RATE, subtype="FLOAT", layout="5.1")
    return path


def test_surround_is_rendered_in_pairs_and_the_lfe_left_alone(source, surround, settings, tmp_path):
    seen = []
    report = render_file(
        surround, tmp_path / "out.wav", settings, bits=32, progress=lambda *a: seen.append(a)
    )
    assert report.channels == 6
    assert seen[-1] == (60_001, 60_001)
    given, result = read(surround), read(tmp_path / "out.wav")
    changed = [not np.array_equal(*rows) for rows in zip(given, result, strict=True)]
    assert changed == [True, True, True, False, True, True]
    render_file(source, tmp_path / "front.wav", settings, bits=32)
    np.testing.assert_array_equal(result[:2], read(tmp_path / "front.wav"))
    with open_audio(tmp_path / "out.wav") as reader:
        assert reader.speakers == ("FL", "FR", "FC", "LFE", "BL", "BR")


def test_a_stopped_render_of_surround_goes_on(surround, settings, tmp_path, monkeypatch):
    whole, target = tmp_path / "whole.wav", tmp_path / "out.wav"
    render_file(surround, whole, settings, bits=32)
    with monkeypatch.context() as patched:
        stop_after(27, patched, Stopped())
        with pytest.raises(Stopped):
            render_file(surround, target, settings, bits=32)
    kept = {path.name for path in (tmp_path / ".out.wav.uncodec").glob("*.npy")}
    assert {"000000.npy", "1-000000.npy"} <= kept
    left = stop_after(100, monkeypatch, AssertionError("too many calls"))
    render_file(surround, target, settings, bits=32, resume=True)
    # Three groups of four chunks of three steps, less what the finished ones spare: all steps of
    # the first chunks, fewer of the last, which those to come are made from.
    finished = [len([name for name in kept if name.startswith(each)]) for each in ("0", "1-", "2-")]
    spared = sum(max(0, count - later) for count in finished for later in range(3))
    assert spared > 0
    assert 100 - left[0] <= 36 - spared
    np.testing.assert_array_equal(read(target), read(whole))
    assert not (tmp_path / ".out.wav.uncodec").exists()


def test_a_failure_before_the_first_chunk_keeps_those_of_an_earlier_render(
    source, settings, tmp_path, monkeypatch
):
    target = tmp_path / "out.wav"
    with monkeypatch.context() as patched:
        stop_after(9, patched, Stopped())
        with pytest.raises(Stopped):
            render_file(source, target, settings)
        patched.setattr("uncodec.files.render.open_diffusion", stop_after)
        with pytest.raises(TypeError):
            render_file(source, target, settings, resume=True)
    assert (tmp_path / ".out.wav.uncodec/000000.npy").is_file()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_very_short_stereo_files(settings, tmp_path, length):
    audio = np.full((length, 2), 0.25)
    soundfile.write(tmp_path / "in.wav", audio, RATE)
    render_file(tmp_path / "in.wav", tmp_path / "out.wav", settings)
    assert read(tmp_path / "out.wav").shape == (2, length)
    dry = replace(settings, amount=0.0)
    render_file(tmp_path / "in.wav", tmp_path / "dry.flac", dry, bits=16)
    np.testing.assert_array_equal(read(tmp_path / "dry.flac"), audio.T)


def test_headroom_of_a_render(settings, tmp_path):
    audio = 0.5 * np.random.default_rng(0).standard_normal((20_000, 2))
    soundfile.write(tmp_path / "in.wav", audio, RATE, subtype="FLOAT")

    def rendered(name, **options):
        return render_file(tmp_path / "in.wav", tmp_path / name, settings, **options)

    plain = rendered("plain.wav", bits=32)
    assert (plain.clipped, plain.headroom_db) == (0, 0.0)
    assert plain.peak > 1.5
    assert rendered("clipped.wav").clipped > 10
    auto = rendered("auto.wav", headroom="auto")
    assert auto.clipped == 0
    assert auto.headroom_db == pytest.approx(20 * np.log10(plain.peak), abs=1e-3)
    scaled = read(tmp_path / "plain.wav") / plain.peak
    np.testing.assert_allclose(read(tmp_path / "auto.wav"), scaled, atol=1e-6)
    # A number of dB comes off before the ceiling is kept: less is left for that to do.
    low = rendered("low.wav", bits=32, headroom=40.0)
    assert low.peak == pytest.approx(plain.peak / 100, rel=1e-5)
    with pytest.raises(InvalidValue, match="headroom=41"):
        rendered("wrong.wav", headroom=41)


@pytest.mark.parametrize(("rate", "channels"), [(22_050, 1), (48_000, 2), (96_000, 2)])
def test_other_rates_and_mono(settings, tmp_path, rate, channels):
    audio = 0.1 * np.random.default_rng(0).standard_normal((rate // 2, channels))
    soundfile.write(tmp_path / "in.wav", audio, rate)
    render_file(tmp_path / "in.wav", tmp_path / "out.wav", settings)
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.channels) == (max(rate, 44_100), channels)
    assert info.frames == info.samplerate // 2


def test_memory_that_runs_out_is_told(source, settings, tmp_path, monkeypatch):
    compute = DiffusionEngine._compute

    def starved(self, number, first, coded, missing):
        if coded.shape[1] - 2 * self.margin > 80 * self.hop:
            raise MemoryError
        return compute(self, number, first, coded, missing)

    monkeypatch.setattr(DiffusionEngine, "_compute", starved)
    told = []
    render_file(source, tmp_path / "out.wav", settings, notice=told.append)
    assert len(told) == 1
    assert "song.wav: out of memory, going on in pieces of 0.2 s" in told[0]


def test_settings_are_checked(source, tmp_path):
    for wrong, rule in (
        ({"steps": 0}, "steps=0"),
        ({"seed": -1}, "seed=-1"),
        ({"amount": 1.5}, r"amount=1\.5"),
        ({"brightness_db": 12.5}, r"brightness_db=12\.5"),
        ({"sampler": "x"}, "sampler='x'"),
        ({"ceiling_db": 1.0}, r"ceiling_db=1\.0"),
        ({"chunk": 0}, "chunk=0"),
    ):
        with pytest.raises(InvalidValue, match=rule):
            RenderSettings(**wrong)
    with pytest.raises(ModelError, match="no-such-model"):
        render_file(source, tmp_path / "out.wav", RenderSettings(model="no-such-model"))
