"""Which speaker each channel is for: the names, and what a number of channels means without them.

The names are FFmpeg's and follow the channel mask of a WAV (WAVEFORMATEXTENSIBLE): FL front left,
FR front right, FC front centre, LFE low-frequency effects, BL and BR back, SL and SR side, and so
on.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from uncodec.errors import InvalidType, InvalidValue

__all__ = [
    "DISCRETE",
    "LAYOUTS",
    "UNKNOWN",
    "named_speakers",
    "speakers_by_count",
    "speakers_of",
]

LAYOUTS = {
    name: tuple(speakers.split("+"))
    for name, speakers in {
        "mono": "FC",
        "stereo": "FL+FR",
        "downmix": "DL+DR",
        "2.1": "FL+FR+LFE",
        "3.0": "FL+FR+FC",
        "3.0(back)": "FL+FR+BC",
        "3.1": "FL+FR+FC+LFE",
        "4.0": "FL+FR+FC+BC",
        "quad": "FL+FR+BL+BR",
        "quad(side)": "FL+FR+SL+SR",
        "4.1": "FL+FR+FC+LFE+BC",
        "5.0": "FL+FR+FC+BL+BR",
        "5.0(side)": "FL+FR+FC+SL+SR",
        "5.1": "FL+FR+FC+LFE+BL+BR",
        "5.1(side)": "FL+FR+FC+LFE+SL+SR",
        "6.0": "FL+FR+FC+BC+SL+SR",
        "6.0(front)": "FL+FR+FLC+FRC+SL+SR",
        "hexagonal": "FL+FR+FC+BL+BR+BC",
        "6.1": "FL+FR+FC+LFE+BC+SL+SR",
        "6.1(back)": "FL+FR+FC+LFE+BL+BR+BC",
        "6.1(front)": "FL+FR+LFE+FLC+FRC+SL+SR",
        "7.0": "FL+FR+FC+BL+BR+SL+SR",
        "7.0(front)": "FL+FR+FC+FLC+FRC+SL+SR",
        "7.1": "FL+FR+FC+LFE+BL+BR+SL+SR",
        "7.1(wide)": "FL+FR+FC+LFE+BL+BR+FLC+FRC",
        "7.1(wide-side)": "FL+FR+FC+LFE+FLC+FRC+SL+SR",
        "octagonal": "FL+FR+FC+BL+BR+BC+SL+SR",
    }.items()
}
"""Speakers of the layouts that have a name, as FFmpeg names and orders them."""

DISCRETE = "discrete"
"""The layout of channels that have nothing to do with one another."""

UNKNOWN = "UNK"
"""Stands for the speaker of a channel of which nothing is known."""

_BY_COUNT = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")


def speakers_by_count(channels: int) -> tuple[str, ...]:
    """Speakers that `channels` channels are for where nothing else is known.

    From 1 to 8 what FLAC means (RFC 9639, section 9.1.3): mono, stereo, 3.0, quad, 5.0, 5.1, 6.1,
    7.1. Beyond that nothing is known.

    Examples
    --------
    >>> speakers_by_count(6)
    ('FL', 'FR', 'FC', 'LFE', 'BL', 'BR')
    """
    if channels > len(_BY_COUNT):
        return (UNKNOWN,) * channels
    return LAYOUTS[_BY_COUNT[channels - 1]]


def speakers_of(layout: str | Sequence[str] | None, channels: int) -> tuple[str, ...]:
    """Speakers of a layout, one a channel.

    Parameters
    ----------
    layout : str, sequence of str, or None
        A name of `LAYOUTS`, names of speakers in the order of the channels (``"FL+FR+LFE"`` or
        ``("FL", "FR", "LFE")``; names that are not known are allowed), ``"discrete"`` for channels
        that have nothing to do with one another, or None for `speakers_by_count`.
    channels : int

    Raises
    ------
    InvalidType
        `layout` is neither a string nor a sequence of strings.
    InvalidValue
        It is no layout, or has another number of channels.

    Examples
    --------
    >>> speakers_of("2.1", 3)
    ('FL', 'FR', 'LFE')
    >>> speakers_of("5.1", 2)
    Traceback (most recent call last):
        ...
    uncodec.errors.InvalidValue: channel_layout='5.1': has 6 channels, got 2
    """
    if layout is None:
        return speakers_by_count(channels)
    if layout == DISCRETE:
        return (UNKNOWN,) * channels
    speakers = named_speakers(layout)
    if len(speakers) != channels:
        raise InvalidValue(
            f"channel_layout={layout!r}: has {len(speakers)} channels, got {channels}"
        )
    return speakers


def named_speakers(layout: str | Sequence[str]) -> tuple[str, ...]:
    """Speakers of a layout that tells their number; raises as `speakers_of`."""
    if not isinstance(layout, str):
        if not isinstance(layout, Sequence) or not all(isinstance(name, str) for name in layout):
            raise InvalidType(
                f"channel_layout={layout!r}: must be a name such as '5.1', "
                "names of speakers, or None"
            )
        if not layout:
            raise InvalidValue(f"channel_layout={layout!r}: must name a speaker for each channel")
        return tuple(layout)
    if layout in LAYOUTS:
        return LAYOUTS[layout]
    speakers = tuple(layout.split("+"))
    known = {name for names in LAYOUTS.values() for name in names}
    if len(speakers) > 1 or speakers[0] in known:
        return speakers
    near = difflib.get_close_matches(layout, (*LAYOUTS, DISCRETE), 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InvalidValue(
        f"channel_layout={layout!r}: must be a name such as 'stereo', 'quad' or '5.1', "
        f"speakers as 'FL+FR+LFE', or '{DISCRETE}'{hint}"
    )
