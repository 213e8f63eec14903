"""Parsing CSV with polars, where each row has the width of the header and no value is lost.

Polars fills short rows with nulls without a word, so the structure of the file is looked at first: each byte once, by
NumPy. What is not regular is for `bpx.tables.csv_rows`, which is slower and knows the line of a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.inferring import EXACT_INTEGERS, Inference

if TYPE_CHECKING:
    import polars as pl

__all__ = ["parse_regular"]

_BYTES_A_BLOCK = 2**20
_ROWS_TO_INFER_FROM = 10_000
_QUOTE, _LINE_FEED, _RETURN, _ZERO, _NINE = b'"\n\r09'


def parse_regular(
    content: bytes, separator: str, names: Sequence[str], how: Inference, *, header: bool = True
) -> pl.DataFrame | None:
    """Parse the text of a CSV file whose rows all have the width of its header; give None for any other.

    Columns get the types that `Inference.infer` gives them. Those that polars' own typing cannot harm are left to it.

    Parameters
    ----------
    content : bytes
        UTF-8 text.
    separator : str
        What stands between values.
    names : sequence of str
        The names of the columns, two or more.
    how : Inference
        Which columns stay text, and what is missing.
    header : bool
        Whether the first line is one of names.
    """
    import polars as pl

    if content.endswith((b"\n\n", b"\n\r\n")):
        content = content.rstrip(b"\r\n")
    zeros = (
        _find_leading_zeros(np.frombuffer(content, np.uint8), ord(separator), len(names)) if len(names) > 1 else None
    )
    if zeros is None:
        return None
    parse: dict[str, Any] = {"separator": separator, "raise_if_empty": False, "has_header": header}
    typed = [
        i
        for i, name in enumerate(names)
        if i not in zeros and not how.stays_text(name) and name not in how.known and how.decimal == "."
    ]
    series: dict[int, pl.Series] = {}
    try:
        if typed:
            try:
                frame = pl.read_csv(
                    content,
                    columns=typed,
                    null_values=["", *how.markers],
                    infer_schema_length=_ROWS_TO_INFER_FROM,
                    **parse,
                )
                series = _keep_lossless(dict(zip(typed, frame.get_columns(), strict=True)), how)
            except pl.exceptions.ComputeError:  # a later row is of another type
                series = {}
        rest = [i for i in range(len(names)) if i not in series]
        if rest:
            frame = pl.read_csv(content, columns=rest, infer_schema=False, **parse)
            for i, column in zip(rest, frame.get_columns(), strict=True):
                series[i] = how.infer(column.alias(names[i]))
    except pl.exceptions.PolarsError:
        return None
    return pl.DataFrame([series[i].alias(name) for i, name in enumerate(names)])


def _keep_lossless(series: dict[int, pl.Series], how: Inference) -> dict[int, pl.Series]:
    """Return the columns that polars' typing lost nothing of; text in them has its type inferred as elsewhere.

    Text with gaps is left to be parsed again, so that what stood there is known.
    """
    import polars as pl

    kept = {}
    for i, column in series.items():
        if column.dtype == pl.String:
            if not column.null_count():
                kept[i] = how.infer(column)
        elif column.dtype in (pl.Int64, pl.Boolean):
            kept[i] = how.blank(column)
        elif column.dtype == pl.Float64:
            low: Any = column.min()
            high: Any = column.max()
            if low is None or (low > -EXACT_INTEGERS and high < EXACT_INTEGERS):
                kept[i] = how.blank(column)
    return kept


def _find_leading_zeros(data: np.ndarray[Any, Any], separator: int, width: int) -> set[int] | None:
    """Find the columns in which a number may begin with a 0 and another digit; None if the file is not regular.

    It is regular if each row has ``width`` values, quotation marks enclose whole values and are doubled within, and
    each line ends in LF or CR LF. A byte is inside quotation marks if the number of marks before it is odd.
    """
    last, inside_before, count = len(data) - 1, 0, 0
    begins = np.zeros(256, dtype=bool)
    begins[[separator, *b'"\n +-\t']] = True
    found: set[int] = set()
    for start in range(0, len(data), _BYTES_A_BLOCK):
        block = data[start : start + _BYTES_A_BLOCK]
        marks, quotes = (block == separator) | (block == _LINE_FEED), block == _QUOTE
        ends = np.flatnonzero(marks | quotes)
        is_quote = quotes[ends]
        if inside_before or is_quote.any():
            inside = (np.cumsum(is_quote, dtype=np.uint8) & 1) ^ inside_before
            places, opens = ends[is_quote], inside[is_quote] == 1
            before = data[np.maximum(places[opens] + start - 1, 0)]
            behind = data[np.minimum(places[~opens] + start + 1, last)]
            if not (
                _among(before, separator, _LINE_FEED, _QUOTE) and _among(behind, separator, _LINE_FEED, _RETURN, _QUOTE)
            ):
                return None
            ends = ends[~is_quote & (inside == 0)]
            inside_before = int(inside[-1]) if len(inside) else inside_before
        returns = block == _RETURN
        if returns.any() and not _among(data[np.minimum(np.flatnonzero(returns) + start + 1, last)], _LINE_FEED):
            return None
        line_ends = np.flatnonzero(block[ends] == _LINE_FEED)
        if not np.array_equal(line_ends, np.arange((-count - 1) % width, len(ends), width)):
            return None
        pairs = data[start : start + _BYTES_A_BLOCK + 1]
        places = np.flatnonzero((pairs[:-1] == _ZERO) & (pairs[1:] - _ZERO <= _NINE - _ZERO))
        places = places[begins[data[np.maximum(places + start - 1, 0)]] | (places + start == 0)]
        found.update(((count + np.searchsorted(ends, places)) % width).tolist())
        count += len(ends)
    whole = count % width == (0 if last >= 0 and data[last] == _LINE_FEED else width - 1)
    return found if whole and not inside_before else None


def _among(values: np.ndarray[Any, Any], *allowed: int) -> bool:
    return bool(np.isin(values, np.array(allowed, np.uint8)).all())
