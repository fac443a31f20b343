"""The ring between two Python threads, and its results when it is full or empty."""

from __future__ import annotations

import threading
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec._native import RingConsumer, RingProducer, ring
from uncodec.errors import InvalidType, InvalidValue, UncodecError


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 4),
    capacity=st.integers(1, 12),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 15)), max_size=40),
)
def test_behaves_as_a_queue_of_frames(
    channels: int, capacity: int, steps: list[tuple[bool, int]]
) -> None:
    producer, consumer = ring(channels, capacity)
    queue: deque[int] = deque()
    number = 0
    for write, frames in steps:
        if write:
            numbers = np.arange(number, number + frames, dtype=np.float32)
            block = numbers + 1000 * np.arange(channels, dtype=np.float32)[:, None]
            accepted = producer.write(block)
            assert accepted == min(frames, capacity - len(queue))
            queue.extend(range(number, number + accepted))
            number += accepted
        else:
            out = consumer.read(frames)
            taken = [queue.popleft() for _ in range(min(frames, len(queue)))]
            expected = np.array(taken, np.float32) + 1000 * np.arange(channels)[:, None]
            assert out.dtype == np.float32
            assert np.array_equal(out, expected)
        assert producer.free == capacity - len(queue)
        assert consumer.available == len(queue)


def test_read_into_leaves_the_rest_alone() -> None:
    producer, consumer = ring(2, 8)
    assert (producer.capacity, consumer.channels) == (8, 2)
    producer.write(np.array([[1, 2, 3], [-1, -2, -3]], np.float32))
    out = np.full((2, 5), 9, np.float32)
    assert consumer.read_into(out) == 3
    assert np.array_equal(out, [[1, 2, 3, 9, 9], [-1, -2, -3, 9, 9]])
    assert consumer.read_into(out) == 0


def test_two_threads_exchange_frames_in_order() -> None:
    producer, consumer = ring(2, 200)
    total = 40_000
    ramp = np.arange(total, dtype=np.float32)
    x = np.stack([ramp, -ramp])

    def feed(producer: RingProducer) -> None:
        start = 0
        while start < total:
            start += producer.write(x[:, start : start + 1 + start % 177])

    thread = threading.Thread(target=feed, args=(producer,))
    del producer
    thread.start()
    received = []
    count = 0
    while count < total:
        part = consumer.read(97)
        received.append(part)
        count += part.shape[1]
    thread.join()
    assert np.array_equal(np.concatenate(received, axis=1), x)


def test_an_end_knows_when_the_other_is_gone() -> None:
    producer, consumer = ring(1, 4)
    assert not producer.abandoned
    assert not consumer.abandoned
    producer.write(np.ones((1, 2), np.float32))
    del producer
    assert consumer.abandoned
    assert consumer.available == 2


def test_arguments_are_checked() -> None:
    producer, consumer = ring(2, 4)
    with pytest.raises(InvalidValue, match=r"^channels=0: must be a positive integer$"):
        ring(0, 4)
    with pytest.raises(InvalidValue, match=r"^capacity=0: must be a positive integer$"):
        ring(2, 0)
    with pytest.raises(
        InvalidValue, match=r"^capacity=\d+: must be in 1\.\.=\d+ frames of 2 channels$"
    ):
        ring(2, 1 << 40)
    with pytest.raises(InvalidValue, match=r"^capacity=1180591620717411303424: must be a positive"):
        ring(2, 1 << 70)
    with pytest.raises(InvalidType, match=r"^capacity='4': must be a positive integer$"):
        ring(2, "4")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"x: must have channels=2 on axis 0"):
        producer.write(np.zeros((3, 4), np.float32))
    with pytest.raises(InvalidType, match=r"out: must be an array of float32, got float64"):
        consumer.read_into(np.zeros((2, 4)))  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match=r"^n=-1: must be a non-negative integer$"):
        consumer.read(-1)
    with pytest.raises(TypeError, match=r"RingProducer"):
        RingProducer()
    with pytest.raises(TypeError, match=r"RingConsumer"):
        RingConsumer()


def test_one_end_used_by_two_threads_raises_instead_of_waiting() -> None:
    """Either nobody collides, or the second one is told so; the ring stays whole in both cases."""
    producer, consumer = ring(1, 1 << 22)
    block = np.ones((1, 1 << 18), np.float32)
    refused: list[UncodecError] = []

    def feed() -> None:
        for _ in range(8):
            try:
                producer.write(block)
            except UncodecError as error:
                refused.append(error)

    threads = [threading.Thread(target=feed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert consumer.available == (16 - len(refused)) * block.shape[1]
    assert all("RingProducer: is in use by another thread" in str(error) for error in refused)
