"""Two runs over the same files are told of each other."""

import pytest

from uncodec.catalogue.run_lock import locked
from uncodec.catalogue.shards import Shard
from uncodec.errors import UncodecError


@pytest.mark.parametrize(("one", "other"), [("1/1", "1/1"), ("1/1", "2/3"), ("3/4", "1/2")])
def test_runs_over_the_same_files_exclude_each_other(tmp_path, one, other):
    with locked(tmp_path, Shard.parse(one)):
        rule = rf"{tmp_path}: another run is at work .*process \d+ on .*, shard {one}"
        with pytest.raises(UncodecError, match=rule), locked(tmp_path, Shard.parse(other)):
            pass
    with locked(tmp_path, Shard.parse(other)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_runs_over_other_files_do_not(tmp_path):
    with locked(tmp_path, Shard(1, 2)), locked(tmp_path, Shard(2, 2)):
        assert len(list(tmp_path.iterdir())) == 2


def test_a_lock_that_was_left_behind_holds_nobody_up(tmp_path):
    (tmp_path / ".run-1-of-1.lock").write_text("process 1 on nowhere")
    with locked(tmp_path, Shard(1, 2)), locked(tmp_path, Shard(2, 2)):
        pass
    with locked(tmp_path, Shard()):
        left = (tmp_path / ".run-1-of-1.lock").read_text()
    assert left != "process 1 on nowhere"


def test_what_goes_wrong_meanwhile_is_not_taken_for_the_lock(tmp_path):
    with pytest.raises(BrokenPipeError), locked(tmp_path, Shard()):
        raise BrokenPipeError


def test_a_folder_that_cannot_be_there_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    below = locked(tmp_path / "file" / "below", Shard())
    with pytest.raises(UncodecError, match="cannot be written to"), below:
        pass
