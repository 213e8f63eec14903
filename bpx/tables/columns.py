"""What a fitted column does: numbers are standardized, booleans become 0 and 1, categories one-hot.

The three kinds share one set of methods: `features` names what they make, `encode` makes it, and `to_dict` stores what
was learned from the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.messages import counted, in_row, listed, shown
from bpx.tables.stored import Fields
from bpx.tables.values import as_booleans, as_numbers, as_texts, refuse_rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["BooleanColumn", "CategoryColumn", "Column", "Encoding", "NumberColumn", "column_from_dict"]

Array = np.ndarray[Any, Any]

FAR = 1e4
"""Standard deviations from the mean that are worth a note. No training row is as far, unless there are 1e8 of them."""


@dataclass
class Encoding:
    """How to encode, the same for every column of a table.

    Parameters
    ----------
    impute : bool
        Whether missing values are filled with what the column learned, or refused.
    ignore_unseen : bool
        Whether a category that training never saw is none of the categories, or refused.
    notes : list of str
        Gets a line about each column with unseen categories.
    """

    impute: bool
    ignore_unseen: bool
    notes: list[str]

    def check_missing(self, what: str, missing: Array) -> None:
        """Refuse missing values, unless they are to be filled."""
        if missing.any() and not self.impute:
            where = in_row(int(missing.argmax()), int(missing.sum()))
            raise InputError(
                f"{what}: a value is missing {where}, and this preprocessing refuses them; fill them in, "
                "or train again with missing='impute' (--missing impute)"
            )


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardized: ``(value - mean) / std``, a missing value first replaced by the median."""

    name: str
    mean: float
    std: float
    median: float

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features: the column's own."""
        return (self.name,)

    def encode(self, series: pl.Series, how: Encoding) -> Array:
        """Standardize the numbers; shape (rows, 1)."""
        what = f"column {shown(self.name)}"
        numbers = as_numbers(series, what)
        missing = np.isnan(numbers)
        how.check_missing(what, missing)
        with np.errstate(over="ignore"):
            block = (np.where(missing, self.median, numbers) - self.mean) / self.std
        refuse_rows(series, ~np.isfinite(block), what, "numbers of the size seen in training")
        far = np.abs(block) > FAR
        if far.any():
            first, rows = int(far.argmax()), counted(int(far.sum()), "row")
            how.notes.append(
                f"{what}: {rows} far from all that training saw, the first {in_row(first, 1)}: "
                f"{numbers[first]:g} is {abs(block[first]):.1g} standard deviations from the mean, and a prediction "
                "there means nothing"
            )
        return block[:, None]

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        return {"kind": "number", "name": self.name, "mean": self.mean, "std": self.std, "median": self.median}


@dataclass(frozen=True)
class BooleanColumn:
    """A column of booleans, as 0 and 1, a missing one replaced by the more frequent."""

    name: str
    most_frequent: bool

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features: the column's own."""
        return (self.name,)

    def encode(self, series: pl.Series, how: Encoding) -> Array:
        """Write 1 for true and 0 for false; shape (rows, 1)."""
        what = f"column {shown(self.name)}"
        booleans = as_booleans(series, what)
        how.check_missing(what, booleans.is_null().to_numpy())
        values: Array = booleans.fill_null(self.most_frequent).to_numpy()
        return values.astype(np.float64)[:, None]

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        return {"kind": "boolean", "name": self.name, "most_frequent": self.most_frequent}


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot, a missing one replaced by the most frequent."""

    name: str
    categories: tuple[str, ...]
    most_frequent: str

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column=category``, one for each category."""
        return tuple(f"{self.name}={category}" for category in self.categories)

    def encode(self, series: pl.Series, how: Encoding) -> Array:
        """Write 1 in the place of the row's category and 0 elsewhere; shape (rows, categories)."""
        import polars as pl

        what = f"column {shown(self.name)}"
        texts = as_texts(series, what)
        how.check_missing(what, texts.is_null().to_numpy())
        texts = texts.fill_null(self.most_frequent)
        places = texts.cast(pl.Enum(self.categories), strict=False).to_physical()
        unseen = places.is_null().to_numpy()
        if how.ignore_unseen and unseen.any():
            values = texts.filter(places.is_null()).unique().sort().to_list()
            rows = counted(int(unseen.sum()), "row")
            how.notes.append(f"{what}: {rows} with a category that training never saw: {listed(values)}")
        else:
            advice = "; correct it, or pass unseen='ignore' (--unseen ignore)"
            refuse_rows(texts, unseen, what, f"one of {listed(self.categories)}", advice)
        block = np.zeros((len(texts), len(self.categories)))
        seen = np.flatnonzero(~unseen)
        block[seen, places.drop_nulls().to_numpy()] = 1.0
        return block

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        return {
            "kind": "category",
            "name": self.name,
            "categories": list(self.categories),
            "most_frequent": self.most_frequent,
        }


Column = NumberColumn | BooleanColumn | CategoryColumn


def column_from_dict(fields: Fields) -> Column:
    """Build a column again from what `to_dict` gave.

    Raises
    ------
    FileFormatError
        If the data is not what `to_dict` writes.
    """
    kind = fields.choice("kind", ("number", "boolean", "category"))
    name = fields.text("name")
    column: Column
    if kind == "number":
        column = NumberColumn(name, fields.number("mean"), fields.number("std", positive=True), fields.number("median"))
    elif kind == "boolean":
        column = BooleanColumn(name, fields.boolean("most_frequent"))
    else:
        categories = fields.texts("categories", at_least=2)
        column = CategoryColumn(name, categories, fields.choice("most_frequent", categories))
    fields.done()
    return column
