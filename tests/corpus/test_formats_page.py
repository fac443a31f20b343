"""The tables of docs/formats.md are what is measured."""

from __future__ import annotations

from tests.corpus.table import PAGE, measured


def test_the_tables_are_true():
    page = PAGE.read_text(encoding="utf-8")
    now = measured(page)
    told = set(page.splitlines())
    new = [line for line in now.splitlines() if line not in told]
    assert now == page, "run `python -m tests.corpus.table --write`; measured now:\n" + "\n".join(
        new
    )
