"""A file is replaced as a whole or not at all."""

import pytest

from uncodec.errors import UncodecError
from uncodec.whole_files import write_whole


def test_what_is_there_stays_until_the_new_is_complete(full_disk, tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"before")
    told = pytest.raises(UncodecError, match=r"a\.bin: cannot be written: the file grew")
    with full_disk(), told:
        write_whole(path, bytes(200_000))
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    with pytest.raises(UncodecError, match="the folder does not exist"):
        write_whole(tmp_path / "absent" / "a.bin", b"")


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "note", b"text")
    assert list(tmp_path.iterdir()) == []
