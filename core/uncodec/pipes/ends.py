"""The two ends of a pipe: waiting costs nothing, and a reader that goes away is seen."""

from __future__ import annotations

import os
import select

from uncodec.errors import AudioFileError
from uncodec.whole_files import reason_of

__all__ = ["Ends"]

_MOST = 1 << 16
_GONE = 0 if not hasattr(select, "poll") else select.POLLERR | select.POLLHUP | select.POLLNVAL


class Ends:
    """Reads from one descriptor and writes to another.

    Parameters
    ----------
    source, target : int
        Descriptors, blocking or not.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target

    def read(self, most: int = _MOST) -> bytes:
        """Give what has come, at least one byte; nothing at the end.

        Raises
        ------
        BrokenPipeError
            Nobody reads the results any more; told while it waits, too.
        AudioFileError
            The system refuses to read.
        """
        while True:
            self._wait_for_input()
            try:
                return os.read(self._source, min(most, _MOST))
            except BlockingIOError:  # another process has taken it
                continue
            except OSError as error:
                reason = reason_of(error)
                raise AudioFileError(f"standard input: cannot be read: {reason}") from error

    def read_all(self, count: int) -> bytes:
        """Give so many bytes, fewer at the end."""
        data = b""
        while len(data) < count and (more := self.read(count - len(data))):
            data += more
        return data

    def write(self, data: bytes) -> None:
        """Write all of it, however long the reader takes.

        Raises
        ------
        BrokenPipeError
            Nobody reads any more.
        AudioFileError
            The system refuses it, for a full disk for instance.
        """
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._target, left) :]
            except BlockingIOError:
                self._wait_for_room()
            except BrokenPipeError:
                raise
            except OSError as error:
                reason = reason_of(error)
                raise AudioFileError(f"standard output: cannot be written: {reason}") from error

    def _wait_for_input(self) -> None:
        if not _GONE:
            return  # reading waits by itself
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._target, 0)
        if any(place == self._target and event & _GONE for place, event in poll.poll()):
            raise BrokenPipeError

    def _wait_for_room(self) -> None:
        select.select([], [self._target], [])
