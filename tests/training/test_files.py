"""What cannot be written is told in a line, and what was there before stays."""

import numpy as np
import pytest
import soundfile as sf
import torch

from uncodec.errors import UncodecError
from uncodec.training.checkpoints import Log, read_checkpoint, write_checkpoint
from uncodec.training.pairs import PairSet, build_pairs


def test_a_full_disk_stops_the_building_of_pairs_and_leaves_what_is_whole(full_disk, tmp_path):
    data = tmp_path / "data" / "solo"
    data.mkdir(parents=True)
    audio = 0.1 * np.random.default_rng(0).standard_normal((11 * 44100, 2))
    sf.write(data / "a.wav", audio, 44100)
    build_pairs(data, tmp_path / "pairs", count=1, seconds=0.5)
    told = pytest.raises(UncodecError, match=r"000001\.npy: cannot be written: the file grew")
    with full_disk(), told:
        build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)
    assert len(PairSet(tmp_path / "pairs")) == 1
    assert not list((tmp_path / "pairs").glob("*.part"))
    assert len(build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)) == 2


def test_a_full_disk_costs_no_checkpoint(full_disk, tmp_path):
    path, weights = tmp_path / "checkpoint.pt", torch.zeros(100_000)
    write_checkpoint(path, step=10, network=weights)
    told = pytest.raises(UncodecError, match=r"checkpoint\.pt: cannot be written")
    with full_disk(path.stat().st_size // 2), told:
        write_checkpoint(path, step=20, network=weights)
    assert read_checkpoint(path)["step"] == 10
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_row_of_a_log_is_written_as_a_whole(full_disk, tmp_path):
    log = Log(tmp_path)
    log.write({"step": 1})
    told = pytest.raises(UncodecError, match=r"log\.jsonl: cannot be written: the file grew")
    with full_disk(log.path.stat().st_size + 4), told:
        log.write({"step": 2})
    assert log.path.read_text() == '{"step": 1}\n'
