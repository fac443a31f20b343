"""What the wheel says of itself to pip and to package indexes. Nothing is compiled for that."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from email.message import Message
from email.parser import Parser
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://github.com/nobody/uncodec"

pytestmark = pytest.mark.skipif(
    shutil.which("cargo") is None or not (ROOT / ".git").exists(),
    reason="needs cargo and a git checkout",
)


def metadata(project: Path, folder: Path) -> Message:
    command = ["-m", "maturin", "pep517", "write-dist-info", "--metadata-directory", str(folder)]
    done = subprocess.run(
        [sys.executable, *command],
        cwd=project,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.dist-info/METADATA")
    return Parser().parsestr(file.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Message:
    return metadata(ROOT, tmp_path_factory.mktemp("metadata"))


def required(described: Message, extra: str | None = None) -> set[str]:
    """Names of the packages that are installed with it, or for an extra."""
    names = set()
    for line in described.get_all("Requires-Dist"):
        requirement, _, marker = line.partition(";")
        wanted = re.search(r"extra == '([^']+)'", marker)
        if (wanted[1] if wanted else None) == extra:
            names.add(re.match(r"[\w.-]+", requirement)[0].lower())
    return names


def imported(folder: Path, without: str | None = None) -> set[str]:
    """Packages that the modules below the folder import, in functions as well."""
    modules = set()
    for file in folder.rglob("*.py"):
        if without is not None and without in file.relative_to(folder).parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.partition(".")[0])
    distributions = packages_distributions()
    return {name.lower() for module in modules for name in distributions.get(module, [])}


def test_what_is_installed_is_what_more_than_training_needs(ours: Message):
    package = ROOT / "core" / "uncodec"
    needed = imported(package, without="training")
    assert required(ours) - needed == set()
    assert required(ours) & (imported(package / "training") - needed) == set()
    assert {"numpy", "pedalboard", "torch"} <= required(ours), "the names are read rightly"


def test_what_an_extra_brings_is_not_installed_without_it(ours: Message):
    extras = ours.get_all("Provides-Extra")
    assert {"cluster", "inspect", "s3", "sound", "train", "visqol", "web"} <= set(extras)
    for extra in extras:
        assert not required(ours) & required(ours, extra), extra


def test_training_needs_nothing_but_what_is_installed_and_what_its_extra_brings(ours: Message):
    # Trees of `inspect` are fitted in there, too, and have an extra of their own.
    brought = required(ours) | required(ours, "train") | required(ours, "inspect")
    assert imported(ROOT / "core" / "uncodec" / "training") - brought - {"uncodec"} == set()


def test_a_published_wheel_says_where_the_project_lives(tmp_path: Path):
    project = tmp_path / "project"
    kinds = ["*.toml", "*.rs", "Cargo.lock", "README.md", "LICENSE-*"]
    kinds += ["CITATION.cff", "mkdocs.yml", ".github", "core/uncodec/__init__.py"]
    listed = subprocess.run(
        ["git", "ls-files", "-zco", "--exclude-standard", "--", *kinds],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, project / name)
    script = project / ".github" / "addresses.py"
    subprocess.run([sys.executable, script, ADDRESS], check=True, capture_output=True)
    urls = metadata(project, tmp_path / "metadata").get_all("Project-URL")
    named = dict(url.split(", ") for url in urls)
    assert set(named) == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    if "[project.urls]" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8"):
        assert named["Source"] == ADDRESS
        assert named["Documentation"] == "https://nobody.github.io/uncodec/"
