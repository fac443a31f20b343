"""Which room of the house uses which: the arrows, wherever in a file an import stands."""

from __future__ import annotations

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOUSE = ROOT / "core/uncodec"

# Modules beside the rooms that every room may use, and each those before it.
FOUNDATION = (
    *("errors", "version", "lazy", "sealed", "cloning", "signals", "frames", "compiled"),
    *("parameters", "rates", "speakers", "whole_files", "loudness", "cutoff"),
    *("model_folders", "balance", "processes"),
)
# What a room uses beside them, as docs/architecture.md draws it. A name with a dot is one module.
ARROWS = {
    "_native": set(),
    "codecs": set(),
    "io": set(),
    "networks": set(),
    "listening": {"io"},
    "streams": {"_native"},
    "live": {"streams", "networks", "_native"},
    "repair": {"streams", "_native"},
    # It starts from what the live engine makes, and from nothing else of that room.
    "diffusion": {"streams", "networks", "live.engine"},
    "bridge": {"live", "networks", "_native"},
    "inspection": {"io", "repair"},
    "effects": {"streams", "live", "diffusion", "repair", "bridge", "io"},
    # Of the live engine it names what its processes import before they are copied, and no more.
    "catalogue": {"files", "effects", "networks", "io", "inspection", "live.stream"},
    "web": {
        *("catalogue", "files", "inspection", "listening", "io", "streams", "effects.reference"),
    },
    "files": {"io", "streams", "diffusion", "repair", "networks"},
    "pipes": {"io", "streams"},
    "training": {"networks", "codecs", "diffusion.flow_path", "diffusion.ddim"},
    "analysis": {
        *("effects", "diffusion", "live", "networks", "bridge", "codecs", "io", "listening"),
        "_native",
    },
}
# The package's own names, and its command line, which may use everything.
TOP = {"__init__": {"effects", "bridge", "inspection"}, "__main__": {"cli"}}


def room_of(module: str) -> str:
    """``live`` of ``uncodec.live.stream``."""
    return module.split(".")[1]


def is_module(value: object) -> bool:
    """Whether a constant is the path of one of the package's modules."""
    if not isinstance(value, str) or not re.fullmatch(r"uncodec(\.\w+)+", value):
        return False
    place = HOUSE.parent / value.replace(".", "/")
    return place.is_dir() or place.with_suffix(".py").is_file()


def imported_by(source: str) -> set[str]:
    """Modules of the package that a file imports: at its top, in functions, and by name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, "imports give whole paths"
            assert not node.level, "imports give whole paths"
            # What is imported may be a name or a module.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            if node.module != "uncodec":
                found.add(node.module)
        elif isinstance(node, ast.Constant) and is_module(node.value):
            # For import_module.
            found.add(node.value)
    return {name for name in found if name.startswith("uncodec.")}


def arrows() -> dict[str, set[str]]:
    """Room -> modules of other rooms that it imports."""
    found: dict[str, set[str]] = {}
    for path in HOUSE.rglob("*.py"):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        names = {n for n in imported_by(path.read_text()) if room_of(n) != parts[0]}
        found.setdefault(parts[0], set()).update(names)
    return found


FOUND = arrows()


def is_allowed(module: str, allowed: set[str]) -> bool:
    inside = module.removeprefix("uncodec.")
    return room_of(module) in allowed or any(
        inside == one or inside.startswith(f"{one}.") for one in allowed if "." in one
    )


@pytest.mark.parametrize("room", sorted(FOUND.keys() - {"cli"}))
def test_a_room_uses_what_it_may(room):
    if room in FOUNDATION:
        allowed = set(FOUNDATION[: FOUNDATION.index(room)])
    else:
        allowed = set(FOUNDATION) | {**ARROWS, **TOP}[room]
    # `from uncodec import name` is an arrow to the top, for no room may use it.
    assert {name for name in FOUND[room] if not is_allowed(name, allowed)} == set()


def test_every_arrow_is_used():
    for room, targets in ARROWS.items():
        for target in targets:
            used = any(is_allowed(name, {target}) for name in FOUND.get(room, ()))
            assert used, f"{room} -> {target}"


def test_arrows_point_one_way():
    order = list(TopologicalSorter({a: map(top_of, b) for a, b in ARROWS.items()}).static_order())
    assert order.index("streams") < order.index("live") < order.index("effects")
    assert not (set(FOUNDATION) & set(ARROWS))


def test_only_the_command_line_uses_analysis_and_training():
    users = {r for r, names in FOUND.items() if {"analysis", "training"} & set(map(room_of, names))}
    assert users == {"cli"}


def test_the_picture_shows_these_arrows():
    page = (ROOT / "docs/architecture.md").read_text()
    drawn = {}
    for left, right in re.findall(r"^ *([\w& ]+) --> ([\w& ]+)$", page, re.MULTILINE):
        for room in left.split(" & "):
            drawn.setdefault(room.strip(), set()).update(name.strip() for name in right.split("&"))
    wanted = {room: {top_of(name) for name in names} for room, names in ARROWS.items() if names}
    assert drawn == wanted
    for name in FOUNDATION:
        assert f"`{name}`" in page


def top_of(name: str) -> str:
    return name.split(".")[0]
