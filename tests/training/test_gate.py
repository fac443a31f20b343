"""The gate's training: its library, and telling coded from clean while all else stays."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
import torch
from tests.training.material import low_passed, rows

from uncodec.codecs import available
from uncodec.errors import AudioFileError, InvalidValue, ModelError
from uncodec.networks import Generator, GeneratorConfig
from uncodec.networks.spectra import generator_input
from uncodec.networks.store import load_generator
from uncodec.training.gate_library import (
    GateLibrary,
    GeneratorHearing,
    Tone,
    draw_tone,
    gate_features,
    list_lossless,
    rounded,
)
from uncodec.training.gate_objective import FIRST, GateObjective, GateSettings, gate_scores
from uncodec.training.loop import RunSettings, begin, train
from uncodec.training.recipes import Run, find_recipe, run_recipe
from uncodec.training.recordings import Source

SMALL = GeneratorConfig(window=256, hop=128, encoder=16, hidden=16, local=8)
HEARD = GeneratorHearing(SMALL)
LEARNING = ("encode.", "recur.", "gate.", "layout.")


def noise(seed, seconds=1.0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, round(seconds * 44100)))).astype(np.float32)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    sources = []
    for number in range(3):
        path = folder / f"{number}.flac"
        sf.write(path, noise(number, 4.0).T, 44100)
        sources.append(Source(path, "solo", 4.0))
    return sources


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Noise that a gentle filter made dark, and the same noise cut off."""
    folder = tmp_path_factory.mktemp("gate")
    generator = Generator(SMALL)
    for number in range(6):
        clean = Tone("low-pass", 2000.0 + 500 * number).apply(noise(number), 44100)
        both = np.stack([clean, low_passed(clean, 0.5)])
        heard = gate_features(generator, torch.from_numpy(both)).half().numpy()
        np.save(folder / f"{number:06d}.npy", heard)
        note = {"number": number, "frames": heard.shape[1], "codings": [{"codec": "mp3"}]}
        (folder / f"{number:06d}.json").write_text(json.dumps(note))
    return GateLibrary(folder)


@torch.inference_mode()
def test_features_are_those_that_a_generator_hears():
    generator = begin(Generator, SMALL).eval()
    audio = torch.from_numpy(np.stack([noise(0, 0.2), noise(1, 0.2)]))
    heard = []
    generator.encode.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    padded = torch.nn.functional.pad(audio, (SMALL.window - SMALL.hop, 0))
    spectra = generator_input(padded, torch.zeros_like(padded), SMALL.window, SMALL.hop)
    _, damage, _ = generator.repair(spectra, generator.initial_state(2))
    features = gate_features(generator, audio)
    assert torch.equal(features, heard[0])
    _, told, _ = generator.judge(features, generator.initial_state(2)[0])
    assert torch.equal(told, damage)


def test_what_tells_coded_from_clean_is_learned_and_what_is_laid_out_stays(library, tmp_path):
    generator = begin(Generator, SMALL)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    settings = GateSettings(batch=8, frames=120, crops=6, weight=30.0)
    objective = GateObjective(generator, library, settings)
    run = RunSettings(steps=60, learning_rate=1e-2, warm=2, average=0.5)
    trained = train(objective, tmp_path, run)
    logged = rows(tmp_path)
    assert logged[-1]["total"] < 0.7 * logged[0]["total"]
    for name, value in trained.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith(LEARNING), name

    items = torch.from_numpy(np.stack([library.item(place) for place in range(6)])).float()
    clean, coded = items[:, 0], items[:, 1]
    hidden = trained.initial_state(6)[0]
    with torch.inference_mode():
        odds = [trained.judge(part, hidden)[1][:, FIRST:] for part in (clean, coded)]
        now = trained.judge(coded, hidden)[0][:, FIRST:]
        was = objective.before.judge(coded, hidden)[0][:, FIRST:]
    assert (odds[0] < 0).float().mean() > 0.9
    assert (odds[1] > 0).float().mean() > 0.9
    assert (now - was).square().mean() < 0.1 * was.var()


def test_without_its_weight_what_is_laid_out_drifts(library, tmp_path):
    drifts = []
    for weight in (0.0, 10.0):
        settings = GateSettings(batch=8, frames=120, crops=6, weight=weight)
        objective = GateObjective(begin(Generator, SMALL), library, settings)
        run = RunSettings(steps=15, learning_rate=1e-2, warm=2, average=0.0)
        trained = train(objective, tmp_path / str(weight), run)
        hidden = trained.initial_state(1)[0]
        coded = torch.from_numpy(library.item(0)[1:].astype(np.float32))
        with torch.inference_mode():
            change = trained.judge(coded, hidden)[0] - objective.before.judge(coded, hidden)[0]
        drifts.append(float(change.square().mean()))
    assert drifts[1] < 0.5 * drifts[0]


def test_a_batch_is_half_clean_and_a_function_of_its_step(library):
    first, again, other = (library.batch(step, 6, 50, seed=1) for step in (3, 3, 4))
    assert first.shape == (6, 50, 6 * 16 + 1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    # Of mid and side the treble, which only gentle filters left.
    treble = first[..., 12:16].astype(np.float32).mean((1, 2))
    assert treble[:3].min() > treble[3:].max()


def test_pairs_are_scored_by_how_far_the_gate_opens(pairs):
    generator = begin(Generator, SMALL).eval()
    with torch.no_grad():
        generator.gate.weight.zero_()
        generator.gate.bias.fill_(-2.0)
    scores = gate_scores(generator, pairs)
    assert scores == {key: {"open": 0.5, "damage": -2.0} for key in ("clean", "mp3-64")}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": 3}, "batch=3: must be a positive even number"),
        ({"batch": 0}, "batch=0: must be a positive even number"),
        ({"frames": FIRST}, "frames=20: must be more than 20"),
        ({"weight": -1.0}, "weight=-1.0: must be 0 or more"),
        ({"weight": float("nan")}, "weight=nan: must be 0 or more"),
        ({"crops": 0}, "crops=0: must be a positive integer"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(InvalidValue, match=message):
        GateSettings(**values)


def test_a_library_is_the_same_for_the_same_seed_and_goes_on(recordings, tmp_path):
    whole = GateLibrary(tmp_path / "whole")
    whole.complete(recordings, HEARD, 6, seconds=2.7, seed=3)
    part = GateLibrary(tmp_path / "part")
    part.complete(recordings, HEARD, 2, seconds=2.7, seed=3)
    part.complete(recordings, HEARD, 6, seconds=2.7, seed=3)
    assert part.notes == whole.notes
    assert all(np.array_equal(part.item(n), whole.item(n)) for n in range(6))
    other = GateLibrary(tmp_path / "other")
    other.complete(recordings, HEARD, 1, seconds=2.7, seed=4)
    assert not np.array_equal(other.item(0)[0], whole.item(0)[0])
    for place, note in enumerate(whole.notes):
        item = whole.item(place)
        assert item.dtype == np.float16
        assert item.shape == (1 + len(note["codings"]), note["frames"], 6 * 16 + 1)
        assert all(0 <= coding["kbps"] <= 128 for coding in note["codings"])
        assert all(coding["codec"] != "clean" for coding in note["codings"])
    assert any(note["codings"] for note in whole.notes)
    with pytest.raises(InvalidValue, match=r"was begun with .*seed=3, .*now asked for .*seed=4"):
        part.complete(recordings, HEARD, 7, seconds=2.7, seed=4)
    with pytest.raises(InvalidValue, match=r"was begun with window=256, now asked for window=512"):
        part.complete(
            recordings, GeneratorHearing(replace(SMALL, window=512)), 7, seconds=2.7, seed=3
        )


def test_he_aac_is_a_part_of_a_library_where_its_program_is(recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    library = GateLibrary(tmp_path)
    library.complete(recordings, HEARD, 1, seconds=2.7)
    assert json.loads((tmp_path / "pairs.json").read_text())["he_aac"] is False
    monkeypatch.undo()
    if "he-aac" not in available():
        pytest.skip("the program fdkaac is not on PATH")
    with pytest.raises(InvalidValue, match="was begun with he_aac=False, now asked for he_aac=Tr"):
        library.complete(recordings, HEARD, 2, seconds=2.7)


def test_what_cannot_be_built_from_or_learned_from_says_why(recordings, library, tmp_path):
    empty = GateLibrary(tmp_path / "empty")
    with pytest.raises(InvalidValue, match="count=0, workers=1: must be positive"):
        empty.complete(recordings, HEARD, 0)
    with pytest.raises(InvalidValue, match=r"seconds=1.0: must be from 2.6 to 60"):
        empty.complete(recordings, HEARD, 1, seconds=1.0)
    short = [replace(recordings[0], seconds=1.0)]
    for none, count in (([], 0), (short, 1)):
        with pytest.raises(
            AudioFileError, match=f"must hold one of 2.6 s.* got none among {count}"
        ):
            empty.complete(none, HEARD, 1)
    assert not empty.folder.exists()
    with pytest.raises(AudioFileError, match="empty: holds no crops to learn from"):
        empty.batch(0, 2, 50)
    with pytest.raises(InvalidValue, match=r"frames=999: must be no more than .* got 34\d in"):
        library.batch(0, 2, 999)
    sf.write(tmp_path / "silent.flac", np.zeros((4 * 44100, 2)), 44100)
    silent = Source(tmp_path / "silent.flac", "solo", 4.0)
    with pytest.raises(AudioFileError, match=r"must sound, got silence .*silent\.flac"):
        empty.complete([silent], HEARD, 1, seconds=2.7)


def test_a_library_without_coded_crops_is_told(tmp_path):
    np.save(tmp_path / "000000.npy", np.zeros((1, 60, 97), np.float16))
    note = {"number": 0, "frames": 60, "codings": []}
    (tmp_path / "000000.json").write_text(json.dumps(note))
    with pytest.raises(AudioFileError, match="holds no coded crops to learn from"):
        GateLibrary(tmp_path).batch(0, 2, 50)


def test_lossless_music_is_listed_whatever_its_treble(tmp_path):
    for name, seconds, rate in (
        ("renderings/a.flac", 3.0, 44100),
        ("sonic-pi-samples/usr/b.flac", 3.0, 48000),
        ("renderings/short.flac", 1.0, 44100),
        ("renderings/slow.flac", 3.0, 22050),
        ("renderings/half-made.wav", 3.0, 44100),
        ("game/c.flac", 3.0, 44100),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        audio = low_passed(noise(0, 3.0)[:, : round(seconds * rate)], 0.1)
        sf.write(tmp_path / name, audio.T, rate)
    found = list_lossless(tmp_path)
    kinds = [(source.path.name, source.kind) for source in found]
    assert kinds == [("a.flac", "renderings"), ("b.flac", "sonic-pi-samples")]
    with pytest.raises(AudioFileError, match=r"music=.*game: must hold FLAC files .* got none"):
        list_lossless(tmp_path / "game")
    (tmp_path / "renderings" / "torn.flac").write_bytes(b"fLaC")
    with pytest.raises(AudioFileError, match=r"torn\.flac: cannot be read as audio"):
        list_lossless(tmp_path)


def test_tones_are_gentle_and_two_of_five_crops_have_one():
    rng = np.random.default_rng(0)
    drawn = [draw_tone(rng) for _ in range(500)]
    assert {tone.kind for tone in drawn} == {"plain", "low-pass", "low-pass twice", "high shelf"}
    assert 0.3 < np.mean([tone.kind != "plain" for tone in drawn]) < 0.5
    audio = noise(0, 2.0)
    for tone, octave_db in (
        (Tone("low-pass", 2000.0), 6.0),
        (Tone("low-pass twice", 2000.0), 12.0),
    ):
        power = np.square(np.abs(np.fft.rfft(tone.apply(audio, 44100)))).mean(0)
        hz = np.fft.rfftfreq(audio.shape[1], 1 / 44100)
        low, high = (power[(hz > f) & (hz < 1.1 * f)].mean() for f in (4000, 8000))
        assert 10 * np.log10(low / high) == pytest.approx(octave_db, abs=2.0)
    shelf = Tone("high shelf", 3000.0, -20.0).apply(audio, 44100)
    assert Tone().apply(audio, 44100) is audio
    assert 0.02 < np.square(shelf).mean() / np.square(audio).mean() < 0.3


def test_rounding_is_to_16_bits_with_and_without_dither():
    audio = np.full((2, 4096), 10.3 / 32768, np.float32)
    levels = [set(np.unique(rounded(np.random.default_rng(n), audio) * 32768)) for n in range(8)]
    assert all(found in ({10.0}, {10.0, 11.0}) for found in levels)
    assert len({len(found) for found in levels}) == 2


@pytest.fixture
def recipe(tmp_path, tiny_recipe):
    gate = "\n[gate]\ncrops = 3\nsteps = 1\nbatch = 2\nframes = 60\n"
    (tmp_path / "recipe.toml").write_text(tiny_recipe(steps=1, encoder_gain=True) + gate)
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        (tmp_path / "data" / part / "solo").mkdir(parents=True)
        audio = 0.1 * rng.standard_normal((11 * 44100, 2))
        sf.write(tmp_path / "data" / part / "solo" / "a.wav", audio, 44100)
    return find_recipe(tmp_path)


def checkpoint(run, stage):
    return torch.load(run.work / stage / "checkpoint.pt", weights_only=True)


def test_a_recipe_trains_the_gate_after_the_sound_and_before_the_encoder_gain(recipe, tmp_path):
    music = tmp_path / "music"
    (music / "renderings").mkdir(parents=True)
    sf.write(music / "renderings" / "dark.flac", low_passed(noise(5, 30.0), 0.1).T, 44100)
    recipe.tables["polish"] = {"steps": 1, "batch": 1, "seconds": 0.5, "width": 0.2}
    recipe.tables["release"]["last_stage_share"] = 0.25
    told = []
    run = Run(tmp_path / "work", tmp_path / "model", music=music)
    run_recipe(recipe, tmp_path / "data", run, listen=lambda *news: told.append(news))
    assert ("gate", {"done": 3, "count": 3}) in told
    head = json.loads((run.work / "gate-crops" / "pairs.json").read_text())
    assert head["recordings"] == 2
    steps = [row for event, row in told if event == "step"]
    parts = ("width", "layout", "encoder_gain")
    order = [next(i for i, row in enumerate(steps) if part in row) for part in parts]
    assert order == sorted(order)
    assert any(
        {"open", "damage"} == set(row.get("validation", {}).get("mp3-64", ())) for row in steps
    )

    # It starts from the point on the way to the last stage that the recipe chooses.
    first, last, after = (checkpoint(run, name) for name in ("checkpoints", "polish", "gate"))
    released = load_generator(run.release).state_dict()
    for name, value in after["network"].items():
        if not name.startswith(LEARNING):
            between = torch.lerp(first["average"][name], last["average"][name], 0.25)
            assert torch.allclose(value, between, atol=1e-7, rtol=0), name
        if not name.startswith(("encoder_gain.", "decide.")):
            assert torch.equal(released[name], after["average"][name]), name
    moved = after["network"]["gate.weight"] - torch.lerp(
        first["average"]["gate.weight"], last["average"]["gate.weight"], 0.25
    )
    assert 0 < moved.abs().max() < 2e-3

    # Or a point on the way to it, and a more cautious one.
    recipe.tables["release"] |= {"gate_share": 0.5, "gate_caution": 1.5}
    run_recipe(recipe, None, run, only="release")
    between = load_generator(run.release).gate
    started = torch.lerp(first["average"]["gate.weight"], last["average"]["gate.weight"], 0.25)
    expected = (started + after["average"]["gate.weight"]) / 2
    assert torch.allclose(between.weight, expected, atol=1e-7, rtol=0)
    bias = torch.lerp(first["average"]["gate.bias"], last["average"]["gate.bias"], 0.25)
    lowered = (bias + after["average"]["gate.bias"]) / 2 - 1.5
    assert torch.allclose(between.bias, lowered, atol=1e-6, rtol=0)


def test_a_gate_without_music_learns_from_the_recordings_alone(recipe, tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model")
    run_recipe(recipe, tmp_path / "data", run, only="pairs")
    assert {note["kind"] for note in GateLibrary(run.work / "gate-crops").notes} == {"solo"}


def test_music_and_settings_of_a_gate_are_checked(recipe, tmp_path):
    run = Run(tmp_path / "work", tmp_path / "model", music=tmp_path)
    with pytest.raises(AudioFileError, match=r"music=.*: must hold FLAC files"):
        run_recipe(recipe, tmp_path / "data", run)
    recipe.tables["gate"]["batch"] = 3
    with pytest.raises(ModelError, match="batch=3: must be a positive even number"):
        run_recipe(recipe, tmp_path / "data", run)
    del recipe.tables["gate"]
    with pytest.raises(
        InvalidValue, match=r"music=.*: must not be given for a generator without a"
    ):
        run_recipe(recipe, tmp_path / "data", run)
    assert not run.work.exists()
