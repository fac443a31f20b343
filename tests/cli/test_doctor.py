"""``uncodec doctor`` tells what is installed, and fails when something needed is broken."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest

from uncodec import __version__
from uncodec.cli import doctor
from uncodec.model_folders import find_model

RELEASED = Path(find_model("live-gan")).parent


@pytest.fixture
def told(run):
    """What the command tells a program, with its exit code."""

    def told() -> tuple[int, dict]:
        outcome = run("doctor", "--json")
        return outcome.code, json.loads(outcome.stdout)

    return told


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder of models of the test's own, with a copy of one that was released."""
    shutil.copytree(RELEASED / "live-gan", tmp_path / "models" / "live-gan")
    monkeypatch.setattr("uncodec.model_folders.model_roots", lambda: [tmp_path / "models"])
    return tmp_path / "models"


def test_a_working_installation_has_no_problem(told, models):
    code, facts = told()
    assert (code, facts["problems"]) == (0, [])
    assert facts["uncodec"] == __version__
    assert facts["packages"]["torch"] == metadata.version("torch")
    assert facts["native"]["file"].startswith("_native")
    assert facts["devices"][0]["name"] == "cpu"
    assert "libmp3lame" in facts["codecs"]["mp3"]


def test_every_file_of_weights_is_told(told, models):
    _, facts = told()
    assert [(model["name"], model["file"]) for model in facts["models"]] == [
        ("live-gan", "weights.safetensors"),
        ("live-gan", "levels.safetensors"),
        ("live-gan", "gate.safetensors"),
    ]
    assert all(len(model["sha256"]) == 64 for model in facts["models"])


def test_altered_weights_are_a_problem(told, models):
    weights = models / "live-gan" / "levels.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    code, facts = told()
    assert code == 1
    (problem,) = facts["problems"]
    assert "levels.safetensors" in problem
    assert "altered" in problem
    assert [model["intact"] for model in facts["models"]] == [True, False, True]


def test_weights_that_are_cut_off_are_a_problem(run, models):
    weights = models / "live-gan" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    outcome = run("doctor")
    assert outcome.code == 1
    assert "live-gan None weights.safetensors: BROKEN" in outcome.stdout
    assert "Traceback" not in outcome.stdout + outcome.stderr


def test_a_missing_model_is_a_problem(told, models):
    shutil.rmtree(models / "live-gan")
    code, facts = told()
    assert code == 1
    assert facts["problems"] == ["models: live-gan is needed and not installed"]


def test_a_part_that_raises_does_not_hide_the_others(told, models, monkeypatch):
    def raises(problems):
        raise OSError("the library\ncannot be loaded")

    monkeypatch.setattr(doctor, "_devices", raises)
    code, facts = told()
    assert code == 1
    assert facts["problems"] == ["devices: OSError: the library cannot be loaded"]
    assert facts["devices"] is None
    assert facts["codecs"]["mp3"]


def test_a_missing_package_is_a_problem(told, models, monkeypatch):
    needed = ["numpy>=1.26", "no-such-package>=2", "also-none>=1; extra == 'plots'"]
    monkeypatch.setattr(metadata, "requires", lambda name: needed)
    code, facts = told()
    assert code == 1
    assert facts["problems"] == ["packages: no-such-package is needed and not installed"]
    assert facts["optional"] == {"plots": {"also-none": None}}


def test_a_package_that_lacks_a_library_is_a_problem(told, models, monkeypatch):
    load = doctor.import_module

    def broken(name):
        if name == "pedalboard":
            raise ImportError("libatomic.so.1: cannot open shared object file")
        return load(name)

    monkeypatch.setattr(doctor, "import_module", broken)
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy>=1.26", "pedalboard>=0.9"])
    code, facts = told()
    assert code == 1
    assert facts["problems"] == [
        "packages: pedalboard cannot be loaded: libatomic.so.1: cannot open shared object file"
    ]


def test_extras_for_developers_are_left_out(told, models, monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["ruff>=0.8; extra == 'dev'"])
    _, facts = told()
    assert facts["optional"] == {}


def test_paths_do_not_tell_who_is_at_home(told, models, monkeypatch):
    monkeypatch.setenv("HOME", str(Path(doctor.__file__).parents[3]))
    _, facts = told()
    assert facts["installed_at"] == "~/core/uncodec"


def test_plugins_that_were_not_built_are_no_problem(told, models, monkeypatch, tmp_path):
    for place in ("_PACKAGED", "_BUILT"):
        monkeypatch.setattr(f"uncodec.bridge.bundle.{place}", tmp_path / "nothing")
    code, facts = told()
    assert (code, facts["plugin"]["bundles"]) == (0, {"vst3": None, "clap": None})


def test_plugins_that_hosts_find_are_told(run, models, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".vst3" / "Uncodec.vst3").mkdir(parents=True)
    outcome = run("doctor")
    assert "hosts find ~/.vst3/Uncodec.vst3" in outcome.stdout
    assert outcome.error_lines == []
