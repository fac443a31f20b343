"""``uncodec inspect``: its table, its forms for programs, folders, pictures, exit codes."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc

import numpy as np
import pytest
import soundfile as sf
from tests.cli.conftest import run_command

from uncodec.codecs import round_trip
from uncodec.files.sources import find_sources, walk_sources

RATE = 44100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("music")
    # Of one channel, and no longer than frames are sure to show in: each test inspects it anew.
    count = 30_000
    hz = np.fft.rfftfreq(count, 1 / RATE)
    noise = np.random.default_rng(0).normal(0, 0.2, (1, count))
    clean = np.fft.irfft(np.fft.rfft(noise) / (1 + hz / 2000)).astype(np.float32)
    (place / "sub").mkdir()
    sf.write(place / "clean.wav", clean.T, RATE)
    sf.write(place / "sub/fake.flac", round_trip(clean, RATE, "mp3", kbps=64).T, RATE)
    sf.write(place / "sub/song.ogg", clean.T, RATE, format="OGG", subtype="VORBIS")
    (place / "notes.txt").write_text("no audio")
    return place


def test_a_line_for_each_file(folder):
    done = run_command("inspect", folder)
    lines = done.stdout.splitlines()
    assert done.code == 0
    assert [line.split()[-1].rpartition("/")[2] for line in lines] == [
        "file", "clean.wav", "fake.flac", "song.ogg",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[2:]] == ["fake", "lossy"]


def test_of_one_file_the_reasons_are_told(folder):
    done = run_command("inspect", folder / "sub/fake.flac")
    assert "frames of MP3 show" in done.stdout


def test_json_is_an_object_a_line(folder):
    done = run_command("inspect", folder, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["verdict"] for row in rows[1:]] == ["fake", "lossy"]
    assert rows[1]["reasons"]
    assert rows[1]["spans"]


def test_csv_has_a_header_and_rows(folder):
    done = run_command("inspect", folder, "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["verdict"] for row in rows[1:]] == ["fake", "lossy"]
    assert rows[1]["codec"] == "mp3"


def test_fail_on_leaves_with_3(folder):
    assert run_command("inspect", folder, "--fail-on", "fake").code == 3
    assert run_command("inspect", folder / "sub/song.ogg", "--fail-on", "fake").code == 0
    wrong = run_command("inspect", folder, "--fail-on", "bad")
    assert wrong.code == 2
    assert "must be one of lossless, lossy, fake, unknown" in wrong.stderr


def test_what_is_worth_restoring_is_named(folder):
    done = run_command("inspect", folder, "--restore-suggested")
    assert f"{folder / 'sub/fake.flac'}" in done.stdout.splitlines()
    assert "clean.wav" not in done.stdout


def test_files_that_cannot_be_read_are_told_and_the_rest_is_done(folder, tmp_path):
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(60))
    done = run_command("inspect", broken, folder / "clean.wav", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 1
    assert rows[0].keys() == {"path", "error"}
    assert rows[1]["path"].endswith("clean.wav")
    assert len(done.error_lines) == 1


def test_files_inspected_side_by_side_come_in_order_and_are_the_same(folder, tmp_path):
    broken = tmp_path / "broken.flac"
    broken.write_bytes(b"fLaC" + bytes(60))
    files = [broken, folder, folder / "clean.wav", "-"]
    alone, together = (run_command("inspect", *files, "--json", "--jobs", n) for n in (1, 2))
    rows, others = (
        sorted(map(json.loads, done.stdout.splitlines()), key=lambda row: str(row["path"]))
        for done in (alone, together)
    )
    assert rows == others
    assert (alone.code, together.code) == (1, 1)
    inspected = [json.loads(line)["path"] for line in together.stdout.splitlines()]
    assert [name.rpartition("/")[2] for name in inspected if name] == [
        "broken.flac", "clean.wav", "fake.flac", "song.ogg", "clean.wav",
    ]  # fmt: skip
    out = tmp_path / "pictures"
    assert (
        run_command("inspect", folder, "--jobs", 2, "--fail-on", "fake", "--picture", out).code == 3
    )
    assert len(list(out.iterdir())) == 3
    assert run_command("inspect", folder, "--jobs", -1).code == 2


def test_only_one_form_can_be_asked_for(folder):
    done = run_command("inspect", folder, "--json", "--csv")
    assert done.code == 2
    assert "only one" in done.stderr


def test_an_empty_folder_is_an_error(tmp_path):
    done = run_command("inspect", tmp_path)
    assert done.code == 1
    assert "no audio in this folder" in done.stderr


def test_pictures_are_not_replaced_unasked(folder, tmp_path):
    out = tmp_path / "a.png"
    out.write_bytes(b"mine")
    done = run_command("inspect", folder / "clean.wav", "--picture", out)
    assert done.code == 1
    assert "--overwrite" in done.stderr
    assert out.read_bytes() == b"mine"
    assert run_command("inspect", folder / "clean.wav", "--picture", out, "--overwrite").code == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_pictures_of_many_go_into_a_folder(folder, tmp_path):
    wrong = run_command("inspect", folder, "--picture", folder / "clean.wav")
    assert wrong.code == 2
    assert "must be a folder" in wrong.stderr
    assert run_command("inspect", folder / "sub", "--picture", tmp_path / "p").code == 0
    assert sorted(p.name for p in (tmp_path / "p").iterdir()) == ["fake.flac.png", "song.ogg.png"]


def test_names_cannot_break_lines(folder, tmp_path):
    odd = tmp_path / "a\nb\x1b[2J.wav"
    odd.write_bytes((folder / "clean.wav").read_bytes())
    lines = run_command("inspect", odd).stdout.splitlines()
    assert "\\n" in lines[1]
    assert "\x1b" not in lines[1]


def test_folders_are_walked_one_by_one(tmp_path):
    for number in range(30):
        (tmp_path / f"{number:02}").mkdir()
        for other in range(20):
            (tmp_path / f"{number:02}" / f"{other:02}.wav").touch()
    parts = walk_sources(tmp_path)
    next(parts)
    tracemalloc.start()
    most = max(len(part.files) for part in parts)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert most == 20
    assert grown < 100_000
    assert len(find_sources(tmp_path).files) == 600


def test_earlier_results_are_inspected_too(folder, tmp_path):
    sf.write(tmp_path / "a.restored.wav", np.zeros((100, 1)), RATE)
    assert "a.restored.wav" in run_command("inspect", tmp_path).stdout
