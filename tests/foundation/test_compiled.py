"""Kernels: compiled once, kept, and compiled anew when anything that they are made of changes."""

import subprocess
import sys

import pytest

LIMITS = "LIMIT, MORE = {limit}, {more}\n"
KERNELS = """
import numpy as np
from uncodec.compiled import compiled
import limits
from limits import LIMIT

_LIMIT = np.float64(LIMIT)

def _inner(x):
    return min(x, _LIMIT) + limits.MORE

_inner_kernel = compiled("float64(float64)", _inner)

def _outer(x):
    return _inner_kernel(x) + 1.0

_outer_kernel = compiled("float64(float64)", _outer, fastmath={"reassoc", "contract"})
hits = [sum(kernel.stats.cache_hits.values()) for kernel in (_inner_kernel, _outer_kernel)]
print(_outer_kernel(100.0), *hits)
"""
# The names of all kernels of the package, not compiled.
NAMES = """
import importlib
from pathlib import Path
import uncodec

root = Path(uncodec.__file__).parent
for path in sorted(root.rglob("*.py")):
    if "import compiled" in path.read_text(encoding="utf-8"):
        parts = path.relative_to(root).with_suffix("").parts
        module = importlib.import_module(".".join(("uncodec", *parts)))
        for name, value in sorted(vars(module).items()):
            if name.endswith("_kernel"):
                print(value.__qualname__)
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))

    def run(code, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command = [sys.executable, "-B", "-c", code]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    return run


def test_a_kernel_is_compiled_anew_when_a_constant_of_another_file_changes(run, tmp_path):
    (tmp_path / "kernels.py").write_text(KERNELS)

    def kernels(limit, more=0.0):
        (tmp_path / "limits.py").write_text(LIMITS.format(limit=limit, more=more))
        return run("import kernels")

    assert kernels(3.0) == ["4.0", "0", "0"]
    assert kernels(3.0) == ["4.0", "1", "1"]  # both come out of the cache
    assert kernels(5.0) == ["6.0", "0", "0"]
    assert kernels(3.0, 0.5) == ["4.5", "0", "0"]
    assert kernels(3.0) == ["4.0", "1", "1"]


def test_kernels_have_the_same_names_in_every_process(run):
    first, second = (run(NAMES, PYTHONHASHSEED=seed, NUMBA_DISABLE_JIT="1") for seed in "12")
    assert len(set(first)) > 15
    assert second == first
