"""The README's Python code runs, and what it says about the command line is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from uncodec.cli import app
from uncodec.codecs import encode

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
WEIGHTS = ROOT / "models/live-gan/weights.safetensors"


@pytest.mark.skipif(not WEIGHTS.exists(), reason="the model is not released yet")
def test_python_code_runs(tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 20_000)).astype(np.float32)
    (tmp_path / "song.mp3").write_bytes(encode(noise, 44_100, "mp3", kbps=96))
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) >= 4
    # In a process of their own, one after the other, each with names of its own.
    script = "\n".join(f"exec(compile({text!r}, 'README.md', 'exec'), {{}})" for text in examples)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {
        "song.mp3",
        "song.restored.flac",
        "song.24bit.flac",
    }


def test_every_option_is_described():
    options = {name for param in get_command(app).commands["restore"].params for name in param.opts}
    shown = {name for name in options if name.startswith("--")}
    described = set(re.findall(r"`(?:-\w`, `)?(--[a-z-]+)", README))
    assert shown == described


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE)) <= targets


def test_files_that_are_named_exist():
    for name in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / name).exists(), name
