"""The Makefile's own promises that can be checked without running everything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import LONGEST

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def make(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *arguments], capture_output=True, text=True, **options)


def test_help_lists_the_targets():
    done = make("help", cwd=ROOT)
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")}
    assert {"demo", "test", "coverage", "nightly", "bench", "clean", "setup"} <= listed


@pytest.fixture
def bare(tmp_path):
    """A folder with nothing but what the first steps of the Makefile look at."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def test_an_old_python_is_refused(bare):
    (bare / "old").write_text("#!/bin/sh\nexit 1\n")
    (bare / "old").chmod(0o755)
    done = make("setup", "PYTHON=./old", cwd=bare)
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (bare / ".venv").exists()


def test_a_python_without_venv_is_explained(bare):
    # Answers the version question, and fails the one after it.
    script = '#!/bin/sh\ncase "$2" in *version_info*) exit 0;; *) exit 1;; esac\n'
    (bare / "bare").write_text(script)
    (bare / "bare").chmod(0o755)
    done = make("setup", "PYTHON=./bare", cwd=bare)
    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr
    assert not (bare / ".venv").exists()


def test_a_missing_rust_toolchain_is_explained(bare):
    (bare / ".venv/bin").mkdir(parents=True)
    (bare / ".venv/bin/python").write_text("")
    tools = bare / "tools"
    tools.mkdir()
    for name in ("bash", "find", "sed"):
        (tools / name).symlink_to(shutil.which(name))
    done = make(
        "setup", cwd=bare, executable=shutil.which("make"), env={"PATH": str(tools), "HOME": "/"}
    )
    assert done.returncode != 0
    assert "the Rust toolchain is missing" in done.stderr


def commands(target: str, which: str) -> list[str]:
    """Commands that the target would run if nothing were built, of those with these words."""
    done = make("--dry-run", "--always-make", target, cwd=ROOT)
    assert done.returncode == 0
    found = [line for line in done.stdout.splitlines() if which in line]
    assert found, done.stdout
    return found


def test_developers_get_the_test_host_and_wheels_go_without():
    for command in commands("setup", "--editable"):
        assert "--features host" in command
    for command in commands("wheel", "maturin build"):
        assert "host" not in command


def test_files_that_come_first_are_there():
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []


def test_every_check_is_part_of_the_test_target():
    done = make("--dry-run", "test", cwd=ROOT)
    assert done.returncode == 0
    for step in ("ruff check", "ruff format", "mypy", "stubtest", "cargo fmt", "cargo clippy"):
        assert step in done.stdout
    assert "cargo test" in done.stdout
    assert "pytest" in done.stdout
    assert "mkdocs build --strict" in done.stdout
    assert "|| true" not in done.stdout
