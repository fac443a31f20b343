"""Mid and side are the same numbers wherever they are computed."""

import numpy as np
import torch

from uncodec.networks import spectra
from uncodec.signals import mid_side, mid_side_into


def test_arrays_tensors_and_buffers_get_the_same_mid_and_side():
    audio = np.random.default_rng(0).standard_normal((2, 1000)).astype(np.float32)
    buffer = np.empty_like(audio)
    mid_side_into(audio, buffer)
    assert np.array_equal(np.stack(mid_side(*audio)), buffer)
    assert np.array_equal(spectra.mid_side(torch.from_numpy(audio)).numpy(), buffer)
    np.testing.assert_allclose(buffer[0] + buffer[1], audio[0], atol=1e-6)


def test_one_channel_is_its_own_mid_and_has_no_side():
    audio, buffer = np.ones((1, 10), np.float32), np.full((2, 10), np.nan, np.float32)
    mid_side_into(audio, buffer)
    assert np.array_equal(buffer, [np.ones(10), np.zeros(10)])
