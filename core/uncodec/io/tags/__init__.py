"""Tags, pictures and chapters: read from every format, written to FLAC and WAV."""

from __future__ import annotations

from uncodec.io.tags.model import Chapter, NotCarried, Picture, Tags, without_stale
from uncodec.io.tags.reading import read_tags
from uncodec.io.tags.writing import write_tags

__all__ = [
    "Chapter",
    "NotCarried",
    "Picture",
    "Tags",
    "read_tags",
    "without_stale",
    "write_tags",
]
