"""Links between the project's own pages lead somewhere."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "models/*/*.md", "examples/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
# Words in brackets that may go over a line, then where they lead to.
LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]+)?\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
# Pages that only the site has; docs/site_pages.py makes them.
MADE = {"docs/commands.md", "docs/examples.md", "docs/models/index.md"}


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What GitHub and MkDocs both call the headings of a page."""
    words = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(prose(page))
    )
    return {re.sub(r"[^\w\- ]", "", word.lower()).strip().replace(" ", "-") for word in words}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page if not path else Path(os.path.normpath(page.parent / path))
        if target.is_relative_to(ROOT) and str(target.relative_to(ROOT)) in MADE:
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_a_page_lead_somewhere(page):
    assert broken_links(page) == []


def test_broken_links_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A title, here\n[missing](no.md) [wrong](#no) [right](#a-title-here) [itself](page.md)\n"
        "[elsewhere](https://example.org/no)\n```\n[code](no.md)\n```\n"
    )
    assert broken_links(page) == ["no.md", "#no"]


def test_pages_in_the_navigation_exist():
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2]
    named = {f"docs/{name}" for name in re.findall(r"([\w./-]+\.md)$", navigation, re.MULTILINE)}
    assert {"docs/index.md", "docs/api/effects.md"} <= named
    assert {name for name in named - MADE if not (ROOT / name).exists()} == set()
