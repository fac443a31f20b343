"""The evaluation of models by name: over processes, and going on where it was stopped.

Clips are independent of each other, so each is a task. What is scored can be kept in a file of JSON
lines, from which a later run takes what it need not compute again.
"""

from __future__ import annotations

import json
import logging
import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from uncodec.analysis.evaluation import (
    DEFAULT_CODECS,
    Coding,
    find_recordings,
    read_clip,
    score_clip,
)
from uncodec.analysis.report import UNTOUCHED, ClipScore
from uncodec.analysis.restorers import Restore, Restorer
from uncodec.errors import AudioFileError, InvalidValue, UncodecError
from uncodec.processes import leave_on_ctrl_c, leave_with_parent

__all__ = ["Plan", "run"]

KEPT_FORMAT = 2


@dataclass(frozen=True)
class Plan:
    """What to score.

    Attributes
    ----------
    restorers : tuple of Restorer
        Besides the untouched input.
    folder : Path
        Clean lossless files, see `uncodec.analysis.evaluation.read_clips`.
    codecs : sequence of (str, float or None)
    seconds, seed, files
        See `uncodec.analysis.evaluation.read_clips`.
    perceptual : bool
        ViSQOL as well.
    """

    restorers: tuple[Restorer, ...]
    folder: Path
    codecs: Sequence[Coding] = DEFAULT_CODECS
    seconds: float = 8.0
    seed: int = 0
    files: int | None = None
    perceptual: bool = False


def run(
    plan: Plan,
    *,
    jobs: int = 1,
    kept: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[ClipScore]:
    """Score every clip with every codec and restorer.

    Parameters
    ----------
    plan : Plan
    jobs : int
        Processes at work side by side, each on one thread.
    kept : path, optional
        File of the scores of single clips: written while they come, read at the start. Scores of a
        model whose weights have changed since are not taken from it.
    progress : callable, optional
        Called with the clips done, the clips in all, and the name of the one done last.

    Returns
    -------
    list of ClipScore
        In the order of the files, codecs and restorers, whatever the number of jobs.

    Raises
    ------
    InvalidValue
        `jobs` not positive, two restorers called the same, `kept` begun with other settings.
    AudioFileError
        Unreadable files.
    UncodecError
        A worker process died; what was scored before is in `kept`.
    """
    if jobs < 1:
        raise InvalidValue(f"jobs={jobs}: must be a positive integer")
    if any(restorer.label == UNTOUCHED for restorer in plan.restorers):
        raise InvalidValue(f"model: {UNTOUCHED!r} is in every table already")
    if plan.perceptual:
        from uncodec.analysis.perceptual import require_visqol

        require_visqol()
    paths = find_recordings(plan.folder, files=plan.files)
    store = _Kept(kept, plan)
    tasks = [(path, known) for path in paths if (known := store.known(plan, path)) is not None]
    done = len(paths) - len(tasks)
    for path, scores in _scored(plan, tasks, min(jobs, len(tasks))):
        store.add(scores)
        done += 1
        if progress is not None:
            progress(done, len(paths), path.relative_to(plan.folder).as_posix())
    return store.in_order(plan, paths)


Known = frozenset[tuple[Coding, str]]
Task = tuple[Path, Known]


def _scored(plan: Plan, tasks: Sequence[Task], jobs: int) -> Iterator[tuple[Path, list[ClipScore]]]:
    if jobs <= 1:
        _set_plan(plan)
        for task in tasks:
            yield task[0], _score(task)
        return
    # A fresh interpreter each: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(plan,))
    try:
        futures = {pool.submit(_score, task): task[0] for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise UncodecError(
            "a process of the evaluation died (out of memory?); try fewer jobs"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(plan: Plan) -> None:
    leave_with_parent()
    leave_on_ctrl_c()
    logging.basicConfig(format="%(levelname)s: %(message)s")
    _set_plan(plan)


def _set_plan(plan: Plan) -> None:
    global _plan
    _plan = plan
    _effects.cache_clear()


_plan: Plan


@cache
def _effects() -> dict[str, Restore]:
    # Opened by the first task and not when the process starts: what goes wrong then comes back.
    if any(restorer.fingerprint for restorer in _plan.restorers):
        import torch

        torch.set_num_threads(1)
    return {restorer.label: restorer.open() for restorer in _plan.restorers}


def _score(task: Task) -> list[ClipScore]:
    path, known = task
    clip = read_clip(_plan.folder, path, seconds=_plan.seconds, seed=_plan.seed)
    if clip is None:
        return []
    scores = score_clip(_effects(), clip, _plan.codecs, perceptual=_plan.perceptual, known=known)
    return list(scores)


class _Kept:
    """Scores by clip, codec and restorer, mirrored in a file where one is given."""

    def __init__(self, path: Path | None, plan: Plan) -> None:
        self.path = path
        self.scores: dict[tuple[str, Coding, str], ClipScore] = {}
        self._prints = {r.label: r.fingerprint for r in plan.restorers} | {UNTOUCHED: ""}
        head = {
            "format": KEPT_FORMAT,
            "folder": str(plan.folder.resolve()),
            "seconds": plan.seconds,
            "seed": plan.seed,
            "visqol": plan.perceptual,
        }
        if path is None:
            return
        try:
            if path.exists():
                self._read(path, head)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(head) + "\n", encoding="utf-8")
        except OSError as error:
            raise AudioFileError(f"{path}: cannot be used ({error.strerror})") from error

    def _read(self, path: Path, head: dict[str, Any]) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        try:
            begun = json.loads(lines[0])
            # Behind the last line break is what an interrupted run had only half written.
            rows = [json.loads(line) for line in lines[1:-1]]
        except ValueError as error:
            raise InvalidValue(f"{path}: must be a file of kept scores ({error})") from error
        if begun != head:
            raise InvalidValue(f"{path}: was begun with {begun}, now asked for {head}")
        if lines[-1]:
            path.write_text("\n".join([*lines[:-1], ""]), encoding="utf-8")
        for row in rows:
            if row.pop("weights") != self._prints.get(row["restorer"]):
                continue
            row["scores"] = {k: math.nan if v is None else v for k, v in row["scores"].items()}
            self._take(ClipScore(**row))

    def _take(self, score: ClipScore) -> None:
        self.scores[score.clip, (score.codec, score.kbps), score.restorer] = score

    def add(self, scores: Sequence[ClipScore]) -> None:
        lines = []
        for score in scores:
            self._take(score)
            row = vars(score) | {"weights": self._prints[score.restorer]}
            row["scores"] = {k: None if math.isnan(v) else v for k, v in score.scores.items()}
            lines.append(json.dumps(row, allow_nan=False) + "\n")
        if self.path is not None and lines:
            try:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("".join(lines))
            except OSError as error:
                raise AudioFileError(
                    f"{self.path}: cannot be written ({error.strerror})"
                ) from error

    def known(self, plan: Plan, path: Path) -> Known | None:
        """What is there of a file, None where nothing is missing."""
        name = path.relative_to(plan.folder).as_posix()
        wanted = {(coding, label) for coding in plan.codecs for label in self._prints}
        known = frozenset((c, label) for c, label in wanted if (name, c, label) in self.scores)
        return None if len(known) == len(wanted) else known

    def in_order(self, plan: Plan, paths: Sequence[Path]) -> list[ClipScore]:
        labels = [UNTOUCHED, *(restorer.label for restorer in plan.restorers)]
        keys = (
            (path.relative_to(plan.folder).as_posix(), coding, label)
            for path in paths
            for coding in plan.codecs
            for label in labels
        )
        return [self.scores[key] for key in keys if key in self.scores]
