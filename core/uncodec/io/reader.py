"""Reading: one interface over libsndfile and FFmpeg, in blocks, gapless."""

from __future__ import annotations

import errno
import os
import stat
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from uncodec.errors import AudioFileError, InvalidType
from uncodec.io.blocks import Unreadable
from uncodec.io.decoders import Decoder, open_decoder
from uncodec.io.file_warnings import FileWarning
from uncodec.io.layouts import layout_name
from uncodec.io.tags import Tags, read_tags
from uncodec.parameters import check_positive
from uncodec.signals import Array
from uncodec.whole_files import reason_of

__all__ = ["AudioReader", "check_readable", "open_audio", "read_audio"]


class AudioReader:
    """An open audio file; made by :func:`open_audio`, used as a context manager.

    Attributes
    ----------
    path : Path
    sample_rate : int
        In Hz.
    channels : int
    layout : str or None
        Common name of the speakers: "mono", "stereo", "5.1", "7.1", ...; None where the file does
        not say, or where they have no such name.
    speakers : tuple of str
        What each channel is for, in the order of a WAV ("FL", "FR", "FC", "LFE", "BL", "BR", "FLC",
        "FRC", "BC", "SL", "SR", ...), whatever the order in the file; empty where it does not say.
        Tells 5.1 with speakers at the back from 5.1 with speakers at the sides.
    frames : int or None
        Samples per channel where the file states it exactly (a damaged file may hold fewer), else
        None.
    seconds : float or None
        Length, possibly by guess (from the bit rate): good for a progress bar.
    format : str
        Container: "WAV", "FLAC", "MP3", "M4A", "OGG", ...
    subtype : str
        Coding: "PCM_24", "FLOAT", "MP3", "AAC", "VORBIS", "OPUS", ...
    position : int
        Samples per channel given out so far.
    warnings : list of FileWarning
        What its owner should know about the file, each with its place. Complete only when the end
        was reached.
    truncated : bool
        Audio is missing: it ended before the place that the file states, or parts of it could not
        be decoded.
    problems : list of str
        The warnings that tell of lost audio, one line each; empty for a sound file.
    """

    def __init__(self, path: Path, decoder: Decoder) -> None:
        self.path = path
        self._decoder: Decoder | None = decoder
        self.sample_rate = decoder.sample_rate
        self.channels = decoder.channels
        self.speakers = decoder.speakers
        self.layout = layout_name(decoder.speakers, decoder.channels)
        self.frames = decoder.frames
        self.seconds = decoder.seconds
        self._least = decoder.least
        self.format = decoder.format
        self.subtype = decoder.subtype
        self.position = 0
        self.warnings: list[FileWarning] = decoder.warnings

    @property
    def problems(self) -> list[str]:
        return [str(warning) for warning in self.warnings if warning.lost]

    @property
    def truncated(self) -> bool:
        return bool(self.problems)

    @cached_property
    def all_tags(self) -> Tags:
        """Texts, pictures and chapters; see :func:`uncodec.io.read_tags`."""
        return read_tags(self.path)

    @property
    def tags(self) -> dict[str, tuple[str, ...]]:
        """Texts by MusicBrainz Picard's names: title, artist, album, tracknumber, date, ..."""
        return dict(self.all_tags.fields)

    def blocks(self, size: int = 65536) -> Iterator[Array]:
        """Give out the rest of the audio in blocks.

        Parameters
        ----------
        size : int
            Samples per channel in every block but the last.

        Yields
        ------
        ndarray [shape=(channels, n), float32]
            Full scale is 1.0; float files keep what lies above it.

        Raises
        ------
        AudioFileError
            If the file cannot be read on, changes its rate or channels, or holds NaN or infinity.
        """
        return self._blocks(check_positive("size", size))

    def _blocks(self, size: int) -> Iterator[Array]:
        while True:
            if self._decoder is None:
                raise AudioFileError(f"{self.path}: is closed")
            try:
                block = self._decoder.read(size)
            except Unreadable as error:
                raise AudioFileError(f"{self.path}: {error}") from error
            except OSError as error:
                raise _unread(self.path, error) from error
            if block.shape[1]:
                self._check_finite(block)
                self.position += block.shape[1]
                yield block
            if block.shape[1] < size:
                self._note_early_end()
                return

    def _check_finite(self, block: Array) -> None:
        finite = np.isfinite(block)
        if finite.all():
            return
        sample, channel = np.argwhere(~finite.T)[0]
        place = self.position + int(sample)
        raise AudioFileError(
            f"{self.path}: holds {block[channel, sample]} at channel {channel}, sample {place} "
            f"({place / self.sample_rate:.3f} s): every sample must be a finite number"
        )

    def _note_early_end(self) -> None:
        if self.position == 0:
            raise AudioFileError(f"{self.path}: holds no audio that can be decoded")
        if self.position < self._least and not self.problems:
            self.warnings.append(
                FileWarning(
                    f"holds only {self.position / self.sample_rate:.2f} s "
                    f"of the {self.seconds or 0:.2f} s that it states"
                )
            )

    def read(self) -> Array:
        """The rest of the audio in one array, (channels, n) float32."""
        parts = list(self.blocks())
        if not parts:
            return np.zeros((self.channels, 0), np.float32)
        return np.concatenate(parts, axis=1)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._decoder is not None:
            self._decoder.close()
            self._decoder = None

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"AudioReader({str(self.path)!r}, {self.format}/{self.subtype}, "
            f"{self.sample_rate} Hz, {self.channels} channels, frames={self.frames})"
        )


def _unread(path: Path, error: OSError) -> AudioFileError:
    return AudioFileError(f"{path}: cannot be read: {reason_of(error)}")


def check_readable(path: Path) -> None:
    """Turn everything the file system can say into one clear line: an AudioFileError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise AudioFileError(f"{path}: does not exist") from None
    except NotADirectoryError:
        raise AudioFileError(f"{path}: does not exist (a part of the path is a file)") from None
    except PermissionError:
        raise AudioFileError(f"{path}: permission denied") from None
    except (OSError, ValueError) as error:
        text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
        raise AudioFileError(f"{path}: cannot be read: {text}") from None
    if stat.S_ISDIR(status.st_mode):
        raise AudioFileError(f"{path}: is a folder, not an audio file")
    if not stat.S_ISREG(status.st_mode):
        raise AudioFileError(f"{path}: is not a regular file")
    if status.st_size == 0:
        raise AudioFileError(f"{path}: is empty")
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        reason = "permission denied" if error.errno == errno.EACCES else error.strerror
        raise AudioFileError(f"{path}: {reason}") from None


def open_audio(path: str | os.PathLike[str]) -> AudioReader:
    """Open an audio file of any kind that FFmpeg or libsndfile decodes.

    The first sample is the first one of the original. What an encoder put before it is taken off:
    by the file's own note where there is one (LAME's header in MP3, edit list and iTunSMPB in MP4,
    pre-skip of Opus, codec delay of Matroska), else by what encoders of that kind put there: MP3
    without LAME's header 1105 samples, MP2 481, AAC in ADTS 1024, AC-3 256, WMA one frame.

    The length is that of the original where the file tells it: everything lossless, MP3 with LAME's
    header, Opus and Vorbis in Ogg, AAC in MP4. Else the end keeps the padding of the last frame.

    Positions come from counting samples. Times of the container are heard where they tell of audio
    that is not there: sound that begins after the pictures of a film, or after the beginning of an
    MP4, and gaps longer than a packet are filled with silence, and `warnings` say so.

    Files put together read as one: chained Ogg, and MP3 behind MP3, each piece without its padding.
    A change of the sample rate or of the number of channels on the way is refused.

    A damaged or cut-off file is read as far as it goes, with silence where parts are lost, and the
    reader's `problems` say so; it is an error only when nothing can be decoded. Bytes that are no
    audio, before, between and behind the frames of an MP3, are passed over with a warning. A FLAC
    file whose audio does not match its own checksum counts as damaged, as it does for the ``flac``
    tool.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    AudioReader

    Raises
    ------
    AudioFileError
        Missing, a folder, empty, unreadable, no audio in it, nothing to decode.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"path={path!r}: must be a string or a path")
    place = Path(path)
    check_readable(place)
    try:
        decoder = open_decoder(place)
    except Unreadable as error:
        raise AudioFileError(f"{place}: {error}") from error
    except OSError as error:
        raise _unread(place, error) from error
    return AudioReader(place, decoder)


def read_audio(path: str | os.PathLike[str]) -> tuple[Array, int]:
    """Read a whole file.

    Where audio is missing or not what it was, what can be read is returned, with a
    ``RuntimeWarning`` for each of the reader's `problems`.

    Returns
    -------
    audio : ndarray [shape=(channels, n), float32]
    sample_rate : int
        In Hz.

    Raises
    ------
    AudioFileError
        As :func:`open_audio`.
    """
    with open_audio(path) as reader:
        audio = reader.read()
        for problem in reader.problems:
            warnings.warn(f"{reader.path}: {problem}", RuntimeWarning, stacklevel=2)
        return audio, reader.sample_rate
