"""What the reports of restore and render say about tags that a result does not have."""

from __future__ import annotations

import io
import json

import mutagen.id3
import pytest

from uncodec.codecs import encode
from uncodec.files.reporting import ProgressReporter
from uncodec.io import read_tags

LEFT = {
    "replaygain_track_gain": "tells the loudness of the source, which the result does not have",
    "encodersettings": "tells how the source was encoded",
    "PRIV:me": "an ID3 frame that is no text",
}


def carried(path):
    """Fields of a result that come from its source."""
    fields = dict(read_tags(path).fields)
    assert fields.pop("restoration")
    return fields


@pytest.fixture
def tagged(song, tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(encode(song, 44_100, "mp3", kbps=128))
    id3 = mutagen.id3
    tag = id3.ID3()
    tag.add(id3.TPE1(encoding=3, text=["Eine", "二"]))
    tag.add(id3.COMM(encoding=3, lang="eng", desc="", text=["Kommentar"]))
    tag.add(id3.TXXX(encoding=3, desc="replaygain_track_gain", text=["-7 dB"]))
    tag.add(id3.TSSE(encoding=3, text=["LAME"]))
    tag.add(id3.PRIV(owner="me", data=b"\1"))
    tag.save(path)
    return path


WANTED = {"artist": ("Eine", "二"), "comment": ("Kommentar",)}


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_the_json_report_names_what_is_not_carried(ending, run, tagged, tmp_path):
    target = tmp_path / f"out{ending}"
    outcome = run("restore", tagged, "-o", target, "--json")
    assert outcome.code == 0
    events = [json.loads(line) for line in outcome.stdout.splitlines()]
    (done,) = [event for event in events if event["event"] == "done"]
    assert {item["field"]: item["reason"] for item in done["not_carried"]} == LEFT
    assert carried(target) == WANTED


def test_the_report_for_people_has_a_line_for_each_reason(run, tagged, tmp_path, monkeypatch):
    told = io.StringIO()

    def open_reporter(jobs, **_):
        from rich.console import Console

        reporter = ProgressReporter()
        reporter._console = Console(file=told, width=400)
        return reporter

    monkeypatch.setattr("uncodec.cli.batches.open_reporter", open_reporter)
    target = tmp_path / "out.flac"
    assert run("restore", tagged, "-o", target).code == 0
    lines = [line for line in told.getvalue().splitlines() if "not carried over" in line]
    assert sorted(lines) == sorted(
        f"{target}: not carried over: {field} ({reason})" for field, reason in LEFT.items()
    )


def test_tags_go_through_pipes(run, tagged, tmp_path):
    outcome = run("restore", "-", stdin=tagged.read_bytes())
    assert outcome.code == 0
    target = tmp_path / "out.wav"
    target.write_bytes(outcome.stdout_bytes)
    assert carried(target) == WANTED


def test_render_reports_it_too(tagged, tmp_path, diffusion_folder, run_model):
    target = tmp_path / "out.flac"
    outcome = run_model(
        "render", tagged, "-o", target, "--json", "--model", diffusion_folder, "--steps", 1
    )
    assert outcome.code == 0
    done = json.loads(outcome.stdout.splitlines()[-2])
    assert {item["field"] for item in done["not_carried"]} == set(LEFT)
    assert carried(target) == WANTED
