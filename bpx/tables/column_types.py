"""The types of the columns of a text, found from its parts as they would be from the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bpx.tables.inferring import EXACT_INTEGERS

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnTypes"]

Kind = Literal["empty", "integers", "zeros", "numbers", "booleans", "text", "nested"]

_LEADING_ZERO = r"^[+-]?0\d"


class ColumnTypes:
    """The types that the columns of a table have once all parts of it were looked at, as `Inference` finds them."""

    def __init__(self) -> None:
        self._kinds: dict[str, set[Kind]] = {}

    @property
    def names(self) -> list[str]:
        """The columns, in the order in which they came."""
        return list(self._kinds)

    def look_at(self, frame: pl.DataFrame) -> None:
        """Look at one part, whose columns have the types that its own values have."""
        for column in frame.get_columns():
            self._kinds.setdefault(column.name, set()).add(_find_kind(column))

    def list_texts(self) -> set[str]:
        """Return the columns that are to be read as text in every part, because in some they can be nothing else."""
        import polars as pl

        return {name for name, dtype in self.conclude().items() if dtype == pl.String}

    def conclude(self) -> dict[str, pl.DataType]:
        """Return the type of each column."""
        return {name: _join(kinds - {"empty"}) for name, kinds in self._kinds.items()}

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give a part these columns, in this order and of these types; one that it lacks is missing."""
        import polars as pl

        dtypes = self.conclude()
        lacking = [pl.lit(None, dtype=dtype).alias(name) for name, dtype in dtypes.items() if name not in frame.columns]
        frame = frame.with_columns(lacking).select(list(dtypes))
        nested = [name for name, dtype in dtypes.items() if dtype.is_nested() and not frame.schema[name].is_nested()]
        frame = frame.with_columns(_nest(frame.get_column(name)) for name in nested)
        return frame.cast(dtypes)


def _find_kind(column: pl.Series) -> Kind:
    import polars as pl

    if column.null_count() == len(column):
        return "empty"
    if column.dtype.is_nested():
        return "nested"
    if column.dtype == pl.Boolean:
        return "booleans"
    if column.dtype.is_float():
        return "numbers"
    if column.dtype.is_integer():
        large = column.filter(column.cast(pl.Float64).abs() >= EXACT_INTEGERS)
        return "integers" if all(int(float(value)) == value for value in large) else "text"
    zeros = column.cast(pl.Int64, strict=False).null_count() == column.null_count()
    return "zeros" if zeros and bool(column.str.contains(_LEADING_ZERO).any()) else "text"


def _join(kinds: set[Kind]) -> pl.DataType:
    """Return the narrowest type that loses no value of parts of these kinds."""
    import polars as pl

    if "nested" in kinds:
        return pl.List(pl.String)
    if kinds == {"booleans"}:
        return pl.Boolean()
    if kinds == {"integers"}:
        return pl.Int64()
    if "numbers" in kinds and kinds <= {"integers", "zeros", "numbers"}:
        return pl.Float64()
    return pl.String()


def _nest(column: pl.Series) -> pl.Series:
    """Give each value of a column as JSON lines that hold lists do: a list of its JSON text."""
    import json

    import polars as pl

    values = [None if value is None else [json.dumps(value)] for value in column]
    return pl.Series(column.name, values, dtype=pl.List(pl.String))
