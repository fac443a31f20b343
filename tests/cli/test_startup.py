"""The help appears at once, because nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
