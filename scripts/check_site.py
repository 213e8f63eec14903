#!/usr/bin/env python3
"""Check the documentation site as it was built: links, what pages load, and a page for each public name.

    python -m sphinx -W -n docs docs/_build/html
    python scripts/check_site.py docs/_build/html

A link inside the site must lead to a file, and to a place in it if it names one. No page may load a script, a style, a
font or a picture from another server: the site works without a network. Links that readers click may lead anywhere.
"""

from __future__ import annotations

import argparse
import importlib
import posixpath
import re
import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent

LOADING = {
    "audio": "src", "embed": "src", "iframe": "src", "img": "src", "link": "href", "object": "data", "script": "src",
    "source": "src", "track": "src", "video": "src",
}  # fmt: skip
"""Elements that a browser loads something for, with the attribute that says what."""


class Page(HTMLParser):
    """What a page of HTML has in it that leads elsewhere, and the places that others lead to.

    Attributes
    ----------
    places : set of str
        The values of ``id`` and ``name``.
    links : list of str
        Where its links and its resources lead.
    loaded : list of str
        What a browser loads with it.
    heading : str
        The text of its first heading of the first level.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.heading = ""
        self._in_heading: bool | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note where an element leads."""
        found = {name: value for name, value in attributes if value is not None}
        self.places.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag in LOADING and LOADING[tag] in found:
            self.links.append(found[LOADING[tag]])
            if tag != "link" or found.get("rel") not in {"author", "canonical", "next", "prev", "license"}:
                self.loaded.append(found[LOADING[tag]])
        if tag == "h1" and self._in_heading is None:
            self._in_heading = True
        elif tag == "a" and self._in_heading:
            self._in_heading = False  # the sign behind a heading that leads to it

    def handle_endtag(self, tag: str) -> None:
        """End the heading."""
        if tag == "h1":
            self._in_heading = False

    def handle_data(self, data: str) -> None:
        """Gather the heading."""
        if self._in_heading:
            self.heading += data


def is_elsewhere(address: str) -> bool:
    """Return whether an address names a server."""
    parts = urlsplit(address)
    return bool(parts.netloc) or parts.scheme in {"http", "https"}


def find_foreign_styles(css: str) -> list[str]:
    """Return what a style sheet loads from other servers."""
    named = re.findall(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""", css)
    return [address for address in named if is_elsewhere(address)]


def find_faults(site: Path, names: Sequence[str] = ()) -> Iterator[str]:
    """Yield what is wrong with a site, each fault as one line.

    Parameters
    ----------
    site : Path
        The folder that Sphinx wrote.
    names : sequence of str
        Names that must each have a page ``reference/NAME.html`` with the name as its heading.
    """
    paths = {path.relative_to(site).as_posix(): path for path in sorted(site.rglob("*.html"))}
    # Below _static/ are templates of the theme.
    pages = {name: Page(path.read_text("utf-8")) for name, path in paths.items() if not name.startswith("_static/")}
    if not pages:
        yield f"{site} has no pages"
    for name, page in pages.items():
        for address in page.loaded:
            if is_elsewhere(address):
                yield f"{name} loads {address}"
        for address in dict.fromkeys(page.links):
            parts = urlsplit(address)
            if is_elsewhere(address) or parts.scheme:
                continue
            path = posixpath.join(posixpath.dirname(name), unquote(parts.path)) if parts.path else name
            target = posixpath.normpath(path)
            place = unquote(parts.fragment)
            if not (site / target).is_file():
                yield f"{name} leads to {address}, which is not there"
            elif place and target in pages and place not in pages[target].places:
                yield f"{name} leads to {address}, and {target} has no such place"
    for sheet in sorted(site.rglob("*.css")):
        for address in find_foreign_styles(sheet.read_text("utf-8")):
            yield f"{sheet.relative_to(site).as_posix()} loads {address}"
    for name in names:
        page_of_name = pages.get(f"reference/{name}.html")
        if page_of_name is None or page_of_name.heading.strip() != name:
            yield f"{name} has no page reference/{name}.html of that title"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the faults of a site and return the exit code."""
    parser = argparse.ArgumentParser(description="Check the documentation site as it was built.")
    parser.add_argument("site", type=Path, help="the folder that Sphinx wrote")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT / "docs" / "_extensions"))
    public_names = importlib.import_module("public_names")
    names = [public.name for public in public_names.find_public_names()]
    faults = list(find_faults(options.site, names))
    print(*faults, sep="\n", end="\n" if faults else "")
    print(f"{len(names)} public names, {len(faults)} faults")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
