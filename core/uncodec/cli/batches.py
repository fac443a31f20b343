"""What ``uncodec restore`` and ``uncodec render`` do alike: run a plan and tell how it went."""

from __future__ import annotations

import json as json_module
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from uncodec.cli.common import (
    FAILED,
    check_terminal,
    loading,
    open_reporter,
    orderly_exit,
    process_count,
)
from uncodec.errors import InvalidValue

if TYPE_CHECKING:
    from uncodec.catalogue.receipts import Decision, ReceiptBook
    from uncodec.catalogue.work import Rendering, Restoring
    from uncodec.files.planning import Job, Plan

__all__ = ["Batch", "run_batch", "warm_up"]


@dataclass(frozen=True)
class Batch:
    """How many files are run and reported, as the command line was given it."""

    jobs: int | None = None
    scheduler: str | None = None
    receipts: str | None = None
    skip_done: bool = False
    shard: str | None = None
    only_damaged: bool = False
    plan_only: bool = False
    json: bool = False
    quiet: bool = False
    debug: bool = False


def warm_up(module: str, model: str = "") -> None:
    """Have what worker processes need imported and loaded while this one makes its plan."""
    with loading():
        from uncodec.catalogue import forkserver

    forkserver.warm_up(module, model)


def run_batch(planned: Plan, work: Restoring | Rendering, batch: Batch) -> None:
    """Do the jobs of a plan, or tell them.

    Raises
    ------
    typer.Exit
        Some failed.
    """
    with loading():
        from uncodec.catalogue.cluster import each_on_cluster
        from uncodec.catalogue.receipts import ReceiptBook
        from uncodec.catalogue.run import Each, Foreseeing, each_here, run
        from uncodec.catalogue.run_lock import locked
        from uncodec.catalogue.shards import Shard
        from uncodec.catalogue.workers import each_in_processes
        from uncodec.files.places import place as to_place

    if batch.scheduler is not None:
        if batch.jobs is not None:
            raise InvalidValue("jobs, scheduler: only one of them can be asked for")
        if not batch.scheduler:
            raise InvalidValue("scheduler='': must be an address such as tcp://host:8786")
        # Where a worker is lost its file is begun again, and must be known as ours.
        batch = replace(batch, skip_done=True)
        planned, work = _for_elsewhere(planned), work.for_elsewhere()
    processes = process_count(1 if batch.jobs is None else batch.jobs)
    shard = Shard() if batch.shard is None else Shard.parse(batch.shard)
    book = None
    if batch.receipts is not None or batch.skip_done:
        if batch.receipts == "":
            raise InvalidValue("receipts='': must be the name of a folder")
        folder = None if batch.receipts is None else to_place(batch.receipts).absolute()
        book = ReceiptBook(folder, skip_done=batch.skip_done)
        _check_named(planned, "receipts: standard input and output leave none; name files")
    if batch.only_damaged:
        _check_named(planned, "only-damaged: standard input is not inspected; name files")
    place = None if book is None else _place(planned, book)
    planned = replace(planned, jobs=shard.of(planned.jobs))
    each: Each = each_here
    if batch.scheduler is not None:
        each = partial(each_on_cluster, address=batch.scheduler)
    elif min(processes, len(planned.jobs)) > 1:
        each = partial(each_in_processes, processes=processes)
    if batch.plan_only:
        with orderly_exit():
            foreseeing = Foreseeing(work, book, batch.only_damaged)
            _tell_plan(planned, each(planned.jobs, foreseeing, _unheard), work.command, batch)
        return
    check_terminal(planned.jobs)
    if planned.jobs and each is each_here:
        with loading():
            # First loaded here, where Ctrl-C cannot break it.
            import_module(f"uncodec.catalogue.ready_to_{work.command}")
    with (
        orderly_exit(),
        nullcontext() if place is None else locked(place, shard),
        open_reporter(
            planned.jobs, json=batch.json, quiet=batch.quiet, debug=batch.debug
        ) as reporter,
    ):
        failures = run(
            planned, work, reporter, each=each, book=book, only_damaged=batch.only_damaged
        )
    if failures:
        raise typer.Exit(FAILED)


def _unheard(name: str, *content: object) -> None:
    """A plan tells nothing meanwhile."""


_DOING = {
    "restore": "to restore",
    "render": "to render",
    "again": "to do again",
    "leave": "left alone",
    "skip": "done before",
    "fail": "that cannot be done",
    "pass over": "passed over",
}


def _tell_plan(
    planned: Plan, foreseen: Iterator[tuple[Job, Decision]], command: str, batch: Batch
) -> None:
    """A row for each file, in the order in which it is known, and the numbers at the end."""
    from uncodec.files.reporting import describe, one_line

    counts: Counter[str] = Counter()

    def tell(action: str, source: object, target: object, reason: str) -> None:
        counts[action] += 1
        if batch.json:
            row = {"source": str(source), "target": str(target), "action": action}
            typer.echo(json_module.dumps({"event": "plan", **row, "reason": reason}))
        else:
            way = f"{source} -> {target}" if target else str(source)
            typer.echo(one_line(f"{action:<9}  {way}" + (f"  ({reason})" if reason else "")))

    for path, error in planned.failures:
        tell("fail", path, "", describe(error))
    for passed in planned.passed_over:
        tell("pass over", passed.path, "", passed.reason)
    for job, decision in foreseen:
        action = {"new": command}.get(decision.action, decision.action)
        tell(action, job.source, job.target, decision.reason)
    if not batch.json and not batch.quiet:
        told = [f"{counts[action]} {text}" for action, text in _DOING.items() if counts[action]]
        typer.echo(f"uncodec: {', '.join(told)}", err=True)
    if counts["fail"]:
        raise typer.Exit(FAILED)


def _for_elsewhere(planned: Plan) -> Plan:
    """The same with whole paths: other machines are in other folders."""

    def whole(path: Path | None) -> Path | None:
        return None if path is None or str(path) == "-" else path.absolute()

    jobs = tuple(
        replace(
            job,
            source=whole(job.source) or job.source,
            target=whole(job.target) or job.target,
            folder=whole(job.folder),
            delta=whole(job.delta),
        )
        for job in planned.jobs
    )
    return replace(planned, jobs=jobs)


def _check_named(planned: Plan, rule: str) -> None:
    from uncodec.files.planning import STANDARD

    if any(STANDARD in (job.source, job.target) for job in planned.jobs):
        raise InvalidValue(rule)


def _place(planned: Plan, book: ReceiptBook) -> Path | None:
    """The folder that two runs over the same files have in common, if it can hold a lock."""
    from uncodec.files.places import UrlPath

    if book.folder is not None:
        return None if isinstance(book.folder, UrlPath) else book.folder
    folders = [job.folder or job.target.parent for job in planned.jobs]
    if not folders or any(isinstance(folder, UrlPath) for folder in folders):
        return None
    place = Path(os.path.commonpath(map(os.path.abspath, folders)))
    # Results in folders far apart may have none in common that can be written to.
    return place if os.access(place, os.W_OK) or not place.exists() else None
