"""What the site makes of pages that were written for the source tree."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("mkdocs", reason="`make docs` installs it")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page(uri: str) -> SimpleNamespace:
    return SimpleNamespace(file=SimpleNamespace(src_uri=uri))


@pytest.mark.parametrize(
    ("uri", "written", "made"),
    [
        ("faq.md", "[how](render.md#x)", "[how](render.md#x)"),
        ("faq.md", "[card](../models/live-gan/card.md)", "[card](models/live-gan.md)"),
        ("models/levels.md", "[it](../live-gan/card.md#scores)", "[it](live-gan.md#scores)"),
        ("models/diffusion.md", "[a](../../docs/study.md)", "[a](../study.md)"),
        ("research/README.md", "[guide](../training.md)", "[guide](../training.md)"),
        ("faq.md", "[the demo](../demo/run.py)", "the demo (`demo/run.py`)"),
        ("faq.md", "[`demo/run.py`](../demo/run.py)", "`demo/run.py`"),
        ("faq.md", "[web](https://example.org/a.md)", "[web](https://example.org/a.md)"),
        ("inside/proto.md", "[declines](CoreSide::decline)", "declines"),
        # The build says that it is broken.
        ("faq.md", "[gone](gone.md)", "[gone](gone.md)"),
        ("faq.md", "```\n[code](../demo/run.py)\n```", "```\n[code](../demo/run.py)\n```"),
    ],
)
def test_links_lead_to_where_pages_are_on_the_site(site, uri, written, made):
    assert site.on_page_markdown(written, page(uri)) == made


def test_graphs_become_tables(site):
    text = "before\n```mermaid\ngraph TD\n  web --> files & io\n  io --> rates\n```\nafter"
    table = "| room | uses |\n| --- | --- |\n| `web` | files, io |\n| `io` | rates |"
    assert site.on_page_markdown(text, page("faq.md")) == f"before\n{table}\nafter"


@pytest.mark.parametrize(
    ("output", "warnings"),
    [
        ('<a href="https://example.org">a link is followed by hand</a>', 0),
        ('<script src="assets/a.js"></script><img src="b.png">', 0),
        ('<script defer src="https://example.org/a.js"></script>', 1),
        ('<link rel="stylesheet" href="//example.org/font.css">', 1),
        ('<link rel="canonical" href="https://example.org/faq.html">', 0),
    ],
)
def test_what_a_page_would_load_from_elsewhere_is_told(site, caplog, output, warnings):
    assert site.on_post_page(output, page("faq.md")) == output
    assert len(caplog.records) == warnings


def test_every_model_and_example_has_its_place(site):
    table = site._models()
    for card in ROOT.glob("models/*/card.md"):
        assert f"({card.parent.name}.md)" in table
    gallery = site._examples()
    for script in ROOT.glob("examples/*.py"):
        assert f"python examples/{script.name}" in gallery


def test_the_help_of_every_command_is_a_page(site):
    text = site._commands()
    assert "## uncodec restore\n" in text
    assert "--overwrite" in text
