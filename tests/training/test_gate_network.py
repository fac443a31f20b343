"""Gate networks learn to tell coded stretches from clean ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
import torch
from tests.training.material import low_passed, rows

from uncodec.errors import InvalidValue
from uncodec.networks.gate import GateConfig, GateNetwork
from uncodec.networks.store import _read, load_gate
from uncodec.training.gate_library import GateLibrary, Tone, TraceHearing
from uncodec.training.gate_network_objective import (
    GateNetworkObjective,
    GateNetworkSettings,
    gate_network_scores,
)
from uncodec.training.loop import RunSettings, begin, train
from uncodec.training.recipes import Run, find_recipe, run_recipe
from uncodec.training.recordings import Source

SMALL = GateConfig(width=32, inner=16, layers=1)


def noise(seed, seconds=1.0):
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal((2, round(seconds * 44100)))).astype(np.float32)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Noise that a gentle filter made dark, and the same noise cut off."""
    folder = tmp_path_factory.mktemp("gate")
    for number in range(6):
        clean = Tone("low-pass", 2000.0 + 500 * number).apply(noise(number), 44100)
        heard = TraceHearing()(torch.from_numpy(np.stack([clean, low_passed(clean, 0.5)])))
        np.save(folder / f"{number:06d}.npy", heard.half().numpy())
        codings = [{"codec": "mp3", "kbps": 64}]
        note = {"number": number, "kind": "solo", "frames": heard.shape[1], "codings": codings}
        (folder / f"{number:06d}.json").write_text(json.dumps(note))
    return GateLibrary(folder)


@pytest.mark.parametrize("both", [True, False])
def test_coded_and_clean_are_told_apart_after_some_steps(library, tmp_path, both):
    objective = GateNetworkObjective(
        begin(GateNetwork, replace(SMALL, both=both)),
        library,
        GateNetworkSettings(batch=8, frames=60),
        library,
    )
    run = RunSettings(steps=60, learning_rate=1e-2, warm=2, average=0.5)
    before = gate_network_scores(objective.network.eval(), library)
    assert before["clean solo"]["wrong"] + before["mp3"]["wrong"] >= 1.0
    trained = train(objective, tmp_path, run)
    totals = [row["total"] for row in rows(tmp_path) if "total" in row]
    assert totals[-1] < 0.5 * totals[0]
    scores = gate_network_scores(trained.eval(), library)
    assert set(scores) == {"clean solo", "mp3"}
    assert scores["clean solo"]["open"] < 0.1
    assert scores["mp3"] == {"crops": 6.0, "open": scores["mp3"]["open"], "wrong": 0.0}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch": 3}, "batch=3: must be a positive even number"),
        ({"frames": 0}, "frames=0: must be a positive integer"),
    ],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(InvalidValue, match=message):
        GateNetworkSettings(**values)


def test_mixes_and_handling_are_a_part_of_a_library_when_asked_for(tmp_path):
    sources = []
    for number in range(2):
        path = tmp_path / f"{number}.flac"
        sf.write(path, noise(number, 4.0).T, 44100)
        sources.append(Source(path, "solo", 4.0))
    asked = {"seconds": 2.7, "seed": 2, "mixes": 0.5, "handled": 1.0}
    library = GateLibrary(tmp_path / "library")
    library.complete(sources, TraceHearing(), 6, **asked)
    assert {note["kind"] for note in library.notes} == {"mix", "solo"}
    plain = GateLibrary(tmp_path / "plain")
    plain.complete(sources, TraceHearing(), 6, **asked | {"mixes": 0.0, "handled": 0.0})
    assert {note["kind"] for note in plain.notes} == {"solo"}
    # What people do takes samples off the start, so less is left of a crop.
    cut = GateLibrary(tmp_path / "cut")
    cut.complete(sources, TraceHearing(), 6, **asked | {"mixes": 0.0})
    frames = [[note["frames"] for note in made.notes] for made in (cut, plain)]
    assert max(frames[0]) < min(frames[1])
    with pytest.raises(InvalidValue, match=r"was begun with mixes=0.5, now asked for mixes=None"):
        library.complete(sources, TraceHearing(), 7, **asked | {"mixes": 0.0})
    for wrong in ({"mixes": 1.5}, {"handled": -0.1}):
        with pytest.raises(InvalidValue, match=r"mixes=.*, handled=.*: must be from 0 to 1"):
            library.complete(sources, TraceHearing(), 7, **asked | wrong)


@pytest.mark.parametrize(("lines", "window"), [("", None), ("both = false\nwindow = 1024\n", 1024)])
def test_a_recipe_makes_a_gate(tmp_path, lines, window):
    recipe = (
        'kind = "gate"\nname = "small"\nversion = "0.1"\n'
        "[pairs]\ncount = 4\nseconds = 2.7\nseed = 0\nmixes = 0.25\n"
        "[validation]\ncount = 2\nseconds = 2.7\nseed = 0\n"
        f"[gate]\nwidth = 8\ninner = 4\nlayers = 1\n{lines}"
        "[training]\nsteps = 2\nbatch = 2\nframes = 60\n"
    )
    (tmp_path / "recipe.toml").write_text(recipe)
    for part in ("train", "val"):
        (tmp_path / "data" / part / "solo").mkdir(parents=True)
        sf.write(tmp_path / "data" / part / "solo" / "a.wav", noise(0, 11.0).T, 44100)
    music = tmp_path / "music"
    (music / "renderings").mkdir(parents=True)
    sf.write(music / "renderings" / "dark.flac", low_passed(noise(5, 30.0), 0.1).T, 44100)
    run = Run(tmp_path / "work", tmp_path / "model", music=music)
    run_recipe(find_recipe(tmp_path), tmp_path / "data", run)
    header, tensors = _read(str(run.release / "gate.safetensors"), "gate")
    assert (header["name"], header["version"]) == ("small", "0.1")
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    head = json.loads((run.work / "pairs" / "pairs.json").read_text())
    assert (head["recordings"], head["heard"]) == (2, "traces")
    assert head.get("window") == window
    assert load_gate(run.release).config.both == (not lines)
