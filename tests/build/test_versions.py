"""One version and one licence, wherever they are stated."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import uncodec

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKSPACE = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]


def test_versions_agree():
    headings = re.findall(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    versions = {uncodec.__version__, PROJECT["version"], WORKSPACE["package"]["version"]}
    assert versions == {headings[0]}


def test_every_manifest_states_the_licence():
    assert PROJECT["license"] == WORKSPACE["package"]["license"] == "MIT OR Apache-2.0"
    for member in WORKSPACE["members"]:
        package = tomllib.loads((ROOT / member / "Cargo.toml").read_text())["package"]
        assert package["license"] in ({"workspace": True}, "MIT OR Apache-2.0"), member


# What an extra serves and nothing else imports without it.
ROOMS_OF_EXTRAS = {"web": "web"}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[<>=\[;]", item)[0] for item in requirements}


def test_imported_packages_are_declared():
    """What the package imports at its top levels is among its dependencies."""
    declared = names(PROJECT["dependencies"])
    seen = set()
    for path in (ROOT / "core/uncodec").rglob("*.py"):
        imported = set(re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
        third_party = imported - set(sys.stdlib_module_names) - {"uncodec"}
        room = path.relative_to(ROOT / "core/uncodec").parts[0]
        allowed = names(PROJECT["optional-dependencies"].get(ROOMS_OF_EXTRAS.get(room, ""), []))
        assert third_party <= declared | allowed, path
        seen |= third_party
    assert {"numpy", "torch"} <= seen


def test_nothing_is_needed_that_only_training_uses():
    """Each dependency is imported outside of `uncodec.training` and of what scores models."""
    elsewhere = set()
    for path in (ROOT / "core/uncodec").rglob("*.py"):
        if not {"training", "analysis"} & set(path.parts):
            elsewhere |= set(
                re.findall(r"^ *(?:import|from) (\w+)", path.read_text(), re.MULTILINE)
            )
    assert names(PROJECT["dependencies"]) - elsewhere == set()


def test_extras_that_messages_name_exist():
    extras = set(PROJECT["optional-dependencies"])
    named = set()
    for path in [
        *(ROOT / "core/uncodec").rglob("*.py"),
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
    ]:
        named |= set(re.findall(r"uncodec\[([a-z0-9-]+)\]", path.read_text()))
    assert {"plots", "visqol", "cluster"} <= named <= extras
