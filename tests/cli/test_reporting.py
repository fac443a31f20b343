"""What the command line says while it works."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict

import pytest

from uncodec import cli
from uncodec.files import restore as restore_module
from uncodec.files.reporting import ProgressReporter
from uncodec.io import FileWarning


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines(run, put, tmp_path):
    good, bad = put("good.wav"), tmp_path / "bad.mp3"
    bad.write_bytes(b"no music")
    outcome = run("restore", good, bad, "--json")
    assert outcome.code == 1
    reported = events(outcome.stdout)
    kinds = [event["event"] for event in reported]
    assert [kind for kind in kinds if kind != "progress"] == [
        "start",
        "done",
        "start",
        "error",
        "end",
    ]
    done = next(event for event in reported if event["event"] == "done")
    assert done["source"] == str(good)
    assert done["target"] == str(tmp_path / "good.restored.flac")
    assert (done["frames"], done["sample_rate"], done["channels"]) == (101_430, 44_100, 2)
    assert done["duration_s"] == 2.3
    assert done["times_real_time"] > 0
    progress = next(event for event in reported if event["event"] == "progress")
    assert 0 < progress["frames"] <= progress["total_frames"] == 101_430
    error = next(event for event in reported if event["event"] == "error")
    assert error["source"] == str(bad)
    assert error["type"] == "AudioFileError"
    assert reported[-1] == {
        "event": "end",
        "restored": 1,
        "failed": 1,
        "passed_over": 0,
        "skipped": 0,
        "left": 0,
        "again": {},
    }


def test_json_does_not_mix_with_audio(run, put):
    outcome = run("restore", put("song.wav"), "-o", "-", "--json")
    assert outcome.code == 0
    assert outcome.stdout_bytes.startswith(b"RIFF")
    assert events(outcome.stderr)[-1] == {
        "event": "end",
        "restored": 1,
        "failed": 0,
        "passed_over": 0,
        "skipped": 0,
        "left": 0,
        "again": {},
    }


def test_silent_without_a_terminal(run, put, tmp_path):
    outcome = run("restore", put("song.wav"))
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def restore_on_terminal(run, monkeypatch):
    """Restore with standard error on a terminal; return what appeared there."""

    def restore(*inputs, **options):
        # Set here and not by the fixture: pytest puts its own stream in place in between.
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        cli.restore.restore([str(path) for path in inputs], **options)
        return stream.getvalue()

    return restore


def test_terminal_sees_each_file(restore_on_terminal, put, tmp_path):
    text = restore_on_terminal(put("a [1].wav"), put("b.wav"))
    assert f"{tmp_path}/a [1].wav -> {tmp_path}/a [1].restored.flac (0:02 in" in text
    assert "x real time" in text
    assert "%" in text


def test_quiet_terminal(restore_on_terminal, put):
    assert restore_on_terminal(put("a.wav"), quiet=True) == ""


def test_clipping_is_told(restore_on_terminal, put, song):
    text = restore_on_terminal(put("loud.wav", 6 * song, subtype="FLOAT"))
    assert text.count("samples were clipped (peak +1.6 dBFS); --headroom auto turns") == 1


def test_what_was_turned_down_is_told(restore_on_terminal, put, song):
    text = restore_on_terminal(put("loud.wav", 6 * song, subtype="FLOAT"), headroom="auto")
    assert "x real time, turned down by 1.6 dB)" in text
    assert "warning" not in text


def test_what_was_passed_over_is_told_by_reason(restore_on_terminal, put, tmp_path):
    put("in/song.wav")
    for number in range(7):
        (tmp_path / f"in/notes{number}.txt").write_text("no music in here")
    put("in/old.restored.flac")
    lines = [
        line.removeprefix("\x1b[2K")  # the bar is wiped away first
        for line in restore_on_terminal(tmp_path / "in").splitlines()
    ]
    assert f"passed over, is an earlier result: {tmp_path}/in/old.restored.flac" in lines
    (notes,) = [line for line in lines if "notes0.txt" in line]
    assert notes.startswith("passed over, ")
    assert notes.endswith("notes4.txt and 2 more")


@pytest.mark.parametrize("name", ["two\nlines.wav", "red\x1b[31m.wav", "double  space.wav"])
def test_any_name_of_a_file_stays_on_its_line(run, put, song, tmp_path, name):
    song[0, 80_000] = float("nan")
    put(name, song, subtype="FLOAT")
    outcome = run("restore", tmp_path / name, tmp_path / ("gone " + name))
    assert outcome.code == 1
    assert len(outcome.error_lines) == 2
    assert "\x1b" not in outcome.stderr
    shown = name.encode("unicode_escape").decode()
    assert outcome.error_lines[0].startswith(f"uncodec: error: {tmp_path}/{shown}: holds nan")
    assert outcome.error_lines[1] == f"uncodec: error: {tmp_path}/gone {shown}: does not exist"
    # What is refused before the work is told by the same rule.
    outcome = run("restore", tmp_path / name, "-o", tmp_path / name)
    assert outcome.code == 2
    assert len(outcome.error_lines) == 1


@pytest.fixture
def remarked(monkeypatch):
    """Every file has something that its reader remarks."""
    remark = FileWarning("begins with junk", offset=0, length=12, unit="bytes", lost=False)
    open_it = restore_module.open_audio

    def open_remarked(path):
        reader = open_it(path)
        reader.warnings.append(remark)
        return reader

    monkeypatch.setattr(restore_module, "open_audio", open_remarked)
    return remark


def test_what_the_reader_remarks_is_told_once(run, put, remarked, restore_on_terminal, tmp_path):
    source = put("song.wav")
    line = f"uncodec: warning: {source}: begins with junk"
    outcome = run("restore", source)
    assert (outcome.code, outcome.error_lines) == (0, [line])
    outcome = run("restore", source, "--overwrite", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    outcome = run("restore", source, "--overwrite", "--json")
    assert outcome.error_lines == [line]
    (done,) = [event for event in events(outcome.stdout) if event["event"] == "done"]
    assert done["warnings"] == [asdict(remarked)]
    assert done["problems"] == []
    assert restore_on_terminal(source, overwrite=True).count("begins with junk") == 1


def test_bar_is_closed_by_errors():
    with pytest.raises(KeyboardInterrupt), ProgressReporter() as reporter:
        raise KeyboardInterrupt
    assert not reporter._bar.live.is_started
