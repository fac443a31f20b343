"""Restore the bundled clip and show what came of it.

Writes to demo/out: the restored audio (24 bit), a picture of the spectrograms, a table of scores
with the coded clip as its first row, and a page to hear and see what several engines make of the
clip. The lossless original is composed anew for comparison; the restorers see the coded clip only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compose import CODED, CODED_KBPS, OUT, compose
from uncodec.analysis.baselines import EXCITER, exciter
from uncodec.analysis.comparison import ComparedClip, Comparison, Settings
from uncodec.analysis.comparison_picture import draw_comparison
from uncodec.analysis.comparison_report import page_of
from uncodec.analysis.metrics import score
from uncodec.analysis.report import UNTOUCHED, ClipScore, Row, aggregate, to_markdown, write_text
from uncodec.analysis.sources import Source
from uncodec.errors import UncodecError
from uncodec.listening import write_page

Audio = NDArray[np.float32]

EXPLANATION = """\
All distances are to the lossless original; lower is better, except for SI-SDR. LSD is the
log-spectral distance (0.79 between two independent noises of one spectrum), pre-echo is the
energy in front of attacks (0 dB: as clean as the original).
"""


def fit(audio: Audio, samples: int) -> Audio:
    """Cut or pad with silence: a decoder may give out some samples more than were coded."""
    kept = audio[:, :samples]
    return np.pad(kept, ((0, 0), (0, samples - kept.shape[1])))


def score_rows(reference: Audio, rate: int, versions: dict[str, Audio]) -> list[Row]:
    """One row per version, in their order; the first one must be the coded clip."""
    clips = [
        ClipScore("demo", "mp3", float(CODED_KBPS), name, "", score(reference, audio, rate))
        for name, audio in versions.items()
    ]
    return aggregate(clips)


def run(model: str, amount: float, seed: int, out: Path) -> str:
    """Restore, score and draw; returns the table."""
    import torch

    from uncodec import DiffusionRestorer, GANRestorer
    from uncodec.files import restore_file
    from uncodec.io import read_audio, write_audio

    # As the command line does: the network's steps are too small to share between threads.
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    effect = GANRestorer(amount=amount, seed=seed, model=model)
    restore_file(CODED, out / "restored.wav", effect, bits=24, overwrite=True)

    reference = compose()
    coded, rate = read_audio(CODED)
    write_audio(out / "reference.wav", reference, rate, overwrite=True)
    restored, _ = read_audio(out / "restored.wav")
    coded, restored = (fit(x, reference.shape[1]) for x in (coded, restored))
    name = f"uncodec {model}"
    versions = {
        name: restored,
        "uncodec diffusion": DiffusionRestorer(amount=amount, seed=seed)(coded, rate),
        EXCITER: exciter(coded, rate),
    }
    rows = score_rows(reference, rate, {UNTOUCHED: coded, **versions})
    table = to_markdown(rows)
    write_text(out / "scores.md", f"# Scores of the demo clip\n\n{table}\n{EXPLANATION}")
    source = Source("demo clip", reference, coded, rate, "mp3", float(CODED_KBPS))
    before, after = (_distance(rows, label) for label in (UNTOUCHED, name))
    draw_comparison(
        ComparedClip(source, {name: restored}),
        out / "spectrogram.png",
        title=f"A coded clip, restored: log-spectral distance {before:.2f} -> {after:.2f}",
    )
    clip = ComparedClip(source, versions)
    report = Comparison((), Settings(seed=seed), (clip,), rows, clip_count=1)
    page = replace(page_of(report), title="A coded clip, restored", facts=())
    write_page(page, out)
    return table


def _distance(rows: Sequence[Row], restorer: str) -> float:
    return next(row.scores["lsd"].mean for row in rows if row.restorer == restorer)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0, or 1 after an error in one line."""
    parser = argparse.ArgumentParser(description="Restore the bundled clip.")
    parser.add_argument("--model", default="live-gan", help="name or folder of a model")
    parser.add_argument("--amount", type=float, default=1.0, help="0 keeps the input, 1 is all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help="folder (default: demo/out)")
    options = parser.parse_args(arguments)
    try:
        table = run(options.model, options.amount, options.seed, options.out)
    except UncodecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(table)
    for label, path in (
        ("Coded clip", CODED),
        ("Restored", options.out / "restored.wav"),
        ("Original", options.out / "reference.wav"),
        ("Picture", options.out / "spectrogram.png"),
        ("Scores", options.out / "scores.md"),
        ("Listen", options.out / "index.html"),
    ):
        print(f"{label:10}  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
