"""Recipes: found by name, checked, carried out part by part."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch

from uncodec.errors import AudioFileError, CodecError, InvalidValue, ModelError, UncodecError
from uncodec.networks import load_codec_net, load_model
from uncodec.networks.store import load_diffusion, load_generator, load_levels
from uncodec.training.diffusion_objective import DiffusionObjective
from uncodec.training.level_library import Examiner, LevelLibrary
from uncodec.training.pairs import PairSet, build_pairs, build_validation
from uncodec.training.recipes import Run, find_recipe, run_recipe
from uncodec.training.recordings import Source

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        (root / part / "solo").mkdir(parents=True)
        audio = 0.1 * rng.standard_normal((11 * 44100, 2))
        sf.write(root / part / "solo" / "a.wav", audio, 44100)
    return root


@pytest.fixture
def tiny(tiny_recipe):
    return tiny_recipe(count=3, trim_db=-1.0, encoder_gain=True)


@pytest.fixture
def recipe(tmp_path, tiny):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "recipe.toml").write_text(tiny)
    return find_recipe(tmp_path / "tiny")


def test_recipes_are_found_by_name_folder_and_file(recipe):
    assert (recipe.name, recipe.version, recipe.kind) == ("tiny", "0.0.1", "generator")
    assert find_recipe(recipe.path).tables == recipe.tables
    assert find_recipe("live-gan").name == "live-gan"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read as a recipe"),
        ('kind = "toaster"', "kind must be one of generator.*got 'toaster'"),
        ('name = "a"', "must have 'version'"),
        (("window", "windows"), "must be a recipe of this release"),
        (("steps = 20", "steps = 0"), "steps=0"),
        (("steps = 20", "stops = 20"), r"training: must have no .* got \['stops'\]"),
        (("steps = 20", 'objective = "levels"'), "objective='levels': must be one of distance"),
        (("excitation_trim_db", "trim"), "must have 'excitation_trim_db'"),
        (("[release]", "[release]\nlast_stage_share = 0"), "last_stage_share=0.0: must be above 0"),
        (
            ("[release]", "[release]\ngate_share = 1.5"),
            "gate_share=1.5: must be above 0",
        ),
        (("count = 3", "count = 0"), "count and excerpts must be positive"),
    ],
)
def test_recipes_that_cannot_be_used_say_why(data, tmp_path, tiny, text, message):
    if isinstance(text, tuple):
        text = tiny.replace(*text)
    (tmp_path / "recipe.toml").write_text(text)
    with pytest.raises(ModelError, match=message):
        run_recipe(find_recipe(tmp_path), data, Run(tmp_path / "w", tmp_path / "m"), only="pairs")


def test_unknown_models_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"must be one with a recipe \(.*live-gan"):
        find_recipe("no-such-model")
    with pytest.raises(ModelError, match=r"recipe\.toml"):
        find_recipe(tmp_path)


def test_a_recipe_becomes_a_model_part_by_part(recipe, data, tmp_path):
    told = []
    run = Run(tmp_path / "work", tmp_path / "model", steps=20)
    run_recipe(recipe, data, run, only="pairs", listen=lambda *news: told.append(news))
    assert told[0] == ("data", {"train_seconds": 11, "validation_seconds": 11})
    assert told[-1] == ("pairs", {"done": 3, "count": 3})
    with pytest.raises(ModelError, match="holds no checkpoint to release"):
        run_recipe(recipe, None, run, only="release")
    told.clear()
    run_recipe(recipe, None, run, only="train", listen=lambda *news: told.append(news))
    assert [row["step"] for event, row in told] == [20, 20]
    assert "validation" in told[-1][1]
    assert not run.release.exists()
    run_recipe(recipe, None, run, only="release")
    model = load_model(run.release)
    assert (model.name, model.version, model.config.window) == ("tiny", "0.0.1", 256)
    # Releasing takes the run as it is, and leaves it as it was.
    assert torch.load(run.checkpoints / "checkpoint.pt", weights_only=True)["step"] == 20
    assert len((run.checkpoints / "log.jsonl").read_text().splitlines()) == 2


def test_a_model_that_cannot_be_written_is_told_in_a_line(recipe, data, full_disk, tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    run_recipe(recipe, data, run, only="pairs")
    run_recipe(recipe, None, run, only="train")
    run_recipe(recipe, None, replace(run, release=tmp_path / "first"), only="release")
    told = pytest.raises(
        UncodecError, match=r"weights\.safetensors: cannot be written: the file grew"
    )
    with full_disk(1000), told:
        run_recipe(recipe, None, run, only="release")
    assert not list((tmp_path / "model").glob("weights*"))


def test_an_adversary_goes_on_from_what_was_trained_without(data, tmp_path, tiny):
    later = '\n[adversary]\nsteps = 1\nbatch = 1\nseconds = 0.5\nadversary = "spectral"\n'
    (tmp_path / "recipe.toml").write_text(tiny + later)
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    run_recipe(find_recipe(tmp_path), data, run)
    kept = [
        torch.load(tmp_path / "work" / stage / "checkpoint.pt", weights_only=True)
        for stage in ("checkpoints", "adversary")
    ]
    assert not kept[0]["state"]
    assert kept[1]["state"]
    # One step of Adam moves no weight by more than the learning rate, whatever it began with.
    moved = kept[1]["network"]["gate.weight"] - kept[0]["average"]["gate.weight"]
    assert 0 < moved.abs().max() < 1e-3
    assert load_model(run.release).name == "tiny"


def test_a_polish_goes_on_from_the_stage_before_and_is_what_is_released(data, tmp_path, tiny):
    later = (
        '\n[adversary]\nsteps = 1\nbatch = 1\nseconds = 0.5\nadversary = "spectral"\n'
        "\n[polish]\nsteps = 1\nbatch = 1\nseconds = 0.5\nwidth = 0.2\n"
    )
    (tmp_path / "recipe.toml").write_text(tiny + later)
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    run_recipe(find_recipe(tmp_path), data, run)
    before, after = (
        torch.load(tmp_path / "work" / stage / "checkpoint.pt", weights_only=True)
        for stage in ("adversary", "polish")
    )
    moved = after["network"]["gate.weight"] - before["average"]["gate.weight"]
    assert 0 < moved.abs().max() < 1e-3
    released = load_generator(run.release).gate.weight
    assert torch.equal(released, after["average"]["gate.weight"])
    # Or a point on the way to it.
    text = (tmp_path / "recipe.toml").read_text()
    shared = text.replace("[release]\n", "[release]\nlast_stage_share = 0.25\n")
    (tmp_path / "recipe.toml").write_text(shared)
    run_recipe(find_recipe(tmp_path), None, run, only="release")
    between = 0.75 * before["average"]["gate.weight"] + 0.25 * after["average"]["gate.weight"]
    assert torch.allclose(load_generator(run.release).gate.weight, between, atol=1e-7, rtol=0)
    assert not torch.allclose(between, released, atol=1e-5, rtol=0)


def test_a_last_stage_learns_texture_at_set_levels(data, tmp_path, tiny):
    text = tiny.replace("window = 256", "window = 1024").replace("hop = 128", "hop = 512")
    later = '\n[levelled]\nsteps = 1\nbatch = 1\nseconds = 0.5\nlevels = "live-gan"\n'
    (tmp_path / "recipe.toml").write_text(text + later)
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    run_recipe(find_recipe(tmp_path), data, run)
    after = torch.load(tmp_path / "work" / "levelled" / "checkpoint.pt", weights_only=True)
    released = load_generator(run.release).layout.weight
    assert torch.equal(released, after["average"]["layout.weight"])


@pytest.mark.parametrize(("stage", "levels"), [("levelled", ""), ("polish", "levels = 'live-gan'")])
def test_levels_are_set_in_the_stage_that_is_for_it(data, tmp_path, tiny, stage, levels):
    later = f"\n[{stage}]\nsteps = 1\nbatch = 1\nseconds = 0.5\n{levels}\n"
    (tmp_path / "recipe.toml").write_text(tiny + later)
    with pytest.raises(ModelError, match=f"{stage}: levels: must be given for levelled, and"):
        run_recipe(find_recipe(tmp_path), data, Run(tmp_path / "work", tmp_path / "model"))


def test_a_run_begins_with_the_model_it_is_given(recipe, data, tmp_path):
    first = Run(tmp_path / "first", tmp_path / "model", steps=1)
    run_recipe(recipe, data, first)
    begun = load_generator(first.release).gate.weight
    second = Run(tmp_path / "second", tmp_path / "later", steps=1, start=str(first.release))
    run_recipe(recipe, data, second, only="pairs")
    run_recipe(recipe, None, second, only="train")
    kept = torch.load(tmp_path / "second" / "checkpoints" / "checkpoint.pt", weights_only=True)
    assert 0 < (kept["network"]["gate.weight"] - begun).abs().max() < 1e-3


def test_a_start_that_cannot_be_is_refused_before_anything_is_done(recipe, data, tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model", start="live-gan")
    shapes = r"start='live-gan': must be a model of GeneratorConfig\(window=256.*got.*window=1024"
    with pytest.raises(ModelError, match=shapes):
        run_recipe(recipe, data, run)
    with pytest.raises(InvalidValue, match="start='live-gan': must not be given for a codec-net"):
        run_recipe(find_recipe("codec-net"), data, run)
    with pytest.raises(ModelError, match="no-such"):
        run_recipe(recipe, data, Run(tmp_path / "work", tmp_path / "model", start="no-such"))
    assert not run.work.exists()


@pytest.mark.parametrize(
    "levels", [pytest.param("", marks=pytest.mark.nightly), 'levels = "diffusion"\n']
)
def test_a_diffusion_network_begins_with_the_model_it_is_given(data, tmp_path, levels, monkeypatch):
    # How it scores is tested with a small network, and takes most of the time with this one.
    monkeypatch.setattr(DiffusionObjective, "score", lambda *_: {})
    recipe = find_recipe("diffusion")
    text = recipe.path.read_text()
    for old, new in (("count = 3600", "count = 1"), ("excerpts = 10", "excerpts = 1")):
        assert old in text
        text = text.replace(old, new)
    text = text.replace("batch = 4", "batch = 1").replace("seconds = 4.0", "seconds = 0.7")
    text = text.replace("seconds = 2.0", "seconds = 0.5").replace("lead = 2.0", "lead = 0.1")
    text = text.replace('levels = "diffusion"\n', "")
    text = text.replace("[training]\n", f"[training]\n{levels}")
    (tmp_path / "recipe.toml").write_text(text)
    run = Run(tmp_path / "work", tmp_path / "model", steps=1, start="diffusion")
    run_recipe(find_recipe(tmp_path), data, run, only="pairs")
    run_recipe(find_recipe(tmp_path), None, run, only="train")
    kept = torch.load(run.checkpoints / "checkpoint.pt", weights_only=True)
    released = load_diffusion("diffusion").network.state_dict()
    moved = [
        (kept["network"][key] - tensor).abs().max().item()
        for key, tensor in released.items()
        if not key.startswith("live.")
    ]
    assert 0 < max(moved) < 1e-3
    # The released model keeps its live generator in half precision.
    live = load_generator("live-gan").state_dict()
    assert all(torch.equal(kept["network"][f"live.{key}"], live[key]) for key in live)


def test_a_codec_net_is_trained_scored_and_released(data, tmp_path, tiny):
    head, tail = tiny.index("[generator]"), tiny.index("[training]")
    text = tiny[:head] + "[codec-net]\nwidths = [4, 4, 4, 4]\nhidden = 8\n" + tiny[tail:]
    text = 'kind = "codec-net"\n' + text.replace("seconds = 0.3", "seconds = 0.5")
    (tmp_path / "recipe.toml").write_text(text)
    told = []
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    run_recipe(find_recipe(tmp_path), data, run, listen=lambda event, row: told.append(row))
    (scores,) = (row["validation"]["all"] for row in told if "validation" in row)
    assert 0 <= scores["codec_accuracy"] <= 1
    assert load_codec_net(run.release).config.widths == (4, 4, 4, 4)


def test_a_level_network_is_trained_with_and_without_coded_music(data, tmp_path):
    recipe = find_recipe("levels")
    recipe.tables["levels"].update(width=16, inner=12, layers=1)
    recipe.tables["training"].update(batch=2, frames=64)
    recipe.tables["pairs"].update(count=6, seconds=1.0)
    recipe.tables["validation"]["seconds"] = 1.0
    music = tmp_path / "music"
    music.mkdir()
    audio = 0.1 * np.random.default_rng(2).standard_normal((5 * 44100, 2))
    sf.write(music / "a.ogg", audio, 44100)
    row = "a.ogg,game,1.0,copyright,5.0,44100,2,16000,0"
    head = "path,package,version,licence,seconds,rate,channels,cutoff_hz,sha256"
    (music / "manifest.csv").write_text(f"{head}\n{row}\n")
    told = []
    run = Run(tmp_path / "work", tmp_path / "model", steps=2, music=music)
    run_recipe(recipe, data, run, workers=2, listen=lambda *news: told.append(news))
    assert ("validation", {"done": 10, "count": 10}) in told
    assert ("pairs", {"done": 6, "count": 6}) in told
    assert {note["kind"] for note in LevelLibrary(run.work / "pairs").notes} > {"game"}
    judged = LevelLibrary(run.work / "validation").notes
    rates = [(note["codec"], note["kbps"], note["codec_rate"]) for note in judged]
    assert rates[:2] + rates[5:8] == [
        ("mp3", 24, 44100),
        ("mp3", 32, 44100),
        ("mp3", 32, None),
        ("mp3", 64, None),
        ("aac", 48, 44100),
    ]
    (scores,) = (row["validation"] for event, row in told if "validation" in row)
    assert {"all", "solo mp3-24k", "solo mp3-32", "solo vorbis-64"} <= set(scores)
    released = load_levels(run.release)
    kept = torch.load(run.checkpoints / "checkpoint.pt", weights_only=True)["average"]
    for name, value in released.state_dict().items():
        assert torch.equal(value, kept[name].half().float()), name
    # The folder stays with what it was begun with.
    with pytest.raises(InvalidValue, match=r"was begun with music='.*now asked for music=None"):
        run_recipe(recipe, data, Run(run.work, run.release, steps=2), only="pairs")
    alone = Run(tmp_path / "alone", tmp_path / "model", steps=2)
    run_recipe(recipe, data, alone, only="pairs")
    assert {note["kind"] for note in LevelLibrary(alone.work / "pairs").notes} <= {"mix", "solo"}


def test_recordings_at_other_rates_are_judged_at_the_nearest(tmp_path):
    audio = 0.1 * np.random.default_rng(0).standard_normal((2 * 96000, 2))
    sf.write(tmp_path / "a.wav", audio, 96000)
    library = LevelLibrary(tmp_path / "levels")
    examiner = Examiner([Source(tmp_path / "a.wav", "solo", 2.0)])
    library.complete(examiner, 1, seconds=10.0)
    assert (library.notes[0]["rate"], library.notes[0]["frames"]) == (48000, 2 * 48000 // 512)


def test_levels_need_all_codecs(data, tmp_path, monkeypatch):
    monkeypatch.setattr("uncodec.training.level_library.left_out", lambda: ["aac"])
    with pytest.raises(
        InvalidValue, match=r"must be built with all codecs, got none for aac \(pip"
    ):
        run_recipe(find_recipe("levels"), data, Run(tmp_path / "w", tmp_path), only="pairs")


def test_a_level_recipe_asks_for_he_aac_by_yes_or_no(data, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    recipe = find_recipe("levels")
    recipe.tables["pairs"]["he_aac"] = "yes"
    run = Run(tmp_path / "w", tmp_path)
    with pytest.raises(InvalidValue, match="pairs: he_aac='yes': must be true or false"):
        run_recipe(recipe, data, run, only="pairs")
    recipe.tables["pairs"]["he_aac"] = True
    with pytest.raises(CodecError, match="fdkaac must be on PATH"):
        run_recipe(recipe, data, run, only="pairs")


def test_a_level_network_without_levels_is_told(tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model")
    with pytest.raises(AudioFileError, match="pairs: holds no levels to learn from"):
        run_recipe(find_recipe("levels"), None, run, only="train")
    (run.work / "pairs").mkdir(parents=True)
    (run.work / "pairs" / "000000.json").write_text("{")
    with pytest.raises(AudioFileError, match=r"000000\.json: is damaged"):
        run_recipe(find_recipe("levels"), None, run, only="train")


def test_music_is_for_level_networks_alone(data, tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model", music=tmp_path)
    with pytest.raises(InvalidValue, match="must not be given for a codec-net"):
        run_recipe(find_recipe("codec-net"), data, run)
    with pytest.raises(AudioFileError, match=r"manifest\.csv: must be a manifest of music"):
        run_recipe(find_recipe("levels"), data, run)
    assert not run.work.exists()


# Trees are no network: `uncodec train` does not make them.
RECIPES = sorted(set(MODELS.glob("*/recipe.toml")) - {MODELS / "inspect/recipe.toml"})


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_every_recipe_is_one_of_this_release(path, tmp_path):
    recipe = find_recipe(path)
    assert recipe.name == path.parent.name
    with pytest.raises(ModelError, match="holds no checkpoint to release"):
        run_recipe(recipe, None, Run(tmp_path / "work", tmp_path / "model"), only="release")


def test_what_is_missing_or_of_another_run_is_told(recipe, data, tmp_path, tiny):
    run = Run(tmp_path / "work", tmp_path / "model", steps=1)
    with pytest.raises(InvalidValue, match="data: must be given"):
        run_recipe(recipe, None, run)
    with pytest.raises(AudioFileError, match="holds no training pairs"):
        run_recipe(recipe, None, run, only="train")
    with pytest.raises(InvalidValue, match="only='all'"):
        run_recipe(recipe, data, run, only="all")
    with pytest.raises(InvalidValue, match="steps=0"):
        run_recipe(recipe, data, Run(tmp_path, tmp_path, steps=0))
    with pytest.raises(InvalidValue, match="device='abacus'"):
        run_recipe(recipe, data, Run(tmp_path, tmp_path, device="abacus"))
    run_recipe(recipe, data, run)
    (tmp_path / "tiny" / "recipe.toml").write_text(tiny.replace("batch = 1", "batch = 2"))
    with pytest.raises(ModelError, match="was begun with"):
        run_recipe(find_recipe(tmp_path / "tiny"), data, run)
    (run.checkpoints / "checkpoint.pt").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="must be a checkpoint"):
        run_recipe(recipe, None, run, only="release")


def test_an_interrupted_build_ends_where_a_whole_one_does(data, tmp_path):
    whole = build_pairs(data / "train", tmp_path / "whole", count=18, seconds=0.5)

    def stop(done, count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_pairs(data / "train", tmp_path / "part", count=18, seconds=0.5, progress=stop)
    assert 0 < len(PairSet(tmp_path / "part")) < 18
    resumed = build_pairs(data / "train", tmp_path / "part", count=18, seconds=0.5, workers=2)
    assert resumed.notes == whole.notes
    for number in range(18):
        np.testing.assert_array_equal(resumed.pair(number), whole.pair(number))


def test_an_interrupted_validation_set_goes_on_with_the_same_excerpts(data, tmp_path):
    rng = np.random.default_rng(1)
    folder = tmp_path / "val"
    folder.mkdir()
    for name in "abc":
        sf.write(folder / f"{name}.wav", 0.1 * rng.standard_normal((5 * 44100, 2)), 44100)
    whole = build_validation(folder, tmp_path / "whole", excerpts=3, seconds=0.5)
    part = build_validation(folder, tmp_path / "part", excerpts=3, seconds=0.5)
    for path in (*part.folder.glob("00003*"), *part.folder.glob("00001*")):
        path.unlink()
    resumed = build_validation(folder, tmp_path / "part", excerpts=3, seconds=0.5)
    assert resumed.notes == whole.notes
    for number in range(len(whole)):
        np.testing.assert_array_equal(resumed.pair(number), whole.pair(number))
    with pytest.raises(InvalidValue, match="was begun with"):
        build_validation(folder, tmp_path / "part", excerpts=2, seconds=0.5)
    with pytest.raises(AudioFileError, match="must hold a recording of 9 s or more"):
        build_validation(folder, tmp_path / "new", excerpts=2, seconds=9.0)


def test_damaged_notes_are_named(data, tmp_path):
    pairs = build_pairs(data / "train", tmp_path, count=1, seconds=0.5)
    (pairs.folder / "000000.json").write_text(json.dumps({"index": 0})[:5])
    with pytest.raises(AudioFileError, match=r"000000\.json: is damaged .*; remove it"):
        PairSet(pairs.folder)
