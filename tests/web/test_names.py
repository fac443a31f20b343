"""Names from a browser: what is taken, and what is refused."""

from __future__ import annotations

import pytest

from uncodec.errors import InvalidValue
from uncodec.web.names import check_inside, check_relative, check_title


@pytest.mark.parametrize(
    "name",
    [
        "song.mp3",
        "album/song.mp3",
        "a b/ü - é.flac",
        "no ending",
        "<script>alert(1)</script>",
        "x" * 200,
        "-o.mp3",
        "100 % 'live' \"now\" $HOME `id`.mp3",
        "a/b/c/d/e/f/g/h/i/j/k/l",
    ],
)
def test_a_usual_name_stays_as_it_is(name):
    # "</script>" has a slash: even that is two parts and no more.
    assert str(check_relative(name)) == name


@pytest.mark.parametrize(
    "name",
    [
        None,
        7,
        "",
        "/",
        "/etc/passwd",
        "//host/share",
        "..",
        ".",
        "a/../b",
        "../../etc/passwd",
        "a/..",
        "a//b",
        "a/",
        "./a",
        ".hidden",
        "a/.ssh/key",
        "a\\b",
        "..\\..\\x",
        "C:\\x",
        "C:x",
        "a\0b",
        "a\nb",
        "a\x1b[2Jb",
        "a\u2028b",
        "a\ud800b",
        " a",
        "a ",
        "a.",
        "CON",
        "nul.mp3",
        "lpt1.wav",
        "x" * 201,
        "é" * 101,
        "/".join("a" * 13),
    ],
)
def test_a_hostile_name_is_refused_with_a_sentence(name):
    with pytest.raises(InvalidValue, match=r"^name=.*must"):
        check_relative(name)


def test_a_link_that_leads_out_is_refused(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    outside = tmp_path / "outside.wav"
    outside.touch()
    (folder / "link.wav").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "in.wav").touch()
    (folder / "fine.wav").symlink_to(folder / "in.wav")
    for name in ("link.wav", "up/outside.wav", "../outside.wav", "up", "."):
        with pytest.raises(InvalidValue, match="leads out"):
            check_inside(folder / name, folder)
    for name in ("in.wav", "fine.wav", "not there.wav", "up/folder/in.wav"):
        assert check_inside(folder / name, folder).parent == folder.resolve()
    beside = tmp_path / "folder-two"
    beside.mkdir()
    with pytest.raises(InvalidValue, match="leads out"):
        check_inside(beside / "x", folder)


@pytest.mark.parametrize("title", ["", "  ", "x" * 81, "a\nb", "\u2028", None, 3])
def test_a_preset_needs_a_line_of_text(title):
    with pytest.raises(InvalidValue, match="1 to 80 characters"):
        check_title(title)
