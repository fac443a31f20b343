"""How often the inspector is right: ``python bench/inspect_bench.py CASES [SCORES]``.

CASES is what ``inspect_cases.py DATA val CASES`` wrote. Markdown goes to standard output, the
counts behind it to the file SCORES. `make bench-inspect` runs both.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from inspect_cases import DETECTED, MATRIX, SPECIAL, load, total_kbps
from uncodec.inspection.evidence import FEATURES
from uncodec.inspection.trees import load_judge
from uncodec.inspection.verdict import decide, is_shown

FALSE_ACCUSATIONS = 0.01
AFTER = {
    "": "as decoded",
    "gain": "level changed",
    "resampled": "44.1 to 48 kHz, or back",
    "mp3-aac": "then AAC 192",
}
SOUNDS = ("lossy", "unknown", "lossless")
SAID = (*MATRIX, "ac3", *SOUNDS)
STEREO = ("mid/side", "left/right", "intensity", "same", "no frames")
# What of two channels is told: codec, rate, and whether joint stereo was forbidden.
JOINT = (
    *(("mp3", 128, ""), ("mp3", 128, "apart"), ("aac", 128, ""), ("aac", 128, "apart")),
    *(("vorbis", 128, ""), ("opus", 96, ""), ("", 0, "")),
)
DOUBLE = ("both", "only AAC", "only MP3", "neither")
# Which settings a goal is about, and the part of them that must be detected.
GOALS: dict[str, tuple[float, Callable[[str, int], bool]]] = {
    "192 kb/s and below": (0.99, lambda codec, kbps: kbps <= 192),
    "256 kb/s": (0.95, lambda codec, kbps: kbps == 256),
    "MP3 at 320 kb/s": (0.80, lambda codec, kbps: codec == "mp3" and kbps == 320),
}


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its verdict."""
    values = np.array([row["features"][name] for name in FEATURES])
    shown = [x for x in row["lattices"] if is_shown(x[3], x[4], x[5], x[1] == row["rate"])]
    if not row["lattices"] and row["features"]["edge"] == 0.0:
        return {**row, "sound": "unknown", "rank": 0.5, "found": ""}
    sound, probability = decide(load_judge(), values, bool(shown))
    rank = probability + (1.0 + shown[0][3] / 1000.0 if shown else 0.0)
    codec = shown[0][0].partition("-")[0] if shown else ""
    low, high = load_judge().kbps(values)
    return {**row, "sound": sound, "rank": rank, "found": codec, "low": low, "high": high}


def measure(cases: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Counts of everything that `to_markdown` tells."""
    rows = [judged(row) for row in cases]
    lossless = [row for row in rows if not row["codec"]]
    ranks = np.sort([row["rank"] for row in lossless])[::-1]
    # One more than so many of the lossless would be above it.
    threshold = float(ranks[int(FALSE_ACCUSATIONS * len(ranks))])

    def some(codec: str, kbps: int, after: str) -> list[dict[str, Any]]:
        key = (codec, kbps, after)
        return [row for row in rows if (row["codec"], row["kbps"], row["after"]) == key]

    detected = [
        {
            "codec": codec,
            "kbps": kbps,
            "after": after,
            "hits": sum(row["rank"] > threshold for row in part),
            "cases": len(part),
        }
        for codec, rates in DETECTED.items()
        for kbps in rates
        for after in AFTER
        if (part := some(codec, kbps, after))
    ]
    matrix = [
        {"codec": codec, "kbps": kbps, "said": _said(part)}
        for codec, rates in MATRIX.items()
        for kbps in rates
        if (part := some(codec, kbps, ""))
    ]
    times = [row["looked_s"] for row in rows]
    return {
        "about": {
            "model": f"inspect {load_judge().version}",
            "cases": len(rows),
            "lossless": len(lossless),
            "recordings": len({row["recording"] for row in rows}),
            "threshold": round(threshold, 4),
            "mean_s": round(float(np.mean(times)), 2),
            "most_s": round(max(times), 1),
        },
        "lossless": [
            {"kind": name or "recordings", **Counter(row["sound"] for row in part)}
            for name in ("", "gain", "resampled", *SPECIAL)
            if (part := [row for row in lossless if row["after"] == name])
        ],
        "detected": detected,
        "matrix": [*matrix, {"codec": "", "kbps": 0, "said": _said(lossless)}],
        "stereo": [
            {"codec": codec, "kbps": kbps, "after": after, "said": _counted(map(_stereo, part))}
            for codec, kbps, after in JOINT
            if (part := [r for r in some(codec, kbps, after) if r["features"]["channels"] == 2])
        ],
        "rate": _counted(
            "inside" if row["low"] <= total_kbps(row) <= row["high"] else "outside"
            for row in rows
            if row["codec"] and row["sound"] == "lossy"
        ),
        "double": {
            "twice": _counted(_twice(r["codings"]) for r in rows if r["after"] == "mp3-aac"),
            "once": _counted(
                "more" if len(row["codings"]) > 1 else "one"
                for row in rows
                if row["codec"] and row["after"] != "mp3-aac" and row["codings"]
            ),
        },
    }


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names))


def _said(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Verdicts: the family where frames show, else what the trees say."""
    return _counted(row["found"] or row["sound"] for row in rows)


def _stereo(row: dict[str, Any]) -> str:
    if row["same"]:
        return "same"
    if row["intensity_hz"] and row["sound"] == "lossy":
        return "intensity"
    if not row["found"]:
        return "no frames"
    return "mid/side" if row["mid_side"] > 0.1 else "left/right"


def _twice(codings: list[str]) -> str:
    told = {"mp3", "aac"} & set(codings)
    return "both" if len(told) == 2 else f"only {told.pop().upper()}" if told else "neither"


def to_markdown(scores: dict[str, Any]) -> str:
    """The tables of docs/inspect.md."""
    about = scores["about"]
    parts = [
        f"{about['cases']} cases of {about['recordings']} recordings, {about['lossless']} of them "
        "lossless.",
        _lossless_table(scores),
        goals_table(scores["detected"]),
        _detection_table(scores["detected"]),
        _confusion_table(scores["matrix"]),
        _table(
            ["two channels", *STEREO],
            [
                [
                    _setting(row) + (", no joint stereo" if row["after"] else ""),
                    *(str(row["said"].get(name, 0)) for name in STEREO),
                ]
                for row in scores["stereo"]
            ],
        ),
        _double(scores["double"]),
        _rate(scores["rate"]),
        f"The search takes {about['mean_s']:.2f} s of processor time a clip ({about['most_s']:.1f} "
        "at most).",
    ]
    return "\n\n".join(parts) + "\n"


def _lossless_table(scores: dict[str, Any]) -> str:
    rows = scores["lossless"]
    total = Counter[str]()
    for row in rows:
        total.update({sound: row.get(sound, 0) for sound in SOUNDS})
    count, accused = total.total(), total["lossy"]
    most = upper_bound(accused, count)
    table = _table(
        ["lossless sound", "cases", "called lossy", "unknown", "lossless"],
        [
            [row["kind"], str(sum(part)), *map(str, part)]
            for row in [*rows, {"kind": "all", **total}]
            for part in [[row.get(sound, 0) for sound in SOUNDS]]
        ],
    )
    return (
        f"{table}\n\n{accused} of {count} lossless clips are called lossy: at 95 % confidence at "
        f"most {100 * most:.1f} %."
    )


def goals_table(detected: list[dict[str, Any]]) -> str:
    rows = []
    for name, (goal, about) in GOALS.items():
        part = [row for row in detected if about(row["codec"], row["kbps"])]
        hits, count = sum(row["hits"] for row in part), sum(row["cases"] for row in part)
        least = 1.0 - upper_bound(count - hits, count)
        missed = [
            f"{row['codec']} {row['kbps']} {AFTER[row['after']]} ({row['hits']} of {row['cases']})"
            for row in part
            if row["hits"] < goal * row["cases"]
        ]
        rows.append(
            [
                name,
                f"{100 * goal:.0f} %",
                f"{100 * hits / max(count, 1):.1f} % ({hits} of {count})",
                f"{100 * least:.1f} %",
                ", ".join(missed) or "-",
            ]
        )
    return _table(
        ["detection", "goal", "measured", "at least, at 95 %", "settings below the goal"], rows
    )


def _detection_table(detected: list[dict[str, Any]]) -> str:
    found = {(r["codec"], r["kbps"], r["after"]): r for r in detected}
    rows = []
    for codec, rates in DETECTED.items():
        for kbps in rates:
            cells = [found.get((codec, kbps, after)) for after in AFTER]
            rows.append(
                [
                    f"{codec} {kbps}",
                    *(f"{cell['hits']} of {cell['cases']}" if cell else "-" for cell in cells),
                ]
            )
    return _table(["setting", *AFTER.values()], rows)


def _confusion_table(matrix: list[dict[str, Any]]) -> str:
    rows = [
        [_setting(row), *(str(row["said"].get(name, 0) or "") for name in SAID)] for row in matrix
    ]
    return _table(["made by", *SAID], rows)


def _setting(row: dict[str, Any]) -> str:
    return f"{row['codec']} {row['kbps']}" if row["codec"] else "lossless"


def _double(double: dict[str, dict[str, int]]) -> str:
    twice, once = double["twice"], double["once"]
    count = sum(twice.values())
    told = ", ".join(f"{name} in {twice[name]}" for name in DOUBLE if twice.get(name))
    return (
        f"Of {count} clips coded as MP3 and then as AAC, {told} are told. Of {sum(once.values())} "
        f"clips coded once, {once.get('more', 0)} are said to show a second codec."
    )


def _rate(rate: dict[str, int]) -> str:
    return (
        f"The rate lies in the range that is told for {rate.get('inside', 0)} of "
        f"{sum(rate.values())} clips that are called lossy."
    )


def upper_bound(events: int, count: int) -> float:
    """Highest rate at which so few events are still 5 % likely (Clopper and Pearson 1934)."""
    return 1.0 if events >= count else float(beta.ppf(0.95, events + 1, count - events))


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: list[str]) -> int:
    """Print the tables."""
    if len(arguments) not in (1, 2):
        print("usage: inspect_bench.py CASES [SCORES]", file=sys.stderr)
        return 2
    scores = measure(load(Path(arguments[0])))
    if len(arguments) == 2:
        Path(arguments[1]).write_text(json.dumps(scores, indent=1) + "\n")
    print(to_markdown(scores), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
