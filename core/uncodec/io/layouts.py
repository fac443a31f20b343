"""Channel layouts: which speaker each channel is for, in the order that WAV and FLAC want."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import av

from uncodec.errors import InvalidType, InvalidValue
from uncodec.speakers import BY_COUNT, WAV_SPEAKERS

__all__ = [
    "layout_name",
    "layout_of",
    "sorted_speakers",
    "speakers_of",
    "wav_order",
    "writable_layout",
]

# The same layout under another name: its two rear speakers stand at the sides.
_SAME = {"5.1(side)": "5.1", "5.0(side)": "5.0", "quad(side)": "quad", "6.1(back)": "6.1"}


def layout_of(owner: Any) -> Any:
    """Layout of a PyAV stream or frame; to be called on every frame that is decoded.

    PyAV 18 frees a list of channels that still belongs to the frame, and the process with it. Such
    a layout is kept for good instead: a few bytes, and only where a file lists its channels in an
    order of its own.
    """
    layout = owner.layout
    name = str(layout.name)
    if " channels (" in name or name.startswith("ambisonic"):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
    return layout


def speakers_of(layout: Any) -> tuple[str, ...]:
    """Speaker names of a PyAV layout, channel by channel; empty where the file does not say."""
    names = tuple(str(channel.name) for channel in layout.channels)
    known = len(set(names)) == len(names) and all(name in WAV_SPEAKERS for name in names)
    return names if known else ()


def wav_order(speakers: Sequence[str]) -> list[int] | None:
    """Which channel comes first, second, ... in a WAV; None where they are in that order."""
    order = sorted(range(len(speakers)), key=lambda channel: WAV_SPEAKERS.index(speakers[channel]))
    return None if order == list(range(len(speakers))) else order


def sorted_speakers(layout: Any) -> tuple[tuple[str, ...], list[int] | None]:
    """Speakers in the order of a WAV, and which channel to take for each (None: as they come)."""
    speakers = speakers_of(layout)
    order = wav_order(speakers)
    return (speakers, None) if order is None else (tuple(speakers[c] for c in order), order)


def layout_name(speakers: Sequence[str], channels: int) -> str | None:
    """Common name of a set of speakers ("stereo", "5.1", "7.1", ...).

    None where there is no such name, or where nothing is known about more than two channels.
    """
    if not speakers:
        return {1: "mono", 2: "stereo"}.get(channels)
    name = str(av.AudioLayout("+".join(speakers)).name)
    if " channels" in name:
        return None
    return _SAME.get(name, name)


def writable_layout(layout: str | Sequence[str] | None, channels: int) -> str:
    """FFmpeg's name of what a caller asks for.

    Raises
    ------
    InvalidValue, InvalidType
        If it is no layout, has another number of channels, or is not in the order of a WAV.
    """
    if layout is None:
        # Beyond eight a WAV just numbers its channels.
        return BY_COUNT[channels - 1] if channels <= len(BY_COUNT) else f"{channels}C"
    if not isinstance(layout, str):
        if not isinstance(layout, Sequence) or not all(isinstance(name, str) for name in layout):
            raise InvalidType(f"layout={layout!r}: must be a name, or the names of the speakers")
        layout = "+".join(layout)
    try:
        speakers = speakers_of(av.AudioLayout(layout))
    except ValueError:
        speakers = ()
    if not speakers:
        known = ", ".join(BY_COUNT)
        raise InvalidValue(f"layout={layout!r}: must be one of {known}, or names of speakers")
    if len(speakers) != channels:
        raise InvalidValue(
            f"layout={layout!r}: must have as many speakers as there are channels ({channels}), "
            f"got {len(speakers)}"
        )
    if len(set(speakers)) != channels or wav_order(speakers):
        raise InvalidValue(
            f"layout={layout!r}: the speakers must be in the order of a WAV, each once: "
            f"{', '.join(WAV_SPEAKERS)}"
        )
    return layout
