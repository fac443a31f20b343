"""How often the inspector is right: ``python bench/inspect_bench.py CASES``, Markdown on stdout.

CASES is what ``inspect_cases.py DATA val CASES`` wrote. `make bench-inspect` runs both.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from inspect_cases import DETECTED, MATRIX, SPECIAL, load
from uncodec.inspection.evidence import FEATURES
from uncodec.inspection.trees import load_judge
from uncodec.inspection.verdict import decide, is_shown

FALSE_ACCUSATIONS = 0.01
TITLES = {
    "": "as decoded",
    "gain": "level changed",
    "resampled": "44.1 to 48 kHz, or back",
    "mp3-aac": "then AAC 192",
}
SOUNDS = ("lossy", "unknown", "lossless")


def judged(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its verdict."""
    values = np.array([row["features"][name] for name in FEATURES])
    shown = [x for x in row["lattices"] if is_shown(x[3], x[4], x[5])]
    if not row["lattices"] and row["features"]["edge"] == 0.0:
        return {**row, "sound": "unknown", "rank": 0.5, "found": ""}
    sound, probability = decide(load_judge(), values, bool(shown))
    rank = probability + (1.0 + shown[0][3] / 1000.0 if shown else 0.0)
    codec = shown[0][0].partition("-")[0] if shown else ""
    return {**row, "sound": sound, "rank": rank, "found": codec}


def percent(part: list[bool]) -> str:
    """Share and count."""
    return f"{100 * np.mean(part):.0f} % of {len(part)}" if part else "-"


def shares(rows: list[dict[str, Any]]) -> str:
    """Cells of a table: how many got each verdict."""
    return " | ".join(percent([row["sound"] == sound for row in rows]) for sound in SOUNDS)


def main(arguments: list[str]) -> int:
    """Print the tables."""
    if len(arguments) != 1:
        print("usage: inspect_bench.py CASES", file=sys.stderr)
        return 2
    rows = [judged(row) for row in load(Path(arguments[0]))]
    lossless = [row for row in rows if not row["codec"]]
    ranks = np.sort([row["rank"] for row in lossless])[::-1]
    # One more than so many of the lossless would be above it.
    threshold = float(ranks[int(FALSE_ACCUSATIONS * len(ranks))])
    print(f"{len(rows)} cases, {len(lossless)} of them lossless.\n")
    print("| lossless sound | called lossy | unknown | lossless |\n|---|---|---|---|")
    for name in ("", "gain", "resampled", *SPECIAL):
        some = [row for row in lossless if row["after"] == name]
        print(f"| {name or 'recordings'} | {shares(some)} |")
    print(f"| all | {shares(lossless)} |")
    print("\n| setting | " + " | ".join(TITLES.values()) + " |\n|---|" + "---|" * len(TITLES))
    for codec, rates in DETECTED.items():
        for kbps in rates:
            cells = []
            for after in TITLES:
                some = [
                    row
                    for row in rows
                    if (row["codec"], row["kbps"], row["after"]) == (codec, kbps, after)
                ]
                cells.append(percent([row["rank"] > threshold for row in some]))
            print(f"| {codec} {kbps} | " + " | ".join(cells) + " |")
    print("\n| setting | lossy | unknown | lossless | right family |\n|---|---|---|---|---|")
    for codec, rates in MATRIX.items():
        for kbps in rates:
            some = [r for r in rows if (r["codec"], r["kbps"], r["after"]) == (codec, kbps, "")]
            found = [r["found"] == codec for r in some if r["found"]]
            print(f"| {codec} {kbps} | {shares(some)} | {percent(found)} |")
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for row in rows:
        if row["after"] in ("", "gain", "resampled"):
            said = row["found"] or row["sound"]
            counts[row["codec"] or "none", said] += 1
    columns = [*MATRIX, "ac3", "lossy", "unknown", "lossless"]
    print("\n| made by | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns))
    for codec in (*MATRIX, "none"):
        print(f"| {codec} | " + " | ".join(str(counts[codec, c]) for c in columns) + " |")
    times = [row["looked_s"] for row in rows]
    mean, most = np.mean(times), max(times)
    print(f"\nThe search takes {mean:.2f} s of processor time a file ({most:.1f} at most).")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
