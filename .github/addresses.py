"""Write into the project's files where it lives; they know no address until it is published.

    python .github/addresses.py https://github.com/OWNER/uncodec [--documentation URL]

Without an address it is that of the repository which a GitHub workflow runs in. What already has
one is left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
RULE = "must be the address of a repository, such as https://github.com/owner/name"


def repository(address: str) -> str:
    """The address without an ending such as ``.git``; raises a ValueError with the rule."""
    parts = urlsplit(address)
    path = parts.path.removesuffix("/").removesuffix(".git")
    whole = parts.scheme == "https" and parts.netloc and not parts.query and not parts.fragment
    if not whole or not re.fullmatch(r"(/[\w.-]+){2,}", path):
        raise ValueError(f"{address}: {RULE}")
    return f"https://{parts.netloc}{path}"


def pages(address: str) -> str:
    """Where GitHub shows the site of a repository; for other hosts the repository itself."""
    parts = urlsplit(address)
    if parts.netloc != "github.com":
        return address
    owner, name = parts.path.strip("/").split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def project_urls(address: str, documentation: str) -> dict[str, str]:
    """What a package index shows beside the package."""
    return {
        "Homepage": address,
        "Documentation": documentation,
        "Source": address,
        "Changelog": f"{address}/blob/HEAD/CHANGELOG.md",
        "Issues": f"{address}/issues",
    }


def in_pyproject(text: str, address: str, documentation: str) -> str:
    if "urls" in tomllib.loads(text)["project"]:
        return text
    lines = [f'{name} = "{url}"' for name, url in project_urls(address, documentation).items()]
    table = "\n".join(["[project.urls]", *lines])
    return text.replace("\n[project.scripts]\n", f"\n{table}\n\n[project.scripts]\n", 1)


def in_citation(text: str, address: str, documentation: str) -> str:
    del documentation
    return text if "repository-code:" in text else f"{text}repository-code: {address}\n"


def in_site(text: str, address: str, documentation: str) -> str:
    # No repo_url: with one, every page asks another server for the repository's figures.
    del address
    if "site_url:" in text:
        return text
    return text.replace("site_description:", f"site_url: {documentation}\nsite_description:", 1)


def in_issues(text: str, address: str, documentation: str) -> str:
    if "contact_links:" in text:
        return text
    return f"""{text}contact_links:
  - name: A vulnerability
    url: {address}/security/advisories/new
    about: Please report it in private.
  - name: The guides
    url: {documentation}
    about: How to use it, and what to expect of it.
"""


FILES: dict[str, Callable[[str, str, str], str]] = {
    "pyproject.toml": in_pyproject,
    "CITATION.cff": in_citation,
    "mkdocs.yml": in_site,
    ".github/ISSUE_TEMPLATE/config.yml": in_issues,
}


def write(folder: Path, address: str, documentation: str) -> list[str]:
    """Write the addresses where there are none; returns the files that changed."""
    changed = {}
    for name, function in FILES.items():
        before = (folder / name).read_text(encoding="utf-8")
        after = function(before, address, documentation)
        if after != before:
            changed[name] = after
    for name, after in changed.items():
        new = folder / f"{name}.new"
        new.write_text(after, encoding="utf-8")
        new.replace(folder / name)
    return list(changed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", nargs="?")
    parser.add_argument("--documentation", help="where the site is, if not on GitHub Pages")
    parser.add_argument("--folder", type=Path, default=ROOT, help="the project's folder")
    given = parser.parse_args()
    address = given.address
    if address is None:
        variables = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")
        if missing := [name for name in variables if not os.environ.get(name)]:
            sys.exit(f"addresses: {missing[0]} is not set: give an address")
        address = "/".join(os.environ[name] for name in variables)
    try:
        address = repository(address)
        changed = write(given.folder, address, given.documentation or pages(address))
    except (ValueError, OSError) as error:
        sys.exit(f"addresses: {error}")
    print("\n".join(f"{name}: now says {address}" for name in changed) or "nothing to write")


if __name__ == "__main__":
    main()
