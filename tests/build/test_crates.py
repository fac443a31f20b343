"""What the extension module is linked of."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="needs cargo"),
    pytest.mark.skipif(sys.platform != "linux", reason="the bridge is for Linux"),
]


def linked(*options: str) -> set[str]:
    """Names of the crates of the extension module."""
    words = ["cargo", "tree", "--locked", "--package", "uncodec-native"]
    words += ["--edges", "normal", "--prefix", "none", "--format", "{p}", *options]
    done = subprocess.run(
        words,
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "CARGO_TERM_COLOR": "never"},
    )
    return {line.split()[0] for line in done.stdout.splitlines() if line}


def test_the_extension_does_without_the_test_host():
    crates = linked()
    assert {"uncodec-dsp", "uncodec-proto"} <= crates
    assert "uncodec-host" not in crates
    assert not {name for name in crates if name.startswith("clack")}


def test_the_test_host_is_a_feature():
    assert "uncodec-host" in linked("--features", "host")
