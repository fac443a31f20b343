"""Surround sound through streams for one or two channels: each group of channels gets its own.

The groups are pairs of speakers (front, back, side, ...), which are stereo, and single speakers,
which are mono. The channel of low-frequency effects (LFE) ends far below anything a codec takes: it
is delayed with the others and otherwise left alone.

A caller does three things::

    groups = channel_groups(layout, channels)
    stream = open_grouped(groups, lambda number, count: open_stream(
        sample_rate=rate, channels=count, seed=group_seed(seed, number)))
    result = stream.process(block)  # (channels, n), as from any other stream

Mono and stereo are one group: `open_grouped` then returns the group's stream itself, and
``group_seed(seed, 0)`` is `seed`, so nothing about them changes. The front pair of a surround
signal comes out bit for bit as it does alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uncodec.errors import InvalidValue
from uncodec.signals import Array
from uncodec.speakers import speakers_of
from uncodec.streams.line import Line
from uncodec.streams.stream import BlockStream, Stream, run_into

__all__ = [
    "ChannelGroup",
    "GroupedStream",
    "channel_groups",
    "group_seed",
    "group_streams",
    "open_grouped",
]


_PAIRS = (
    ("FL", "FR"),
    ("BL", "BR"),
    ("FLC", "FRC"),
    ("SL", "SR"),
    ("TFL", "TFR"),
    ("TBL", "TBR"),
    ("TSL", "TSR"),
    ("BFL", "BFR"),
    ("DL", "DR"),
    ("WL", "WR"),
    ("SDL", "SDR"),
)
_UNTOUCHED = frozenset(("LFE", "LFE2"))
_SEED_STEP = 0x9E3779B97F4A7C15
"""Odd, and far from small numbers: no seed that a person counts up meets that of a group."""


@dataclass(frozen=True)
class ChannelGroup:
    """Channels that are processed together.

    Attributes
    ----------
    channels : tuple of int
        Their indices: left and right of a pair, or one channel.
    speakers : tuple of str
        Their names, as of `uncodec.speakers`.
    touched : bool
        False for the LFE, which is only delayed.
    """

    channels: tuple[int, ...]
    speakers: tuple[str, ...]
    touched: bool = True


def channel_groups(layout: str | Sequence[str] | None, channels: int) -> tuple[ChannelGroup, ...]:
    """Group the channels of a layout.

    Left and right of the same place are a pair. Everything else stands alone: the centres, a left
    without its right, and every channel whose speaker is not known.

    Parameters
    ----------
    layout : str, sequence of str, or None
        As for `uncodec.speakers.speakers_of`: ``"5.1"``, ``("FL", "FR", "LFE")``, ``"discrete"``,
        or None for what the number of channels means by convention.
    channels : int

    Returns
    -------
    tuple of ChannelGroup
        In the order of their first channels. Each channel is in one of them.

    Raises
    ------
    InvalidType, InvalidValue
        `layout` is no layout, or has another number of channels.

    Examples
    --------
    >>> for group in channel_groups("5.1", 6):
    ...     print(group.channels, group.speakers, group.touched)
    (0, 1) ('FL', 'FR') True
    (2,) ('FC',) True
    (3,) ('LFE',) False
    (4, 5) ('BL', 'BR') True
    """
    speakers = speakers_of(layout, channels)
    free = dict(enumerate(speakers))
    groups = []
    for left, right in _PAIRS:
        if left in free.values() and right in free.values():
            pair = tuple(speakers.index(name) for name in (left, right))
            groups.append(ChannelGroup(pair, (left, right)))
            for channel in pair:
                del free[channel]
    for channel, name in free.items():
        groups.append(ChannelGroup((channel,), (name,), name not in _UNTOUCHED))
    return tuple(sorted(groups, key=lambda group: min(group.channels)))


def group_seed(seed: int, number: int) -> int:
    """Seed of the noise of a group: another one for each, `seed` itself for group 0.

    Groups with one noise would get the same filling, which is heard as coming from between them.

    Parameters
    ----------
    seed : int
        From 0 to 2**64 - 1.
    number : int
        As `open_grouped` counts the groups.

    Returns
    -------
    int
        From 0 to 2**64 - 1.
    """
    return (seed + number * _SEED_STEP) % 2**64


def open_grouped(
    groups: Sequence[ChannelGroup], open_group: Callable[[int, int], Stream]
) -> Stream:
    """Open one stream for all groups.

    Parameters
    ----------
    groups : sequence of ChannelGroup
        As of `channel_groups`.
    open_group : callable
        Called as ``open_group(number, channels)`` for each group that is touched, `number` counting
        from 0 and `channels` being 1 or 2; gives its stream, in its initial state.

    Returns
    -------
    Stream
        Takes and gives all channels in their order. The group's own stream where there is one
        group, that is, for mono and stereo.
    """
    alone = len(groups) == 1 and groups[0].channels in ((0,), (0, 1))
    if alone and groups[0].touched:
        return open_group(0, len(groups[0].channels))
    touched = [group for group in groups if group.touched]
    return GroupedStream(
        groups, [open_group(number, len(each.channels)) for number, each in enumerate(touched)]
    )


def group_streams(stream: Stream) -> tuple[Stream, ...]:
    """The streams of the groups behind what `open_grouped` gave, in the order they were opened."""
    return stream.streams if isinstance(stream, GroupedStream) else (stream,)


class GroupedStream(BlockStream):
    """A stream over groups of channels, each of which runs through its own.

    Parameters
    ----------
    groups : sequence of ChannelGroup
        Together they hold each channel once.
    streams : sequence of Stream
        One for each group that is touched, in their order and in their initial state. Their
        latencies may differ.

    Attributes
    ----------
    channels : int
    latency_samples : int
        The longest of the streams' latencies; all channels are late by as much.
    streams : tuple of Stream
        Those given: parameters may be handed to them between two calls.

    Raises
    ------
    InvalidValue
        Groups and streams do not fit together.
    """

    def __init__(self, groups: Sequence[ChannelGroup], streams: Sequence[Stream]) -> None:
        indices = sorted(index for group in groups for index in group.channels)
        if indices != list(range(len(indices))):
            raise InvalidValue(f"groups: must hold each channel once, got channels {indices}")
        counts = [len(group.channels) for group in groups if group.touched]
        if counts != [stream.channels for stream in streams]:
            raise InvalidValue(
                f"streams: must be for {counts} channels, one stream for each group, "
                f"got {[stream.channels for stream in streams]}"
            )
        self.channels = len(indices)
        self.streams = tuple(streams)
        self.latency_samples = max((stream.latency_samples for stream in streams), default=0)
        self._groups = tuple(groups)
        given = iter(streams)
        self._members = [next(given) if group.touched else None for group in groups]
        # For each group what its stream lacks of the latency.
        self._lines = [
            Line(
                len(group.channels),
                self.latency_samples - (stream.latency_samples if stream is not None else 0),
            )
            for group, stream in zip(groups, self._members, strict=True)
        ]

    def process_into(self, x: Array, out: Array) -> None:
        """Take (channels, n) float32 samples and write as many."""
        for group, stream, line in zip(self._groups, self._members, self._lines, strict=True):
            first, last = group.channels[0], group.channels[-1]
            beside = last - first == len(group.channels) - 1
            rows = slice(first, last + 1) if beside else list(group.channels)
            # Rows that are not neighbours are copied.
            part = x[rows]
            result = out[rows]
            if stream is not None:
                run_into(stream, part, result)
                part = result
            if len(line):
                line.delay_into(part, result)
            elif stream is None:
                result[:] = part
            if not beside:
                out[rows] = result
