"""Numbers as text, and tables as HTML for notebooks: escaped, and in the notebook's own colors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

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


def make_paragraph(text: str) -> str:
    """Return a text as an HTML paragraph."""
    return f"<p>{escape(text)}</p>"


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
