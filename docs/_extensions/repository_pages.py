"""Make pages of the repository's own files: texts that stand beside docs/, and the source code that pages lead to.

A text such as CHANGELOG.md is copied into the site with its links mended. Links of any page to files of the repository
(``../bpx/core/step.py``) lead to a page with that source, lines numbered; so does ``[source]`` in the reference.
"""

from __future__ import annotations

import inspect
import posixpath
import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_for_filename
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]

TEXTS = {
    "CHANGELOG.md": "repository/changelog",
    "CONTRIBUTING.md": "repository/contributing",
    "SECURITY.md": "repository/security",
    "scripts/benchmarks/results/cpu.md": "repository/measured-cpu",
    "scripts/benchmarks/results/cuda_h100.md": "repository/measured-h100",
    "scripts/benchmarks/results/cuda.md": "repository/measured-h200",
    "scripts/benchmarks/results/tables.md": "repository/measured-tables",
    "scripts/benchmarks/NOTES.md": "repository/notes",
}
"""Texts of the repository that are pages of the site, by their paths."""

PAGES = {**TEXTS, "README.md": "index"}
"""Where links to texts of the repository lead."""


def mend_links(text: str, path: str, docname: str) -> str:
    """Return a Markdown text whose relative links hold in another place: from ``path`` to ``docs/docname.md``."""

    def mend(found: re.Match[str]) -> str:
        target, mark, place = found[2].partition("#")
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if not (ROOT / aim).is_file():
            return found[0]
        if aim in PAGES:
            aim = f"docs/{PAGES[aim]}.md"
        return f"{found[1]}({posixpath.relpath(aim, posixpath.dirname(f'docs/{docname}'))}{mark}{place})"

    return re.sub(r"(\])\(([^)#:\s]+(?:#[^)\s]*)?)\)", mend, text)


def mend_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead the links of a page in Markdown to texts of the repository to their pages."""
    if app.env.doc2path(docname, base=False).suffix == ".md":
        source[0] = mend_links(source[0], f"docs/{docname}.md", docname)


def copy_texts(app: Sphinx) -> None:
    """Write the pages of `TEXTS`, those that have changed."""
    for path, docname in TEXTS.items():
        page = Path(app.srcdir) / f"{docname}.md"
        page.parent.mkdir(exist_ok=True)
        text = mend_links((ROOT / path).read_text("utf-8"), path, docname)
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def lead_to_sources(app: Sphinx, doctree: nodes.document) -> None:
    """Turn links to files of the repository into links to pages; as Sphinx has it, they would be downloads."""
    env = app.env
    used = env.bpx_sources = getattr(env, "bpx_sources", {})
    docname = env.current_document.docname
    used.pop(docname, None)
    if docname.startswith("examples/"):
        return  # those of the gallery are downloads
    for link in list(doctree.findall(addnodes.download_reference)):
        target = Path(app.srcdir, posixpath.dirname(docname), link["reftarget"]).resolve()
        if not (target.is_file() and target.is_relative_to(ROOT)):
            continue
        path = target.relative_to(ROOT).as_posix()
        used.setdefault(docname, set()).add(path)
        uri = app.builder.get_relative_uri(docname, f"source/{path}")
        link.replace_self(nodes.reference("", "", *link.children, internal=True, refuri=uri))


def find_source(module: str, name: str = "") -> str | None:
    """Return the address, from the site's root, that shows where a module or an object in it is defined."""
    value: Any = sys.modules.get(module)
    for part in name.split(".") if name else ():
        value = getattr(value, part, None)
    value = inspect.unwrap(value.fget if isinstance(value, property) else value)
    try:
        path = Path(inspect.getsourcefile(value))
        line = inspect.getsourcelines(value)[1] if name else 1
    except (OSError, TypeError):  # a constant, or an object that is made while bpx runs
        return None
    if not path.is_relative_to(ROOT / "bpx"):
        return None
    return f"source/{path.relative_to(ROOT).as_posix()}.html#L-{line}"


def resolve_source(domain: str, info: dict[str, str]) -> str | None:
    """Return what `sphinx.ext.linkcode` asks: where ``[source]`` leads, from a page of the reference."""
    address = find_source(info["module"], info["fullname"])
    return address and f"../{address}"


def write_source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, str], str]]:
    """Yield a page for each module of bpx and each other file that a page leads to."""
    paths = {path.relative_to(ROOT).as_posix() for path in (ROOT / "bpx").rglob("*.py")}
    paths.update(*getattr(app.env, "bpx_sources", {}).values())
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True)
    for path in sorted(paths):
        code = highlight((ROOT / path).read_text("utf-8"), get_lexer_for_filename(path), formatter)
        yield f"source/{path}", {"title": path, "body": f"<h1>{escape(path)}</h1>\n{code}"}, "page.html"


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("builder-inited", copy_texts, priority=100)
    app.connect("source-read", mend_page)
    app.connect("doctree-read", lead_to_sources, priority=100)  # before Sphinx copies what is downloaded
    app.connect("html-collect-pages", write_source_pages)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
