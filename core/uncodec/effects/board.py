"""A board that takes native pedalboard plugins and this package's effects, mixed."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any, SupportsIndex, overload

import pedalboard

from uncodec.effects.base import Processor
from uncodec.effects.chain import Chain
from uncodec.effects.rich_display import list_html
from uncodec.errors import InvalidType, InvalidValue
from uncodec.streams.aligned import Aligned

__all__ = ["Board"]


class Board(Processor):
    """Runs native pedalboard plugins and this package's effects one after another.

    It behaves as ``pedalboard.Pedalboard`` does (which cannot hold an effect written in Python) and
    takes what that takes, effects of this package and other boards, in any order. Consecutive
    native plugins run as one ``Pedalboard``. Unlike there, slices work, a loop over blocks with
    ``reset=(i == 0)`` leaves no gap, blocks may grow without resetting reverbs and filters, and
    `flush` gives the end.

    Parameters
    ----------
    plugins : list, optional
        Native plugins (containers such as ``pedalboard.Mix`` included), effects, boards, or None,
        which is passed over.

    Raises
    ------
    InvalidType
        Something else is in the list.
    InvalidValue
        A native plugin is an instrument. On processing: the same instance is in the board twice, or
        a native plugin does not take so many channels.

    Notes
    -----
    The state of this package's effects belongs to the board, that of native plugins to the plugins,
    which are reset when a stream begins, also with ``reset=False``.

    Changing the list in mid-stream takes effect with the next block, as in pedalboard; samples that
    are inside an effect when it is taken out go with it.

    Native state cannot be copied. Where a native plugin is in the board together with something
    that holds samples (an effect of this package, or for instance ``pedalboard.PitchShift``), a
    call with ``reset=True`` therefore keeps the last 30 seconds of its input: if the next call goes
    on with the stream, they are processed once more, and what plugins and effects have from before
    them is forgotten.

    Up to eight channels run through everything, effects with the `channel_layout` of the board or
    else their own. Of the native plugins, ``Reverb``, ``Convolution`` and ``MP3Compressor`` are
    refused beyond two: pedalboard gives the input back, copies of the first channel, and an error.
    So are external plugins that have no more. Other native plugins treat the LFE as any channel.

    What native plugins cannot do in pedalboard 0.9.26 they cannot do here. When streaming,
    ``PitchShift`` gives silence, ``Mix`` does not align branches of unequal latency, and
    ``Resample`` and ``GSMFullRateCompressor`` depend on how the input is cut; whole calls are
    right.

    Examples
    --------
    >>> import numpy as np, pedalboard
    >>> from uncodec import Board
    >>> board = Board([pedalboard.Gain(gain_db=-6.0), pedalboard.Delay(delay_seconds=0.1)])
    >>> board.append(pedalboard.Limiter())
    >>> len(board), board[0].gain_db
    (3, -6.0)
    >>> board(np.zeros((2, 1000), np.float32), 44100).shape
    (2, 1000)
    """

    def __init__(self, plugins: Iterable[Any] | None = None) -> None:
        super().__init__()
        if plugins is None:
            plugins = []
        if isinstance(plugins, str) or not isinstance(plugins, Iterable):
            raise InvalidType(f"plugins={plugins!r}: must be a list of plugins and effects")
        self._items = [_checked(plugin) for plugin in plugins]

    def _aligned(self, sample_rate: float, channels: int, channel_layout: str | None) -> Aligned:
        return Chain(lambda: self._items, sample_rate, channels, channel_layout)

    @property
    def latency_samples(self) -> int:
        """Samples by which the output lags the input when streaming.

        That of this package's effects, and in a running stream what native plugins hold back at
        this moment (pedalboard does not tell their latency).
        """
        running = self._running
        if running is not None:
            return running.latency
        return sum(item.latency_samples for item in self._items if isinstance(item, Processor))

    def reset(self) -> None:
        """Forget all audio, in every plugin and effect of the board; parameters stay."""
        with self._lock:
            super().reset()
            for item in self._items:
                if item is not None:
                    item.reset()

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Any]:
        return iter(self._items[::-1])

    def __contains__(self, plugin: object) -> bool:
        return any(item is plugin for item in [_checked(plugin)] for item in self._items)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Board: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        if isinstance(index, slice):
            board = Board(self._items[index])
            board.channel_layout = self._channel_layout
            return board
        return self._items[self._position(index)]

    @overload
    def __setitem__(self, index: SupportsIndex, plugin: Any) -> None: ...
    @overload
    def __setitem__(self, index: slice, plugin: Iterable[Any]) -> None: ...
    def __setitem__(self, index: SupportsIndex | slice, plugin: Any) -> None:
        with self._lock:
            if isinstance(index, slice):
                self._items[index] = [self._own(each) for each in plugin]
            else:
                self._items[self._position(index)] = self._own(plugin)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        with self._lock:
            if isinstance(index, slice):
                del self._items[index]
            else:
                del self._items[self._position(index)]

    def append(self, plugin: Any) -> None:
        """Put a plugin or an effect at the end."""
        with self._lock:
            self._items.append(self._own(plugin))

    def extend(self, plugins: Iterable[Any]) -> None:
        """Put several plugins or effects at the end."""
        with self._lock:
            self._items.extend([self._own(plugin) for plugin in plugins])

    def insert(self, index: SupportsIndex, plugin: Any) -> None:
        """Put a plugin or an effect before the given index.

        Raises
        ------
        IndexError
            The index is out of range (a list would take the nearest, pedalboard does not).
        """
        with self._lock:
            place = operator.index(index)
            if place != len(self._items):
                place = self._position(place)
            self._items.insert(place, self._own(plugin))

    def remove(self, plugin: Any) -> None:
        """Take a plugin or an effect out.

        Raises
        ------
        ValueError
            It is not in the board.
        """
        with self._lock:
            del self._items[self.index(plugin)]

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Take the plugin or effect at the given index out and return it."""
        with self._lock:
            return self._items.pop(self._position(index))

    def clear(self) -> None:
        """Take everything out."""
        with self._lock:
            self._items.clear()

    def index(self, plugin: Any) -> int:
        """Index of a plugin or an effect in the board.

        Raises
        ------
        ValueError
            It is not in the board.
        """
        _checked(plugin)
        for index, item in enumerate(self._items):
            if item is plugin:
                return index
        raise InvalidValue(f"plugin={plugin!r}: must be in the board")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self._items),), {"_channel_layout": self._channel_layout}

    def __repr__(self) -> str:
        count = len(self._items)
        plural = "" if count == 1 else "s"
        return f"<{type(self).__name__} with {count} plugin{plural}: {self._items}>"

    def _repr_html_(self) -> str:
        return list_html(type(self).__name__, self._items)

    def _own(self, plugin: Any) -> Any:
        if plugin is self:
            raise InvalidValue("plugin: must not be the board itself")
        return _checked(plugin)

    def _position(self, index: SupportsIndex) -> int:
        try:
            position = operator.index(index)
        except TypeError:
            raise InvalidType(f"index={index!r}: must be an integer or a slice") from None
        if position < 0:
            position += len(self._items)
        if not 0 <= position < len(self._items):
            raise IndexError(f"index={index!r}: out of range for {len(self._items)} plugin(s)")
        return position


def _checked(plugin: Any) -> Any:
    """Return what a board can hold, raise otherwise."""
    if plugin is None or isinstance(plugin, Processor):
        return plugin
    if not isinstance(plugin, pedalboard.Plugin):
        raise InvalidType(
            f"plugin={plugin!r}: must be a pedalboard plugin, an effect of this package or a Board"
        )
    if plugin.is_instrument:
        raise InvalidValue(
            f"plugin={plugin!r}: must take audio; instruments cannot be part of a board"
        )
    return plugin
