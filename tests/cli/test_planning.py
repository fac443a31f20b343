"""Which source goes into which target, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from uncodec.errors import InvalidValue
from uncodec.offline.batch import STANDARD, Settings, plan


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("a.mp3", "b.ogg", "in/c.mp3", "in/sub/d.opus", "in/sub/cover.jpg", "empty/x.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pairs(jobs):
    return [(str(job.source), str(job.target)) for job in jobs]


def test_single_file_next_to_itself(folder):
    assert pairs(plan(["a.mp3"])) == [("a.mp3", "a.restored.flac")]
    assert pairs(plan(["a.mp3"], settings=Settings(bits=32))) == [("a.mp3", "a.restored.wav")]


def test_single_file_into_a_file_or_a_folder(folder):
    assert pairs(plan(["a.mp3"], "x.wav")) == [("a.mp3", "x.wav")]
    assert pairs(plan(["a.mp3"], "in")) == [("a.mp3", "in/a.flac")]
    assert pairs(plan(["a.mp3"], "new/")) == [("a.mp3", "new/a.flac")]


def test_several_files_into_a_folder(folder):
    assert pairs(plan(["a.mp3", "in/c.mp3"], "new")) == [
        ("a.mp3", "new/a.flac"),
        ("in/c.mp3", "new/c.flac"),
    ]


def test_folder_is_walked(folder):
    assert pairs(plan(["in"], "new")) == [
        ("in/c.mp3", "new/c.flac"),
        ("in/sub/d.opus", "new/sub/d.flac"),
    ]


def test_file_named_twice_is_done_once(folder):
    assert pairs(plan(["in/c.mp3", "in", "./in/c.mp3"])) == [
        ("in/c.mp3", "in/c.restored.flac"),
        ("in/sub/d.opus", "in/sub/d.restored.flac"),
    ]


def test_missing_file_is_planned_and_fails_later(folder):
    assert pairs(plan(["gone.mp3", "a.mp3"])) == [
        ("gone.mp3", "gone.restored.flac"),
        ("a.mp3", "a.restored.flac"),
    ]


def test_pipes(folder):
    assert plan(["-"])[0].target == STANDARD
    assert plan(["-"], "x.flac")[0].target == Path("x.flac")
    assert plan(["a.mp3"], "-")[0].target == STANDARD


@pytest.mark.parametrize(
    ("inputs", "output", "message"),
    [
        (["empty"], None, "holds no audio files"),
        (["a.mp3", "b.ogg"], "a.mp3", "must be a folder"),
        (["in"], "b.ogg", "must be a folder"),
        (["a.mp3", "./in/../a.mp3", "b.ogg", "-"], None, "only input"),
        (["-"], "in", "give a file name"),
        (["a.mp3", "b.ogg"], "-", "takes one file"),
        (["a.mp3"], "a.mp3", "one of the sources"),
    ],
)
def test_refused(folder, inputs, output, message):
    with pytest.raises(InvalidValue, match=message):
        plan(inputs, output)


def test_sources_with_the_same_target_are_refused(folder):
    (folder / "a.ogg").touch()
    with pytest.raises(InvalidValue, match=r"a\.mp3 and a\.ogg would both be written"):
        plan(["a.mp3", "a.ogg"])
    (folder / "in/a.mp3").touch()
    with pytest.raises(InvalidValue, match="would both be written"):
        plan(["a.mp3", "in/a.mp3"], "new")
    # The same names in different folders do not collide.
    assert len(plan(["a.mp3", "in/a.mp3"])) == 2


def test_target_that_is_another_source_is_refused(folder):
    (folder / "a.restored.flac").touch()
    with pytest.raises(InvalidValue, match="one of the sources"):
        plan(["a.mp3", "a.restored.flac"])


@pytest.mark.parametrize("settings", [Settings(bits=8), Settings(rate=0), Settings(rate=-44_100)])
def test_settings_are_checked_first(folder, settings):
    with pytest.raises(InvalidValue, match="must be"):
        plan(["gone.mp3"], settings=settings)


def test_folder_that_cannot_be_read_is_not_passed_over(folder, monkeypatch):
    from uncodec.offline import batch

    scandir = batch.os.scandir

    def refuse(path):
        if str(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(batch.os, "scandir", refuse)
    with pytest.raises(InvalidValue, match="in/sub: Permission denied"):
        plan(["in"])
