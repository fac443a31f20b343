"""The public face of every effect, and the base class to write one."""

from __future__ import annotations

import inspect
import math
import numbers
import operator
import threading
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from uncodec.effects.arrays import Layout, to_channels_first
from uncodec.effects.rich_display import effect_html
from uncodec.errors import InvalidType, InvalidValue
from uncodec.sealed import Sealed
from uncodec.speakers import DISCRETE, named_speakers, speakers_of
from uncodec.streams.aligned import BUFFER_SIZE, Aligned, AlignedStream
from uncodec.streams.channel_groups import (
    ChannelGroup,
    channel_groups,
    group_streams,
    open_grouped,
)
from uncodec.streams.stream import Stream

__all__ = ["NATIVE_RATE", "Effect", "Processor"]

NATIVE_RATE = 44100.0
"""Rate, in Hz, that a latency refers to before any audio was processed."""


class Processor(Sealed, ABC):
    """The calls that effects and boards share: those of ``pedalboard.Plugin``, and two more.

    Subclasses say what runs (`_aligned`) and how late it is (`latency_samples`).
    """

    def __init__(self) -> None:
        # Reentrant, because a subclass may take it around several calls.
        self._lock = threading.RLock()
        self._running: Aligned | None = None
        self._sample_rate: float | None = None
        self._channels: int | None = None
        self._layout: Layout | None = None
        self._buffer_size = BUFFER_SIZE
        self._channel_layout: str | None = None

    @abstractmethod
    def _aligned(self, sample_rate: float, channels: int, channel_layout: str | None) -> Aligned:
        """Make what runs one stream, in its initial state."""

    def open_stream(
        self, sample_rate: float, channels: int, channel_layout: str | Sequence[str] | None = None
    ) -> Aligned:
        """Open a stream besides those of `process`, for callers that know their axes.

        Parameters
        ----------
        sample_rate : float
            In Hz.
        channels : int
        channel_layout : str or sequence of str, optional
            Used where the effect has none.

        Returns
        -------
        Aligned
            ``push`` takes (channels, samples) float32 and gives what is ready, ``finish`` the rest.

        Raises
        ------
        InvalidValue
            The effect does not take such sound.
        """
        layout = self._channel_layout or _joined(channel_layout)
        speakers_of(layout, channels)
        return self._aligned(sample_rate, channels, layout)

    @property
    def channel_layout(self) -> str | None:
        """Which speakers the channels are for, or None to go by their number.

        A name as FFmpeg uses it (``"stereo"``, ``"2.1"``, ``"quad"``, ``"5.1"``, ``"7.1"``, ...),
        names of speakers in the order of the channels (``"FL+FR+LFE"``, or a sequence of them), or
        ``"discrete"`` for channels that have nothing to do with one another. A change takes effect
        with the next stream.

        With None, channels are in the order of a WAV: mono, stereo, 3.0 (FL FR FC), quad (FL FR BL
        BR), 5.0 (FL FR FC BL BR), 5.1 (FL FR FC LFE BL BR), 6.1 (FL FR FC LFE BC SL SR), 7.1 (FL FR
        FC LFE BL BR SL SR).

        Speakers that are a pair (front, back, side) are processed as stereo, all others as mono.
        Restorers and repairs only delay the LFE. ``"UNK"`` is a channel of which nothing is known.
        """
        return self._channel_layout

    @channel_layout.setter
    def channel_layout(self, value: str | Sequence[str] | None) -> None:
        if value is not None and value != DISCRETE:
            named_speakers(value)
        self._channel_layout = _joined(value)

    @property
    @abstractmethod
    def latency_samples(self) -> int:
        """Samples by which the output lags when streaming."""

    @property
    def is_effect(self) -> bool:
        """True: takes audio."""
        return True

    @property
    def is_instrument(self) -> bool:
        """False: takes audio, not notes."""
        return False

    def process(
        self,
        input_array: NDArray[np.floating[Any]],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> NDArray[np.float32]:
        """Process audio.

        With ``reset=True`` a new stream begins, and the result is aligned to the input and as long
        as it. With ``reset=False`` the call carries on: the result is what is ready, so the first
        results are shorter, by the latency in all. The results of all calls and of `flush` together
        are aligned to the input and exactly as long as it, however the input was cut, and also when
        only the first call had ``reset=True``: it gives all its positions, the last
        ``latency_samples`` of them as though silence followed, and the next call goes on behind
        them as though it had not.

        Parameters
        ----------
        input_array : ndarray [shape=(samples,), (channels, samples) or (samples, channels)]
            float32 or float64, one to eight channels, the smaller axis being channels; empty arrays
            are allowed. Where `channel_layout` or the array before this one, until `reset` is
            called, tells the number of channels, an axis of that length is channels: so arrays
            shorter than they have channels are read right. More than two channels are processed in
            groups, see `channel_layout`.
        sample_rate : float
            In Hz.
        buffer_size : int
            The input is processed in blocks of so many samples at most. It bounds memory and does
            not change the result.
        reset : bool
            Whether a new stream begins with this call.

        Returns
        -------
        ndarray [same layout as `input_array`], float32
            Never shares memory with `input_array`.

        Raises
        ------
        InvalidType
            `input_array` is no array of float32 or float64, `sample_rate` no number or
            `buffer_size` no integer.
        InvalidValue
            More than eight channels, or not as many as `channel_layout` has; samples that are not
            finite; a rate or a buffer size that is not positive; or, with ``reset=False``, another
            rate or number of channels than the stream runs at. (pedalboard drops what it holds in
            that case, without a word.)

        Notes
        -----
        Calls from several threads wait for one another. An exception on the way through ends the
        stream, and the next call begins a new one; arguments that are refused leave it as it is.
        """
        rate = _check_rate(sample_rate)
        block = _check_buffer_size(buffer_size)
        with self._lock:
            begins = reset or self._running is None
            expected = self._named_channels() if begins else None
            audio, layout = to_channels_first(
                input_array, channels=expected or self._channels, layout=self._layout
            )
            channels = audio.shape[0]
            if begins and audio.size:
                speakers_of(self._channel_layout, channels)
            if reset:
                self._running = None
            if audio.size == 0:
                return layout.restore(np.zeros(audio.shape, np.float32))
            if self._running is not None:
                self._check_unchanged(rate, channels)
            running, self._running = self._running, None
            if running is None:
                running = self._aligned(rate, channels, self._channel_layout)
            result = running.whole(audio, block) if reset else running.push(audio, block)
            self._running = running
            self._sample_rate, self._channels, self._layout = rate, channels, layout
            self._buffer_size = block
            return layout.restore(result)

    def __call__(
        self,
        input_array: NDArray[np.floating[Any]],
        sample_rate: float,
        buffer_size: int = BUFFER_SIZE,
        reset: bool = True,
    ) -> NDArray[np.float32]:
        """Process audio: the same as `process`."""
        return self.process(input_array, sample_rate, buffer_size, reset)

    def flush(self) -> NDArray[np.float32]:
        """Give the samples still inside and end the stream.

        Returns
        -------
        ndarray [same layout as the last input], float32
            Every position not given yet, as though silence followed; empty if there is none.
        """
        with self._lock:
            running, self._running = self._running, None
            if running is None:
                rest = np.zeros((self._channels or 1, 0), np.float32)
            else:
                rest = running.finish(self._buffer_size)
            return (self._layout or Layout.MONO).restore(rest)

    def reset(self) -> None:
        """Forget all audio and the layout of the last array; parameters stay."""
        with self._lock:
            self._running = None
            self._layout = None
            self._channels = None

    def _named_channels(self) -> int | None:
        layout = self._channel_layout
        return None if layout in (None, DISCRETE) else len(named_speakers(layout))

    def _check_unchanged(self, sample_rate: float, channels: int) -> None:
        rule = "call flush() or reset() first, or pass reset=True"
        if sample_rate != self._sample_rate:
            raise InvalidValue(
                f"sample_rate={sample_rate}: must stay {self._sample_rate} within a stream; {rule}"
            )
        if channels != self._channels:
            raise InvalidValue(
                f"input_array: must keep {self._channels} channel(s) within a stream, "
                f"got {channels}; {rule}"
            )


class Effect(Processor):
    """Base class of this package's effects.

    A subclass calls ``super().__init__()`` and gives `_open`. Every parameter of its ``__init__``
    must be readable as an attribute of the same name: copies, pickles and the ``repr`` are made
    from them. Copies have the parameters, not the audio. Attributes are made in ``__init__``; later
    a public name that is not there is refused, as a slip of the pen.

    Parameters that may change while audio runs are handed to the stream in `_apply`, which is
    called before every internal block.

    More than two channels run in several streams, one for each pair of speakers and one for each
    single speaker (see `channel_layout`), and `_apply` is called for each.

    Examples
    --------
    >>> import numpy as np
    >>> from uncodec import Effect
    >>> class Gain(Effect):
    ...     def __init__(self, gain: float = 1.0) -> None:
    ...         super().__init__()
    ...         self.gain = gain
    ...     def _open(self, sample_rate, channels):
    ...         return GainStream(channels, self.gain)
    >>> class GainStream:
    ...     latency_samples = 0
    ...     def __init__(self, channels, gain):
    ...         self.channels, self.gain = channels, gain
    ...     def process(self, x):
    ...         return np.float32(self.gain) * x
    ...     def clone(self):
    ...         return GainStream(self.channels, self.gain)
    >>> Gain(0.5)(np.ones(3), 44100)
    array([0.5, 0.5, 0.5], dtype=float32)
    """

    _touches_lfe: ClassVar[bool] = True
    """Whether the LFE of a surround signal is processed, or only delayed."""

    def __init__(self) -> None:
        super().__init__()
        self._latencies: dict[float, int] = {}

    @abstractmethod
    def _open(self, sample_rate: float, channels: int) -> Stream:
        """Open the stream that does the work, in its initial state.

        Parameters
        ----------
        sample_rate : float
            In Hz.
        channels : int
            1 or 2.

        Raises
        ------
        InvalidValue
            The effect cannot run at this rate.
        """

    def _open_group(self, sample_rate: float, channels: int, number: int) -> Stream:
        """Open the stream of a group of surround channels: for effects that draw noise by group."""
        return self._open(sample_rate, channels)

    def _apply(self, stream: Stream) -> None:
        """Hand the parameters of the moment to a running stream; by default there are none."""

    def _forget_latency(self) -> None:
        """Measure the latency anew: to be called where a parameter that may change it is set."""
        self._latencies.clear()

    def _groups(self, channels: int, channel_layout: str | None) -> list[ChannelGroup]:
        groups = channel_groups(channel_layout, channels)
        return [replace(each, touched=each.touched or self._touches_lfe) for each in groups]

    def _aligned(self, sample_rate: float, channels: int, channel_layout: str | None) -> Aligned:
        def open_group(number: int, count: int) -> Stream:
            return self._open_group(sample_rate, count, number)

        return AlignedStream(
            open_grouped(self._groups(channels, channel_layout), open_group), self._apply_to_all
        )

    def _apply_to_all(self, stream: Stream) -> None:
        # The front last: an effect that remembers the stream of the last call remembers that one.
        for each in reversed(group_streams(stream)):
            self._apply(each)

    @property
    def latency_samples(self) -> int:
        """Samples by which the output lags the input when streaming, exactly.

        Constant as long as a stream runs. Between streams it is the latency at the rate last used,
        and at 44.1 kHz if there was none. With ``reset=True`` the latency is already compensated.
        """
        running = self._running
        if running is not None:
            return running.latency
        rate = self._sample_rate or NATIVE_RATE
        latency = self._latencies.get(rate)
        if latency is None:
            latency = self._latencies[rate] = self._open(rate, 1).latency_samples
        return latency

    def _parameters(self) -> dict[str, Any]:
        names = inspect.signature(type(self)).parameters
        return {name: getattr(self, name) for name in names}

    def __reduce__(self) -> tuple[Any, ...]:
        make = partial(type(self), **self._parameters())
        return make, (), {"_channel_layout": self._channel_layout}

    def __repr__(self) -> str:
        shown = "".join(f" {name}={value!r}" for name, value in self._shown().items())
        return f"<uncodec.{type(self).__name__}{shown} at {id(self):#x}>"

    def _repr_html_(self) -> str:
        summary = (inspect.getdoc(type(self)) or "").partition("\n")[0]
        return effect_html(type(self).__name__, summary, self._shown())

    def _shown(self) -> dict[str, Any]:
        parameters = self._parameters()
        if self._channel_layout is not None:
            parameters["channel_layout"] = self._channel_layout
        return parameters


def _joined(layout: str | Sequence[str] | None) -> str | None:
    return layout if layout is None or isinstance(layout, str) else "+".join(layout)


def _check_rate(sample_rate: float) -> float:
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, numbers.Real):
        raise InvalidType(f"sample_rate={sample_rate!r}: must be a number in Hz")
    rate = float(sample_rate)
    if not (math.isfinite(rate) and rate > 0):
        raise InvalidValue(f"sample_rate={sample_rate!r}: must be positive and finite, in Hz")
    return rate


def _check_buffer_size(buffer_size: int) -> int:
    try:
        size = operator.index(buffer_size)
    except TypeError:
        raise InvalidType(f"buffer_size={buffer_size!r}: must be a positive integer") from None
    if size < 1:
        raise InvalidValue(f"buffer_size={buffer_size!r}: must be a positive integer")
    return size
