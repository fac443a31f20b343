"""A chain in which native pedalboard plugins and our effects are mixed.

Facts about pedalboard 0.9.26 that shape this module, all found by trying:

* A native plugin is prepared anew, and so loses its state (reverb tails, filter memories, LFO
  phases), whenever a call brings a larger block than any before. The block size is the smaller of
  ``buffer_size`` and the length of the array. A chain therefore settles on one block size per
  stream and never exceeds it.
* ``reset=True`` pushes silence through plugins that hold samples, to return as many samples as it
  got; that silence comes out as a gap in the next call. The state of a native plugin cannot be
  copied, so where it has been spoiled in that way it is made again from the input, once, when the
  next call shows that the stream goes on. Chains without native plugins need nothing of this.
* A container takes an array of shape (2, 1) for two samples of one channel until it has seen a
  longer one, and refuses (2, 2).
* Beyond two channels ``Reverb`` gives its input back, ``Convolution`` fills the third and all after
  it with the first, and ``MP3Compressor`` raises. The others do to each of eight channels what they
  do to one (``GSMFullRateCompressor`` mixes all of them, as it does with two).
* An empty array crashes the process in ``Convolution``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np
import pedalboard

from uncodec.effects.base import Processor
from uncodec.errors import InvalidValue
from uncodec.signals import Array
from uncodec.streams.aligned import BUFFER_SIZE, Aligned

__all__ = ["Chain", "NativePlugins"]

_SMALLEST_BLOCK = 512
"""A stream that starts with less is prepared for so many samples, because blocks must not grow."""

_HISTORY_S = 30.0
"""So much of the input is kept to make native state again: reverbs have died away after that."""

_LONGEST_DRAIN_S = 60.0
"""A native plugin that has kept its samples through so much silence will not give them at all."""

_ZERO_LATENCY = (
    pedalboard.Bitcrush,
    pedalboard.Chorus,
    pedalboard.Clipping,
    pedalboard.Compressor,
    pedalboard.Convolution,
    pedalboard.Delay,
    pedalboard.Distortion,
    pedalboard.Gain,
    pedalboard.HighShelfFilter,
    pedalboard.HighpassFilter,
    pedalboard.IIRFilter,
    pedalboard.Invert,
    pedalboard.LadderFilter,
    pedalboard.Limiter,
    pedalboard.LowShelfFilter,
    pedalboard.LowpassFilter,
    pedalboard.NoiseGate,
    pedalboard.PeakFilter,
    pedalboard.Phaser,
    pedalboard.Reverb,
)
"""Native plugins that never hold samples; of all others it must be assumed that they do."""

_STEREO_AT_MOST = (pedalboard.Convolution, pedalboard.MP3Compressor, pedalboard.Reverb)
"""Native plugins that give something wrong, or nothing, for more than two channels."""

Item = Any  # pedalboard.Plugin | Processor | None; what it is, only the caller knows.


def _may_hold(plugin: pedalboard.Plugin) -> bool:
    if isinstance(plugin, pedalboard.PluginContainer):
        return any(_may_hold(inner) for inner in plugin if inner is not None)
    return not isinstance(plugin, _ZERO_LATENCY)


def _refuse_surround(plugin: pedalboard.Plugin, channels: int) -> None:
    if isinstance(plugin, pedalboard.PluginContainer):
        for inner in plugin:
            if inner is not None:
                _refuse_surround(inner, channels)
    elif isinstance(plugin, _STEREO_AT_MOST):
        raise InvalidValue(
            f"plugins: pedalboard's {type(plugin).__name__} takes one or two channels, "
            f"got {channels}"
        )


def _no_samples(audio: Array) -> Array:
    return np.zeros((audio.shape[0], 0), np.float32)


class NativePlugins(Aligned):
    """Consecutive native plugins, run by one `pedalboard.Pedalboard`.

    Parameters
    ----------
    plugins : sequence of pedalboard.Plugin
    sample_rate : float
        In Hz.
    channels : int
        1 to 8.
    block : int, optional
        Largest block that the plugins are prepared for, if they are running already; their state is
        kept then. Otherwise they are reset when the stream begins.
    """

    def __init__(
        self,
        plugins: Sequence[pedalboard.Plugin],
        sample_rate: float,
        channels: int,
        block: int | None = None,
    ) -> None:
        if channels > 2:
            for plugin in plugins:
                _refuse_surround(plugin, channels)
        self._board = pedalboard.Pedalboard(list(plugins))  # type: ignore[attr-defined]
        self._sample_rate = sample_rate
        self._channels = channels
        # Frames from which a native plugin reads (channels, n) right without having seen more.
        self._shortest = channels + 1
        self.block = block
        self._knows_layout = False
        self._waiting: Array = np.zeros((channels, 0), np.float32)
        self._consumed = 0
        self._given = 0

    @property
    def latency(self) -> int:
        return self._consumed - self._given

    @property
    def holds(self) -> bool:
        return _may_hold(self._board)

    @property
    def continues(self) -> bool:
        return not self.holds

    def whole(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        if self._is_too_short(audio):
            self._prepare(size)
        else:
            self.block = min(size, audio.shape[1])
        return self._call(audio, min(size, audio.shape[1]), reset=True)

    def push(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        self._consumed += audio.shape[1]
        if self._waiting.size:
            audio = np.concatenate([self._waiting, audio], axis=1)
        if audio.shape[1] == 0:
            return audio
        if self._is_too_short(audio):
            self._waiting = audio.copy()
            return _no_samples(audio)
        self._waiting = _no_samples(audio)
        if self.block is None:
            self.block = min(size, audio.shape[1])
            if audio.shape[1] < min(size, _SMALLEST_BLOCK):
                self._prepare(size)
            # Nothing must sound that the plugins were used for before.
            self._board.reset()
            self._knows_layout = False
        ready = self._call(audio, min(size, self.block), reset=False)
        self._given += ready.shape[1]
        return ready

    def finish(self, size: int = BUFFER_SIZE) -> Array:
        due = self._consumed - self._given
        parts = []
        silence = 0
        while due > 0 and silence < _LONGEST_DRAIN_S * self._sample_rate:
            count = max(min(due, size), self._shortest)
            silence += count
            ready = self.push(np.zeros((self._channels, count), np.float32), size)[:, :due]
            parts.append(ready)
            due -= ready.shape[1]
        parts.append(np.zeros((self._channels, due), np.float32))
        self._consumed = self._given
        return np.concatenate(parts, axis=1)

    def _is_too_short(self, audio: Array) -> bool:
        few = audio.shape[1] < self._shortest
        return few and self._channels > 1 and not self._knows_layout

    def _prepare(self, size: int) -> None:
        """Make the plugins ready for larger blocks than the first one."""
        block = max(min(size, _SMALLEST_BLOCK), self._shortest)
        self.block = block
        self._call(np.zeros((self._channels, block), np.float32), block, reset=False)

    def _call(self, audio: Array, size: int, *, reset: bool) -> Array:
        # One channel is passed as one dimension, which cannot be misread.
        given = audio[0] if self._channels == 1 else np.ascontiguousarray(audio)
        try:
            result = self._board.process(given, self._sample_rate, size, reset)
        except ValueError as error:
            # An external plugin that has not so many channels, a rate that a codec does not know.
            raise InvalidValue(f"plugins: {error}") from error
        self._knows_layout = True
        return np.asarray(result, np.float32).reshape(self._channels, -1)


class Chain(Aligned):
    """Runs a list of native plugins and effects, and follows it when it changes.

    Parameters
    ----------
    items : callable
        Gives the list as it is now.
    sample_rate : float
        In Hz.
    channels : int
        1 to 8.
    channel_layout : str, optional
        For the effects; where there is none they have their own.
    """

    def __init__(
        self,
        items: Callable[[], Sequence[Item]],
        sample_rate: float,
        channels: int,
        channel_layout: str | None = None,
    ) -> None:
        self._items = items
        self._channel_layout = channel_layout
        self._sample_rate = sample_rate
        self._channels = channels
        self._stages: list[_Stage] = []
        self._begun = False
        # After `whole`: the end of its input, as long as it may be needed to make the state again.
        self._history: Array | None = None
        self._must_replay = False
        # Positions that `whole` gave before the stages did.
        self._skip = 0

    @property
    def latency(self) -> int:
        return sum(stage.runs.latency for stage in self._stages)

    @property
    def holds(self) -> bool:
        self._follow()
        return any(stage.runs.holds for stage in self._stages)

    @property
    def streams(self) -> bool:
        self._follow()
        return all(stage.runs.streams for stage in self._stages)

    @property
    def copyable(self) -> bool:
        self._follow()
        return all(stage.runs.copyable for stage in self._stages)

    def clone(self) -> Chain:
        twin = copy(self)
        twin._stages = [_Stage(stage.items, stage.runs.clone()) for stage in self._stages]
        return twin

    def whole(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        self._follow()
        self._begun = True
        if self.copyable:
            body = self._through(audio, size)
            tail = self.clone().finish(size)
            self._skip = tail.shape[1]
            return np.concatenate([body, tail], axis=1)
        result = audio
        for stage in self._stages:
            result = stage.runs.whole(result, size)
        stages = [stage.runs for stage in self._stages]
        # Each stage got the end of the one before it as though silence followed. Where that end is
        # not the true one, what comes after has a wrong state.
        self._must_replay = any(each.holds for each in stages[:-1]) or not all(
            each.continues for each in stages[-1:]
        )
        may_grow = audio.shape[1] < _SMALLEST_BLOCK and self._natives()
        if (self._must_replay or may_grow) and self.streams:
            self._history = audio[:, -int(_HISTORY_S * self._sample_rate) :].copy()
        return result

    def push(self, audio: Array, size: int = BUFFER_SIZE) -> Array:
        self._follow()
        self._begun = True
        if self._history is not None:
            history, self._history = self._history, None
            if self._must_replay or audio.shape[1] > history.shape[1]:
                self._stages = []
                self._follow(fresh=True)
                replayed = self._through(history, size)
                self._skip = history.shape[1] - replayed.shape[1]
        return self._not_given_yet(self._through(audio, size))

    def finish(self, size: int = BUFFER_SIZE) -> Array:
        self._follow()
        rest = np.zeros((self._channels, 0), np.float32)
        if self._history is not None:
            # Nothing came after `whole`, which gave everything.
            self._history = None
            return rest
        for stage in self._stages:
            ready = stage.runs.push(rest, size)
            rest = np.concatenate([ready, stage.runs.finish(size)], axis=1)
        return self._not_given_yet(rest)

    def _through(self, audio: Array, size: int) -> Array:
        result = audio
        for stage in self._stages:
            result = stage.runs.push(result, size)
        return result if self._stages else audio.copy()

    def _not_given_yet(self, audio: Array) -> Array:
        cut = min(self._skip, audio.shape[1])
        self._skip -= cut
        return np.ascontiguousarray(audio[:, cut:])

    def _natives(self) -> list[NativePlugins]:
        return [stage.runs for stage in self._stages if isinstance(stage.runs, NativePlugins)]

    def _follow(self, *, fresh: bool = False) -> None:
        """Bring the stages in line with the list; what did not change keeps its state."""
        items = [item for item in self._items() if item is not None]
        if [item for stage in self._stages for item in stage.items] == items and self._stages:
            return
        _refuse_duplicates(items)
        running = None
        if self._begun and not fresh:
            blocks = [each.block for each in self._natives() if each.block is not None]
            running = min(blocks, default=_SMALLEST_BLOCK)
        stages = []
        for group in _grouped(items):
            kept = next((stage for stage in self._stages if stage.items == group), None)
            stages.append(kept or _Stage(group, self._make(group, running)))
        self._stages = stages

    def _make(self, group: list[Item], block: int | None) -> Aligned:
        if isinstance(group[0], Processor):
            layout = self._channel_layout or group[0].channel_layout
            return group[0]._aligned(self._sample_rate, self._channels, layout)
        return NativePlugins(group, self._sample_rate, self._channels, block)


class _Stage:
    """Items of the list, and what runs them."""

    def __init__(self, items: list[Item], runs: Aligned) -> None:
        self.items = items
        self.runs = runs


def _grouped(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Effects one by one, native plugins as many as stand together."""
    natives: list[Item] = []
    for item in items:
        if isinstance(item, Processor):
            if natives:
                yield natives
            natives = []
            yield [item]
        else:
            natives.append(item)
    if natives:
        yield natives


def _refuse_duplicates(items: Sequence[Item]) -> None:
    # Holds the objects, not only their ids: what a native container gives while it is gone through
    # is made for the occasion, and its id would be used again at once.
    seen: dict[int, Item] = {}

    def visit(item: Item) -> None:
        if id(item) in seen:
            raise InvalidValue(
                f"plugins: must not hold the same instance twice, got {type(item).__name__} again"
            )
        seen[id(item)] = item
        # Containers of either kind can be gone through, other plugins and effects cannot.
        if isinstance(item, Iterable):
            for inner in item:
                if inner is not None:
                    visit(inner)

    for item in items:
        visit(item)
