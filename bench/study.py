"""The study: GAN, diffusion, regression and exciter on the demo clip and on recordings.

    python bench/study.py --data FOLDER
    python bench/study.py

Writes docs/study.md and docs/images/study.png. The recordings of FOLDER are measured into
docs/study.json; without FOLDER that file is used as it is. Networks of which that file holds the
same recordings already are not measured again, unless ``--anew`` is given. The demo clip is
measured each time. Run with `make study`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from uncodec.analysis.comparison import Comparison, Settings, compare, find_engines
from uncodec.analysis.comparison_picture import draw_comparison
from uncodec.analysis.comparison_tables import TitledTable, finding_table, tables_of
from uncodec.analysis.evaluation import read_clips
from uncodec.analysis.report import (
    CLEAN,
    UNTOUCHED,
    Cells,
    Row,
    from_json,
    to_cells,
    to_json,
    write_text,
)
from uncodec.analysis.restorers import Restorer
from uncodec.analysis.sources import Source, source_of
from uncodec.parameters import DEFAULT_STEPS

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/study.md"
RECORD = ROOT / "docs/study.json"
FIGURE = ROOT / "docs/images/study.png"
ENGINES = ("diffusion", "gan", "mse", "exciter")
STEPS = DEFAULT_STEPS
DEMO_S = (2, 10)
CODECS = (("mp3", 64.0), ("aac", 48.0), ("opus", 32.0))
COLUMNS = (
    "visqol",
    "lsd",
    "lsd_high",
    "level_mean_db",
    "level_bias_db",
    "si_sdr_db",
    "si_sdr_kept_db",
    "mr_stft",
    "stereo_error_db",
    "pre_echo_db",
    "loudness_error_lu",
)

OPENING = f"""\
# The study: GAN against diffusion

Which family restores coded sound better, and at what price? What does a network learn that is told
the squared error alone? `uncodec compare` answers that for any recording ([how](compare.md)); here
are its answers for the demo clip and for validation recordings that no training saw. `make study`
makes this page again; `make study DATA=FOLDER` also measures the recordings of a folder.

`live-gan` is the causal network of the live engine, `diffusion` the offline engine ({STEPS} steps),
`live-mse` the live network trained on the squared error alone, the exciter plain signal processing.
"""

# What the records beside the models do not hold.
TRAININGS = """\
Those trainings are short ones, made to compare the families (`bench/trainings.py`): the released
weights are of one seed each. Diffusion starts from what the released live generator makes, and so
from a low distance. Longer ones of the live generator, 200 steps with other adversaries, are in
[Adversaries compared](research/2026-11-25-adversaries.md). None of the runs diverged.
"""


def rows_of_recordings(folder: Path, files: int, seconds: float, known: str | None) -> str:
    """Measure the recordings of a folder; the table as JSON.

    `known` is such a table: of the same recordings, networks that have not changed since are not
    measured again.
    """
    about = {
        "data": folder.resolve().name,
        "clips": sum(1 for _ in read_clips(folder, seconds=seconds, files=files)),
        "seconds": seconds,
        "steps": STEPS,
        "interval": "95 % percentile bootstrap over clips",
    }
    restorers = find_engines(ENGINES)
    kept = _unchanged(known, about, restorers)
    engines = [name for name, r in zip(ENGINES, restorers, strict=True) if r.label not in kept]
    rows: list[Row] = []
    for codec, kbps in CODECS:

        def sources(codec: str = codec, kbps: float = kbps) -> Iterator[Source]:
            for clip in read_clips(folder, seconds=seconds, files=files):
                yield source_of(
                    clip.audio, clip.sample_rate, name=clip.name, codec=codec, kbps=kbps
                )

        settings = Settings(
            engines=engines, steps=STEPS, seeds=1, perceptual=True, noise=False, cost=False
        )
        measured = {row.restorer: row for row in compare(sources(), settings, progress=_tell).rows}
        for name in (UNTOUCHED, *(restorer.label for restorer in restorers)):
            rows.append(measured[name] if name in measured else kept[name][codec, kbps])
    named = [r for r in restorers if r.fingerprint]
    about["models"] = {r.label: r.fingerprint for r in named}
    about["versions"] = {r.label: _version(r) for r in named}
    return to_json(rows, about=about)


def _unchanged(
    known: str | None, about: dict[str, Any], restorers: Sequence[Restorer]
) -> dict[str, dict[tuple[str, float | None], Row]]:
    """Rows of a table that are as they would be measured again, by restorer, codec and rate."""
    if known is None:
        return {}
    before = json.loads(known)["about"]
    if any(before.get(name) != value for name, value in about.items()):
        return {}
    same = {r.label for r in restorers if before["models"].get(r.label) == r.fingerprint}
    kept: dict[str, dict[tuple[str, float | None], Row]] = {}
    for row in from_json(known):
        if row.restorer in same:
            kept.setdefault(row.restorer, {})[row.codec, row.kbps] = row
    wanted = set(CODECS)
    return {name: rows for name, rows in kept.items() if wanted <= set(rows)}


def demo() -> Comparison:
    """Everything about eight seconds of the demo clip."""
    sys.path.insert(0, str(ROOT / "demo"))
    # A script of the demo, and no part of the package.
    piece = import_module("compose")
    rate, kbps = int(piece.RATE), float(piece.CODED_KBPS)
    audio = piece.compose()[:, DEMO_S[0] * rate : DEMO_S[1] * rate]
    source = source_of(audio, rate, name="demo clip", codec="mp3", kbps=kbps)
    return compare(source, Settings(engines=ENGINES, perceptual=True), progress=_tell)


def all_codecs() -> Cells:
    """LSD for every codec and rate, from the scores that come with the released models."""
    columns = (
        ("live-gan", UNTOUCHED, "untouched input"),
        ("live-mse", "live-mse", "live-mse"),
        ("live-gan", "live-gan", "live-gan"),
        ("diffusion", UNTOUCHED, "six clips: untouched"),
        ("diffusion", "diffusion", "diffusion"),
    )
    found: dict[tuple[str, float | None], dict[tuple[str, str], str]] = {}
    for model in ("live-gan", "live-mse", "diffusion"):
        text = (ROOT / "models" / model / "scores.json").read_text(encoding="utf-8")
        for row in from_json(text):
            if row.codec != CLEAN:
                value = row.scores["lsd"]
                cell = f"{value.mean:.2f} ± {value.half_width:.2f}"
                found.setdefault((row.codec, row.kbps), {})[model, row.restorer] = cell
    rows = [
        [
            f"{codec} {kbps:g}" if kbps else codec,
            *(cells.get((model, name), "-") for model, name, _ in columns),
        ]
        for (codec, kbps), cells in found.items()
    ]
    header = ["Codec, kb/s", *(title for _, _, title in columns)]
    return Cells(header, rows, [False, *(True for _ in columns)])


def _version(restorer: Restorer) -> str:
    from safetensors import safe_open

    from uncodec.model_folders import WEIGHTS, find_model

    with safe_open(find_model(restorer.source) / WEIGHTS, framework="numpy") as file:
        return str((file.metadata() or {}).get("version", "?"))


def page(report: Comparison, record: str) -> str:
    """The text of docs/study.md."""
    recordings, measured = from_json(record), json.loads(record)["about"]
    about = (
        f"{measured['clips']} validation recordings, up to {measured['seconds']:g} s of each, as "
        "MP3 at 64, AAC at 48 and Opus at 32 kb/s; means with half of the 95 % interval over "
        "recordings."
    )
    measured_with = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    parts = [
        OPENING,
        f"Measured with {measured_with}; the last table is that of the released models.\n",
        f"## The demo clip\n\nSeconds {DEMO_S[0]} to {DEMO_S[1]} of the clip that `make demo` "
        "restores, as MP3 at 64 kb/s.\n\n![Spectrograms of the original, the coded clip and what "
        "each engine makes of it, with their differences to the original](images/study.png)\n",
    ]
    parts += [_section(table, "###") for table in tables_of(report)]
    parts.append(TRAININGS)
    parts.append(f"## Recordings\n\n{about}\n")
    parts.append(_section(TitledTable("Quality", to_cells(recordings, columns=COLUMNS)), "###"))
    parts.append(_section(finding_table(recordings), "###"))
    parts.append(
        "## All codecs\n\nLog-spectral distance, from the scores of the released models: 22 "
        "recordings of 6 s, and six of them in the last three columns.\n\n"
        + all_codecs().to_markdown()
    )
    return "\n".join(parts)


def _section(table: TitledTable, mark: str) -> str:
    note = f"\n{table.note}\n" if table.note else ""
    return f"{mark} {table.title}\n\n{table.cells.to_markdown()}{note}"


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description="Make docs/study.md again.")
    parser.add_argument("--data", type=Path, help="folder of clean recordings to measure")
    parser.add_argument("--files", type=int, default=16, help="so many of them (default 16)")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each (default 4)")
    parser.add_argument(
        "--anew", action="store_true", help="measure networks again that have not changed"
    )
    options = parser.parse_args(arguments)
    if options.data is not None:
        known = None if options.anew or not RECORD.exists() else RECORD.read_text(encoding="utf-8")
        table = rows_of_recordings(options.data, options.files, options.seconds, known)
        write_text(RECORD, table)
    report = demo()
    draw_comparison(report.clips[0], FIGURE)
    write_text(PAGE, page(report, RECORD.read_text(encoding="utf-8")))
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
