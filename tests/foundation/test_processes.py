"""Worker processes leave with the one that started them, even where that one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")

ROOT = Path(__file__).resolve().parents[2]
SETTLED_S = 30.0

BEGINNING = """
import os, sys, time
from pathlib import Path

FOLDER = Path(sys.argv[1])

def wait_long(*_):
    (FOLDER / f"{os.getpid()}.begun").touch()
    time.sleep(600)
"""
POOLS = {
    "pairs": """
from uncodec.training import item_folders

if __name__ == "__main__":
    item_folders.fill_folder(FOLDER, wait_long, 100, 2, None, lambda: None)
""",
    "evaluation": """
from uncodec.analysis import campaign

if __name__ == "__main__":
    campaign._score = wait_long
    plan = campaign.Plan((), FOLDER)
    list(campaign._scored(plan, [(FOLDER, frozenset())] * 2, 2))
""",
    "catalogue": """
from uncodec.catalogue.workers import each_in_processes

class Waiting:
    def begin(self): pass
    def do(self, item, tell): wait_long()

if __name__ == "__main__":
    list(each_in_processes([1, 2], Waiting(), print, 2))
""",
    "page": """
import asyncio
from uncodec.web.children import Child

async def main():
    for _ in range(2):
        Child(wait_long, (), print, print).send("hello")
    await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
""",
}


def until(happens, what):
    """What is true once it happens."""
    end = time.monotonic() + SETTLED_S
    while not (found := happens()):
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def is_running(process: int) -> bool:
    """Whether it is there, and not only waits for being asked how it ended."""
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize("pool", POOLS)
def test_workers_of_a_killed_process_leave(pool, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(BEGINNING + POOLS[pool])
    folder = tmp_path / "begun"
    folder.mkdir()
    parent = subprocess.Popen([sys.executable, script, folder])
    workers: list[int] = []
    try:
        until(lambda: len(list(folder.glob("*.begun"))) == 2, "two workers begin")
        workers += [int(path.stem) for path in folder.glob("*.begun")]
        assert parent.pid not in workers
        assert all(map(is_running, workers))
        parent.kill()
        parent.wait()
        until(lambda: not any(map(is_running, workers)), f"{workers} leave")
    finally:
        parent.kill()
        parent.wait()
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)


@pytest.mark.parametrize("ignored", [False, True])
def test_ctrl_c_is_ignored_where_the_first_process_ignores_it(ignored):
    code = """
import os, signal
from uncodec.processes import leave_on_ctrl_c
leave_on_ctrl_c()
os.kill(os.getpid(), signal.SIGINT)
print("goes on")
"""
    told = "trap '' INT; " if ignored else ""
    command = ["sh", "-c", f'{told}exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        (0, "goes on\n", "") if ignored else (-signal.SIGINT, "", "")
    )


def test_what_tests_start_hears_ctrl_c_where_they_run_in_the_background():
    code = """
import subprocess, sys
import tests.conftest
heard = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
subprocess.run([sys.executable, "-c", heard], check=True)
"""
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "True\n"
