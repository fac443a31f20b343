"""Runs on a Dask cluster: a real scheduler, and workers that are processes of their own."""

import re
import sys
import threading
from functools import partial

import pytest
from tests.catalogue.conftest import wait_for
from tests.catalogue.light_work import Halving
from tests.cli.conftest import run_command

from uncodec.catalogue.cluster import _serve, each_on_cluster
from uncodec.errors import ModelError, UncodecError

pytest.importorskip("distributed")


def after_first_result(folder, act):
    """Do something as soon as there is a result."""

    def watch():
        wait_for(lambda: list(folder.glob("*.flac")))
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


def test_a_run_outlives_a_worker_and_does_each_file_once(cluster, put, go, tmp_path):
    for number in range(8):
        put(f"{number}.wav", number, samples=20_000)
    put("fails.wav"), put("told.wav")
    each = partial(each_on_cluster, address=cluster.address)
    killing = after_first_result(tmp_path / "out", cluster.workers[0].kill)
    told = go(Halving(pause_s=0.02), each=each)
    killing.join()
    assert cluster.workers[0].wait(30) < 0
    # One that was finished when its worker was lost may have been found done.
    assert told.end["restored"] + told.end["skipped"] == 9
    assert told.end["failed"] == 1
    assert told.errors == [f"{tmp_path}/in/fails.wav: is not wanted"]
    assert told.names("notice") == ["told.wav"]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len([name for name in names if name.endswith(".flac")]) == 9
    assert go(each=each).end["skipped"] == 9
    for path in (tmp_path / "out").glob("*.flac"):
        path.rename(path.with_suffix(".cluster"))
    go(output=True, skip_done=False, receipts=False)
    for path in (tmp_path / "out").glob("*.flac"):
        assert path.read_bytes() == path.with_suffix(".cluster").read_bytes()
    with pytest.raises(ModelError, match="must be one that is there"):
        go(Halving(model="absent"), each=each)


def test_a_scheduler_that_goes_away_is_told_in_one_line(cluster, put, go, tmp_path):
    for number in range(6):
        put(f"{number}.wav", number, samples=20_000)
    killing = after_first_result(tmp_path / "out", cluster.scheduler.kill)
    with pytest.raises(UncodecError, match=r"scheduler='tcp://.*': went away; start it and run"):
        go(Halving(pause_s=0.02), each=partial(each_on_cluster, address=cluster.address))
    killing.join()
    for worker in cluster.workers:
        worker.kill()
        worker.wait()
    told = go()
    assert told.end["failed"] == 0
    assert told.end["restored"] + told.end["skipped"] == 6


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://x"])
def test_an_address_where_nobody_is_is_told_in_one_line(address, put, tmp_path, monkeypatch):
    monkeypatch.setattr("uncodec.catalogue.cluster._CONNECT_S", 1.0)
    outcome = run_command("restore", put("a.wav"), "--scheduler", address)
    assert outcome.code == 1
    assert len(outcome.error_lines) == 1
    assert outcome.error_lines[0].startswith(f"uncodec: error: scheduler={address!r}: ")


def test_without_the_package_the_extra_is_named(put, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = run_command("restore", put("a.wav"), "--scheduler", "tcp://127.0.0.1:1")
    assert (outcome.code, outcome.error_lines) == (
        1,
        [
            "uncodec: error: --scheduler needs distributed, which is not installed: "
            "pip install 'uncodec[cluster]'"
        ],
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jobs", 2), "jobs, scheduler: only one of them can be asked for"),
        (("-o", "-"), "receipts: standard input and output leave none; name files"),
    ],
)
def test_wrong_use_is_told(options, message, put):
    outcome = run_command("restore", put("a.wav"), "--scheduler", "tcp://127.0.0.1:1", *options)
    assert (outcome.code, outcome.error_lines) == (2, [f"uncodec: error: {message}"])


def test_a_worker_of_another_version_is_told():
    kind, told, error = _serve("one run", "9.9.9", b"", None)
    assert (kind, told) == ("broken", [])
    assert re.fullmatch(r"worker .+: has Uncodec .+: must be 9\.9\.9, as here", str(error))
