"""Pages of the site that are written elsewhere: model cards, the plugin's rules, commands' help.

MkDocs calls the ``on_...`` functions. Links to files that are no page of the site become plain
text, because nobody can follow them there. Links to files that do not exist stay, and end the
build.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
CARDS = sorted(ROOT.glob("models/*/card.md"))
# Where a file of the tree is on the site. What lies in docs keeps its place.
HOMES = {f"models/{card.parent.name}/card.md": f"models/{card.parent.name}.md" for card in CARDS}
HOMES |= {
    str(page.relative_to(ROOT)): f"inside/{page.parent.name}.md"
    for page in sorted(ROOT.glob("plugin_bridge/*/README.md"))
}
HOMES["README.md"] = "index.md"
# The page that lists them comes first.
RESEARCH = sorted(
    ROOT.glob("docs/research/*.md"), key=lambda page: (page.name != "README.md", page)
)
LINK = re.compile(
    r"(!?)\[([^\]\n]*(?:\n[^\]\n]+)?)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)"
)
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ARROW = re.compile(r"^ *(\w+) --> (.+)$", re.MULTILINE)

# What a browser would load from elsewhere while somebody reads. A canonical address is only named.
ELSEWHERE = re.compile(
    r'<(?:script|link(?! rel="canonical")|img|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*'
)
LOG = logging.getLogger("mkdocs.hooks.site_pages")


def on_config(config: MkDocsConfig) -> None:
    """Put the pages that are generated, and guides that it does not name, into the navigation."""
    sections = {name: pages for entry in config.nav or [] for name, pages in entry.items()}
    named = {page for pages in sections.values() for entry in pages for page in entry.values()}
    guides = sorted(page.name for page in ROOT.glob("docs/*.md"))
    sections["Guides"] += [guide for guide in guides if guide not in named]
    sections["Models"] += [{card.parent.name: HOMES[_in_tree(card)]} for card in CARDS]
    sections["Inside"].append({"Experiments": [f"research/{page.name}" for page in RESEARCH]})
    sections["Inside"] += [
        {f"plugin_bridge/{PurePosixPath(home).stem}": home}
        for home in HOMES.values()
        if home.startswith("inside/")
    ]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in `docs`."""
    pages = {home: (ROOT / source).read_text() for source, home in HOMES.items()}
    del pages["index.md"]
    pages["models/index.md"] = _models()
    pages["commands.md"] = _commands()
    pages["examples.md"] = _examples()
    for home, text in pages.items():
        files.append(File.generated(config, home, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to where the pages are here, and draw graphs as tables."""
    home = page.file.src_uri
    sources = {page_home: source for source, page_home in HOMES.items() if page_home != "index.md"}
    source = PurePosixPath(sources.get(home, f"docs/{home}"))

    def link(match: re.Match[str]) -> str:
        picture, words, target, anchor = match.groups()
        if "::" in target:
            # An item of a Rust crate.
            return words
        path = os.path.normpath(source.parent / target)
        if path in HOMES:
            new = HOMES[path]
        elif path.startswith("docs/") or not (ROOT / path).exists():
            new = path.removeprefix("docs/")
        else:
            return f"{words} (`{path}`)" if words.strip("`") != path else f"`{path}`"
        return (
            f"{picture}[{words}]({os.path.relpath(new, PurePosixPath(home).parent)}{anchor or ''})"
        )

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):
        parts += [LINK.sub(link, markdown[end : fence.start()]), _drawn(fence.group())]
        end = fence.end()
    return "".join([*parts, LINK.sub(link, markdown[end:])])


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Warn, which ends a strict build, if a page would load something from another server."""
    for loaded in ELSEWHERE.findall(output):
        LOG.warning("%s: would be loaded from another server: %s", page.file.src_uri, loaded)
    return output


def _in_tree(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _drawn(fence: str) -> str:
    """A graph as a table: what draws graphs would be loaded from another server."""
    if not fence.startswith("```mermaid"):
        return fence
    rows = [f"| `{user}` | {used.replace(' & ', ', ')} |" for user, used in ARROW.findall(fence)]
    return "\n".join(["| room | uses |", "| --- | --- |", *rows])


def _models() -> str:
    lines = [
        "# Which model",
        "",
        "`live-gan` restores live; begin with it. `diffusion` renders offline.",
        "The others were made for comparison or for training. Each card tells what a model is",
        "for, what it was trained with, how it scores, and where it fails.",
        "",
        "| model | purpose |",
        "| --- | --- |",
    ]
    for card in CARDS:
        text = card.read_text().partition("## Purpose")[2]
        purpose = " ".join(text.partition("\n## ")[0].split())
        first = re.split(r"(?<=[a-z)])[.:] ", purpose)[0].rstrip(".")
        lines.append(f"| [{card.parent.name}]({card.parent.name}.md) | {first}. |")
    return "\n".join(lines) + "\n"


def _examples() -> str:
    parts = [
        "# Examples",
        "These scripts lie in the folder `examples` and run as they stand; tests run them. Each"
        " takes the names of your own files. They drew the pictures from `demo/coded.mp3`.",
    ]
    for script in sorted(ROOT.glob("examples/*.py")):
        _, doc, code = script.read_text().split('"""', 2)
        title, told, call = doc.strip().split("\n\n")
        parts += [f"## {title}", told, f"```sh\n{call.strip()}\n```"]
        if (ROOT / f"docs/images/examples/{script.stem}.png").exists():
            parts.append(f"![What {script.name} draws](images/examples/{script.stem}.png)")
        parts.append(f"```python\n{code.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _commands() -> str:
    sys.path.insert(0, str(ROOT / "core"))
    from uncodec.cli.manual import command_pages

    lines = [
        "# Commands",
        "",
        "This is what `uncodec COMMAND --help` prints. `uncodec man` makes a manual page of it.",
        "",
    ]
    for name, text in command_pages():
        lines += [f"## {name}", "", "```text", text.rstrip(), "```", ""]
    return "\n".join(lines)
