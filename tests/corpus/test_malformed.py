"""Malformed files of every container are read as far as they go, or refused, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.corpus.mutations import KINDS, mutant

# The worker limits itself with it.
pytest.importorskip("resource")

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2


def faults_of(
    folder: Path, first: int, stop: int, step: int, worker: str = "tests.corpus.worker"
) -> list[str]:
    """Send seeds through a worker; where one dies, another goes on behind the seed that did it."""
    found = []
    folder.mkdir()
    while first < stop:
        numbers = map(str, (first, stop, step))
        done = subprocess.run(
            [sys.executable, "-m", worker, str(folder), *numbers],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found += [f"seed {line['seed']}: {line['fault']}" for line in lines if "fault" in line]
        if lines and lines[-1] == {"done": True}:
            break
        if not lines:
            return [*found, f"the worker does not start: {done.stderr[-2000:]}"]
        last = lines[-1]["seed"]
        if "fault" not in lines[-1]:
            found.append(f"seed {last}: ended with {done.returncode}: {done.stderr[-1500:]}")
        for left in folder.iterdir():
            left.unlink()
        first = last + step
    return found


def check(folder: Path, seeds: range) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        parts = [
            pool.submit(faults_of, folder / str(part), seeds.start + part, seeds.stop, WORKERS)
            for part in range(WORKERS)
        ]
        found = [fault for part in parts for fault in part.result()]
    assert not found, f"{len(found)} of {len(seeds)} seeds:\n" + "\n".join(found)


def test_a_thousand_malformed_files_are_read_or_refused(tmp_path):
    check(tmp_path, range(1000))


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_twenty_thousand_malformed_files_are_read_or_refused(tmp_path):
    check(tmp_path, range(1000, 21000))


def test_a_worker_that_dies_is_told_with_its_seed_and_replaced(tmp_path):
    found = faults_of(tmp_path / "0", 0, 9, 1, "tests.corpus.dying_worker")
    assert len(found) == 2
    assert found[0].startswith("seed 3: ended with -")
    assert "Fatal Python error" in found[0]
    assert found[1] == "seed 6: is told"


def test_the_seeds_reach_every_kind_and_repeat():
    made = [mutant(seed) for seed in range(300)]
    assert {one.kind for one in made} == set(KINDS)
    assert all(mutant(one.seed) == one for one in made[:20])
    assert len({one.data for one in made}) > 290
