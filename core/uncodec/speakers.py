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
    "BY_COUNT",
    "DISCRETE",
    "LAYOUTS",
    "MOST_CHANNELS",
    "SPEAKERS",
    "UNKNOWN",
    "WAV_SPEAKERS",
    "named_speakers",
    "speakers_by_count",
    "speakers_of",
]

UNKNOWN = "UNK"
"""Stands for the speaker of a channel of which nothing is known."""

# fmt: off
SPEAKERS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR",
    "TC", "TFL", "TFC", "TFR", "TBL", "TBC", "TBR", "DL", "DR", "WL", "WR", "SDL", "SDR", "LFE2",
    "TSL", "TSR", "BFC", "BFL", "BFR", UNKNOWN,
)
# fmt: on
"""Names of all speakers, in the order of a WAV."""

WAV_SPEAKERS = SPEAKERS[: SPEAKERS.index("TBR") + 1]
"""Those that a WAV's channel mask (WAVEFORMATEXTENSIBLE, dwChannelMask) has a bit for, in order."""

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

_RULE = (
    "must be a name such as 'stereo', 'quad' or '5.1', speakers such as 'FL+FR+LFE', "
    f"or '{DISCRETE}'"
)

MOST_CHANNELS = 8
"""Channels that arrays and files may have: those of 7.1."""

BY_COUNT = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
"""Layouts of one channel, two, ... where a file does not say (RFC 9639, section 9.1.3)."""


def speakers_by_count(channels: int) -> tuple[str, ...]:
    """Speakers that `channels` channels are for where nothing else is known.

    From 1 to 8 what FLAC means (RFC 9639, section 9.1.3): mono, stereo, 3.0, quad, 5.0, 5.1, 6.1,
    7.1. Beyond that nothing is known.

    Examples
    --------
    >>> speakers_by_count(6)
    ('FL', 'FR', 'FC', 'LFE', 'BL', 'BR')
    """
    if channels > len(BY_COUNT):
        return (UNKNOWN,) * channels
    return LAYOUTS[BY_COUNT[channels - 1]]


def speakers_of(layout: str | Sequence[str] | None, channels: int) -> tuple[str, ...]:
    """Speakers of a layout, one a channel.

    Parameters
    ----------
    layout : str, sequence of str, or None
        A name of `LAYOUTS`, names of `SPEAKERS` in the order of the channels (``"FL+FR+LFE"`` or
        ``("FL", "FR", "LFE")``), ``"discrete"`` for channels that have nothing to do with one
        another, or None for `speakers_by_count`.
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
    """
    if layout is None:
        return speakers_by_count(channels)
    if layout == DISCRETE:
        return (UNKNOWN,) * channels
    speakers = named_speakers(layout)
    if len(speakers) != channels:
        raise InvalidValue(
            f"channel_layout={layout!r}: must have as many speakers as there are channels "
            f"({channels}), got {len(speakers)}"
        )
    return speakers


def named_speakers(layout: str | Sequence[str]) -> tuple[str, ...]:
    """Speakers of a layout that tells their number; raises as `speakers_of`."""
    if isinstance(layout, str):
        if layout in LAYOUTS:
            return LAYOUTS[layout]
        speakers = tuple(layout.split("+"))
    elif isinstance(layout, Sequence) and all(isinstance(name, str) for name in layout):
        speakers = tuple(layout)
    else:
        raise InvalidType(f"channel_layout={layout!r}: {_RULE}, or None")
    wrong = [name for name in speakers if name not in SPEAKERS]
    if wrong or not speakers:
        what = f", got {wrong[0]!r}" if len(speakers) > 1 else ""
        known = SPEAKERS if len(speakers) > 1 else (*LAYOUTS, *SPEAKERS, DISCRETE)
        near = [
            hit
            for name in wrong[:1]
            for spelt in (name, name.upper())
            for hit in difflib.get_close_matches(spelt, known, 1)
        ]
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidValue(f"channel_layout={layout!r}: {_RULE}{what}{hint}")
    return speakers
