"""What ``uncodec restore`` and ``uncodec render`` do alike: run a plan and tell how it went."""

from __future__ import annotations

import json as json_module
import os
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from uncodec.cli.common import FAILED, check_terminal, loading, open_reporter, orderly_exit
from uncodec.errors import InvalidValue

if TYPE_CHECKING:
    from uncodec.catalogue.receipts import ReceiptBook
    from uncodec.catalogue.work import Rendering, Restoring
    from uncodec.files.planning import Plan

__all__ = ["Batch", "run_batch"]


@dataclass(frozen=True)
class Batch:
    """How many files are run and reported, as the command line was given it."""

    jobs: int = 1
    receipts: str | None = None
    skip_done: bool = False
    shard: str | None = None
    plan_only: bool = False
    json: bool = False
    quiet: bool = False
    debug: bool = False


def run_batch(planned: Plan, work: Restoring | Rendering, batch: Batch) -> None:
    """Do the jobs of a plan, or tell them.

    Raises
    ------
    typer.Exit
        Some failed.
    """
    with loading():
        from uncodec.catalogue.receipts import ReceiptBook
        from uncodec.catalogue.run import run
        from uncodec.catalogue.run_lock import locked
        from uncodec.catalogue.shards import Shard
        from uncodec.parameters import check_integer

    processes = check_integer("jobs", batch.jobs, 0, 1024) or _cores()
    shard = Shard() if batch.shard is None else Shard.parse(batch.shard)
    book = None
    if batch.receipts is not None or batch.skip_done:
        if batch.receipts == "":
            raise InvalidValue("receipts='': must be the name of a folder")
        folder = None if batch.receipts is None else Path(batch.receipts)
        book = ReceiptBook(folder, skip_done=batch.skip_done)
        _check_receipts(planned)
    place = None if book is None else _place(planned, book)
    planned = replace(planned, jobs=shard.of(planned.jobs))
    if batch.plan_only:
        _tell_plan(planned, work, book, as_json=batch.json)
        return
    check_terminal(planned.jobs)
    if planned.jobs and min(processes, len(planned.jobs)) == 1:
        with loading():
            import torch  # noqa: F401 - first loaded here, where Ctrl-C cannot break it
    with (
        orderly_exit(),
        nullcontext() if place is None else locked(place, shard),
        open_reporter(
            planned.jobs, json=batch.json, quiet=batch.quiet, debug=batch.debug
        ) as reporter,
    ):
        failures = run(planned, work, reporter, processes=processes, book=book)
    if failures:
        raise typer.Exit(FAILED)


def _tell_plan(
    planned: Plan, work: Restoring | Rendering, book: ReceiptBook | None, *, as_json: bool
) -> None:
    from uncodec.catalogue.run import foresee
    from uncodec.files.reporting import describe, one_line

    failures = len(planned.failures)
    rows = [(str(path), "", "fail", describe(error)) for path, error in planned.failures]
    rows += [(str(passed.path), "", "pass over", passed.reason) for passed in planned.passed_over]
    for job in planned.jobs:
        decision = foresee(job, work, book, overwrite=work.settings.overwrite)
        failures += decision.action == "fail"
        action = {"new": work.command}.get(decision.action, decision.action)
        rows.append((str(job.source), str(job.target), action, decision.reason))
    for source, target, action, reason in rows:
        if as_json:
            row = {"source": source, "target": target, "action": action, "reason": reason}
            typer.echo(json_module.dumps({"event": "plan", **row}))
        else:
            way = f"{source} -> {target}" if target else source
            typer.echo(one_line(f"{action}: {way}" + (f" ({reason})" if reason else "")))
    if failures:
        raise typer.Exit(FAILED)


def _check_receipts(planned: Plan) -> None:
    from uncodec.files.planning import STANDARD

    if any(STANDARD in (job.source, job.target) for job in planned.jobs):
        raise InvalidValue("receipts: standard input and output leave none; name files")


def _place(planned: Plan, book: ReceiptBook) -> Path | None:
    """The folder that two runs over the same files have in common."""
    if book.folder is not None:
        return book.folder
    folders = [job.folder or job.target.parent for job in planned.jobs]
    if not folders:
        return None
    place = Path(os.path.commonpath(map(os.path.abspath, folders)))
    # Results in folders far apart may have none in common that can be written to.
    return place if os.access(place, os.W_OK) or not place.exists() else None


def _cores() -> int:
    """Cores that this process may use: a scheduler may have given it some of a machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
