"""Which source goes into which target, and what is refused before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from uncodec.errors import InvalidValue
from uncodec.files.planning import STANDARD, Settings, plan
from uncodec.files.sources import RENDERED


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("a.mp3", "b.ogg", "in/c.mp3", "in/sub/d.opus", "in/sub/cover.jpg", "empty/x.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pairs(planned):
    return [(str(job.source), str(job.target)) for job in planned.jobs]


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
    assert plan(["-"]).jobs[0].target == STANDARD
    assert plan(["-"], "x.flac").jobs[0].target == Path("x.flac")
    assert plan(["a.mp3"], "-").jobs[0].target == STANDARD


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


def test_sources_that_differ_in_their_extension_alone_keep_it(folder):
    for name in ("a.ogg", "A.wav", "in/c.m4a"):
        (folder / name).touch()
    # Decided for all at once: b.ogg and d.opus, which stand alone, keep the short form.
    assert pairs(plan(["a.mp3", "a.ogg", "A.wav", "b.ogg", "in"])) == [
        ("a.mp3", "a.mp3.restored.flac"),
        ("a.ogg", "a.ogg.restored.flac"),
        ("A.wav", "A.wav.restored.flac"),
        ("b.ogg", "b.restored.flac"),
        ("in/c.m4a", "in/c.m4a.restored.flac"),
        ("in/c.mp3", "in/c.mp3.restored.flac"),
        ("in/sub/d.opus", "in/sub/d.restored.flac"),
    ]
    assert pairs(plan(["in"], "new")) == [
        ("in/c.m4a", "new/c.m4a.flac"),
        ("in/c.mp3", "new/c.mp3.flac"),
        ("in/sub/d.opus", "new/sub/d.flac"),
    ]


def test_a_longer_name_that_is_taken_makes_the_next_one_longer(folder):
    (folder / "a.ogg").touch()
    (folder / "a.mp3.wav").touch()
    assert pairs(plan(["a.mp3", "a.ogg", "a.mp3.wav"])) == [
        ("a.mp3", "a.mp3.restored.flac"),
        ("a.ogg", "a.ogg.restored.flac"),
        ("a.mp3.wav", "a.mp3.wav.restored.flac"),
    ]


def test_takes_keep_the_extension_too(folder):
    (folder / "a.ogg").touch()
    names = [str(job.target) for job in plan(["a.mp3", "a.ogg"], mark=RENDERED, takes=2).jobs]
    assert names == [f"a.{kind}.rendered.take{n}.flac" for kind in ("mp3", "ogg") for n in (1, 2)]


def test_every_collision_that_remains_is_listed(folder):
    for name in ("in/a.mp3", "in/b.ogg", "in/sub/b.ogg"):
        (folder / name).touch()
    with pytest.raises(InvalidValue) as told:
        plan(["a.mp3", "in/a.mp3", "b.ogg", "in/b.ogg", "in/sub/b.ogg"], "new")
    assert "new/a.flac from a.mp3 and in/a.mp3;" in str(told.value)
    assert "new/b.flac from b.ogg, in/b.ogg and in/sub/b.ogg;" in str(told.value)
    # The same names in different folders do not collide.
    assert len(plan(["a.mp3", "in/a.mp3"]).jobs) == 2


def test_target_that_is_another_source_is_refused(folder):
    (folder / "a.restored.flac").touch()
    with pytest.raises(InvalidValue, match="one of the sources"):
        plan(["a.mp3", "a.restored.flac"])
    (folder / "b.restored.flac").touch()
    with pytest.raises(InvalidValue, match=r"a\.restored\.flac and b\.restored\.flac are sources"):
        plan(["a.mp3", "b.ogg", "a.restored.flac", "b.restored.flac"])


@pytest.mark.parametrize("output", ["single.flac", "single.wav", "single.mp3", "x/single.FLAC"])
def test_the_name_of_a_file_is_not_taken_for_a_folder(folder, output):
    rule = "must be a folder for several sources; a folder of this name is meant with a /"
    for inputs in (["a.mp3", "b.ogg"], ["in"]):
        with pytest.raises(InvalidValue, match=rule):
            plan(inputs, output)
        assert pairs(plan(inputs, output + "/"))[0][1].startswith(output + "/")
    (folder / "there.flac").mkdir()
    assert pairs(plan(["a.mp3", "b.ogg"], "there.flac"))[0][1] == "there.flac/a.flac"
    assert pairs(plan(["a.mp3", "b.ogg"], "Best of Vol.2"))[0][1] == "Best of Vol.2/a.flac"


@pytest.mark.parametrize("inputs", [["a.mp3"], ["in"], ["a.mp3", "b.ogg"]])
@pytest.mark.parametrize("output", ["x" * 300, "x" * 300 + "/", f"new/{'x' * 300}"])
def test_names_that_are_too_long_are_planned_and_fail_later(folder, inputs, output):
    assert len(plan(inputs, output).jobs) >= 1
    assert len(plan(["x" * 300 + ".mp3", *inputs]).jobs) >= 2


def test_an_empty_name_is_not_the_current_folder(folder):
    with pytest.raises(InvalidValue, match="input='': must be the name"):
        plan([""])
    with pytest.raises(InvalidValue, match="output='': must be the name"):
        plan(["a.mp3"], "")


@pytest.mark.parametrize("settings", [Settings(bits=8), Settings(rate=0), Settings(rate=-44_100)])
def test_settings_are_checked_first(folder, settings):
    with pytest.raises(InvalidValue, match="must be"):
        plan(["gone.mp3"], settings=settings)
