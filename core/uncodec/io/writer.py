"""Writing WAV and FLAC: dithered, tagged, and under the final name only when complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import numpy.typing as npt

from uncodec.errors import AudioFileError, InvalidType, InvalidValue
from uncodec.io.layouts import writable_layout
from uncodec.io.pcm import Dither, quantise
from uncodec.io.reader import AudioReader, open_audio
from uncodec.io.staging import StagedFile
from uncodec.io.tags import NotCarried, Tags, without_stale
from uncodec.io.tags.riff import BrokenChunks
from uncodec.io.tags.writing import TagsToWrite, check_tags, form_tags, put_tags
from uncodec.parameters import check_integer, check_seed
from uncodec.rates import check_rate
from uncodec.signals import Array
from uncodec.whole_files import reason_of

__all__ = ["AudioWriter", "create_audio", "write_audio"]


_CONTAINERS = {".wav": "wav", ".flac": "flac"}
_BITS = {"PCM_16": 16, "PCM_24": 24, "FLOAT": 32}
_ENCODERS = {
    ("wav", "PCM_16"): ("pcm_s16le", "s16"),
    ("wav", "PCM_24"): ("pcm_s24le", "s32"),
    ("wav", "FLOAT"): ("pcm_f32le", "flt"),
    ("flac", "PCM_16"): ("flac", "s16"),
    ("flac", "PCM_24"): ("flac", "s32"),
}
_MOST_CHANNELS = {"wav": 64, "flac": 8}
_MOST_RATE = {"wav": 768000, "flac": 655350}
# Free bytes at the head of a FLAC file for what is added later; the field has 24 bits.
_SPARE = 8192
_MOST_SPARE = 2**24 - 1


class AudioWriter:
    """A WAV or FLAC file on its way; made by :func:`create_audio`, used as a context manager.

    Leaving the ``with`` block without an exception puts the file in place; leaving it with one
    (Ctrl-C included) leaves nothing behind.

    Attributes
    ----------
    path : Path
        The final name.
    sample_rate, channels : int
    subtype : str
    frames : int
        Samples per channel written so far.
    clipped : int
        Samples beyond full scale that an integer format had to cut (all channels together).
    not_carried : tuple of NotCarried
        What the source of the tags says and this file does not, with the reason.
    """

    def __init__(
        self,
        path: Path,
        sample_rate: int,
        channels: int,
        *,
        subtype: str,
        dither: bool,
        seed: int,
        overwrite: bool,
        tags: Tags,
        layout: str,
        left: tuple[NotCarried, ...] = (),
    ) -> None:
        self.path = path
        self.sample_rate = sample_rate
        self.channels = channels
        self._layout = layout
        self.subtype = subtype
        self.frames = 0
        self.clipped = 0
        self._bits = _BITS[subtype]
        self._container_name = _CONTAINERS[path.suffix.lower()]
        self._dither = Dither(seed, channels) if dither and subtype != "FLOAT" else None
        self._tags = self._form(tags, left)
        self._output: Any = None
        self._file: StagedFile | None = StagedFile(path, overwrite=overwrite)
        try:
            self._open(self._file)
        except BaseException:
            self._abort()
            raise

    def _form(self, tags: Tags, left: tuple[NotCarried, ...]) -> TagsToWrite | None:
        """Bring tags into their form now: what is wrong with them must not come up at the end."""
        self.not_carried = left
        if not tags:
            return None
        try:
            form = form_tags(self._container_name, tags)
        except Exception as error:  # no tag is worth losing the audio
            reason = f"cannot be written: {' '.join(str(error).split())[:200]}"
            self.not_carried += (NotCarried("tags", reason),)
            return None
        self.not_carried += tuple(form.left)
        return form

    def _open(self, file: StagedFile) -> None:
        encoder, self._sample_format = _ENCODERS[self._container_name, self.subtype]
        # A WAV above 4 GiB becomes RF64 by itself (EBU Tech 3306); smaller ones stay plain.
        options = {"rf64": "auto"}
        if self._container_name == "flac":
            room = self._tags.room if self._tags else 0
            options = {"metadata_header_padding": str(min(room + _SPARE, _MOST_SPARE))}
        with _translated(self.path, file):
            self._output = av.open(
                file, "w", format=self._container_name, container_options=options
            )
            self._output.flags |= av.container.Flags.bitexact.value
            self._stream: Any = self._output.add_stream(
                encoder, rate=self.sample_rate, layout=self._layout
            )
            self._stream.format = self._sample_format
            self._output.start_encoding()

    def write(self, block: npt.ArrayLike, exact: npt.NDArray[np.bool_] | None = None) -> None:
        """Append audio.

        Parameters
        ----------
        block : array_like [shape=(channels, n), float32 or float64]
            1-D too if the file is mono. Full scale is 1.0; integer formats cut beyond it and count
            it in `clipped`.
        exact : ndarray [shape=(channels, n), bool], optional
            Samples to write without dither, because the format holds them as they are.

        Raises
        ------
        InvalidValue, InvalidType
            Wrong shape or kind, NaN or infinity. Nothing of the block is written.
        AudioFileError
            If the disk refuses it.
        """
        if self._file is None:
            raise AudioFileError(f"{self.path}: is closed")
        audio = self._check_block(block)
        if audio.shape[1] == 0:
            return
        data: npt.NDArray[Any]
        if self.subtype == "FLOAT":
            data = audio
        else:
            noise = self._dither.take(self.frames, audio.shape[1]) if self._dither else None
            if noise is not None and exact is not None:
                noise[exact] = 0.0
            self.clipped += int(np.count_nonzero(np.abs(audio) > 1.0))
            data = quantise(audio, self._bits, noise)
            data = data.astype(np.int16) if self._bits == 16 else data << 8
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(data.T).reshape(1, -1),
            format=self._sample_format,
            layout=self._layout,
        )
        frame.sample_rate = self.sample_rate
        frame.pts = self.frames
        with _translated(self.path, self._file):
            self._output.mux(self._stream.encode(frame))
        self.frames += audio.shape[1]

    def _check_block(self, block: npt.ArrayLike) -> Array:
        audio = np.asarray(block)
        if audio.dtype.kind != "f":
            raise InvalidType(f"block has dtype {audio.dtype}: must be float32 or float64")
        if audio.ndim == 1 and self.channels == 1:
            audio = audio[None]
        if audio.ndim != 2 or audio.shape[0] != self.channels:
            raise InvalidValue(f"block has shape {audio.shape}: must be ({self.channels}, n)")
        audio = audio.astype(np.float32, copy=False)
        finite = np.isfinite(audio)
        if not finite.all():
            sample, channel = np.argwhere(~finite.T)[0]
            raise InvalidValue(
                f"block holds {audio[channel, sample]} at channel {channel}, "
                f"sample {self.frames + int(sample)}: every sample must be a finite number"
            )
        return audio

    def close(self) -> None:
        """Finish the file and put it in place; safe to call twice.

        Raises
        ------
        AudioFileError
            If the disk refuses it; nothing is left behind then.
        OutputExists
            If the name was taken meanwhile and overwriting was not asked for.
        """
        if self._file is None:
            return
        try:
            with _translated(self.path, self._file):
                self._output.mux(self._stream.encode(None))
                self._output.close()
                self._output = None
            self._put_tags(self._file)
            self._file.commit()
            self._file = None
        finally:
            self._abort()

    def _put_tags(self, file: StagedFile) -> None:
        if self._tags is None:
            return
        try:
            put_tags(self._tags, file)
        except BrokenChunks as error:  # told before the file is touched
            self.not_carried += (NotCarried("tags", str(error)),)
        except AudioFileError:
            raise
        except (OSError, mutagen.MutagenError) as error:
            reason = reason_of(error) if isinstance(error, OSError) else str(error)
            raise AudioFileError(f"{self.path}: cannot be written: {reason}") from error

    def _abort(self) -> None:
        """Drop everything that is not in place yet."""
        file, self._file = self._file, None
        if file is None:
            return
        file.discard()
        output, self._output = self._output, None
        if output is not None:
            # The file is gone already: there is nothing left to finish.
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                output.close()

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._abort()

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self._abort()


@contextlib.contextmanager
def _translated(path: Path, file: StagedFile) -> Iterator[None]:
    """What FFmpeg or the disk raises becomes an :class:`AudioFileError`."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        file.check()
        if isinstance(error, AudioFileError):
            raise
        raise AudioFileError(f"{path}: cannot be written: {error}") from error
    # FFmpeg may swallow what its output callback raised; the file remembers it.
    file.check()


def create_audio(
    path: str | os.PathLike[str],
    sample_rate: int,
    channels: int,
    *,
    subtype: str = "PCM_24",
    dither: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    tags_from: str | os.PathLike[str] | AudioReader | Tags | None = None,
    add_tags: Mapping[str, str] | None = None,
    layout: str | Sequence[str] | None = None,
) -> AudioWriter:
    """Begin a WAV or FLAC file.

    The audio goes into a temporary file in the same folder, which takes the final name only when it
    is complete and on the disk. The target may be the file that is being read, with
    ``overwrite=True``.

    Parameters
    ----------
    path : str or path-like
        Ends in .wav or .flac.
    sample_rate : int
        In Hz.
    channels : int
        1 to 64 for WAV, 1 to 8 for FLAC.
    subtype : {"PCM_16", "PCM_24", "FLOAT"}
        FLOAT (32 bit) for WAV only.
    dither : bool
        Triangular dither for the integer formats.
    seed : int
        Of the dither, 0 to 2**64 - 1: same audio and seed, same file.
    overwrite : bool
        Replace what is there under that name.
    tags_from : path-like, AudioReader or Tags, optional
        Copy tags, pictures and chapters from there. FLAC takes them as a Vorbis comment and
        pictures; WAV as an ID3 chunk, and the simple ones as an INFO list too. Of a file or reader
        the loudness (ReplayGain, R128, iTunNORM) and the notes of its encoder are not copied, as
        they are wrong for other audio; Tags are written as they are. `not_carried` of the writer
        tells what is missing. Broken tags never keep the audio from being written.
    add_tags : mapping of str to str, optional
        Fields to write besides; a field that is there already gets one more value.
    layout : str or sequence of str, optional
        What the channels are for: a common name ("5.1", "7.1", ...), or the names of the speakers
        in the order of a WAV ("FL", "FR", "FC", "LFE", "BL", "BR", ...), as a reader's `speakers`
        gives them. When not given, what a file without a note means: mono, stereo, 3.0, quad, 5.0,
        5.1, 6.1, 7.1.

    Returns
    -------
    AudioWriter

    Raises
    ------
    OutputExists
        If `path` exists and `overwrite` is False. It is not touched.
    AudioFileError
        If the folder is missing or cannot be written to.
    InvalidValue, InvalidType
        For arguments outside their rule.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise InvalidType(f"path={path!r}: must be a string or a path")
    place = Path(path)
    container = _CONTAINERS.get(place.suffix.lower())
    if container is None:
        raise InvalidValue(f"path={str(place)!r}: must end in .wav or .flac")
    if (container, subtype) not in _ENCODERS:
        known = ", ".join(name for kind, name in _ENCODERS if kind == container)
        raise InvalidValue(f"subtype={subtype!r}: {container} takes {known}")
    rate = check_rate(sample_rate, 1, _MOST_RATE[container])
    count = check_integer("channels", channels, 1, _MOST_CHANNELS[container])
    speakers = writable_layout(layout, count)
    number = check_seed(seed)
    tags, left = _tags_of(tags_from)
    if add_tags:
        added = {name: (*tags.fields.get(name, ()), value) for name, value in add_tags.items()}
        tags = replace(tags, fields={**tags.fields, **added})
        check_tags(tags)
    return AudioWriter(
        place,
        rate,
        count,
        subtype=subtype,
        dither=dither,
        seed=number,
        overwrite=overwrite,
        tags=tags,
        layout=speakers,
        left=left,
    )


def _tags_of(
    source: str | os.PathLike[str] | AudioReader | Tags | None,
) -> tuple[Tags, tuple[NotCarried, ...]]:
    """What is to be written, and what of the source is not."""
    if source is None:
        return Tags(), ()
    if isinstance(source, Tags):
        check_tags(source)
        return source, ()
    if isinstance(source, AudioReader):
        return without_stale(source.all_tags)
    with open_audio(source) as reader:
        return without_stale(reader.all_tags)


def write_audio(
    path: str | os.PathLike[str],
    audio: npt.ArrayLike,
    sample_rate: int,
    *,
    subtype: str = "PCM_24",
    dither: bool = True,
    seed: int = 0,
    overwrite: bool = False,
    tags_from: str | os.PathLike[str] | AudioReader | Tags | None = None,
    layout: str | Sequence[str] | None = None,
) -> tuple[NotCarried, ...]:
    """Write a whole WAV or FLAC file; arguments and errors as :func:`create_audio`.

    Parameters
    ----------
    audio : array_like [shape=(n,) or (channels, n), float32 or float64]

    Returns
    -------
    tuple of NotCarried
        What `tags_from` says and the file does not; empty if nothing is missing.
    """
    data = np.asarray(audio)
    if data.ndim not in (1, 2):
        raise InvalidValue(f"audio has shape {data.shape}: must be (n,) or (channels, n)")
    data = np.atleast_2d(data)
    with create_audio(
        path,
        sample_rate,
        data.shape[0],
        subtype=subtype,
        dither=dither,
        seed=seed,
        overwrite=overwrite,
        tags_from=tags_from,
        layout=layout,
    ) as writer:
        for start in range(0, data.shape[1], 65536):
            writer.write(data[:, start : start + 65536])
    return writer.not_carried
