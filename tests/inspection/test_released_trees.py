"""The page and the card of the inspector say what was measured."""

from __future__ import annotations

import json
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models/inspect"


@pytest.fixture(scope="module")
def bench():
    """Scripts, which are not part of the package."""
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        yield import_module("inspect_bench")
    finally:
        sys.path.remove(str(ROOT / "bench"))


@pytest.fixture(scope="module")
def scores():
    return json.loads((MODEL / "scores.json").read_text(encoding="utf-8"))


def test_the_page_has_the_tables_of_the_scores(bench, scores):
    assert bench.to_markdown(scores) in (ROOT / "docs/inspect.md").read_text(encoding="utf-8")


def test_the_card_has_the_goals_and_what_was_reached(bench, scores):
    card = (MODEL / "card.md").read_text(encoding="utf-8")
    assert bench.goals_table(scores["detected"]) in card
    assert card.startswith(f"# {scores['about']['model']}\n")


def test_recipe_trees_and_scores_are_of_one_version(scores):
    recipe = tomllib.loads((MODEL / "recipe.toml").read_text(encoding="utf-8"))
    trees = json.loads((MODEL / "trees.json").read_text(encoding="utf-8"))
    assert recipe["version"] == trees["version"]
    assert scores["about"]["model"] == f"{recipe['name']} {recipe['version']}"


def test_enough_lossless_clips_were_judged_to_tell_one_in_a_hundred(bench, scores):
    rows = scores["lossless"]
    accused = sum(row.get("lossy", 0) for row in rows)
    count = sum(row.get(sound, 0) for row in rows for sound in bench.SOUNDS)
    assert count == scores["about"]["lossless"] >= 300
    assert bench.upper_bound(accused, count) <= 0.01
    assert {row["kind"] for row in rows} >= {"recordings", "vinyl", "tape", "game", "sines"}


def test_no_false_accusation_among_300_means_less_than_one_in_a_hundred(bench):
    assert bench.upper_bound(0, 299) == pytest.approx(0.01, rel=0.01)
    assert bench.upper_bound(0, 59) == pytest.approx(0.05, rel=0.01)
    assert bench.upper_bound(5, 5) == 1.0


def test_counts_follow_from_cases(bench):
    """Two lossless and two coded clips, of which one shows frames."""
    names = dict.fromkeys(bench.FEATURES, 0.0) | {"edge": 20.0, "edge_part": 0.9, "channels": 2.0}

    def case(codec, kbps, after, lattices):
        return {
            "recording": "a", "codec": codec, "kbps": kbps, "after": after, "rate": 44100,
            "features": names,
            "lattices": lattices, "codings": [x[0] for x in lattices], "mid_side": 0.3,
            "intensity_hz": None, "same": False, "looked_s": 1.0,
        }  # fmt: skip

    shown = [["aac", 44100, 9.0, 300.0, 1.0, 20]]
    scores = bench.measure(
        [
            case("", 0, "", []),
            case("", 0, "tape", []),
            case("aac", 128, "", shown),
            case("aac", 128, "gain", []),
            case("mp3", 128, "mp3-aac", shown),
        ]
    )
    assert scores["about"]["lossless"] == 2
    assert [row["hits"] for row in scores["detected"]] == [1, 1, 0]
    assert scores["matrix"][0] == {"codec": "aac", "kbps": 128, "said": {"aac": 1}}
    assert scores["double"]["twice"] == {"only AAC": 1}
    assert scores["double"]["once"] == {"one": 1}
    assert sum(scores["rate"].values()) == 2
    assert {"codec": "aac", "kbps": 128, "after": "", "said": {"mid/side": 1}} in scores["stereo"]
    assert "| aac 128 | 1 of 1 | 0 of 1 | - | - |" in bench.to_markdown(scores)
