"""Overtones of a stream: the same as of the whole signal, whatever the blocks."""

import numpy as np
import pytest
import torch

from uncodec.live.overtones import Overtones
from uncodec.networks.spectra import overtones


@pytest.mark.parametrize("sizes", [(1000,), (1, 1, 998), (300, 512, 188)])
def test_blocks_give_what_the_whole_gives(sizes):
    audio = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    stream = Overtones(2)
    parts, start = [], 0
    for size in sizes:
        part = np.empty((2, size), np.float32)
        stream.push_into(audio[:, start : start + size], part)
        parts.append(part)
        start += size
    whole = overtones(torch.from_numpy(audio)).numpy()
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_a_clone_goes_on_alone():
    audio = np.random.default_rng(1).standard_normal((1, 64)).astype(np.float32)
    stream = Overtones(1)
    first, second, other = (np.empty((1, 32), np.float32) for _ in range(3))
    stream.push_into(audio[:, :32], first)
    twin = stream.clone()
    stream.push_into(audio[:, 32:], second)
    twin.push_into(audio[:, 32:], other)
    np.testing.assert_array_equal(second, other)
