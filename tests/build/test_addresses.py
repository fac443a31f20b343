"""Where the project lives is written into its files when somebody publishes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".github" / "addresses.py"
FILES = ["pyproject.toml", "CITATION.cff", "mkdocs.yml", ".github/ISSUE_TEMPLATE/config.yml"]
ADDRESS = "https://github.com/Nobody/uncodec"
SITE = "https://nobody.github.io/uncodec/"
URLS = {
    "Homepage": ADDRESS,
    "Documentation": SITE,
    "Source": ADDRESS,
    "Changelog": f"{ADDRESS}/blob/HEAD/CHANGELOG.md",
    "Issues": f"{ADDRESS}/issues",
}


# What a fork has in its files once it has written its address.
WRITTEN = re.compile(
    r"(?ms)^(\[project\.urls\]\n.*?\n\n|repository-code: .*?\n|site_url: .*?\n|contact_links:.*)"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The files of the tree without an address."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        text = WRITTEN.sub("", (ROOT / name).read_text(encoding="utf-8"))
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
    return subprocess.run(
        [sys.executable, SCRIPT, "--folder", folder, *arguments],
        capture_output=True,
        text=True,
        env=kept | variables,
    )


def site(folder: Path) -> list[str]:
    return (folder / "mkdocs.yml").read_text(encoding="utf-8").splitlines()


def test_a_workflow_writes_where_it_runs(project: Path):
    before = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    done = run(project, GITHUB_SERVER_URL="https://github.com", GITHUB_REPOSITORY="Nobody/uncodec")
    assert done.returncode == 0, done.stderr
    after = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    assert after["project"].pop("urls") == URLS
    assert after == before, "nothing else changes"
    citation = yaml.safe_load((project / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["repository-code"] == ADDRESS
    assert f"site_url: {SITE}" in site(project)
    links = yaml.safe_load((project / FILES[3]).read_text(encoding="utf-8"))["contact_links"]
    assert [link["url"] for link in links] == [f"{ADDRESS}/security/advisories/new", SITE]
    assert {tuple(link) for link in links} == {("name", "url", "about")}
    assert all(f"{name}: now says {ADDRESS}" in done.stdout for name in FILES)


def test_a_fork_that_wrote_its_address_is_tested_like_one_that_did_not(project: Path):
    before = [(project / name).read_text(encoding="utf-8") for name in FILES]
    run(project, ADDRESS)
    after = [(project / name).read_text(encoding="utf-8") for name in FILES]
    assert [WRITTEN.sub("", text) for text in after] == before != after


def test_an_address_that_is_there_stays(project: Path):
    assert run(project, "https://example.org/group/sub/uncodec.git/").returncode == 0
    written = [(project / name).read_bytes() for name in FILES]
    assert b"https://example.org/group/sub/uncodec/issues" in written[0]
    done = run(project, ADDRESS)
    assert (done.returncode, done.stdout) == (0, "nothing to write\n")
    assert [(project / name).read_bytes() for name in FILES] == written


def test_the_site_may_be_elsewhere(project: Path):
    assert run(project, ADDRESS, "--documentation", "https://example.org/docs").returncode == 0
    assert "site_url: https://example.org/docs" in site(project)


@pytest.mark.parametrize(
    "address",
    ["", "uncodec", "http://github.com/a/b", "https://github.com/a", "https://a.org/a/b?c", "$X"],
)
def test_what_is_no_repository_is_refused_and_nothing_is_written(project: Path, address: str):
    written = [(project / name).read_bytes() for name in FILES]
    done = run(project, address)
    assert done.returncode == 1
    assert done.stderr.startswith(f"addresses: {address}: must be the address of a repository")
    assert [(project / name).read_bytes() for name in FILES] == written


def test_outside_of_a_workflow_an_address_is_asked_for(project: Path):
    done = run(project)
    assert done.returncode == 1
    assert done.stderr == "addresses: GITHUB_SERVER_URL is not set: give an address\n"


def test_workflows_write_them_before_they_build():
    for name, before in [("wheels", "PyO3/maturin-action"), ("docs", "mkdocs build")]:
        text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")
        for job in yaml.safe_load(text)["jobs"].values():
            steps = [str(step.get("uses", "")) + str(step.get("run", "")) for step in job["steps"]]
            built = [number for number, step in enumerate(steps) if before in step]
            written = [number for number, step in enumerate(steps) if "addresses.py" in step]
            assert bool(built) == bool(written), name
            assert not built or written[0] < built[0], name
