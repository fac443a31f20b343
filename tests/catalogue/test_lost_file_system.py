"""Real file systems that go away in mid-run, or fill up."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests.catalogue.conftest import Recorder
from tests.catalogue.light_work import Halving

from uncodec.catalogue.cluster import each_on_cluster
from uncodec.catalogue.receipts import ReceiptBook
from uncodec.catalogue.run import each_here, run
from uncodec.catalogue.workers import each_in_processes
from uncodec.files.planning import plan

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="root mounts file systems"
    ),
]

FILES = 8
FRAMES = 20_000


def is_there(folder):
    mounts = Path("/proc/mounts").read_text().splitlines()
    return any(line.split()[1] == str(folder) for line in mounts)


def unmount(folder):
    """Even where somebody still has files open there."""
    subprocess.run(["umount", "-l", folder], check=False, stderr=subprocess.DEVNULL)


class Share:
    """A folder that is reached through a process, as those of a network are."""

    def __init__(self, behind, folder):
        self._behind, self.folder = behind, folder
        self._process = None
        self.join()

    def join(self):
        unmount(self.folder)
        self._process = subprocess.Popen(["bindfs", "-f", self._behind, self.folder])
        end = time.monotonic() + 30
        while not is_there(self.folder):
            assert self._process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)

    def lose(self):
        """From now on all that is asked of it fails."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def share(tmp_path):
    if shutil.which("bindfs") is None:
        pytest.skip("needs bindfs")
    (tmp_path / "behind").mkdir()
    (tmp_path / "share").mkdir()
    share = Share(tmp_path / "behind", tmp_path / "share")
    yield share
    share.lose()
    unmount(share.folder)


@pytest.fixture
def small(tmp_path):
    """A file system with room for little."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", folder]
    if subprocess.run(command, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    yield folder
    unmount(folder)


class Losing(Recorder):
    """Loses the share when the first file is done, and finds it when one has failed, if it may."""

    def __init__(self, share, *, finds):
        super().__init__()
        self._share, self._finds, self._whole = share, finds, True

    def finished(self, report):
        super().finished(report)
        if self._whole:
            self._whole = False
            self._share.lose()

    def failed(self, source, target, error):
        super().failed(source, target, error)
        if self._finds:
            self._finds = False
            self._share.join()


def put_songs(folder):
    folder.mkdir()
    for number in range(FILES):
        noise = 0.1 * np.random.default_rng(number).standard_normal((FRAMES, 2))
        soundfile.write(folder / f"{number}.wav", noise, 44100, subtype="PCM_16")


def means_of(name, request):
    if name == "processes":
        return partial(each_in_processes, processes=2)
    pytest.importorskip("distributed")
    return partial(each_on_cluster, address=request.getfixturevalue("cluster").address)


def check_told(told):
    """One clear line for each file that failed."""
    assert told.end["restored"] + told.end["failed"] == FILES
    assert len(told.errors) == told.end["failed"]
    for error in told.errors:
        assert error.startswith("/"), error
        assert "\n" not in error


def check_whole(folder):
    results = list(folder.glob("*.flac"))
    for path in results:
        assert soundfile.info(path).frames == FRAMES
    return len(results)


@pytest.mark.parametrize("passes", [True, False], ids=["for a while", "for good"])
@pytest.mark.parametrize("means", ["processes", "cluster"])
def test_a_share_that_goes_away_loses_nothing(means, passes, share, tmp_path, request):
    put_songs(share.folder / "in")
    each = means_of(means, request)
    planned = plan([share.folder / "in"], share.folder / "out")
    book = ReceiptBook(share.folder / "notes", skip_done=True)
    told = Losing(share, finds=passes)
    run(planned, Halving(pause_s=0.01), told, each=each, book=book)
    check_told(told)
    assert told.end["failed"] >= (1 if passes else FILES - 3)
    if not passes:
        share.join()
    assert check_whole(share.folder / "out") >= told.end["restored"]
    again = Recorder()
    run(planned, Halving(), again, each=each_here, book=book)
    assert again.end["failed"] == 0
    assert again.end["skipped"] >= told.end["restored"]
    assert check_whole(share.folder / "out") == FILES
    assert len([*(share.folder / "out").iterdir()]) == FILES


@pytest.mark.parametrize("means", ["processes", "cluster"])
def test_a_file_system_that_fills_up_loses_nothing(means, small, tmp_path, request):
    put_songs(tmp_path / "in")
    each = means_of(means, request)
    planned = plan([tmp_path / "in"], small / "out")
    book = ReceiptBook(small / "notes", skip_done=True)
    told = Recorder()
    run(planned, Halving(), told, each=each, book=book)
    check_told(told)
    assert told.end["restored"] >= 1
    assert told.end["failed"] >= 1
    assert all(error.endswith("no space left on the disk") for error in told.errors), told.errors
    assert check_whole(small / "out") == told.end["restored"]
    subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
    again = Recorder()
    run(planned, Halving(), again, each=each, book=book)
    assert (again.end["failed"], again.end["skipped"]) == (0, told.end["restored"])
    assert check_whole(small / "out") == FILES
    assert len([*(small / "out").iterdir()]) == FILES


def test_a_share_that_is_taken_away_under_a_run_is_told(small, tmp_path):
    subprocess.run(["mount", "-o", "remount,size=8m", small], check=True)
    put_songs(small / "in")
    planned = plan([small / "in"], small / "out")
    book = ReceiptBook(small / "notes", skip_done=True)

    class Gone:
        def lose(self):
            unmount(small)

    told = Losing(Gone(), finds=False)
    run(
        planned,
        Halving(pause_s=0.01),
        told,
        each=partial(each_in_processes, processes=2),
        book=book,
    )
    check_told(told)
    assert told.end["failed"] >= FILES - 3
    with contextlib.suppress(FileNotFoundError):
        assert not [path for path in (small / "out").iterdir() if path.suffix == ".flac"]
