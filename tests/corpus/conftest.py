"""The corpus, built once for each run of the tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.corpus.bases import Entry


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Entry], Path]:
    """Writes the file of an entry, or finds it where it was written before."""
    folder = tmp_path_factory.mktemp("corpus")
    made: dict[str, Path] = {}

    def build(entry: Entry) -> Path:
        if entry.name not in made:
            path = folder / entry.name
            path.write_bytes(entry.data())
            made[entry.name] = path
        return made[entry.name]

    return build
