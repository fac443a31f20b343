"""Parts of a catalogue: each file is in exactly one, whatever machine asks."""

from pathlib import Path

import pytest

from uncodec.catalogue.shards import Shard
from uncodec.errors import InvalidValue
from uncodec.files.planning import Job, plan


def test_the_parts_are_the_whole_and_nothing_twice():
    jobs = [Job(Path(f"/a/{n}.mp3"), Path(f"/b/{n}.flac"), name=f"{n}.mp3") for n in range(1000)]
    parts = [Shard(k, 7).of(jobs) for k in range(1, 8)]
    assert sorted((job for part in parts for job in part), key=jobs.index) == jobs
    assert all(100 < len(part) < 190 for part in parts)
    assert Shard().of(jobs) == tuple(jobs)


def test_where_the_folder_is_mounted_makes_no_difference(tmp_path, put):
    put("x/a.wav"), put("x/é.wav")
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    here = plan([tmp_path / "elsewhere"], tmp_path / "out")
    assert sorted(job.name for job in here.jobs) == ["x/a.wav", "x/é.wav"]
    # Both ways to write é are one name.
    assert all(Shard(k, 5).takes("é.wav") == Shard(k, 5).takes("é.wav") for k in range(1, 6))


def test_takes_of_a_source_stay_together(put, tmp_path):
    put("a.wav")
    jobs = plan([tmp_path / "in"], tmp_path / "out", takes=3).jobs
    assert sorted(len(Shard(k, 4).of(jobs)) for k in range(1, 5)) == [0, 0, 0, 3]


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "1/0", "a/b", "1/2/3", "-1/4", "1 / 4"])
def test_other_forms_are_refused(text):
    with pytest.raises(InvalidValue, match="must be K/N with K from 1 to N"):
        Shard.parse(text)
    assert Shard.parse("3/20") == Shard(3, 20)


def test_parts_overlap_where_a_file_could_be_in_both():
    assert not Shard(1, 2).overlaps(Shard(2, 2))
    assert Shard(1, 2).overlaps(Shard(2, 3))
    assert Shard(1, 2).overlaps(Shard(3, 4))
    assert not Shard(1, 2).overlaps(Shard(2, 4))
    assert Shard().overlaps(Shard(4, 9))
