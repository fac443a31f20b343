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


def test_imported_packages_are_declared():
    """What the package imports at its top levels is among its dependencies."""
    declared = {re.split(r"[<>=\[]", item)[0] for item in PROJECT["dependencies"]}
    imported = set()
    for path in (ROOT / "core/uncodec").rglob("*.py"):
        imported |= set(re.findall(r"^(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
    third_party = imported - set(sys.stdlib_module_names) - {"uncodec"}
    assert {"numpy", "torch"} <= third_party <= declared
