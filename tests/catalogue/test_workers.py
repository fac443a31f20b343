"""Several processes at one run give what one gives, and outlive each other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.catalogue.light_work import Halving

from uncodec.errors import ModelError

HERE = Path(__file__).parent


def test_several_processes_give_what_one_gives(put, go, tmp_path):
    for number in range(5):
        put(f"{number}.wav", number)
    put("told.wav"), put("fails.wav")
    told = go(processes=3, output=False, receipts=True)
    assert told.end == {"restored": 6, "failed": 1, "skipped": 0, "left": 0, "again": {}}
    assert told.names("started") == [*told.names("finished")[:5], "fails.wav", "told.wav"]
    assert told.names("notice") == ["told.wav"]
    assert set(told.names("progress")) == {*map("{}.wav".format, range(5)), "told.wav"}
    assert told.errors == [f"{tmp_path}/in/fails.wav: is not wanted"]
    go(processes=1)
    for number in range(5):
        one = (tmp_path / f"out/{number}.flac").read_bytes()
        assert one == (tmp_path / f"in/{number}.restored.flac").read_bytes()


def test_a_process_that_dies_is_replaced_and_its_file_given_up(put, go, tmp_path):
    put("a.wav"), put("b.wav"), put("dies.wav")
    told = go(processes=2)
    assert told.end["restored"] == 2
    assert told.end["failed"] == 1
    assert "dies.wav: the process that worked on it died 2 times" in told.errors[0]
    assert go(processes=2).end["skipped"] == 2


def test_work_that_cannot_begin_ends_the_run(put, go):
    put("a.wav"), put("b.wav")
    for processes in (1, 2):
        with pytest.raises(ModelError, match="must be one that is there"):
            go(Halving(model="absent"), processes=processes)


@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=[pytest.mark.nightly, pytest.mark.timeout(900)])]
)
def test_a_run_that_is_killed_goes_on_with_nothing_lost(put, go, tmp_path, kills):
    for number in range(12):
        put(f"{number}.wav", number, samples=20_000)
    places = tmp_path / "in", tmp_path / "killed", tmp_path / "book"
    command = [sys.executable, str(HERE / "light_work.py"), *map(str, places)]
    rng = np.random.default_rng(kills)
    hits = 0
    for kill in range(kills):
        process = subprocess.Popen(command, start_new_session=True)
        time.sleep(rng.uniform(0.5, 3.0))
        hits += process.poll() is None
        # Now all of its processes, now the first one alone.
        if kill % 2:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        for path in places[1].glob("*.flac"):
            assert path.stat().st_size > 1000
        if len(list(places[1].glob("*.flac"))) == 12:
            for path in (*places[1].iterdir(), *places[2].rglob("*.json")):
                path.unlink()
    assert hits
    # The last one's processes notice that they are alone.
    time.sleep(0.5)
    assert subprocess.run(command, check=False).returncode == 0
    go()
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert sorted(path.name for path in places[1].iterdir()) == names
    for name in names:
        assert (places[1] / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert len(list(places[2].rglob("*.receipt.json"))) == 12
    assert not list(places[2].rglob("*.part"))


def test_ctrl_c_ends_all_processes_and_leaves_nothing_half_done(put, tmp_path):
    for number in range(4):
        put(f"{number}.wav", number, samples=200_000)
    places = tmp_path / "in", tmp_path / "out", tmp_path / "book"
    command = [sys.executable, str(HERE / "light_work.py"), *map(str, places)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not list(places[1].glob(".uncodec-*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) != 0
    assert not list(tmp_path.rglob("*.part"))
    assert is_gone(process.pid)


def test_a_run_that_was_told_to_ignore_ctrl_c_goes_on(put, tmp_path):
    for number in range(3):
        put(f"{number}.wav", number, samples=20_000)
    places = tmp_path / "in", tmp_path / "out", tmp_path / "book"
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
    command += [sys.executable, str(HERE / "light_work.py"), *map(str, places)]
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(places[1].glob(".uncodec-*.part")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 0
    assert len(list(places[1].glob("*.flac"))) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere they are no copies")
def test_processes_are_copies_of_one_that_has_loaded_the_model(model, tmp_path):
    (tmp_path / "look.py").write_text("""
import os, sys
from uncodec.catalogue import forkserver
from uncodec.catalogue.workers import each_in_processes

class Looking:
    def begin(self): pass
    def do(self, item, tell):
        from uncodec.networks import store
        return store._load_generator.cache_info().currsize, os.getppid()

if __name__ == "__main__":
    forkserver.warm_up("uncodec.catalogue.ready_to_restore", sys.argv[1])
    (_, (one, first)), (_, (two, second)) = each_in_processes([1, 2], Looking(), print, 2)
    print(one, two, first == second != os.getpid(), "UNCODEC_WANTED_MODEL" in os.environ)
""")
    command = [sys.executable, str(tmp_path / "look.py"), str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1 1 True False\n", "")


def test_a_model_that_no_process_can_load_is_told_in_one_line(put, tmp_path):
    put("a.wav"), put("b.wav")
    command = [sys.executable, "-m", "uncodec", "restore", tmp_path / "in", "-o", tmp_path / "out"]
    command += ["--jobs", "2", "--model", "absent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("uncodec: error: model='absent': must be a released model")
    assert done.stderr.count("\n") == 1


def is_gone(group):
    """Whether no process of a group is left, soon."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
