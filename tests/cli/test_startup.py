"""The help appears at once, because nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from uncodec import __version__

HEAVY = {"torch", "numba", "av", "pedalboard", "scipy", "matplotlib", "soundfile", "numpy", "rich"}


def imported_by(code: str) -> set[str]:
    script = f"""
import sys, contextlib, io
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    {code}
print(*sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["restore", "--help"],
        ["--version"],
        ["restore", "--bits", "x"],
        ["evaluate", "-h"],
        ["train", "-h"],
        ["compare", "-h"],
        ["inspect", "-h"],
    ],
)
def test_command_line_imports_nothing_heavy(arguments):
    code = f"sys.argv[1:] = {arguments!r}; from uncodec.cli import main; main()"
    assert imported_by(code) & HEAVY == set()


def test_package_imports_nothing_heavy():
    assert imported_by("import uncodec; uncodec.__version__; dir(uncodec)") & HEAVY == set()


def test_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "uncodec", "--version"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"uncodec {__version__}\n")


@pytest.mark.parametrize(
    ("command", "module"),
    [
        # NumPy's core cannot be imported a second time.
        (["restore", "song.wav"], "numpy.exceptions"),
        (["render", "song.wav"], "numpy.exceptions"),
        (["train", "live-gan"], "numpy.exceptions"),
        (["restore", "song.wav"], "torch"),
    ],
)
def test_ctrl_c_while_modules_load_is_told_in_a_line(command, module, tmp_path):
    """An exception inside an import would leave the module half made."""
    soundfile.write(tmp_path / "song.wav", np.zeros(100), 44_100)
    program = f"""
import os, signal, sys


class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)


signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = {command!r}
from uncodec.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 130
    assert done.stderr.startswith("uncodec: stopped")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["song.wav"]


def test_a_plan_needs_no_network(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros((2000, 2)), 44100)
    for command in ("restore", "render"):
        words = ["uncodec", command, str(tmp_path / "a.wav"), "--skip-done", "--plan"]
        code = f"sys.argv = {words!r}; from uncodec.cli import main; main()"
        assert imported_by(code) & {"torch", "numba", "scipy"} == set()
