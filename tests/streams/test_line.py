"""The buffer between stages: what was put in is what is read, however it comes and goes."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from uncodec.streams.line import Line

STEPS = st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1)), max_size=30)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, silence=st.integers(0, 40_000))
def test_samples_keep_their_order_and_their_values(steps, silence):
    line, wanted = Line(2, silence), np.zeros((2, silence), np.float32)
    rng = np.random.default_rng(0)
    for count, share in steps:
        fresh = rng.standard_normal((2, count)).astype(np.float32)
        line.append(fresh)
        wanted = np.concatenate([wanted, fresh], axis=1)
        dropped = int(share * len(line))
        line.drop(dropped)
        wanted = wanted[:, dropped:]
        assert len(line) == wanted.shape[1]
        np.testing.assert_array_equal(line.view(0, len(line)), wanted)


def test_what_a_stage_writes_into_its_room_is_read_behind_it():
    line = Line(1, 2)
    line.room(3)[:] = [[1, 2, 3]]
    np.testing.assert_array_equal(line.view(0, 5), [[0, 0, 1, 2, 3]])
    np.testing.assert_array_equal(line.view(3, 5), [[2, 3]])


def test_other_types_and_orders_are_converted_on_the_way_in():
    audio = np.arange(20, dtype=np.float64).reshape(10, 2).T
    line = Line(2)
    line.append(audio)
    assert line.view(0, 10).dtype == np.float32
    np.testing.assert_array_equal(line.view(0, 10), audio)


def test_a_copy_goes_its_own_way():
    line = Line(1, 4)
    line.append(np.ones((1, 3), np.float32))
    twin = line.clone()
    line.view(0, 7)[:] = 9
    line.drop(7)
    np.testing.assert_array_equal(twin.view(0, 7), [[0, 0, 0, 0, 1, 1, 1]])


def test_a_delay_may_work_in_place():
    line, audio = Line(2, 3), np.arange(20, dtype=np.float32).reshape(2, 10)
    wanted = np.pad(audio, ((0, 0), (3, 0)))[:, :10]
    out = audio.copy()
    for first in range(0, 10, 4):
        line.delay_into(out[:, first : first + 4], out[:, first : first + 4])
    np.testing.assert_array_equal(out, wanted)


def test_steady_blocks_need_no_memory_and_a_long_one_leaves_none():
    line, block = Line(2, 1000), np.ones((2, 64), np.float32)

    def run(audio):
        line.append(audio)
        line.drop(audio.shape[1])

    for _ in range(100):
        run(block)
    tracemalloc.start()
    try:
        for _ in range(1000):
            run(block)
        assert tracemalloc.get_traced_memory()[1] < 20_000
        run(np.ones((2, 2_000_000), np.float32))
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()
