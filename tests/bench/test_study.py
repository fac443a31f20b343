"""The page of the study says what was measured."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def study():
    """A script, which is not part of the package."""
    sys.path.insert(0, str(BENCH))
    try:
        yield import_module("study")
    finally:
        sys.path.remove(str(BENCH))


def test_the_page_quotes_the_record_and_the_scores_of_the_models(study):
    page = study.PAGE.read_text(encoding="utf-8")
    rows = study.from_json(study.RECORD.read_text(encoding="utf-8"))
    assert study.to_cells(rows, columns=study.COLUMNS).to_markdown() in page
    assert study.finding_table(rows).cells.to_markdown() in page
    assert study.finding_table(rows).note in page
    assert study.all_codecs().to_markdown() in page
    assert study.FIGURE.exists()


def test_every_codec_of_the_released_scores_is_in_the_table(study):
    cells = study.all_codecs()
    assert {row[0] for row in cells.rows} >= {"mp3 24", "mp3 64", "aac 96", "opus 16", "vorbis 48"}
    # A codec that one of the models was not scored on has a dash there, and nothing else has.
    assert sum("-" not in row for row in cells.rows) == 14
