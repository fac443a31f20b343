"""What is kept from the page is what the copied command and the copied Python make, to the bit."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from tests.web.desks import PromptChild, drop
from typer.testing import CliRunner

from uncodec import cli
from uncodec.io import read_audio, read_tags
from uncodec.web.knobs import Knobs

KNOBS = [
    {},
    {"amount": 0.37, "brightness_db": -2.5, "seed": 7, "bits": 16},
    {"repairs": True, "headroom": "auto", "bits": 32},
    {"headroom": 1.5, "salvage": True},
]


def kept(client, key, knobs, **more):
    asked = {"files": [{"file": key, "knobs": knobs}], **more}
    assert client.post("/api/keep", json=asked).json() == {"added": 1, "refused": []}
    ticket = client.get("/api/state").json()["queue"]["tickets"][-1]
    assert ticket["state"] == "done", ticket["told"]
    return ticket


def run_command(line, folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = shlex.split(line)
    assert words[0] == "uncodec"
    result = CliRunner().invoke(cli.app, words[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output


def small_model(monkeypatch, folder):
    """The released model of the offline engine takes minutes: a small one stands in for it."""
    from uncodec.files.render import RenderSettings

    init = RenderSettings.__init__

    def small(self, *arguments, **named):
        init(self, *arguments, **{"model": str(folder), **named})

    monkeypatch.setattr(RenderSettings, "__init__", small)


@pytest.mark.parametrize("knobs", KNOBS)
def test_the_page_the_command_and_python_make_the_same_bits(
    make_client, song, tmp_path, monkeypatch, knobs
):
    client = make_client(child=PromptChild)
    source = song("my -o 'song'.flac", tmp_path / "there", seconds=1.5)
    key = drop(client, source.name, source.read_bytes())
    ticket = kept(client, key, knobs)
    target = tmp_path / "out" / ticket["target"]
    by_page = target.read_bytes()
    copied = client.post("/api/copy", json={"file": key, "knobs": knobs}).json()
    shutil.rmtree(tmp_path / "out")
    run_command(copied["command"], source.parent, monkeypatch)
    assert target.read_bytes() == by_page
    shutil.rmtree(tmp_path / "out")
    exec(compile(copied["python"], "copied", "exec"), {})
    assert target.read_bytes() == by_page


def test_the_copied_lines_run_by_themselves(make_client, song, tmp_path):
    folder = tmp_path / "music"
    song("a b.flac", folder)
    client = make_client(folder=folder, child=PromptChild)
    [file] = client.get("/api/state").json()["files"]
    knobs = {"amount": 0.8}
    ticket = kept(client, file["id"], knobs)
    target = folder / "a b.restored.flac"
    assert ticket["target"] == target.name
    by_page = target.read_bytes()
    assert "amount 0.8" in dict(read_tags(target).fields)["restoration"][0]
    copied = client.post("/api/copy", json={"file": file["id"], "knobs": knobs}).json()
    for words in (
        [sys.executable, "-m", *shlex.split(copied["command"])],
        [sys.executable, "-c", copied["python"]],
    ):
        target.unlink()
        subprocess.run(words, check=True, cwd=tmp_path)
        assert target.read_bytes() == by_page


def test_the_offline_engine_makes_the_same_bits_as_well(
    make_client, song, tmp_path, monkeypatch, diffusion_folder
):
    small_model(monkeypatch, diffusion_folder)
    line = Knobs("offline", steps=3).command("a", "b")
    assert "--steps 3" in line
    client = make_client(child=PromptChild)
    source = song("a.flac", seconds=1.0)
    key = drop(client, "sub/a.flac", source.read_bytes())
    results = []
    for repairs in (False, True):
        knobs = {"engine": "offline", "steps": 2, "amount": 0.5, "repairs": repairs}
        kept(client, key, knobs)
        target = tmp_path / "out/sub/a.flac"
        results.append(target.read_bytes())
        copied = client.post("/api/copy", json={"file": key, "knobs": knobs}).json()
        place = tmp_path / "there/sub"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place / "a.flac")
        model = shlex.quote(str(diffusion_folder))
        target.unlink()
        run_command(f"{copied['command']} --model {model}", place.parent, monkeypatch)
        assert target.read_bytes() == results[-1]
        target.unlink()
        exec(compile(copied["python"], "copied", "exec"), {})
        assert target.read_bytes() == results[-1]
    assert results[0] != results[1]


@pytest.mark.parametrize("engine", ["live", "offline"])
def test_a_reference_makes_the_same_bits_as_well(
    make_client, song, tmp_path, monkeypatch, diffusion_folder, engine
):
    small_model(monkeypatch, diffusion_folder)
    client = make_client(child=PromptChild)
    source, other = song("a.flac"), song("the reference.flac", seed=3)
    key, like = (drop(client, path.name, path.read_bytes()) for path in (source, other))
    target = tmp_path / "out/a.flac"
    steps = {"engine": engine, "steps": 2}
    kept(client, key, steps)
    without = target.read_bytes()
    knobs = {**steps, "like": like, "like_amount": 0.6}
    ticket = kept(client, key, knobs)
    assert ticket["like"] == other.name
    by_page = target.read_bytes()
    assert by_page != without
    copied = client.post("/api/copy", json={"file": key, "knobs": knobs}).json()
    monkeypatch.chdir(source.parent)
    target.unlink()
    model = f" --model {shlex.quote(str(diffusion_folder))}" if engine == "offline" else ""
    run_command(copied["command"] + model, source.parent, monkeypatch)
    assert target.read_bytes() == by_page
    target.unlink()
    exec(compile(copied["python"], "copied", "exec"), {})
    assert target.read_bytes() == by_page
    # What a result in the queue needs stays; a preset keeps no file.
    saved = client.post("/api/presets", json={"name": "p", "knobs": knobs})
    assert saved.status_code == 200
    assert "like" not in client.get("/api/state").json()["presets"]["p"]


def test_results_go_beside_their_sources_or_into_a_folder(make_client, song, tmp_path):
    folder = tmp_path / "music"
    song("a/x.flac", folder)
    client = make_client(folder=folder, child=PromptChild)
    [file] = client.get("/api/state").json()["files"]
    kept(client, file["id"], {"amount": 0.0})
    assert (folder / "a/x.restored.flac").exists()
    kept(client, file["id"], {"amount": 0.0}, folder="done/here")
    assert (folder / "done/here/a/x.flac").exists()
    # A result is no source at the next start.
    client.__exit__(None, None, None)
    client.__enter__()
    names = {each["name"] for each in make_client(folder=folder).get("/api/state").json()["files"]}
    assert names == {"a/x.flac"}


def test_a_result_that_is_somebody_else_s_is_kept(make_client, song, tmp_path):
    client = make_client(child=PromptChild)
    source = song("a.flac")
    other = tmp_path / "out/a.flac"
    other.parent.mkdir()
    other.write_bytes(b"mine")
    key = drop(client, "a.flac", source.read_bytes())
    asked = {"files": [{"file": key, "knobs": {"amount": 0}}]}
    client.post("/api/keep", json=asked)
    [ticket] = client.get("/api/state").json()["queue"]["tickets"]
    assert ticket["state"] == "failed"
    assert "exists already" in ticket["told"]
    assert "--" not in ticket["told"]
    assert other.read_bytes() == b"mine"
    url = f"/api/queue/{ticket['id']}"
    client.post(url, json={"action": "again", "overwrite": True})
    assert client.get("/api/state").json()["queue"]["tickets"][0]["state"] == "done"
    assert np.array_equal(read_audio(other)[0], read_audio(source)[0])


def test_a_result_is_saved_by_a_link_that_works_once(make_client, song, tmp_path):
    client = make_client(child=PromptChild)
    key = drop(client, "a.flac", song("a.flac").read_bytes())
    ticket = kept(client, key, {"amount": 0.0})
    url = f"/api/queue/{ticket['id']}/offer"
    link = client.post(url, json={"what": "result"}).json()["link"]
    client.headers["authorization"] = ""
    answer = client.get(f"/download/{link}")
    assert answer.content == (tmp_path / "out/a.flac").read_bytes()
    assert answer.headers["content-disposition"].startswith("attachment")
    assert client.get(f"/download/{link}").status_code == 400
    assert client.get("/download/guessed").status_code == 400
    assert client.post(url, json={"what": "result"}).status_code == 401


def test_a_report_that_was_not_written_cannot_be_saved(make_client, song):
    client = make_client(child=PromptChild)
    key = drop(client, "a.flac", song("a.flac").read_bytes())
    ticket = kept(client, key, {"amount": 0.0})
    answer = client.post(f"/api/queue/{ticket['id']}/offer", json={"what": "report"})
    assert answer.status_code == 400
