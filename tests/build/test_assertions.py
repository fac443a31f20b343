"""Every test asserts something: itself, or in a helper of the tests that it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def asserts_itself(function: Function) -> bool:
    """Whether it holds `assert`, a call of pytest's like that, or one of numpy's or torch's."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert):
            return True
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name.startswith("assert_") or name in ("raises", "warns", "fail"):
                return True
    return False


def called(function: Function) -> set[str]:
    """Names of the functions that a function calls, methods left out."""
    calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return {call.id for call in calls if isinstance(call, ast.Name)}


def helpers(path: Path, tree: ast.Module) -> dict[str, list[Function]]:
    """Functions that a test may call: of its file, of its conftest.py, imported from tests."""
    files = {path, path.parent / "conftest.py", TESTS / "conftest.py"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            files.add(TESTS.parent / f"{(node.module or '').replace('.', '/')}.py")
    found: dict[str, list[Function]] = {}
    for file in files:
        if file.is_file():
            for function in functions(ast.parse(file.read_text(encoding="utf-8"))):
                found.setdefault(function.name, []).append(function)
    return found


def without_assertion(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = helpers(path, tree)

    def asserts(function: Function, seen: frozenset[str]) -> bool:
        if asserts_itself(function):
            return True
        return any(
            asserts(helper, seen | {name})
            for name in called(function) - seen
            for helper in known.get(name, [])
        )

    return [
        f"{path.name}:{function.lineno} {function.name}"
        for function in functions(tree)
        if function.name.startswith("test_") and not asserts(function, frozenset({function.name}))
    ]


@pytest.mark.parametrize("room", sorted(path.name for path in TESTS.iterdir() if path.is_dir()))
def test_every_test_asserts(room: str) -> None:
    silent = [
        line for path in TESTS.joinpath(room).rglob("test_*.py") for line in without_assertion(path)
    ]
    assert silent == []


def test_a_test_that_asserts_nothing_is_found(tmp_path: Path) -> None:
    path = tmp_path / "test_sample.py"
    path.write_text(
        "def check(x):\n    assert x\n"
        "def through(x):\n    check(x)\n"
        "def test_silent():\n    print(1)\n"
        "def test_plain():\n    assert 1\n"
        "def test_helped():\n    through(1)\n"
        "def test_raising():\n    with pytest.raises(OSError):\n        print(1)\n",
        encoding="utf-8",
    )
    assert without_assertion(path) == ["test_sample.py:5 test_silent"]
