"""Surround through streams for one or two channels: which channels go together, and how."""

import doctest
import importlib

import av
import numpy as np
import pytest

from uncodec.errors import InvalidType, InvalidValue
from uncodec.speakers import LAYOUTS, SPEAKERS, UNKNOWN, speakers_by_count
from uncodec.streams.channel_groups import (
    ChannelGroup,
    GroupedStream,
    channel_groups,
    group_seed,
    group_streams,
    open_grouped,
)


class Late:
    """Delays by `latency_samples` and multiplies by its number and that of its channels."""

    def __init__(self, number, channels, latency):
        self.number, self.channels, self.latency_samples = number, channels, latency
        self._line = np.zeros((channels, latency), np.float32)

    def process(self, x):
        assert x.flags.c_contiguous
        assert x.shape[0] == self.channels
        line = np.concatenate([self._line, x], axis=1)
        self._line = line[:, x.shape[1] :].copy()
        return line[:, : x.shape[1]] * np.float32(10 * (self.number + 1) + self.channels)

    def clone(self):
        twin = Late(self.number, self.channels, self.latency_samples)
        twin._line = self._line.copy()
        return twin


def opener(latency=lambda number: 7):
    return lambda number, channels: Late(number, channels, latency(number))


def places(groups):
    return [(group.channels, group.touched) for group in groups]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("mono", [((0,), True)]),
        ("stereo", [((0, 1), True)]),
        ("2.1", [((0, 1), True), ((2,), False)]),
        ("3.0", [((0, 1), True), ((2,), True)]),
        ("quad", [((0, 1), True), ((2, 3), True)]),
        ("4.0", [((0, 1), True), ((2,), True), ((3,), True)]),
        ("5.0", [((0, 1), True), ((2,), True), ((3, 4), True)]),
        ("5.1", [((0, 1), True), ((2,), True), ((3,), False), ((4, 5), True)]),
        ("5.1(side)", [((0, 1), True), ((2,), True), ((3,), False), ((4, 5), True)]),
        ("6.1", [((0, 1), True), ((2,), True), ((3,), False), ((4,), True), ((5, 6), True)]),
        ("7.0", [((0, 1), True), ((2,), True), ((3, 4), True), ((5, 6), True)]),
        ("7.1", [((0, 1), True), ((2,), True), ((3,), False), ((4, 5), True), ((6, 7), True)]),
        ("LFE+FR+FL", [((0,), False), ((2, 1), True)]),
        (("FL", "FC"), [((0,), True), ((1,), True)]),
        (("FL", "FR", "FL", "UNK"), [((0, 1), True), ((2,), True), ((3,), True)]),
    ],
)
def test_speakers_are_grouped_by_place(layout, expected):
    channels = sum(len(channels) for channels, _ in expected)
    assert places(channel_groups(layout, channels)) == expected


@pytest.mark.parametrize("name", LAYOUTS)
def test_named_layouts_are_those_of_ffmpeg_and_every_channel_is_in_one_group(name):
    speakers = tuple(channel.name for channel in av.AudioLayout(name).channels)
    assert LAYOUTS[name] == speakers
    groups = channel_groups(name, len(speakers))
    indices = [index for group in groups for index in group.channels]
    assert sorted(indices) == list(range(len(speakers)))
    assert all(
        speakers[i] == n for g in groups for i, n in zip(g.channels, g.speakers, strict=True)
    )
    alone = {group.speakers[0] for group in groups if len(group.channels) == 1}
    assert alone <= {"FC", "BC", "LFE"}


def test_all_names_of_speakers_are_those_of_ffmpeg():
    for name in set(SPEAKERS) - {UNKNOWN}:
        assert [channel.name for channel in av.AudioLayout(name).channels] == [name]


def test_channels_of_unknown_layout_follow_their_number_and_discrete_ones_stand_alone():
    for channels in range(1, 9):
        named = channel_groups(speakers_by_count(channels), channels)
        assert channel_groups(None, channels) == named
        alone = places(channel_groups("discrete", channels))
        assert alone == [((channel,), True) for channel in range(channels)]
    assert len(channel_groups(None, 9)) == 9


@pytest.mark.parametrize(
    ("layout", "error", "message"),
    [
        (
            "5.1",
            InvalidValue,
            r"layout='5.1': must have as many speakers as .* channels \(2\), got 6",
        ),
        ("FL+FR+FC", InvalidValue, r"channels \(2\), got 3"),
        ("sterio", InvalidValue, "channel_layout='sterio': must be .* did you mean 'stereo'"),
        ("", InvalidValue, "channel_layout='': must be a name"),
        ((), InvalidValue, "must be a name"),
        ("FL+FRR", InvalidValue, r"speakers such as .*, got 'FRR'; did you mean 'FR'\?"),
        ("fl+fr", InvalidValue, r"got 'fl'; did you mean 'FL'\?"),
        (("left", "right"), InvalidValue, "got 'left'"),
        (6, InvalidType, "channel_layout=6: must be"),
        ((1, 2), InvalidType, "must be a name such as"),
    ],
)
def test_layouts_that_do_not_fit_are_refused(layout, error, message):
    with pytest.raises(error, match=message):
        channel_groups(layout, 2)


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), (None, 1), (None, 2)])
def test_mono_and_stereo_run_on_the_stream_itself(layout, channels):
    stream = open_grouped(channel_groups(layout, channels), opener())
    assert isinstance(stream, Late)
    assert group_streams(stream) == (stream,)


def test_every_group_gets_its_own_stream_and_the_lfe_is_only_delayed():
    stream = open_grouped(channel_groups("5.1", 6), opener())
    assert [(each.number, each.channels) for each in group_streams(stream)] == [
        (0, 2),
        (1, 1),
        (2, 2),
    ]
    x = np.random.default_rng(0).standard_normal((6, 100)).astype(np.float32)
    gains = np.array([12, 12, 21, 1, 32, 32], np.float32)
    expected = np.pad(x, ((0, 0), (7, 0)))[:, :100] * gains[:, None]
    np.testing.assert_array_equal(stream.process(x), expected)


@pytest.mark.parametrize("channels", [3, 6, 8])
def test_groups_with_unequal_latencies_come_out_together(channels):
    stream = open_grouped(channel_groups(None, channels), opener(lambda number: 5 * number))
    assert stream.latency_samples == 5 * (len(group_streams(stream)) - 1)
    x = np.tile(np.eye(1, 60, 3, dtype=np.float32), (channels, 1))
    out = np.concatenate([stream.process(x[:, i : i + 7]) for i in range(0, 60, 7)], axis=1)
    assert {int(place) for place in out.argmax(axis=1)} == {3 + stream.latency_samples}


def test_partitions_and_clones_give_the_same():
    x = np.random.default_rng(1).standard_normal((6, 90)).astype(np.float32)
    stream = open_grouped(channel_groups("5.1", 6), opener(lambda number: 3 + number))
    whole = open_grouped(channel_groups("5.1", 6), opener(lambda number: 3 + number)).process(x)
    head = [stream.process(x[:, :0]), stream.process(x[:, :11]), stream.process(x[:, 11:12])]
    twin = stream.clone()
    for each in (stream, twin):
        out = np.concatenate([*head, each.process(x[:, 12:50]), each.process(x[:, 50:])], axis=1)
        np.testing.assert_array_equal(out, whole)


def test_group_seeds_differ_and_the_first_is_the_seed():
    assert group_seed(5, 0) == 5
    seeds = {group_seed(seed, number) for seed in range(100) for number in range(8)}
    assert len(seeds) == 800
    assert all(0 <= seed < 2**64 for seed in seeds)
    assert 0 <= group_seed(2**64 - 1, 7) < 2**64


def test_streams_that_do_not_fit_are_refused():
    groups = channel_groups("2.1", 3)
    with pytest.raises(InvalidValue, match=r"streams: must be for \[2\] channels"):
        GroupedStream(groups, [Late(0, 1, 0)])
    with pytest.raises(InvalidValue, match=r"groups: must hold each channel once, got .*\[1\]"):
        GroupedStream([ChannelGroup((1,), ("FC",))], [Late(0, 1, 0)])
    stream = GroupedStream(groups, [Late(0, 2, 0)])
    with pytest.raises(InvalidValue, match=r"x: must have shape \(3, samples\), got \(2, 5\)"):
        stream.process(np.zeros((2, 5), np.float32))


@pytest.mark.parametrize("module", ["speakers", "streams.channel_groups"])
def test_examples_in_the_documentation_run(module):
    failures, _ = doctest.testmod(importlib.import_module(f"uncodec.{module}"))
    assert failures == 0
