"""Numbers and names as text for terminals, and tables as HTML for notebooks: escaped, in the notebook's own colors."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

_STYLE = "text-align:left;vertical-align:top;white-space:pre-wrap;padding-right:1em;font-variant-numeric:tabular-nums"
_LEFT = f' style="{_STYLE}"'


def format_number(value: float, digits: int = 6) -> str:
    """Return a number as text with so many significant digits and a typographic minus sign.

    Examples
    --------
    >>> format_number(-0.125), format_number(-0.0), format_number(2 / 3, 3)
    ('−0.125', '0', '0.667')
    """
    return f"{value + 0.0:.{digits}g}".replace("-", "−")  # adding 0 turns -0 into 0


_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Categories of characters that a terminal obeys instead of showing them: controls, directions, ends of lines."""

_JOINERS = "\u200c\u200d"
"""Parts of words and of emoji."""


def escape_controls(text: str, keep: str = "") -> str:
    r"""Return a text that a terminal shows and does not obey: control characters are written as Python writes them.

    Parameters
    ----------
    text : str
        With names of columns, labels or files in it, which may hold anything.
    keep : str
        Control characters to leave, such as the ends of lines of one's own.

    Examples
    --------
    >>> print(escape_controls("a\x1b[2Jb\r\u202e"))
    a\x1b[2Jb\r\u202e
    """
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _UNSEEN and character not in keep + _JOINERS
        else character
        for character in text
    )


def is_notebook() -> bool:
    """Tell whether a notebook runs this, Jupyter's, VS Code's or Colab's: they show HTML, which a terminal does not."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def show_in_notebook(shown: Any) -> Any:
    """Show an object below the cell that runs; the result's ``update`` shows another in its place."""
    from IPython.display import display

    return display(shown, display_id=True)


def make_paragraph(text: str) -> str:
    """Return a text as an HTML paragraph."""
    return f"<p>{escape(text)}</p>"


def make_frame(page: str, title: str, height: int = 900) -> str:
    """Return a whole HTML page in a frame: its scripts run, but reach nothing outside of it.

    Parameters
    ----------
    page : str
        HTML that loads nothing.
    title : str
        What the frame shows, for those who hear it.
    height : int
        In pixels.
    """
    # On one line: what converts a notebook or a script's output may indent lines, trim them and expand tabs, and a page
    # whose script is another than its policy names does not run.
    source = escape(page).replace("\n", "&#10;").replace("\t", "&#9;")
    return (
        f'<iframe title="{escape(title)}" sandbox="allow-scripts allow-downloads" srcdoc="{source}" '
        f'width="100%" height="{height}" style="border:1px solid #8888;border-radius:6px"></iframe>'
    )


def make_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table of texts; lines of a cell stay lines.

    Parameters
    ----------
    header : sequence of str
        The names of the columns.
    rows : iterable of sequence of str
        A text for each column.
    """
    head = "".join(f'<th scope="col"{_LEFT}>{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
