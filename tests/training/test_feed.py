"""Batches on their way to a device: the same at any number of readers, pinned for a GPU."""

import json
import os

import numpy as np
import pytest
import torch
from torch import nn

from uncodec.errors import InvalidValue
from uncodec.networks.generator import GeneratorConfig
from uncodec.training import codec_objective, encoder_gain_objective, restoration_objective
from uncodec.training.checkpoints import Average, read_checkpoint, write_checkpoint
from uncodec.training.feed import device_of, readers_for, to_device
from uncodec.training.pairs import PairSet

SMALL = GeneratorConfig(window=256, hop=64, encoder=16, hidden=16, local=8)


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    for index in range(3):
        pair = (0.1 * rng.standard_normal((2, 2, 22050))).astype(np.float32)
        np.save(tmp_path / f"{index:06d}.npy", pair)
        note = {"index": index, "codec": "mp3", "kbps": 64}
        (tmp_path / f"{index:06d}.json").write_text(json.dumps(note))
    return tmp_path


@pytest.mark.parametrize("readers", [1, 3, 9])
def test_batches_are_those_of_their_steps_at_any_number_of_readers(pairs, readers):
    pairs = PairSet(pairs, readers)
    asked = []
    batch = pairs.batch
    pairs.batch = lambda step, *rest: asked.append(step) or batch(step, *rest)
    for step, arrays in enumerate(pairs.batches(4, 9, 2, 4096, 7), 4):
        for found, wanted in zip(arrays, batch(step, 2, 4096, 7), strict=True):
            np.testing.assert_array_equal(found, wanted)
        assert max(asked) <= min(8, step + readers)
    assert (step, sorted(asked)) == (8, [4, 5, 6, 7, 8])
    assert list(pairs.batches(3, 3, 1, 4096)) == []


def test_a_batch_that_cannot_be_read_stops_the_run(pairs):
    (pairs / "000001.npy").unlink()
    with pytest.raises(FileNotFoundError):
        list(PairSet(pairs, 2).batches(0, 20, 2, 4096))
    with pytest.raises(InvalidValue, match="readers=0"):
        PairSet(pairs, 0)


def test_a_processor_gets_the_arrays_themselves():
    arrays = (np.zeros(4, np.float32), np.ones((2, 3), np.float32))
    tensors = to_device(arrays, "cpu")
    assert [tensor.data_ptr() for tensor in tensors] == [array.ctypes.data for array in arrays]


def test_a_gpu_gets_copies_through_pinned_memory(monkeypatch):
    done = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda self: done.append("pinned") or self)
    monkeypatch.setattr(
        torch.Tensor, "to", lambda self, *where, **how: done.append((*where, how)) or self
    )
    to_device([np.zeros(4, np.float32)], "cuda:1")
    assert done == ["pinned", ("cuda:1", {"non_blocking": True})]


def test_a_gpu_has_more_readers(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert (readers_for("cpu"), readers_for("cuda"), readers_for("cuda:1")) == (1, 5, 5)
    monkeypatch.setattr(os, "cpu_count", lambda: 96)
    assert readers_for("cuda") == 8
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert readers_for("cuda") == 1


class _Reached(Exception):
    pass


@pytest.mark.parametrize(
    ("module", "called", "judge"),
    [
        (
            restoration_objective,
            "restore_batch",
            restoration_objective.restoration_scores,
        ),
        (codec_objective, "codec_levels", codec_objective.codec_scores),
        (
            encoder_gain_objective,
            "mid_side",
            lambda network, pairs: encoder_gain_objective.gather_holes(network, pairs, 0, 0.2),
        ),
    ],
)
def test_scores_are_computed_where_the_network_is(pairs, monkeypatch, module, called, judge):
    """The device "meta" stands for a GPU: tensors can be on it, though nothing be computed."""

    def look(*arguments, **_):
        assert {a.device.type for a in arguments if isinstance(a, torch.Tensor)} == {"meta"}
        raise _Reached

    monkeypatch.setattr(module, called, look)
    network = nn.Linear(1, 1, device="meta")
    network.config = SMALL
    assert device_of(network).type == "meta"
    with pytest.raises(_Reached):
        judge(network, PairSet(pairs))


def test_a_run_goes_on_from_a_checkpoint_of_another_device(tmp_path, monkeypatch):
    average, there = (Average(nn.Linear(2, 2), 0.9) for _ in range(2))
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, average=average.weights)
    load, asked = torch.load, []
    monkeypatch.setattr(torch, "load", lambda *a, **how: asked.append(how) or load(*a, **how))
    kept = {name: value.data_ptr() for name, value in there.weights.items()}
    there.load(read_checkpoint(path)["average"])
    assert asked[0]["map_location"] == "cpu"
    # The averages stay where the network is and take only the values.
    assert {name: value.data_ptr() for name, value in there.weights.items()} == kept
    for name, value in average.weights.items():
        torch.testing.assert_close(there.weights[name], value, rtol=0, atol=0)
