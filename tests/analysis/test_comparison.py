"""Engines compared: what is measured, what is written, what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import soundfile

from uncodec.analysis import comparison as room
from uncodec.analysis.comparison import NOISE, Settings, compare, pink_noise
from uncodec.analysis.comparison_tables import finding, tables_of
from uncodec.analysis.cost import _hop_macs
from uncodec.analysis.report import CLEAN, UNTOUCHED, ClipScore, aggregate
from uncodec.analysis.sources import Source, read_source, source_of
from uncodec.analysis.training_seeds import training_seeds
from uncodec.errors import AudioFileError, InvalidValue, ModelError, OutputExists, UncodecError

RATE = 44100
HOSTILE = "</script><b>'$x$'"


def music(seed=0, seconds=1.2):
    noise = np.random.default_rng(seed).normal(0, 0.05, (2, round(seconds * RATE)))
    return noise.astype(np.float32)


def short(**more):
    return Settings(**{"engines": ["exciter"], "seeds": 1, "perceptual": False} | more)


@pytest.fixture(scope="module")
def report():
    """Two clips and one engine, with everything that is measured without a network."""
    sources = [source_of(music(n), RATE, name=f"{n}{HOSTILE}", kbps=64.0) for n in range(2)]
    return compare(sources, short())


def test_every_version_is_scored_and_several_clips_have_intervals(report):
    assert [row.restorer for row in report.rows] == [UNTOUCHED, "DSP exciter"]
    lsd = report.rows[1].scores["lsd"]
    assert lsd.clips == 2
    assert lsd.low <= lsd.mean <= lsd.high
    untouched, exciter = report.rows
    assert exciter.scores["lsd"].mean < untouched.scores["lsd"].mean
    # The band that is missing is silent: as wrong by its squared error as it can be without sound.
    assert untouched.scores["treble_error_db"].mean == pytest.approx(0.0, abs=1.0)
    assert untouched.scores["treble_level_db"].mean < -20


def test_noisy_input_is_judged_against_the_noisy_original(report):
    noisy = {row.restorer: row for row in report.noisy if row.material == NOISE}
    assert set(noisy) == {UNTOUCHED, "DSP exciter"}
    (clean,) = [row for row in report.noisy if row.codec == CLEAN]
    assert clean.scores["null_depth_db"].most == -200.0


def test_cost_is_that_of_a_process_of_its_own(report):
    cost = report.costs["DSP exciter"]
    assert (cost.parameters, cost.macs_per_s) == (0, None)
    assert cost.times_real_time > 0
    assert 20 < cost.memory_mb < 4000


def test_the_report_holds_page_figure_and_tables(report, tmp_path):
    written = report.save(tmp_path / "report")
    names = ["figure.png", "figure.svg", "report.json", "report.md", "index.html"]
    assert [path.name for path in written] == names
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == sorted(names)
    data = json.loads((tmp_path / "report/report.json").read_text())
    assert data["about"]["clips"] == 2
    assert data["about"]["costs"]["DSP exciter"]["parameters"] == 0
    titles = [table.title for table in tables_of(report)]
    assert titles == [
        "Quality",
        "Squared error and dullness",
        "Speed and cost",
        "Noisy and undamaged input",
    ]
    text = (tmp_path / "report/report.md").read_text()
    assert all(f"## {title}\n" in text for title in titles)
    page = (tmp_path / "report/index.html").read_text()
    assert "</script><b>" not in page
    assert page.count("sound-2-") == 2 * 4


def test_a_report_that_exists_is_kept_unless_asked_otherwise(report, tmp_path):
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(OutputExists, match="exists already"):
        report.save(folder)
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]
    report.save(folder, overwrite=True, embedded_mb=0.0)
    assert (folder / "sounds/sound-1-1.js").exists()
    report.save(folder, overwrite=True)
    assert not (folder / "sounds").exists()
    assert (folder / "mine.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_told_and_left_as_it_was(report, tmp_path, full_disk):
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioFileError, match="must be a folder, is a file"):
        report.save(tmp_path / "file")
    with pytest.raises(AudioFileError, match="cannot be written"):
        report.save(tmp_path / "file/report")
    with full_disk(20_000), pytest.raises(UncodecError, match="cannot be written"):
        report.save(tmp_path / "full")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_notebook_shows_picture_players_and_tables(report):
    shown = report.to_notebook()
    html = shown._repr_html_()
    assert html.count("<audio") == 3
    assert html.count("data:audio/flac;base64,") == 3
    assert "data:image/png;base64," in html
    assert html.count("<table>") == 4
    assert "<b>" not in html
    assert len(repr(shown)) < 100


@pytest.fixture
def seeded(monkeypatch):
    """An engine that adds noise of its seed, and one that leaves all as it is."""
    from uncodec.analysis import restorers

    class Noise:
        def __init__(self, model, seed=0):
            self.seed = seed

        def __call__(self, audio, sample_rate):
            return audio + np.float32(0.01) * music(self.seed + 5)[:, : audio.shape[1]]

    monkeypatch.setattr(
        restorers, "_read_header", lambda model: {"kind": "generator", "sha256": "x" * 64}
    )
    monkeypatch.setitem(restorers.EFFECTS, "generator", ("uncodec.analysis.metrics", "Noise"))
    monkeypatch.setattr("uncodec.analysis.metrics.Noise", Noise, raising=False)
    monkeypatch.setattr(room, "training_seeds", lambda model: None)
    return "noisy"


def test_takes_of_an_engine_tell_how_steady_it_is(seeded):
    chosen = short(engines=[seeded, "exciter"], seeds=3, cost=False, noise=False)
    report = compare(source_of(music(), RATE), chosen)
    (stability,) = report.stability
    assert stability.engine == "noisy"
    assert len(stability.takes) == 3
    assert len({take["lsd"] for take in stability.takes}) == 3
    # Two noises, each of the level of what is added: 3 dB above it.
    assert stability.apart_of_added_db == pytest.approx(3.0, abs=0.1)


def test_without_an_original_what_was_added_is_told(seeded, tmp_path):
    source = Source("coded.mp3", None, music(), RATE, "MP3")
    report = compare(source, short(engines=[seeded], cost=False, seeds=2))
    assert report.rows == report.noisy == []
    (added,) = report.added
    assert added.level_db == pytest.approx(-40.0, abs=0.2)
    assert added.loudness_lu == pytest.approx(0.0, abs=0.05)
    report.save(tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert '"role": "original"' not in page
    assert '"role": "anchor"' not in page
    assert [table.title for table in tables_of(report)] == ["What was added", "Steadiness"]


def test_silence_and_one_sample(tmp_path):
    report = compare(source_of(np.zeros((1, RATE), np.float32), RATE), short(cost=False))
    report.save(tmp_path / "report")
    assert "NaN" not in (tmp_path / "report/report.json").read_text()
    with pytest.raises(InvalidValue, match="at least 2048 samples, has 1"):
        source_of(np.zeros((1, 1), np.float32), RATE)
    with pytest.raises(InvalidValue, match="one or two channels, has 6"):
        source_of(np.zeros((6, RATE), np.float32), RATE)


def test_an_excerpt_of_a_long_file_is_all_that_is_read(tmp_path):
    path = tmp_path / "long.wav"
    audio = music(seconds=10.0)
    soundfile.write(path, audio.T, RATE, "FLOAT")
    source = read_source(path, start_s=2.0, seconds=1.0)
    assert np.array_equal(source.original, audio[:, 2 * RATE : 3 * RATE])
    assert source.notes == ("An excerpt: 1.0 s from 2 s on of 10.0 s.",)
    with pytest.raises(InvalidValue, match=r"start=11: .* is 10.00 s long"):
        read_source(path, start_s=11.0)
    with pytest.raises(InvalidValue, match=r"seconds=61\.0: must be"):
        read_source(path, seconds=61.0)


def test_a_coded_file_is_aligned_and_told(tmp_path):
    audio = music(seconds=4.0)
    soundfile.write(tmp_path / "original.wav", audio.T, RATE, "FLOAT")
    late = np.pad(audio[:, :-4410], ((0, 0), (1105, 0)))
    soundfile.write(tmp_path / "coded.wav", late.T, RATE, "FLOAT")
    source = read_source(
        tmp_path / "original.wav", coded=tmp_path / "coded.wav", start_s=1.0, seconds=2.0
    )
    assert np.array_equal(source.original, source.coded)
    assert source.original.shape == (2, 2 * RATE)
    told = " ".join(source.notes)
    assert "begins 1105 samples late" in told
    assert "4.000 s and 3.925 s long" in told


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"engines": []}, "1 to 7 names, got 0"),
        ({"engines": "gan"}, "1 to 7 names, got 'gan'"),
        ({"steps": 0}, "steps=0"),
        ({"seed": -1}, "seed=-1"),
        ({"seeds": 0}, "seeds=0"),
    ],
)
def test_wrong_settings_are_refused(chosen, told):
    with pytest.raises(InvalidValue, match=told):
        Settings(**chosen)


def test_unknown_engines_and_no_clips_are_refused():
    with pytest.raises(ModelError, match="must be a released model"):
        compare([], short(engines=["nonsense"]))
    with pytest.raises(InvalidValue, match="at least one clip"):
        compare([], short())
    with pytest.raises(InvalidValue, match="not both"):
        compare([], short(), seeds=2)


def scored(name, error, level):
    scores = {"treble_error_db": error, "treble_level_db": level, "visqol": math.nan}
    return ClipScore("clip", "mp3", 64.0, name, "", scores)


@pytest.mark.parametrize(
    ("mse", "verdict"),
    [
        ((-0.2, -25.0), "the lowest error goes with the dullest sound"),
        ((-0.2, -1.0), "the lowest error, and not the dullest sound"),
        ((2.0, -25.0), "the dullest sound, and not the lowest error"),
        ((2.0, -1.0), "neither the lowest error nor the dullest sound"),
    ],
)
def test_the_finding_says_what_was_measured_whatever_it_is(mse, verdict):
    rows = aggregate([scored("live-gan", 1.0, -4.0), scored("live-mse", *mse)])
    assert finding(rows).endswith(f"{verdict}.")
    assert finding(aggregate([scored("live-gan", 1.0, -4.0)])) == ""


def test_spread_over_trainings_comes_from_the_record_of_the_model(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"")
    record = tmp_path / "trainings.json"
    assert training_seeds(str(tmp_path)) is None
    assert training_seeds("exciter") is None
    record.write_text('{"adversary": "none", "steps": 9, "crops": 4, "lsd": [1.0, 1.2, 1.1]}')
    seeds = training_seeds(str(tmp_path))
    assert (seeds.adversary, seeds.steps, seeds.crops) == ("none", 9, 4)
    assert seeds.spread == pytest.approx(0.1)
    for damaged in ("{", "[]", '{"lsd": [1.0]}'):
        record.write_text(damaged)
        with pytest.raises(ModelError, match="must be a record of trainings"):
            training_seeds(str(tmp_path))


@pytest.mark.parametrize("model", ["live-gan", "live-mse", "diffusion"])
def test_the_families_of_the_study_were_trained_with_several_seeds(model):
    seeds = training_seeds(model)
    assert len(seeds.lsd) >= 3
    assert (seeds.steps, seeds.crops) == (80, 4)


def test_pink_noise_falls_by_3_db_an_octave():
    noise = pink_noise((1, 1 << 17))
    assert np.mean(noise**2) == pytest.approx(1.0, abs=1e-4)
    power = np.abs(np.fft.rfft(noise[0])) ** 2
    octaves = [power[1 << k : 2 << k].sum() for k in range(8, 15)]
    assert 10 * np.log10(octaves) == pytest.approx(10 * np.log10(np.mean(octaves)), abs=0.7)


def test_many_clips_are_all_scored_and_the_first_are_kept(monkeypatch):
    monkeypatch.setattr(room, "SHOWN_CLIPS", 2)
    sources = (source_of(music(n, 0.5), RATE, name=str(n)) for n in range(3))
    report = compare(sources, short(cost=False, noise=False))
    assert [clip.source.name for clip in report.clips] == ["0", "1"]
    assert (report.clip_count, report.rows[0].clips) == (3, 3)
    assert "Compared: 0 and 2 more" in report.to_markdown()


def test_multiply_adds_of_a_live_network_are_those_of_its_layers():
    macs = _hop_macs("live-mse", 44100)
    # Encoder, recurrence and layout by hand; what looks at each bin comes on top.
    dense = 385 * 192 + 768 * (192 + 256) + 768 * 448
    assert dense * 44100 / 512 < macs < 4 * dense * 44100 / 512
    assert _hop_macs("live-mse", 96000) == pytest.approx(macs * 48000 / 44100)
    # The same network, and a level network beside it.
    assert _hop_macs("live-gan", 44100) > 1.2 * macs
