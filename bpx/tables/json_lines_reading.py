"""Reading JSON lines: one object in each line, its keys the names of the columns."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.tables.inferring import Inference
from bpx.tables.messages import shown
from bpx.tables.text_reading import Text
from bpx.tables.unpacking import MAX_RATIO

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_json_lines"]

_LEAST_CELLS = 2**24
_INT64 = range(-(2**63), 2**63)


def read_json_lines(text: Text, how: Inference, *, first_line: int = 1) -> pl.DataFrame:
    """Read a file with one JSON object in each line; blank lines are passed over.

    The columns are the keys, in the order in which they first come. A key that an object lacks, and null, are missing.
    Numbers and booleans are what they are; a column with text in it is typed as one of a CSV file is. A column with a
    list or an object in it holds lists, each of the JSON text of its value: nothing can be learned from it.

    Parameters
    ----------
    text : Text
        The file.
    how : Inference
        Which columns stay text, and what is missing.
    first_line : int
        The number of the first line, where the text is a part of a file.

    Raises
    ------
    InputError
        If a line is no JSON object, or objects have keys of their own, so that most of
        the table would be empty. The message names the line.
    """
    import polars as pl

    columns: dict[str, list[Any]] = {}
    height, allowed = 0, max(_LEAST_CELLS, MAX_RATIO * len(text.content))
    for line, content in enumerate(io.TextIOWrapper(io.BytesIO(text.content), encoding="utf-8"), start=first_line):
        if not content.strip():
            continue
        where = f"{text.path}, line {line}"
        for name, value in _parse(where, content).items():
            values = columns.setdefault(name, [])
            if len(values) < height:
                values.extend([None] * (height - len(values)))
            values.append(value)
        height += 1
        if len(columns) * height > allowed:
            raise InputError(f"{where}: {len(columns):,} different keys so far, most of them in few lines: no table")
    for values in columns.values():
        values.extend([None] * (height - len(values)))
    try:
        return pl.DataFrame([_make_series(name, values, how) for name, values in columns.items()])
    except UnicodeEncodeError:
        raise InputError(f"{text.path}: an escaped character is half of one; correct it") from None


def _parse(where: str, content: str) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep or a number too long"
        raise InputError(f"{where}: not JSON ({reason}); expected one whole object in each line") from None
    if not isinstance(found, dict):
        raise InputError(f"{where}: expected a JSON object, such as {{'a': 1}}, in each line, got {shown(found)}")
    return found


def _make_series(name: str, values: list[Any], how: Inference) -> pl.Series:
    """Return a column of values: booleans, numbers, or text whose type is found."""
    import polars as pl

    kinds = {type(value) for value in values} - {type(None)}
    if kinds & {list, dict}:
        nested = [None if value is None else [json.dumps(value)] for value in values]
        return pl.Series(name, nested, dtype=pl.List(pl.String))
    plain = not how.stays_text(name)
    if plain and kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    exact = all(type(value) is not int or value in _INT64 for value in values)
    if plain and kinds == {int} and exact:
        return how.blank(pl.Series(name, values, dtype=pl.Int64))
    if plain and kinds == {float}:
        return how.blank(pl.Series(name, values, dtype=pl.Float64))
    texts = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return how.infer(pl.Series(name, texts, dtype=pl.String))
