"""Channel layouts: which speaker each channel is for, in the order that WAV and FLAC want."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import av

from uncodec.errors import InvalidType, InvalidValue

__all__ = [
    "layout_name",
    "layout_of",
    "sorted_speakers",
    "speakers_of",
    "wav_order",
    "writable_layout",
]

# Bit by bit of a WAV's channel mask (WAVEFORMATEXTENSIBLE, dwChannelMask), which is FFmpeg's own
# order as well.
_WAV_ORDER = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC",
    "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR",
)  # fmt: skip
# What a file without a note means by its number of channels (RFC 9639, section 9.1.3).
_BY_COUNT = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
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
    known = len(set(names)) == len(names) and all(name in _WAV_ORDER for name in names)
    return names if known else ()


def wav_order(speakers: Sequence[str]) -> list[int] | None:
    """Which channel comes first, second, ... in a WAV; None where they are in that order."""
    order = sorted(range(len(speakers)), key=lambda channel: _WAV_ORDER.index(speakers[channel]))
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
        return _BY_COUNT.get(channels, f"{channels}C")
    if not isinstance(layout, str):
        if not isinstance(layout, Sequence) or not all(isinstance(name, str) for name in layout):
            raise InvalidType(f"layout={layout!r}: must be a name, or the names of the speakers")
        layout = "+".join(layout)
    try:
        speakers = speakers_of(av.AudioLayout(layout))
    except ValueError:
        speakers = ()
    if not speakers:
        known = ", ".join(_BY_COUNT.values())
        raise InvalidValue(f"layout={layout!r}: must be one of {known}, or names of speakers")
    if len(speakers) != channels:
        raise InvalidValue(
            f"layout={layout!r}: must have as many speakers as there are channels ({channels}), "
            f"got {len(speakers)}"
        )
    if len(set(speakers)) != channels or wav_order(speakers):
        raise InvalidValue(
            f"layout={layout!r}: the speakers must be in the order of a WAV, each once: "
            f"{', '.join(_WAV_ORDER)}"
        )
    return layout
