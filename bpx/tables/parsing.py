"""The columns of a table as they were parsed: numbers, texts and moments, before anything that training learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.columns import (
    BooleanColumn,
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    PresenceColumn,
    find_missing,
    read_numbers,
)
from bpx.tables.encoding import Encoding
from bpx.tables.frames import check_columns, take_frame
from bpx.tables.messages import shown
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.values import as_booleans, as_numbers, as_texts, is_text, read_booleans

if TYPE_CHECKING:
    import polars as pl

__all__ = ["find_missing_text", "parse_columns"]

Array = np.ndarray[Any, Any]

_MISSING = ("", "NA", "NaN", "null", "missing")
"""What stands for a missing text: the first that is no category."""

_PRESENT = "present"
"""What stands for any value of a column of which only that counts."""


def parse_columns(frame: pl.DataFrame, preprocessor: Preprocessor) -> dict[str, Array]:
    """Give the columns of a table as a model's ONNX file takes them.

    That is what reading and parsing make of a table, and ends where the statistics of the training begin: ``$1,200.50``
    is 1200.5 and ``2020-01-31`` a number of seconds, but nothing is filled or standardized.

    Parameters
    ----------
    frame : polars.DataFrame, or of another library
        The table, as `read_table` gives it; the target may be absent.
    preprocessor : Preprocessor
        The model's.

    Returns
    -------
    dict from str to array of shape (rows, 1)
        The columns that the model uses, by name:

        - numbers as float64, in the unit of the column, NaN where missing or infinite;
        - booleans as float64, 1 for true, 0 for false, NaN where missing;
        - dates as float64, the seconds since 1970-01-01 by the clock that wrote them, without the offset of a time
          zone; times of the day as the seconds since midnight; NaN where missing;
        - categories as text (objects), without the spaces around them unless the column was declared, and where missing
          as `find_missing_text` says;
        - columns of which only whether there is a value counts as text, empty where there is none.

    Raises
    ------
    InputError
        If columns are absent, or a value is not of its column's type, as `Preprocessor.transform` says it.

    See Also
    --------
    bpx.tables.Preprocessor : How columns become numbers.
    bpx.tables.read_table : Read a table from a file or a frame.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor, parse_columns
    >>> table = pl.DataFrame({"cost": ["$1,200", "$9", "$30", "$5"], "kind": ["a", "b", "a", "b"], "y": [1, 2, 4, 9]})
    >>> fitted = Preprocessor.fit(table, "y", task="regression")
    >>> parsed = parse_columns(pl.DataFrame({"cost": ["$2,000"], "kind": [" b "]}), fitted)
    >>> parsed["cost"], parsed["kind"]
    (array([[2000.]]), array([['b']], dtype=object))
    """
    frame = take_frame(frame)
    check_columns(frame, preprocessor.column_names, {*preprocessor.left_out, preprocessor.target.name})
    strict = preprocessor.strict
    how = Encoding(impute=True, ignore_unseen=True, strict=strict, refuse_unread=strict)
    parsed = _parse_all(frame, preprocessor, how)
    turned = preprocessor.find_turned(how)
    return _parse_all(frame, preprocessor, how.begin_again(turned)) if turned else parsed


def _parse_all(frame: pl.DataFrame, preprocessor: Preprocessor, how: Encoding) -> dict[str, Array]:
    return {
        column.name: _parse(frame.get_column(column.name), column, how).reshape(-1, 1)
        for column in preprocessor.columns
    }


def find_missing_text(column: Column) -> str:
    """Return the text that stands for a missing one: an empty one, unless that is a category of the column."""
    categories = column.categories if isinstance(column, CategoryColumn) else ()
    return next(text for text in (*_MISSING, "".join(categories) + "?") if text not in categories)


def _parse(series: pl.Series, column: Column, how: Encoding) -> Array:
    """Give the values of one column; shape (rows,)."""
    import polars as pl

    what = f"column {shown(column.name)}"
    match column:
        case NumberColumn():
            return as_numbers(series, what) if how.strict else read_numbers(series, column, how)[0]
        case BooleanColumn():
            read = as_booleans if how.strict else read_booleans
            booleans: Array = read(series, what).cast(pl.Float64).to_numpy()
            return booleans
        case DateColumn():
            moments = column.read_in_order(series, how)
            unread = np.isnan(moments) & series.is_not_null().to_numpy()
            texts = series if is_text(series) else series.cast(pl.String)
            how.check_texts(texts, unread, column.name, f"{column.time}s", odd=column.odd)
            return moments
        case CategoryColumn():
            texts = as_texts(series, what)
            if column.stripped:
                texts = texts.str.strip_chars()
                texts = texts.set(texts == "", None)
            texts = column.respell(texts, how)
            return np.array(texts.fill_null(find_missing_text(column)).to_list(), dtype=object)
        case PresenceColumn():
            return np.where(find_missing(series), find_missing_text(column), _PRESENT).astype(object)
