"""Timing that stays fair on a busy machine.

Contenders take turns, medians are compared, and only the processor time of this process counts.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Call", "Row", "alternate", "print_rows", "ratio_row", "timed"]

Call = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    goal: str = ""
    met: bool | None = None


def timed(call: Call, number: int = 1) -> float:
    """Seconds of processor time, of all threads together, that `number` calls take."""
    start = time.process_time()
    for _ in range(number):
        call()
    return time.process_time() - start


def alternate(
    calls: Mapping[str, Call], *, repeats: int = 25, slice_s: float = 0.02
) -> dict[str, float]:
    """Median seconds per call of each contender.

    Each is run in slices of about `slice_s`, one after the other in every round, so that whatever
    else the machine does falls on all of them alike.
    """
    numbers = {}
    for name, call in calls.items():
        call()  # first calls plan transforms and fill caches
        number = 1
        while (elapsed := timed(call, number)) < slice_s / 2 and number < 1_000_000:
            number = max(2 * number, int(number * slice_s / max(elapsed, 1e-9)))
        numbers[name] = number
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(timed(call, numbers[name]) / numbers[name])
    return {name: statistics.median(values) for name, values in times.items()}


def ratio_row(
    what: str, ours: float, peer_name: str, peer: float, at_least: float | None = None
) -> Row:
    """How many times faster than the peer we are, against the goal."""
    ratio = peer / ours
    return Row(
        f"{what}: {ours * 1e6:.1f} us, {peer_name} {peer * 1e6:.1f} us",
        f"{ratio:.2f} x faster",
        "" if at_least is None else f">= {at_least:g} x",
        None if at_least is None else ratio >= at_least,
    )


def print_rows(title: str, rows: list[Row]) -> None:
    """Print one section of the table."""
    print(f"\n{title}")
    width = max(len(row.what) for row in rows)
    for row in rows:
        verdict = {None: "", True: "met", False: "MISSED"}[row.met]
        goal = f"goal {row.goal:12} {verdict}" if row.goal else ""
        print(f"  {row.what:{width}}  {row.measured:>18}  {goal}".rstrip(), flush=True)
