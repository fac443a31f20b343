"""What cannot be written is told in a line, and what was there before stays."""

import signal
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile as sf
import torch

from uncodec.errors import UncodecError
from uncodec.networks.generator import Generator, GeneratorConfig
from uncodec.training.checkpoints import Average, Log, read_checkpoint, write_checkpoint
from uncodec.training.files import write_whole
from uncodec.training.generator_loop import LoopSettings
from uncodec.training.pairs import PairSet, build_pairs

resource = pytest.importorskip("resource")


@contextmanager
def full_disk(size=100_000):
    """No file can grow beyond `size` bytes meanwhile, as on a disk that is full.

    No longer than it must: what the tests themselves print may go to a file, too.
    """
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.bin"
    write_whole(path, b"before")
    told = pytest.raises(UncodecError, match=r"a\.bin: cannot be written \(File too large\)")
    with full_disk(), told:
        write_whole(path, bytes(200_000))
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    with pytest.raises(UncodecError, match="No such file or directory"):
        write_whole(tmp_path / "absent" / "a.bin", b"")


def test_a_full_disk_stops_the_building_of_pairs_and_leaves_what_is_whole(tmp_path):
    data = tmp_path / "data" / "solo"
    data.mkdir(parents=True)
    audio = 0.1 * np.random.default_rng(0).standard_normal((11 * 44100, 2))
    sf.write(data / "a.wav", audio, 44100)
    build_pairs(data, tmp_path / "pairs", count=1, seconds=0.5)
    told = pytest.raises(UncodecError, match=r"000001\.npy: cannot be written \(File too large\)")
    with full_disk(), told:
        build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)
    assert len(PairSet(tmp_path / "pairs")) == 1
    assert not list((tmp_path / "pairs").glob("*.part"))
    assert len(build_pairs(data, tmp_path / "pairs", count=2, seconds=0.5)) == 2


def test_a_full_disk_costs_no_checkpoint(tmp_path):
    network = Generator(GeneratorConfig(window=256, hop=64, encoder=32, hidden=48, local=8))
    kept = (LoopSettings(), network, torch.optim.Adam(network.parameters()), Average(network, 0.9))
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(path, 4, 10, *kept)
    told = pytest.raises(UncodecError, match=r"checkpoint\.pt: cannot be written")
    with full_disk(path.stat().st_size // 2), told:
        write_checkpoint(path, 4, 20, *kept)
    assert read_checkpoint(path, 4)["step"] == 10
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_a_row_of_a_log_is_written_as_a_whole(tmp_path):
    log = Log(tmp_path)
    log.write({"step": 1})
    told = pytest.raises(UncodecError, match=r"log\.jsonl: cannot be written \(File too large\)")
    with full_disk(log.path.stat().st_size + 4), told:
        log.write({"step": 2})
    assert log.path.read_text() == '{"step": 1}\n'
