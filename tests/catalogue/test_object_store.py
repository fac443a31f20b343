"""Sources, results and receipts in an object store: an S3 server of this machine."""

import json
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.catalogue.conftest import Recorder
from tests.catalogue.light_work import Halving
from tests.cli.conftest import Halving as HalvingEffect
from tests.cli.conftest import run_command

from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import each_here, run
from uncodec.catalogue.workers import each_in_processes
from uncodec.files.places import UrlPath, place
from uncodec.files.planning import plan

pytest.importorskip("moto.server")
pytest.importorskip("s3fs")


@pytest.fixture
def song(tmp_path):
    def song(seed=0):
        path = tmp_path / "song.wav"
        noise = 0.1 * np.random.default_rng(seed).standard_normal((3000, 2))
        soundfile.write(path, noise, 44100, subtype="PCM_16")
        return path.read_bytes()

    return song


@pytest.fixture
def command(monkeypatch):
    monkeypatch.setattr("uncodec.catalogue.work.open_effect", lambda *options: HalvingEffect())
    return run_command


def names(url):
    return [str(path).removeprefix(url + "/") for path in place(url).below()]


def test_a_folder_of_objects_is_restored_into_another_and_only_once(
    bucket, song, command, tmp_path
):
    for name in ("in/a.wav", "in/sub/b.wav", "in/notes.txt", "in/.hidden.wav"):
        place(f"{bucket}/{name}").write_bytes(song())
    arguments = ("restore", f"{bucket}/in", "-o", f"{bucket}/out", "--skip-done")
    planned = command(*arguments, "--plan")
    assert f"restore    {bucket}/in/sub/b.wav -> {bucket}/out/sub/b.flac" in planned.stdout
    outcome = command(*arguments)
    assert (outcome.code, outcome.error_lines) == (0, [])
    assert names(f"{bucket}/out") == [
        "a.flac", "a.flac.receipt.json", "sub/b.flac", "sub/b.flac.receipt.json",
    ]  # fmt: skip
    (tmp_path / "a.wav").write_bytes(song())
    assert command("restore", tmp_path / "a.wav", "-o", tmp_path / "a.flac").code == 0
    assert place(f"{bucket}/out/a.flac").read_bytes() == (tmp_path / "a.flac").read_bytes()
    receipt = json.loads(place(f"{bucket}/out/a.flac.receipt.json").read_bytes())
    assert receipt["source"]["path"] == f"{bucket}/in/a.wav"
    assert receipt["result"]["path"] == f"{bucket}/out/a.flac"
    assert receipt["result"]["bytes"] == (tmp_path / "a.flac").stat().st_size
    place(f"{bucket}/in/a.wav").write_bytes(song(seed=1))
    assert command(*arguments).error_lines == [
        "uncodec: 1 restored, 0 failed, 1 of these anew (1: the source changed), 1 done before"
    ]
    status = command("catalogue", "status", f"{bucket}/out", "--sources", f"{bucket}/in")
    assert status.stdout.startswith("done     2, ")
    assert "open     0" in status.stdout


def test_objects_and_files_mix_and_deltas_are_stored_too(bucket, song, command, tmp_path):
    place(f"{bucket}/in/a.wav").write_bytes(song())
    out, notes = tmp_path / "here/", f"{bucket}/notes"
    assert command("restore", f"{bucket}/in", "-o", out, "--receipts", notes).code == 0
    assert [path.name for path in out.iterdir()] == ["a.flac"]
    assert len(names(notes)) == 1
    far = ("-o", f"{bucket}/b.flac", "--delta", f"{bucket}/delta.wav")
    assert command("restore", out / "a.flac", *far).code == 0
    assert names(bucket)[:2] == ["b.flac", "delta.wav"]


def test_an_object_that_is_there_is_kept_unless_told(bucket, song, command):
    place(f"{bucket}/a.wav").write_bytes(song())
    place(f"{bucket}/b.flac").write_bytes(b"mine")
    arguments = ("restore", f"{bucket}/a.wav", "-o", f"{bucket}/b.flac")
    outcome = command(*arguments)
    assert (outcome.code, outcome.error_lines) == (
        1,
        [f"uncodec: error: {bucket}/b.flac: exists already; --overwrite replaces it"],
    )
    assert place(f"{bucket}/b.flac").read_bytes() == b"mine"
    assert command(*arguments, "--overwrite").code == 0
    assert place(f"{bucket}/b.flac").read_bytes()[:4] == b"fLaC"


def test_objects_that_cannot_be_used_are_told_by_their_names(bucket, song, command):
    place(f"{bucket}/in/a.wav").write_bytes(song())
    place(f"{bucket}/in/broken.wav").write_bytes(b"no sound")
    outcome = command("restore", f"{bucket}/in", "-o", f"{bucket}/out", "--skip-done")
    assert outcome.code == 1
    assert outcome.error_lines[0].startswith(f"uncodec: error: {bucket}/in/broken.wav: ")
    assert "/tmp" not in outcome.stderr
    receipt = json.loads(place(f"{bucket}/out/broken.flac.receipt.json").read_bytes())
    assert receipt["state"] == "failed"
    gone = command("restore", f"{bucket}/gone.wav", "-o", f"{bucket}/b.flac")
    assert (gone.code, gone.error_lines) == (
        1,
        [f"uncodec: error: {bucket}/gone.wav: does not exist"],
    )
    absent = command("restore", f"{bucket}/in/a.wav", "-o", "s3://no-such-bucket/b.flac")
    assert absent.code == 1
    assert absent.error_lines[0].startswith("uncodec: error: s3://no-such-bucket/b.flac: cannot be")
    assert len(absent.error_lines) == 1


def test_several_processes_do_it_too(bucket, song):
    for number in range(4):
        place(f"{bucket}/in/{number}.wav").write_bytes(song(number))
    planned = plan([f"{bucket}/in"], f"{bucket}/out")
    book = ReceiptBook(place(f"{bucket}/notes"), skip_done=True)
    told = Recorder()
    run(planned, Halving(), told, each=partial(each_in_processes, processes=2), book=book)
    assert (told.end["restored"], told.end["failed"]) == (4, 0)
    told = Recorder()
    run(planned, Halving(), told, each=each_here, book=book)
    assert told.end["skipped"] == 4


def test_damage_is_asked_for_before(bucket, song, command, monkeypatch):
    place(f"{bucket}/a.wav").write_bytes(song())
    outcome = command("restore", f"{bucket}/a.wav", "-o", f"{bucket}/b.flac", "--only-damaged")
    assert (outcome.code, outcome.error_lines) == (
        0,
        ["uncodec: 0 restored, 0 failed, 1 left alone"],
    )
    assert names(bucket) == ["a.wav"]


def test_missing_credentials_are_told_in_one_line(no_credentials, command, tmp_path):
    outcome = command("restore", "s3://closed/in", "-o", tmp_path / "out/")
    assert outcome.code == 1
    assert len(outcome.error_lines) == 1
    assert outcome.error_lines[0].startswith("uncodec: error: s3://closed/in: cannot be read: ")
    assert "credentials" in outcome.error_lines[0]


def test_a_protocol_that_nobody_knows_is_told_in_one_line(command):
    outcome = command("restore", "foo://x/a.wav")
    assert (outcome.code, len(outcome.error_lines)) == (2, 1)
    assert "foo://x/a.wav: must be a path or a URL; Protocol not known: foo" in outcome.stderr


def test_without_the_package_the_extra_is_named(command, monkeypatch):
    def missing(protocol):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)
    outcome = command("restore", "s3://x/a.wav")
    assert (outcome.code, outcome.error_lines) == (
        2,
        [
            "uncodec: error: s3://x/a.wav: needs s3fs, which is not installed: "
            "pip install 'uncodec[s3]'"
        ],
    )


def test_a_url_is_taken_apart_like_a_path():
    url = UrlPath("s3://bucket/in/a.mp3")
    assert str(url) == "s3://bucket/in/a.mp3"
    assert str(url.parent / "b.mp3") == "s3://bucket/in/b.mp3"
    assert str(url.with_name("c.flac")) == "s3://bucket/in/c.flac"
    assert url.relative_to(UrlPath("s3://bucket")).as_posix() == "in/a.mp3"
    again = pickle.loads(pickle.dumps(url))
    assert (again, type(again), str(again)) == (url, UrlPath, str(url))
    assert place("file:///x/a.mp3") == Path("/x/a.mp3")
    assert type(place("C:/x")) is type(Path())
    assert type(place("a://")) is type(Path())
