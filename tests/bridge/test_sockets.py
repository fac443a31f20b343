"""Who may listen at a path, and whom one may talk to."""

import os
import socket
import stat

import pytest

from uncodec.bridge import sockets
from uncodec.bridge.sockets import ClaimedPath, connect, listen
from uncodec.errors import CoreError


@pytest.fixture
def folder(short_path):
    """A folder that is not there yet."""
    return short_path.parent / "made"


def test_folder_and_socket_are_their_owner_s_alone(folder):
    claim = ClaimedPath(folder / "core.sock")
    with listen(folder / "core.sock"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "core.sock").stat().st_mode) == 0o600
    claim.close()


def test_a_path_is_claimed_once(short_path):
    claim = ClaimedPath(short_path)
    with pytest.raises(CoreError, match="already running"):
        ClaimedPath(short_path)
    claim.close()
    ClaimedPath(short_path).close()


def test_a_stale_socket_is_replaced(short_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(os.fspath(short_path))
    assert short_path.is_socket()
    claim = ClaimedPath(short_path)
    with listen(short_path), connect(short_path, 5):
        pass
    claim.close()


def test_a_socket_that_is_listened_at_is_left_alone(short_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(os.fspath(short_path))
        other.listen()
        with pytest.raises(CoreError, match="another program listens there"):
            listen(short_path)
        with connect(short_path, 5):
            pass


def test_a_file_is_not_taken_for_a_socket(short_path):
    short_path.write_text("precious")
    with pytest.raises(CoreError, match="is no socket"):
        listen(short_path)
    assert short_path.read_text() == "precious"


def test_what_belongs_to_somebody_else_is_refused(short_path, monkeypatch):
    listener = listen(short_path)
    owner = os.geteuid()
    monkeypatch.setattr(sockets.os, "geteuid", lambda: owner + 1)
    with listener:
        message = f"must belong to user {owner + 1}, belongs to user {owner}"
        with pytest.raises(CoreError, match=message):
            connect(short_path, 5)
        with pytest.raises(CoreError, match=message):
            listen(short_path)
        with pytest.raises(CoreError, match=message):
            ClaimedPath(short_path)


def test_a_folder_that_others_can_write_to_is_refused(short_path):
    short_path.parent.chmod(0o770)
    with pytest.raises(CoreError, match=r"writable by its owner alone, has mode 770"):
        ClaimedPath(short_path)


def test_a_public_folder_will_do_where_nobody_can_replace_what_is_another_s(short_path):
    short_path.parent.chmod(0o1777)
    claimed = ClaimedPath(short_path)
    with pytest.raises(CoreError, match="already running"):
        ClaimedPath(short_path)
    claimed.close()


def test_a_path_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(CoreError, match="must have at most"):
        ClaimedPath(tmp_path / ("x" * 100) / "core.sock")


def test_nobody_there_is_told(short_path):
    with pytest.raises(CoreError, match="no core is running"):
        connect(short_path, 5)
