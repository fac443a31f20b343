"""The host's side of a live session, compiled by Numba: the delay line, the results, the mix.

Everything here runs inside the audio callback. It allocates nothing and takes no lock; positions
are absolute sample counts, so that nothing that comes late can shift anything.

The kernels are compiled for their one signature when this module is imported, never inside a
callback; see `uncodec.compiled`.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from uncodec.compiled import compiled
from uncodec.signals import Array

__all__ = ["DRY", "HEADER", "HOPS", "INDEX_BITS", "LATE", "POSITION", "WET", "Exchange"]


# Every hop travels as a message: some frames of header, its samples, and, on the way back, the
# unfinished overlap-add tail. Whole numbers below 2**24 are exact in float32, hence the split.
HEADER = 4
INDEX_BITS = 20
_LOW = (1 << INDEX_BITS) - 1

# Places in the state of the mix.
POSITION, HOP, MODE, FADES, HELD, PRIOR, WET, DRY, HOPS, LATE = range(10)
_LEAD_IN, _IS_WET, _IS_LATE = range(3)


def _absorb(block: Array, dry: Array, state: NDArray[np.int64]) -> None:
    channels, count = block.shape
    mask = dry.shape[1] - 1
    first = state[POSITION]
    for channel in range(channels):
        for i in range(count):
            dry[channel, (first + i) & mask] = block[channel, i]
    state[POSITION] = first + count


def _gather(dry: Array, generation: int, index: int, hop: int, message: Array) -> None:
    channels = dry.shape[0]
    mask = dry.shape[1] - 1
    first = index * hop
    for channel in range(channels):
        message[channel, 0] = generation
        message[channel, 1] = index & _LOW
        message[channel, 2] = index >> INDEX_BITS
        message[channel, 3] = 0
        for i in range(hop):
            message[channel, HEADER + i] = dry[channel, (first + i) & mask]


def _store(
    message: Array, generation: int, tags: NDArray[np.int64], delta: Array, tails: Array
) -> None:
    # A result of an earlier generation belongs to audio that was reset away.
    if message[0, 0] != generation:
        return
    index = np.int64(message[0, 1]) + (np.int64(message[0, 2]) << INDEX_BITS)
    slots, channels, hop = delta.shape
    slot = index % slots
    # An older hop must not take the place of a newer one.
    if index <= tags[slot]:
        return
    for channel in range(channels):
        for i in range(hop):
            delta[slot, channel, i] = message[channel, HEADER + i]
        for i in range(tails.shape[2]):
            tails[slot, channel, i] = message[channel, HEADER + hop + i]
    tags[slot] = index


def _mix(
    dry: Array,
    tags: NDArray[np.int64],
    delta: Array,
    tails: Array,
    held: Array,
    rise: Array,
    levels: Array,
    state: NDArray[np.int64],
    latency: int,
    delay: int,
    out: Array,
) -> None:
    channels, count = out.shape
    slots, _, hop = delta.shape
    length = tails.shape[2]
    mask = dry.shape[1] - 1
    gain, target, step = levels[0], levels[1], levels[2]
    first = state[POSITION] - count - latency
    done = 0
    while done < count:
        # The delta's sample j belongs to the input's sample j - delay.
        place = first + done + delay
        number = np.int64(-1)
        offset = np.int64(0)
        slot = np.int64(0)
        if place < 0:
            span = min(count - done, -place)
        else:
            number = place // hop
            offset = place % hop
            slot = number % slots
            span = min(count - done, hop - offset)
            if number != state[HOP]:
                # A hop is judged once, when its first sample is due: what comes later is late.
                state[HOP] = number
                state[HOPS] += 1
                if tags[slot] == number:
                    state[FADES] = 1 if state[MODE] == _IS_LATE else 0
                    if state[FADES] == 1:
                        held[1] = held[0]
                        state[PRIOR] = state[HELD]
                    held[0] = tails[slot]
                    state[HELD] = number
                    state[MODE] = _IS_WET
                else:
                    state[MODE] = _IS_LATE
                    state[LATE] += 1
            if state[MODE] == _IS_WET:
                state[WET] += span
            else:
                state[DRY] += span
        mode = state[MODE]
        fades = mode == _IS_WET and state[FADES] == 1
        which = 1 if fades else 0
        owner = state[PRIOR] if fades else state[HELD]
        # Where in the tail that was left behind this span begins.
        behind = (number - owner - 1) * hop + offset
        has_tail = owner >= 0
        for i in range(span):
            if gain < target:
                gain = min(gain + step, target)
            elif gain > target:
                gain = max(gain - step, target)
            at = (first + done + i) & mask
            for channel in range(channels):
                value = dry[channel, at]
                if gain > 0 and place >= 0:
                    tail = np.float32(0)
                    if has_tail and behind + i < length and (fades or mode == _IS_LATE):
                        tail = held[which, channel, behind + i]
                    if mode == _IS_LATE:
                        value += gain * tail
                    elif fades:
                        up = rise[offset + i]
                        fresh = delta[slot, channel, offset + i]
                        value += gain * (up * fresh + (np.float32(1) - up) * tail)
                    else:
                        value += gain * delta[slot, channel, offset + i]
                out[channel, done + i] = value
        done += span
    levels[0] = gain


_F2, _F3, _I1 = "float32[:, ::1]", "float32[:, :, ::1]", "int64[::1]"
# Hosts may give what must not be written to, such as an array over bytes.
_BLOCK = numba.types.Array(numba.float32, 2, "A", readonly=True)
_absorb_kernel = compiled(
    numba.void(_BLOCK, numba.float32[:, ::1], numba.int64[::1]), _absorb, nogil=False
)
_gather_kernel = compiled(f"void({_F2}, int64, int64, int64, {_F2})", _gather, nogil=False)
_store_kernel = compiled(f"void({_F2}, int64, {_I1}, {_F3}, {_F3})", _store, nogil=False)
_mix_kernel = compiled(
    f"void({_F2}, {_I1}, {_F3}, {_F3}, {_F3}, float32[::1], float32[::1], {_I1}, int64, int64,"
    " float32[:, :])",
    _mix,
    nogil=False,
)


class Exchange:
    """What the callback keeps: the last input, the results that came, and what is being played.

    Parameters
    ----------
    channels, hop, delay, tail : int
        Of the engine: samples per hop, by how many the delta lags the input, and how many of it
        lie unfinished behind every hop.
    latency : int
        Constant delay from input to output, in samples.
    block : int
        Longest call, in samples.
    slots : int
        Results kept at once.
    sample_rate : float
        For the speed of level changes: 10 ms from 0 to 1.

    Attributes
    ----------
    state : ndarray [shape=(10,)], int64
        Counts in samples (`POSITION`, `WET`, `DRY`) and in hops (`HOPS`, `LATE`).

    Notes
    -----
    A hop whose result is missing when its first sample is due is played dry, under the unfinished
    overlap-add tail of the last wet one. The output is the input plus a delta, so this is the
    complementary fade ``tail + dry * (1 - sum of window**2)`` of a plain overlap-add: the window
    carries the delta to zero while the input stays whole. The first wet hop after a dry one fades
    in along half a Hann window.
    """

    def __init__(
        self,
        channels: int,
        hop: int,
        delay: int,
        tail: int,
        *,
        latency: int,
        block: int,
        slots: int,
        sample_rate: float,
    ) -> None:
        self.hop = hop
        self._delay = delay
        self._latency = latency
        # A hop in the making and the whole delay must be there beside a block, whichever is longer.
        room = max(latency, hop) + block
        self._dry: Array = np.zeros((channels, 1 << (room - 1).bit_length()), np.float32)
        self._tags = np.full(slots, -1, np.int64)
        self._delta: Array = np.zeros((slots, channels, hop), np.float32)
        self._tails: Array = np.zeros((slots, channels, tail), np.float32)
        self._held: Array = np.zeros((2, channels, tail), np.float32)
        phase = (np.arange(hop) + 0.5) / hop
        self._rise: Array = np.sin(0.5 * np.pi * phase).astype(np.float32) ** 2
        self._levels: Array = np.array([0, 0, 1 / (0.01 * sample_rate)], np.float32)
        self.state = np.zeros(10, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget all audio and all counts; the level is at its target at once."""
        self._dry.fill(0)
        self._tags.fill(-1)
        self.state.fill(0)
        self.state[[HOP, HELD, PRIOR]] = -1
        self._levels[0] = self._levels[1]

    def set_level(self, level: float) -> None:
        """Set how much of the delta is added, from 0 to 1; reached in 10 ms at most."""
        self._levels[1] = level

    def absorb(self, block: Array) -> None:
        """Take the input of a call; [shape=(channels, n)], float32 in any order."""
        _absorb_kernel(block, self._dry, self.state)

    def gather(self, generation: int, index: int, message: Array) -> None:
        """Write hop `index` of the input into a message; its last sample must be there."""
        _gather_kernel(self._dry, generation, index, self.hop, message)

    def store(self, message: Array, generation: int) -> None:
        """Keep a result, unless it is of another generation or older than what has its place."""
        _store_kernel(message, generation, self._tags, self._delta, self._tails)

    def mix(self, out: Array) -> None:
        """Write the output that belongs to the samples absorbed last; shape as theirs."""
        _mix_kernel(
            self._dry,
            self._tags,
            self._delta,
            self._tails,
            self._held,
            self._rise,
            self._levels,
            self.state,
            self._latency,
            self._delay,
            out,
        )
