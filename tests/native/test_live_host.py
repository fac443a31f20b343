"""Both ends of a live session within one process: places, counts, memory orders, bad input."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from uncodec._native import LiveHost
from uncodec.errors import InvalidType, InvalidValue

Array = NDArray[np.float32]

HOP, DELAY, BLOCK = 32, 64, 48


def open_host(**options: Any) -> LiveHost:
    settings: dict[str, Any] = {
        "sample_rate": 48000.0,
        "channels": 2,
        "hop": HOP,
        "tail": 0,
        "model_delay": DELAY,
        "max_block": BLOCK,
        "turnaround_s": 0.0,
        "varying_blocks": True,
    }
    return LiveHost(**(settings | options))


def noise(samples: int) -> Array:
    return np.random.default_rng(0).standard_normal((2, samples)).astype(np.float32)


def play(host: LiveHost, audio: Array, *, answer: bool = True, size: int = BLOCK) -> Array:
    """Answer every hop, at once, with twice the input."""
    core = host.open_core()
    line, hop = np.zeros((2, DELAY + HOP), np.float32), np.zeros((2, HOP), np.float32)
    out = np.full_like(audio, np.nan)
    for start in range(0, audio.shape[1], size):
        host.push(audio[:, start : start + size], start)
        while (ticket := core.poll_into(hop)) is not None:
            line = np.concatenate([line[:, HOP:], hop], axis=1)
            if answer:
                result = np.ascontiguousarray(2 * line[:, :HOP])
                core.publish(ticket, result, np.zeros((2, 0), np.float32))
        host.pull_into(out[:, start : start + size])
    return out


def later(audio: Array, samples: int) -> Array:
    return np.pad(audio, ((0, 0), (samples, 0)))[:, : audio.shape[1]]


@pytest.mark.parametrize("size", [1, 17, BLOCK])
def test_answers_in_time_are_played_at_the_latency_bit_for_bit(size: int) -> None:
    host, audio = open_host(), noise(40 * BLOCK)
    assert host.latency_samples == DELAY + HOP - 1
    out = play(host, audio, size=size)
    np.testing.assert_array_equal(out, 2 * later(audio, host.latency_samples))
    samples, wet, dry, missing = host.counters()
    assert (samples, wet, dry, missing) == (out.shape[1], out.shape[1] - (HOP - 1), 0, 0)
    assert host.submitted == audio.shape[1] // HOP


def test_without_answers_there_is_the_input() -> None:
    host, audio = open_host(), noise(10 * BLOCK)
    out = play(host, audio, answer=False)
    np.testing.assert_array_equal(out, later(audio, host.latency_samples))
    _, wet, dry, missing = host.counters()
    assert (wet, dry) == (0, out.shape[1] - (HOP - 1))
    assert missing == -(-dry // HOP)


def test_every_order_in_memory_is_taken() -> None:
    audio = noise(20 * BLOCK)
    expected = play(open_host(), audio)
    np.testing.assert_array_equal(play(open_host(), np.asfortranarray(audio)), expected)
    backwards = np.ascontiguousarray(audio[:, ::-1])[:, ::-1]
    np.testing.assert_array_equal(play(open_host(), backwards), expected)


def test_a_level_that_was_set_before_a_reset_holds_from_the_first_sample() -> None:
    host, audio = open_host(), noise(20 * BLOCK)
    host.set_level(0.0)
    host.reset()
    np.testing.assert_array_equal(play(host, audio), later(audio, host.latency_samples))


def test_an_answer_to_a_hop_of_before_a_reset_is_not_played() -> None:
    host = open_host()
    core, hop = host.open_core(), np.zeros((2, HOP), np.float32)
    host.push(noise(HOP), 7)
    ticket = core.poll_into(hop)
    assert ticket is not None
    assert core.submitted_ns(ticket.hop) == 7
    host.reset()
    assert host.submitted == 0
    core.publish(ticket, np.ones((2, HOP), np.float32), np.zeros((2, 0), np.float32))
    out = play(host, np.zeros((2, 4 * BLOCK), np.float32), answer=False)
    assert not out.any()


@pytest.mark.parametrize(("most_behind", "hops"), [(None, 32), (16, 16), (1000, 32)])
def test_a_core_too_far_behind_is_told_what_it_missed(most_behind: int | None, hops: int) -> None:
    host = open_host()
    core, hop = host.open_core(most_behind=most_behind), np.zeros((2, HOP), np.float32)
    out = np.zeros((2, HOP), np.float32)

    def play_hops(number: int) -> None:
        for _ in range(number):
            host.push(np.full((2, HOP), host.submitted, np.float32), 0)
            host.pull_into(out)

    play_hops(1)
    assert core.poll_into(hop) is not None
    play_hops(hops)
    ticket = core.poll_into(hop)
    assert ticket is not None
    assert (ticket.hop, ticket.skipped) == (1, 0)
    play_hops(2)
    ticket = core.poll_into(hop)
    assert ticket is not None
    assert (ticket.hop, ticket.skipped) == (hops + 2, hops)
    assert (hop == hops + 2).all()


def test_a_core_that_waits_gets_the_hop_or_is_stopped() -> None:
    host = open_host()
    core, hop = host.open_core(), np.zeros((2, HOP), np.float32)
    got: list[int | None] = []

    def wait() -> None:
        for _ in range(2):
            ticket = core.wait_into(hop)
            got.append(None if ticket is None else ticket.hop)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    host.push(noise(HOP), 0)
    while not got:
        thread.join(0.001)
    core.stop()
    thread.join(30)
    assert got == [0, None]


def test_what_does_not_fit_is_refused() -> None:
    host = open_host()
    core = host.open_core()
    unaligned = np.frombuffer(b"\0" * (8 * BLOCK + 1), np.uint8)[1:].view(np.float32)
    frozen = noise(BLOCK)
    frozen.flags.writeable = False
    for call, error, message in [
        (lambda: host.push(noise(BLOCK + 1), 0), InvalidValue, "at most 48 samples, got 49"),
        (lambda: host.push(noise(8)[:1], 0), InvalidValue, "must have channels=2 on axis 0"),
        (lambda: host.push(unaligned.reshape(2, BLOCK), 0), InvalidValue, "x: must be aligned"),
        (lambda: host.push(np.zeros((2, 8)), 0), InvalidType, "must be an array of float32"),  # type: ignore[arg-type]
        (lambda: host.pull_into(noise(1)), InvalidValue, "only 0 were pushed"),
        (lambda: core.poll_into(noise(HOP + 1)), InvalidValue, "must have hop=32 on axis 1"),
        (lambda: open_host(channels=0), InvalidValue, "channels=0: must be a positive integer"),
        (lambda: open_host(turnaround_s=-1.0), InvalidValue, "turnaround_s=-1"),
    ]:
        with pytest.raises(error, match=message):
            call()  # type: ignore[no-untyped-call]
    host.push(noise(BLOCK), 0)
    with pytest.raises(InvalidValue, match="out: must be writable"):
        host.pull_into(frozen)


def test_a_hop_is_answered_once() -> None:
    host = open_host()
    core, hop = host.open_core(), np.zeros((2, HOP), np.float32)
    host.push(noise(HOP), 0)
    ticket, tail = core.poll_into(hop), np.zeros((2, 0), np.float32)
    assert ticket is not None
    core.publish(ticket, hop, tail)
    with pytest.raises(InvalidValue, match="ticket: was answered already"):
        core.publish(ticket, hop, tail)
