"""Catalogue runs from the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.cli.conftest import run_command

from uncodec.catalogue.run_lock import locked
from uncodec.catalogue.shards import Shard
from uncodec.codecs import round_trip
from uncodec.io import open_audio


def test_a_second_run_passes_over_what_is_done(run, put, tmp_path):
    put("in/a.wav"), put("in/b.wav")
    command = ("restore", tmp_path / "in", "-o", tmp_path / "out", "--skip-done")
    assert run(*command).code == 0
    (tmp_path / "out/b.flac").unlink()
    outcome = run(*command)
    assert outcome.code == 0
    assert outcome.error_lines == [
        "uncodec: 1 restored, 0 failed, 1 of these anew (1: the result is missing), 1 done before"
    ]
    assert (tmp_path / "out/a.flac.receipt.json").is_file()
    assert run(*command, "--quiet").stderr == ""
    told = [json.loads(line) for line in run(*command, "--json").stdout.splitlines()]
    assert [event["event"] for event in told] == ["skipped", "skipped", "end"]
    assert told[-1]["skipped"] == 2


def test_other_settings_are_done_again(run, put, tmp_path):
    command = ("restore", put("a.wav"), "--receipts", tmp_path / "notes", "--skip-done")
    assert run(*command).code == 0
    outcome = run(*command, "--bits", 16)
    assert "1 of these anew (1: another settings)" in outcome.stderr
    assert "1 done before" in run(*command, "--bits", 16).stderr


def test_another_brightness_is_done_again_and_none_is_what_earlier_receipts_say(run, put, tmp_path):
    command = ("restore", put("a.wav"), "--receipts", tmp_path / "notes", "--skip-done")
    assert run(*command).code == 0
    (receipt,) = (tmp_path / "notes").rglob("*.json")
    assert "brightness_db" not in json.loads(receipt.read_text())["settings"]
    assert "1 done before" in run(*command, "--brightness", 0).stderr
    assert "1 of these anew (1: another settings)" in run(*command, "--brightness", 3).stderr
    assert json.loads(receipt.read_text())["settings"]["brightness_db"] == 3.0
    assert "1 done before" in run(*command, "--brightness", 3).stderr
    assert "1 of these anew" in run(*command).stderr


def test_repairs_are_another_setting_and_told_in_the_result(run, put, tmp_path, monkeypatch):
    # The effect that stands in for the network is none that a board takes.
    behind = []
    monkeypatch.setattr("uncodec.catalogue.work.open_repairs", lambda e: behind.append(e) or e)
    target = tmp_path / "out.flac"
    command = ("restore", put("a.wav"), "-o", target, "--receipts", tmp_path / "notes")
    command = (*command, "--skip-done")
    assert run(*command).code == 0
    (receipt,) = (tmp_path / "notes").rglob("*.json")
    assert "repairs" not in json.loads(receipt.read_text())["settings"]
    assert "1 of these anew (1: another settings)" in run(*command, "--repairs").stderr
    assert json.loads(receipt.read_text())["settings"]["repairs"] is True
    with open_audio(target) as reader:
        (text,) = reader.all_tags.fields["restoration"]
    assert text.endswith(", amount 1, repairs")
    assert len(behind) == 1


def test_shards_do_each_file_once(run, put, tmp_path):
    sources = [put(f"in/{number}.wav") for number in range(6)]
    for number in (1, 2, 3):
        outcome = run("restore", tmp_path / "in", "-o", tmp_path / "out", "--shard", f"{number}/3")
        assert outcome.code == 0  # a file that is done twice would be an error
    assert len(list((tmp_path / "out").iterdir())) == len(sources)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "4/3"), "shard='4/3': must be K/N with K from 1 to N, such as 3/20"),
        (("--jobs", -1), "jobs=-1: must be from 0 to 1024"),
        (("--receipts", ""), "receipts='': must be the name of a folder"),
        (
            ("-o", "-", "--only-damaged"),
            "only-damaged: standard input is not inspected; name files",
        ),
        (("-o", "-", "--skip-done"), "receipts: standard input and output leave none; name files"),
    ],
)
def test_wrong_use_is_told_in_one_line(run, put, tmp_path, options, message, only_left):
    source = put("a.wav")
    outcome = run("restore", source, *options)
    assert (outcome.code, outcome.error_lines) == (2, [f"uncodec: error: {message}"])
    only_left(source)


def test_two_runs_over_the_same_files_are_told(run, put, tmp_path):
    source = put("a.wav")
    with locked(tmp_path / "notes", Shard()):
        outcome = run("restore", source, "--receipts", tmp_path / "notes")
    assert outcome.code == 1
    assert "another run is at work on these files" in outcome.error_lines[0]


def test_the_plan_tells_what_would_be_done_and_does_nothing(run, put, tmp_path, only_left):
    done, changed = put("in/done.wav"), put("in/changed.wav")
    command = ("restore", tmp_path / "in", "--skip-done")
    assert run(*command).code == 0
    changed = put("in/changed.wav", sample_rate=48000)
    fresh, taken = put("in/fresh.wav"), put("in/taken.wav")
    (tmp_path / "in/taken.restored.flac").write_bytes(b"mine")
    before = sorted(tmp_path.rglob("*"))
    outcome = run(*command, "--plan")
    assert outcome.code == 1
    assert sorted(tmp_path.rglob("*")) == before

    def result(source):
        return source.with_suffix(".restored.flac")

    assert {
        f"again      {changed} -> {result(changed)}  (the source changed)",
        f"skip       {done} -> {result(done)}",
        f"restore    {fresh} -> {result(fresh)}",
        f"fail       {taken} -> {result(taken)}  ({result(taken)}: exists already; "
        "--overwrite replaces it)",
    } <= set(outcome.stdout.splitlines())
    assert outcome.error_lines == [
        "uncodec: 1 to restore, 1 to do again, 1 done before, 1 that cannot be done, 5 passed over"
    ]
    rows = [json.loads(line) for line in run(*command, "--plan", "--json").stdout.splitlines()]
    assert {row["action"] for row in rows} == {"again", "skip", "restore", "fail", "pass over"}
    assert run("restore", fresh, "--plan").stdout == f"restore    {fresh} -> {result(fresh)}\n"
    gone = run("restore", tmp_path / "gone.wav", "--plan")
    assert (gone.code, "does not exist" in gone.stdout) == (1, True)


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_a_result_says_what_it_was_made_with(run, put, tmp_path, ending):
    source, result = put("a.wav"), tmp_path / f"b{ending}"
    assert run("restore", source, "-o", result, "--amount", 0.5).code == 0
    with open_audio(result) as reader:
        (text,) = reader.all_tags.fields["restoration"]
    assert re.fullmatch(r"uncodec [\d.]+ restore, model live-gan [\d.]+, amount 0\.5", text)
    # A second restoration is told besides the first.
    again = tmp_path / f"c{ending}"
    assert run("restore", result, "-o", again).code == 0
    with open_audio(again) as reader:
        first, second = reader.all_tags.fields["restoration"]
    assert (first, second[-8:]) == (text, "amount 1")
    bright = tmp_path / f"e{ending}"
    assert run("restore", source, "-o", bright, "--brightness", 2.5).code == 0
    with open_audio(bright) as reader:
        (text,) = reader.all_tags.fields["restoration"]
    assert text.endswith(", amount 1, brightness +2.5 dB")
    plain = tmp_path / f"d{ending}"
    assert run("restore", source, "-o", plain, "--no-provenance").code == 0
    with open_audio(plain) as reader:
        assert "restoration" not in reader.all_tags.fields


@pytest.fixture
def archive(tmp_path):
    """A clean sound, one that an encoder has cut, and a file that is no sound."""
    rng = np.random.default_rng(0)
    hz = np.fft.rfftfreq(88200, 1 / 44100)
    noise = np.fft.irfft(np.fft.rfft(rng.normal(0, 0.2, (2, 88200))) / (1 + hz / 2000))
    clean = noise.astype(np.float32)
    place = tmp_path / "archive"
    place.mkdir()
    soundfile.write(place / "clean.wav", clean.T, 44100)
    soundfile.write(place / "fake.wav", round_trip(clean, 44100, "mp3", kbps=96).T, 44100)
    (place / "noise.wav").write_bytes(b"no sound")
    return place


@pytest.mark.parametrize("jobs", [1, 2])
def test_only_what_is_damaged_is_restored_and_the_rest_is_told(run, archive, tmp_path, jobs):
    command = ("restore", archive, "-o", tmp_path / "out", "--only-damaged", "--skip-done")
    planned = run(*command, "--plan", "--json", "--jobs", jobs)
    rows = [json.loads(line) for line in planned.stdout.splitlines()]
    told = {row["source"].rpartition("/")[2]: (row["action"], row["reason"]) for row in rows}
    assert told["fake.wav"][0] == "restore"
    assert told["fake.wav"][1].startswith("fake, mp3, ")
    assert told["clean.wav"][0] == "leave"
    assert told["clean.wav"][1].startswith(("lossless, ", "unknown, "))
    assert told["noise.wav"][0] == "fail"
    assert not (tmp_path / "out").exists()
    if jobs == 2:
        return  # other processes know nothing of the halving effect
    outcome = run(*command)
    assert outcome.code == 1
    assert outcome.error_lines[-1] == "uncodec: 1 restored, 1 failed, 1 left alone"
    assert sorted(p.name for p in (tmp_path / "out").glob("*.flac")) == ["fake.flac"]
    receipt = json.loads((tmp_path / "out/clean.flac.receipt.json").read_text())
    assert receipt["state"] == "left"
    assert receipt["inspection"]["told"] == told["clean.wav"][1]
    status = run_command("catalogue", "status", tmp_path / "out").stdout
    assert "left     1, without damage\n" in status
    events = [json.loads(line) for line in run(*command, "--json").stdout.splitlines()]
    assert {"event": "left"}.items() <= events[0].items()
    assert (events[-1]["left"], events[-1]["skipped"]) == (1, 1)


def test_what_was_left_alone_is_done_when_all_is_asked_for(run, archive, tmp_path):
    command = ("restore", archive / "clean.wav", "--receipts", tmp_path / "notes", "--skip-done")
    assert run(*command, "--only-damaged").error_lines[-1].endswith("1 left alone")
    outcome = run(*command)
    assert "1 restored, 0 failed, 1 of these anew (1: it was left alone before)" in outcome.stderr
    # A result that is there and intact is done, whatever the inspector says.
    assert run(*command, "--only-damaged").error_lines[-1].endswith("1 done before")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads /proc")
def test_ctrl_c_while_processes_are_loading_is_told_in_one_line(put, tmp_path):
    put("in/a.wav"), put("in/b.wav")
    command = [sys.executable, "-m", "uncodec", "restore", tmp_path / "in", "--jobs", "2"]
    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        deadline = time.monotonic() + 60
        while not children.read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)
        # Read to its end: nothing that was started is left.
        told = process.stderr.read().decode()
    assert (process.returncode, told) == (130, "uncodec: stopped\n")
