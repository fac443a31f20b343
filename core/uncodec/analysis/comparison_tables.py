"""The tables of a comparison: quality, error against dullness, steadiness, cost, noisy input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uncodec.analysis.comparison import NOISE, NOISE_DB, PROBE_S, Comparison, Stability
from uncodec.analysis.dullness import TREBLE_HZ
from uncodec.analysis.metrics import LSD_BANDS
from uncodec.analysis.report import (
    CLEAN,
    DEFAULT_COLUMNS,
    UNTOUCHED,
    Cells,
    Row,
    heading,
    to_cells,
)

__all__ = ["TitledTable", "finding", "finding_table", "tables_of"]

_FINDING = ("treble_error_db", "treble_level_db", "visqol", "lsd", "squared_error_db")
_NOISY = ("lsd", "visqol", "si_sdr_db", "treble_error_db", "treble_level_db", "band_error_db")
_TAKES = ("lsd", "visqol", "si_sdr_db", "treble_level_db")
_REGRESSION = "live-mse"


@dataclass(frozen=True)
class TitledTable:
    """A table, what it is called, and what a reader should know about it."""

    title: str
    cells: Cells
    note: str = ""


def tables_of(comparison: Comparison) -> list[TitledTable]:
    """All tables for which something was measured, in the order of a report."""
    tables = []
    if comparison.rows:
        tables.append(_quality(comparison))
        tables.append(finding_table(comparison.rows))
    if comparison.added:
        tables.append(_added(comparison))
    if comparison.stability or comparison.trained:
        tables.append(_stability(comparison))
    if comparison.costs:
        tables.append(_costs(comparison))
    if comparison.noisy:
        tables.append(_noisy(comparison))
    return tables


def _quality(comparison: Comparison) -> TitledTable:
    columns = [*DEFAULT_COLUMNS]
    at = columns.index("lsd_high")
    columns[at:at] = [f"lsd_{band}" for band in LSD_BANDS if band not in ("full", "high")]
    many = comparison.clip_count > 1
    note = (
        "Distances to the original, lower is better; of ViSQOL and SI-SDR higher is better. Two "
        "noises of one envelope score an LSD of 0.79. "
    )
    note += (
        f"Means over {comparison.clip_count} clips with half of the 95 % interval." if many else ""
    )
    return TitledTable("Quality", to_cells(comparison.rows, columns=columns), note.strip())


def finding_table(rows: Sequence[Row]) -> TitledTable:
    """Squared error against dullness, with the finding in a sentence."""
    return TitledTable(
        "Squared error and dullness", to_cells(rows, columns=_FINDING), finding(rows)
    )


def finding(rows: Sequence[Row], regression: str = _REGRESSION) -> str:
    """What the rows say about a regression, in sentences; empty where it is not among them.

    The claim: in the treble, where it has to guess, a regression has a lower squared error than any
    other engine, and a duller sound than any other.
    """
    said = []
    for codec, kbps in dict.fromkeys((row.codec, row.kbps) for row in rows):
        group = {r.restorer: r for r in rows if (r.codec, r.kbps) == (codec, kbps)}
        others = [name for name in group if name not in (UNTOUCHED, regression)]
        if regression not in group or not others:
            continue
        errors = {name: _mean(group[name], "treble_error_db") for name in group}
        levels = {name: _mean(group[name], "treble_level_db") for name in group}
        best = min(others, key=errors.__getitem__)
        place = codec if kbps is None else f"{codec} at {kbps:g} kb/s"
        text = (
            f"{place}: above {TREBLE_HZ / 1000:g} kHz {regression} has a squared error of "
            f"{errors[regression]:.2f} dB, the best of the others ({best}) {errors[best]:.2f} dB; "
            f"its treble is {levels[regression]:.1f} dB off, that of {best} {levels[best]:.1f} dB"
        )
        judged = [_mean(group[name], "visqol") for name in (regression, best)]
        if not math.isnan(sum(judged)):
            text += f"; ViSQOL {judged[0]:.2f} against {judged[1]:.2f}"
        lower = all(errors[regression] < errors[name] for name in others)
        duller = all(levels[regression] < levels[name] for name in others)
        said.append(f"{text}: {_VERDICTS[lower, duller]}.")
    return " ".join(said)


_VERDICTS = {
    (True, True): "the lowest error goes with the dullest sound",
    (True, False): "the lowest error, and not the dullest sound",
    (False, True): "the dullest sound, and not the lowest error",
    (False, False): "neither the lowest error nor the dullest sound",
}


def _mean(row: Row, key: str) -> float:
    found = row.scores.get(key)
    return math.nan if found is None else found.mean


def _added(comparison: Comparison) -> TitledTable:
    rows = [
        [each.clip, each.engine, _db(each.level_db), _signed(each.loudness_lu), _db(each.peak_db)]
        for each in comparison.added
    ]
    return TitledTable(
        "What was added",
        Cells(
            ["Clip", "Restorer", "Added, dB", "Louder by, LU", "Peak, dBFS"],
            rows,
            [False, False, True, True, True],
        ),
        "Without an original there is nothing to measure quality against. Added: level of the "
        "difference against the coded sound.",
    )


def _stability(comparison: Comparison) -> TitledTable:
    keys = [key for key in _TAKES if any(_range(s, key) for s in comparison.stability)]
    header = ["Restorer", "Takes", *(f"{heading(key)} over takes" for key in keys)]
    header += ["Takes apart, dB", "of what is added, dB", "Trainings, LSD"]
    rows = []
    for restorer in comparison.restorers:
        stability = next((s for s in comparison.stability if s.engine == restorer.label), None)
        trained = comparison.trained.get(restorer.label)
        told = "-"
        if trained is not None:
            mean = sum(trained.lsd) / len(trained.lsd)
            told = f"{mean:.3f} ± {trained.spread:.3f} ({len(trained.lsd)} seeds)"
        if stability is None:
            rows.append([restorer.label, "-", *("-" for _ in keys), "-", "-", told])
            continue
        rows.append(
            [
                restorer.label,
                str(len(stability.takes)),
                *(_range(stability, key) or "-" for key in keys),
                _db(stability.apart_db),
                _db(stability.apart_of_added_db),
                told,
            ]
        )
    seeds = comparison.settings.seeds
    notes = [
        f"Takes: {seeds} seeds of the noise, least to most, on up to {PROBE_S:g} s. Apart: the "
        "difference of two takes against the sound, and against what is added."
        if seeds > 1
        else "One seed: there are no takes to compare."
    ]
    for label, trained in comparison.trained.items():
        notes.append(
            f"Trainings of {label}: {len(trained.lsd)} runs of {trained.steps} steps with "
            f"{trained.crops} crops, from random weights (adversary: {trained.adversary}), mean "
            "and standard deviation on validation pairs."
        )
    if len(comparison.trained) < len([r for r in comparison.restorers if r.kind]):
        notes.append("A dash: there is no record of several trainings.")
    return TitledTable("Steadiness", Cells(header, rows, _numbers(header)), " ".join(notes))


def _range(stability: Stability, key: str) -> str:
    values = [take[key] for take in stability.takes if not math.isnan(take.get(key, math.nan))]
    return f"{min(values):.2f} to {max(values):.2f}" if values else ""


def _costs(comparison: Comparison) -> TitledTable:
    header = [
        "Restorer",
        "Parameters, million",
        "Multiply-adds, billion/s",
        "Times real time",
        "Peak memory, MB",
    ]
    rows = []
    for label, cost in comparison.costs.items():
        macs = "-" if cost.macs_per_s is None else f"{cost.macs_per_s / 1e9:.3g}"
        parameters = f"{cost.parameters / 1e6:.2f}" if cost.parameters else "-"
        rows.append(
            [label, parameters, macs, f"{cost.times_real_time:.3g}", f"{cost.memory_mb:.0f}"]
        )
    one = next(iter(comparison.costs.values()))
    return TitledTable(
        "Speed and cost",
        Cells(header, rows, _numbers(header)),
        f"On {one.seconds:.1f} s with {one.channels} channel(s), one thread. Multiply-adds for "
        "each second of sound, of matrix products and convolutions. Times real time: per second of "
        "processor time. Memory: of a whole process, Python and PyTorch included.",
    )


def _noisy(comparison: Comparison) -> TitledTable:
    noisy = [row for row in comparison.noisy if row.material == NOISE]
    cells = to_cells(noisy, columns=_NOISY)
    clean = {
        row.restorer: row.scores["null_depth_db"].most
        for row in comparison.noisy
        if row.codec == CLEAN and "null_depth_db" in row.scores
    }
    header = [*cells.header, "Change of undamaged, dB"]
    rows = [
        [*cells_of, _db(clean[row.restorer]) if row.restorer in clean else "-"]
        for cells_of, row in zip(cells.rows, noisy, strict=True)
    ]
    return TitledTable(
        "Noisy and undamaged input",
        Cells(header, rows, [*cells.numbers, True]),
        f"Pink noise at {NOISE_DB:g} dB is added to up to {PROBE_S:g} s before coding; scores are "
        "against the noisy original. Last column: by how much the uncoded original itself is "
        "changed.",
    )


def _numbers(header: Sequence[str]) -> list[bool]:
    return [number > 0 for number in range(len(header))]


def _text(places: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        if math.isnan(value):
            return "-"
        if math.isinf(value) or value <= -200.0:
            return "nothing"
        return format(value, places)

    return text


_db, _signed = _text(".1f"), _text("+.2f")
