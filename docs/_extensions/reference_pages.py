"""Write the reference: one page for each public name, one for each group, before Sphinx reads the pages."""

from __future__ import annotations

import inspect
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from docutils import nodes
from public_names import GROUPS, PublicName, find_members, find_public_modules, find_public_names, group_public_names
from repository_pages import find_source
from sphinx.application import Sphinx

FOLDER = "reference"


def underline(title: str) -> str:
    """Return a title of reStructuredText."""
    return f"{title}\n{'=' * len(title)}\n"


def write_name_page(public: PublicName) -> str:
    """Return the page of one public name."""
    lines = [underline(public.name), f".. currentmodule:: {public.name.rpartition('.')[0]}\n"]
    if public.is_class:
        lines.append(f".. autoclass:: {public.name}")
        for parent, members in groupby(find_members(public.value), key=lambda member: member.parent):
            if parent is not public.value:
                lines.append(f"\n   .. rubric:: From its parent ``{parent.__module__}.{parent.__qualname__}``")
            for member in members:
                kind = "autoproperty" if member.is_property else "automethod"
                lines.append(f"\n   .. {kind}:: {public.name}.{member.name}")
    elif public.is_function:
        lines.append(f".. autofunction:: {public.name}")
    else:
        lines += [f".. autodata:: {public.name}", "   :no-value:"]
    return "\n".join(lines) + "\n"


def write_group_page(title: str, members: list[PublicName]) -> str:
    """Return the page of a group: what its public modules say of themselves, and its names with their first lines."""
    lines = [underline(title)]
    homes = GROUPS.get(title, (title,))
    for module in find_public_modules():
        if module.__name__ in homes:
            lines += [f".. automodule:: {module.__name__}", ""]
    lines += [".. currentmodule:: bpx", "", ".. list-table::", "   :widths: 35 65", ""]
    for public in members:
        lines += [f"   * - :py:obj:`{public.name}`", f"     - {describe(public)}"]
    lines += ["", ".. toctree::", "   :hidden:", "", *(f"   {public.name}" for public in members)]
    return "\n".join(lines) + "\n"


def describe(public: PublicName) -> str:
    """Return the first sentence of a name's docstring, or nothing for a constant, whose type has the docstring."""
    has_own = public.is_class or public.is_function
    return inspect.cleandoc(public.value.__doc__ or "").partition("\n")[0] if has_own else ""


def name_group_page(title: str) -> str:
    """Return the file name of a group's page, without its ending."""
    return "group-" + re.sub(r"\W+", "-", title.lower())


def write_index(groups: dict[str, list[PublicName]]) -> str:
    """Return the first page of the reference: the groups with their names."""
    lines = [underline("Reference")]
    lines.append(
        "Every public name of bpx has a page, made from its docstring. Each says what is computed, forward and\n"
        "backward, what goes in and comes out, and what is refused; its example is run by the tests.\n"
    )
    for title, members in groups.items():
        names = ", ".join(f":py:obj:`~{public.name}`" for public in members)
        lines.append(f":doc:`{title} <{name_group_page(title)}>`\n   {names}\n")
    lines += [".. toctree::", "   :hidden:", "", *(f"   {name_group_page(title)}" for title in groups)]
    return "\n".join(lines) + "\n"


def write_pages(app: Sphinx) -> None:
    """Write what has changed, and remove the pages of names that are gone."""
    folder = Path(app.srcdir) / FOLDER
    folder.mkdir(exist_ok=True)
    groups = group_public_names()
    pages = {"index": write_index(groups)}
    for title, members in groups.items():
        pages[name_group_page(title)] = write_group_page(title, members)
        pages |= {public.name: write_name_page(public) for public in members}
    for old in set(folder.glob("*.rst")) - {folder / f"{name}.rst" for name in pages}:
        old.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


def keep_initials(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Keep a reference that begins with an initial, ``D. E. Rumelhart``, from being taken for item D of a list."""
    lines[:] = [re.sub(r"^(\s*)([A-Z]\. )", r"\1\\\2", line) for line in lines]


class ReferenceResolver:
    """Lead references that Sphinx finds no page for.

    Docstrings say ``Network`` or ``bpx.layers.base.Layer`` where users say ``bpx.Network`` and ``bpx.Layer``: those
    lead to the page of the public name. What is not public has no page, and leads to its source.
    """

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        for public in find_public_names():
            self.pages.setdefault(public.name.rpartition(".")[2], public.name)
            if public.is_class or public.is_function:
                self.pages[f"{public.value.__module__}.{public.value.__qualname__}"] = public.name

    def __call__(self, app: Sphinx, env: Any, node: Any, contnode: Any) -> Any:
        """Answer Sphinx's event ``missing-reference``."""
        if node.get("refdomain") != "py":
            return None
        target = node["reftarget"]
        owner, _, member = target.rpartition(".")
        public = self.pages.get(target) or (owner in self.pages and f"{self.pages[owner]}.{member}")
        if public:
            page = env.domains.python_domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", public, node, contnode
            )
            if page is not None:
                return page
        address = self.find_source(target)
        if address is None:
            return None
        depth = node["refdoc"].count("/")
        return nodes.reference("", "", contnode, internal=True, refuri=f"{'../' * depth}{address}")

    def find_source(self, target: str) -> str | None:
        """Return the address of the source of ``package.module.Class.method``, whichever part is the module."""
        parts = target.split(".")
        for count in range(len(parts), 0, -1):
            module = ".".join(parts[:count])
            if module in sys.modules:
                return find_source(module, ".".join(parts[count:]))
        return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("builder-inited", write_pages, priority=100)  # before autosummary looks for pages
    app.connect("autodoc-process-docstring", keep_initials, priority=900)  # after numpydoc
    app.connect("missing-reference", ReferenceResolver())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
