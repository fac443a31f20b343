"""Audio files: read anything, in blocks; write WAV and FLAC, complete or not at all."""

from __future__ import annotations

from uncodec.io.file_warnings import FileWarning
from uncodec.io.probing import AudioProbe, probe_audio
from uncodec.io.reader import AudioReader, open_audio, read_audio
from uncodec.io.tags import (
    Chapter,
    NotCarried,
    Picture,
    Tags,
    read_tags,
    without_stale,
    write_tags,
)
from uncodec.io.writer import AudioWriter, create_audio, write_audio

__all__ = [
    "AudioProbe",
    "AudioReader",
    "AudioWriter",
    "Chapter",
    "FileWarning",
    "NotCarried",
    "Picture",
    "Tags",
    "create_audio",
    "open_audio",
    "probe_audio",
    "read_audio",
    "read_tags",
    "without_stale",
    "write_audio",
    "write_tags",
]
