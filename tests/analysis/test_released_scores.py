"""The scores that come with released models: small, and those that the cards quote."""

import json
from pathlib import Path

import pytest

from uncodec.analysis.baselines import EXCITER
from uncodec.analysis.report import UNTOUCHED

MODELS = Path(__file__).parents[2] / "models"
TABLES = sorted(path.parent.name for path in MODELS.glob("*/scores.json"))


def scores_of(model):
    return json.loads((MODELS / model / "scores.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("model", TABLES)
def test_they_are_tables_and_no_archives(model):
    assert (MODELS / model / "scores.json").stat().st_size < 200_000
    assert all(row["material"] is None for row in scores_of(model).get("rows", []))


@pytest.mark.parametrize("model", ["live-gan", "live-mse", "diffusion"])
def test_the_card_quotes_them(model):
    found = {
        (row["codec"], row["kbps"], row["restorer"]): row["scores"]["lsd"]["mean"]
        for row in scores_of(model)["rows"]
    }
    restorers = {name for _, _, name in found}
    lines = (MODELS / model / "card.md").read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| codec, kb/s | LSD"))
    columns = [cell.strip() for cell in lines[start].split("|")[1:-1]]
    compared = 0
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        cells = [cell.strip(" *") for cell in line.split("|")[1:-1]]
        codec, _, kbps = cells[0].lower().partition(" ")
        for column, cell in zip(columns[1:5], cells[1:5], strict=True):
            name = {"LSD untouched": UNTOUCHED, "exciter": EXCITER}.get(column, column)
            name = name if name in restorers else column.split()[0]
            if name in restorers:
                assert float(cell) == pytest.approx(found[codec, float(kbps), name], abs=0.0051)
                compared += 1
    assert compared >= 2 * 14
