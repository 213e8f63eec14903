"""Giving columns of text their types: integers, floats, booleans or text, whichever loses no value, and gaps."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.errors import InputError, unknown_name
from bpx.tables.messages import counted, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "EXACT_INTEGERS",
    "MISSING_MARKERS",
    "Decimal",
    "DecimalSearch",
    "Inference",
    "blank_markers",
    "check_decimal",
    "check_markers",
    "find_decimal",
    "may_have_decimal_commas",
]

MISSING_MARKERS = (
    "", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "-", "--", ".",
)  # fmt: skip
"""What stands for a missing value in a file of text, spaces around it not counted."""

Decimal = Literal[".", ","]
"""What stands before the decimals of a number."""

EXACT_INTEGERS = 2.0**53

_LEADING_ZERO = r"^[+-]?0\d"
_DIGITS = 310
"""Integers of more digits than this are out of the range of float64."""

_COMMA = r"^[+-]?(\d+(,\d+)?|\d*,\d+|[1-9]\d{0,2}(\.\d{3})+(,\d+)?)([eE][+-]?\d+)?$"
"""A number whose decimals stand behind a comma, and whose thousands may have points."""
_WITH_COMMA = r"^[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?$"
_THOUSANDS = r"^[+-]?[1-9]\d{0,2},\d{3}$"
_WITH_POINT = r"^[+-]?(\d{1,3}(,\d{3})+|\d+)?\.\d+([eE][+-]?\d+)?$"
_THOUSANDS_WITH_POINT = r"^[+-]?[1-9]\d{0,2}\.\d{3}$"


@dataclass
class Inference:
    """How the columns of a file of text get their types.

    Parameters
    ----------
    text : collection of str
        Columns that stay text whatever their values are.
    verbatim : collection of str
        Columns that stay text, in which only an empty value is missing.
    markers : tuple of str
        What stands for a missing value. An empty value always does.
    known : dict from str to collection of str
        Texts of columns that are values there, though markers.
    decimal : {".", ","}
        What stands before decimals. With a comma, points may stand between thousands.
    gaps : dict
        Gets, for each column that stays text, how many of its values were taken for missing, by marker.
    doubt : DecimalSearch or None
        Looks at the columns, if the decimal comma is that of a model's training, and this file may have points; see
        `settle_decimal`.
    """

    text: Collection[str] = ()
    verbatim: Collection[str] = ()
    markers: tuple[str, ...] = MISSING_MARKERS
    decimal: Decimal = "."
    known: Mapping[str, Collection[str]] = field(default_factory=dict)
    gaps: dict[str, dict[str, int]] = field(default_factory=dict)
    doubt: DecimalSearch | None = None

    def stays_text(self, name: str) -> bool:
        """Tell whether a column is text by declaration."""
        return name in self.text or name in self.verbatim

    def list_markers(self, name: str) -> list[str]:
        """List what stands for a missing value in a column, beside an empty one."""
        known = self.known.get(name, ())
        return [] if name in self.verbatim else [marker for marker in self.markers if marker not in known]

    def infer(self, column: pl.Series) -> pl.Series:
        """Give a column of text its type, the narrowest that loses no value.

        Integers with leading zeros (``01`` is not ``1``), or with one that neither 64 bits nor a float64 hold exactly,
        stay text.
        """
        import polars as pl

        stripped = column.str.strip_chars()
        verbatim = column.name in self.verbatim
        values = stripped.set(stripped.is_in(["", *self.list_markers(column.name)]), None)
        if self.doubt is not None:
            self.doubt.look_at([values])
        first = next(iter(values.drop_nulls().head(1)), None)
        if not self.stays_text(column.name) and first is not None:
            typed = self._type(values, first)
            if typed.dtype != pl.String:
                return self.blank(typed)
        if not verbatim and values.null_count():
            taken = stripped.filter(values.is_null() & stripped.is_not_null() & (stripped != ""))
            if len(taken):
                self.gaps[column.name] = dict(taken.value_counts(sort=True, name="rows").rows())
        return values

    def blank(self, column: pl.Series) -> pl.Series:
        """Make null what stands for missing values in a column of numbers."""
        return blank_markers(column, self.markers)

    def _type(self, values: pl.Series, first: str) -> pl.Series:
        import polars as pl

        if self.decimal == "," and _is_number_with_comma(first) and values.drop_nulls().str.contains(_COMMA).all():
            values = values.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        elif not _may_be_typed(first):
            return values
        integers = values.cast(pl.Int64, strict=False)
        if integers.null_count() == values.null_count():
            return values if values.str.contains(_LEADING_ZERO).any() else integers
        numbers = values.cast(pl.Float64, strict=False)
        if numbers.null_count() == values.null_count():
            return numbers if _holds_integers(values, numbers) else values
        lowered = values.str.to_lowercase()
        if lowered.drop_nulls().is_in(["true", "false"]).all():
            return lowered == "true"
        return values

    def settle_decimal(self, separator: str, notes: list[str]) -> bool:
        """Find whether a file, all of which was read, has the decimal comma of the training; if not, it has points.

        Parameters
        ----------
        separator : str
            What stands between its values; empty for nothing, a comma too where numbers come with points.
        notes : list of str
            Gets a line where the file has points, or may have.

        Returns
        -------
        bool
            Whether it has points, and is to be read anew.
        """
        if self.doubt is None:
            return False
        self.decimal, note = self.doubt.conclude_on_comma(separator)
        notes += [note] if note else []
        self.doubt = None
        if self.decimal == ",":
            return False
        self.gaps.clear()
        return True

    def describe_gaps(self) -> list[str]:
        """Say, in one line, which texts were taken for gaps in columns where they could be categories."""
        found = []
        for name, markers in self.gaps.items():
            named = [f"{shown(marker)} ({counted(rows, 'row')})" for marker, rows in markers.items()]
            found.append(f"{', '.join(named)} in {shown(name)}")
        if not found:
            return []
        more = f", and in {counted(len(found) - 10, 'more column')}" if len(found) > 10 else ""
        return [
            f"taken for gaps, though they could be categories: {'; '.join(found[:10])}{more}; "
            "missing_values=(...) says what a gap is, and types={...} that a column is a category"
        ]


def may_have_decimal_commas(columns: Iterable[pl.Series]) -> bool:
    """Tell whether a column of text is numbers, some with one comma each: whether `find_decimal` is worth asking."""
    import polars as pl

    texts = (column.drop_nulls() for column in columns if column.dtype == pl.String)
    return any(
        len(values) > 0 and values.str.contains(_COMMA).all() and values.str.contains(_WITH_COMMA).any()
        for values in texts
    )


def find_decimal(columns: Iterable[pl.Series], separator: str) -> tuple[Decimal, str]:
    """Find out what stands before decimals, in the columns of a file that were all read as text.

    It is a comma if a column is numbers with at most one comma each, and no column is numbers with decimal points; as
    in ``1.234``, these may stand between thousands. Where the commas could stand there too, as in ``1,234``, they are
    decimal ones in a file whose values stand between semicolons, which programs write where decimals have commas.

    Parameters
    ----------
    columns : iterable of polars.Series
        The table.
    separator : str
        What stands between its values. Between commas, no comma is a decimal one.

    Returns
    -------
    decimal : {".", ","}
        What was found.
    example : str
        A number and its column, as the note has it; empty if there is none.
    """
    search = DecimalSearch()
    search.look_at(columns)
    return search.conclude(separator)


@dataclass
class _Marks:
    """How the values of one column are written: what is so of all of them, or of any."""

    plain_points: bool = False
    all_numbers: bool = True
    all_commas: bool = True
    all_thousands: bool = True
    first: str = ""
    plain_point: str = ""
    any_point: str = ""


class DecimalSearch:
    """The search of `find_decimal`, for a table of which one part after another is looked at.

    Parameters
    ----------
    names : collection of str, optional
        The columns to look at; by default all.
    """

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._columns: dict[str, _Marks] = {}
        self._names = names

    def look_at(self, columns: Iterable[pl.Series]) -> None:
        """Look at some rows of the table, read as text."""
        for column in columns:
            if self._names is not None and column.name not in self._names:
                continue
            marks, values = self._columns.setdefault(column.name, _Marks()), column.drop_nulls()
            with_point = values.filter(values.str.contains(_WITH_POINT))
            plain = with_point.filter(~with_point.str.contains(_THOUSANDS_WITH_POINT))
            marks.plain_points |= len(plain) > 0
            marks.plain_point = marks.plain_point or next(iter(plain.head(1)), "")
            marks.any_point = marks.any_point or next(iter(with_point.head(1)), "")
            marks.all_numbers = marks.all_numbers and bool(values.str.contains(_WITH_POINT + "|" + _COMMA).all())
            marks.all_commas = marks.all_commas and bool(values.str.contains(_COMMA).all())
            commas = values.filter(values.str.contains(_WITH_COMMA))
            marks.all_thousands = marks.all_thousands and bool(commas.str.contains(_THOUSANDS).all())
            if len(commas) and not marks.first:
                marks.first = commas[0]

    def conclude(self, separator: str) -> tuple[Decimal, str]:
        """Return what `find_decimal` does."""
        example, sure = "", separator == ";"
        for name, marks in self._columns.items():
            if marks.plain_points and marks.all_numbers and not marks.all_commas:
                return ".", ""
            if marks.first and marks.all_commas:
                sure = sure or not marks.all_thousands
                example = example or f"{shown(marks.first)} in {shown(name)}"
        return (",", example) if example and sure else (".", "")

    def conclude_on_comma(self, separator: str) -> tuple[Decimal, str]:
        """Find what stands before decimals in a file for a model whose training was told that it is a comma.

        It is a point if no number has a decimal comma, and one has a point that cannot stand between thousands, or any
        point in a file whose values stand between commas.

        Parameters
        ----------
        separator : str
            What stands between its values; empty for nothing, a comma too where numbers come with points.

        Returns
        -------
        decimal : {".", ","}
            What was found.
        note : str
            What the user should know; empty for nothing.
        """
        columns = self._columns.items()
        if any(marks.first and not marks.all_thousands for _, marks in columns):
            return ",", ""
        certain = [f"{shown(marks.plain_point)} in {shown(name)}" for name, marks in columns if marks.plain_point]
        commas = any(marks.first for _, marks in columns)
        points = [f"{shown(marks.any_point)} in {shown(name)}" for name, marks in columns if marks.any_point]
        if certain or (points and separator == "," and not commas):
            return ".", (
                f"points were taken for decimal marks ({(certain or points)[0]}), though the training was told that "
                "commas are; if that is wrong, pass decimal=',' (--decimal ,)"
            )
        if points and not commas:
            return ",", (
                f"points were taken to stand between thousands ({points[0]}), because the training was told that "
                "commas are decimal marks; if that is wrong, pass decimal='.' (--decimal .)"
            )
        return ",", ""


def blank_markers(column: pl.Series, markers: Collection[str]) -> pl.Series:
    """Make null what a column of numbers or text has in place of missing values: ``-999`` is ``-999.0`` too."""
    import polars as pl

    if column.dtype == pl.String:
        return column.set(column.str.strip_chars().is_in(list(markers)), None)
    if column.dtype in (pl.Categorical, pl.Enum):
        return blank_markers(column.cast(pl.String), markers).cast(column.dtype)
    if not column.dtype.is_numeric():
        return column
    numbers = [number for number in map(_parse_number, markers) if number is not None]
    return column.set(column.cast(pl.Float64, strict=False).is_in(numbers), None) if numbers else column


def check_markers(markers: object) -> tuple[str, ...]:
    """Return the texts that stand for missing values; refuse what is no collection of texts and numbers.

    Raises
    ------
    InputError
        If it is none.
    """
    if isinstance(markers, (str, bytes, Mapping)) or not isinstance(markers, Iterable):
        raise InputError(f"expected missing_values to be a list such as ['NA', '-999'], got {shown(markers)}")
    values = list(markers)
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise InputError(f"expected missing_values to hold texts and numbers, got {shown(value)}")
    return tuple(dict.fromkeys(str(value).strip() for value in values))


def check_decimal(decimal: Any) -> None:
    """Refuse what cannot stand before decimals.

    Raises
    ------
    InputError
        If it is neither a point nor a comma.
    """
    if decimal not in (".", ","):
        raise unknown_name("decimal mark", decimal, (",", "."))


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _is_number_with_comma(value: str) -> bool:
    return any(mark.isdigit() for mark in value) and value[:1] in "+-.,0123456789"


def _may_be_typed(value: str) -> bool:
    """Tell whether a column that holds this text can be anything but text."""
    try:
        float(value)
    except ValueError:
        return value.lower() in ("true", "false")
    return True


def _holds_integers(values: pl.Series, numbers: pl.Series) -> bool:
    """Tell whether floats hold each integer among the texts that they were made of exactly."""
    large = values.filter((numbers.abs() >= EXACT_INTEGERS) & values.str.contains(r"^[+-]?\d+$"))
    return all(len(text) < _DIGITS and int(text) == float(text) for text in large)
