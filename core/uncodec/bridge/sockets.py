"""Unix sockets of one user: where they lie, whom they belong to, who may take their place."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

from uncodec.errors import CoreError

__all__ = ["ClaimedPath", "connect", "control_path", "listen", "peer_of"]

# What the system allows for the path of a socket, less the zero behind it.
LONGEST_PATH = 107


def control_path(path: Path) -> Path:
    """Where the core that listens for plugins at `path` takes commands."""
    return path.with_name(path.name + ".control")


class ClaimedPath:
    """The right to listen at a path, held as long as this object is open.

    It is a lock on a file beside the socket, which ends with the process however that ends: a
    socket without it is stale and may be replaced.

    Parameters
    ----------
    path : Path
        Of the socket. Its folder is made, for its owner alone, if it is missing.

    Raises
    ------
    CoreError
        Somebody else listens there, or the folder belongs to somebody else.
    """

    def __init__(self, path: Path) -> None:
        self._lock = -1
        prepare_folder(path)
        lock = path.with_name(path.name + ".lock")
        try:
            self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            if error.errno == errno.EWOULDBLOCK:
                raise CoreError(f"{path}: a core is already running there") from None
            raise CoreError(f"{lock}: cannot be locked ({error.strerror})") from error

    def close(self) -> None:
        """Give the path up; may be called twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def prepare_folder(path: Path) -> None:
    """Make the folder of a socket, for its owner alone, or check the one that is there.

    Raises
    ------
    CoreError
        The path is too long, or others could exchange the socket.
    """
    if len(os.fsencode(path)) > LONGEST_PATH - len(".control"):
        most = LONGEST_PATH - len(".control")
        raise CoreError(f"{path}: must have at most {most} bytes to be the path of a socket")
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise CoreError(f"{folder}: cannot be made ({error.strerror})") from error
    if found.st_mode & stat.S_ISVTX:
        # Where everybody may write but nobody may replace what is another's, as in /tmp.
        return
    _check_owner(folder, found.st_uid)
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        mode = stat.S_IMODE(found.st_mode)
        raise CoreError(f"{folder}: must be writable by its owner alone, has mode {mode:o}")


def _check_owner(what: object, owner: int) -> None:
    user = os.geteuid()
    if owner != user:
        raise CoreError(f"{what}: must belong to user {user}, belongs to user {owner}")


def listen(path: Path) -> socket.socket:
    """Listen at a path that is claimed, in the place of a stale socket if there is one.

    Raises
    ------
    CoreError
        What is there is no socket, belongs to somebody else, or is listened at without a claim.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        pass
    else:
        _check_owner(path, found.st_uid)
        if not stat.S_ISSOCK(found.st_mode):
            raise CoreError(f"{path}: is there and is no socket")
        if _is_listened_at(path):
            raise CoreError(f"{path}: another program listens there")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Made under a mask: between bind and chmod it would be open to others otherwise.
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError as error:
        listener.close()
        raise CoreError(f"{path}: cannot be listened at ({error.strerror})") from error
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def _is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            # A queue that is full has somebody at its other end.
            return error.errno == errno.EAGAIN
    return True


def connect(path: Path, timeout_s: float, shown: Path | None = None) -> socket.socket:
    """Connect to a socket of this user's.

    Parameters
    ----------
    path : Path
    timeout_s : float
        For this and all that follows on the connection.
    shown : Path, optional
        What errors call it.

    Raises
    ------
    CoreError
        Nobody listens there, or it belongs to somebody else.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    shown = shown or path
    try:
        _check_owner(path, path.lstat().st_uid)
        connection.connect(os.fspath(path))
        pid, user = peer_of(connection)
        _check_owner(f"process {pid} at {shown}", user)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise CoreError(f"{shown}: no core is running") from None
    except OSError as error:
        connection.close()
        raise CoreError(f"{shown}: cannot be reached ({error})") from error
    except CoreError:
        connection.close()
        raise
    return connection


def peer_of(connection: socket.socket) -> tuple[int, int]:
    """Process and user at the other end of a connection."""
    layout = struct.Struct("iii")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, layout.size)
    pid, user, _ = layout.unpack(credentials)
    return pid, user
