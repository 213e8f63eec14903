"""What a fitted column does: numbers and dates are standardized, booleans become 0 and 1, categories one-hot or codes.

The kinds share one set of methods: `features` names what they make, and `n_numbers` says how many of these, the first,
are numbers, and not zeros and ones, waves or codes; `make_writer` makes it, and `to_dict` stores what was learned from
the training rows. A column that is flagged has one feature more, 1 where the value is missing; of a column of codes,
missing is a code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from bpx.errors import FileFormatError
from bpx.tables.dates import (
    CYCLES,
    count_years,
    find_orders,
    find_phase,
    read_any_order,
    read_moments,
    write_day,
)
from bpx.tables.encoding import Encoding, Writer
from bpx.tables.messages import listed, number_row, shown
from bpx.tables.notation import NumberNotation, find_bare, notation_from_dict, tidy_texts
from bpx.tables.spelling import match_spellings
from bpx.tables.stored import Fields
from bpx.tables.values import as_booleans, as_numbers, as_texts, is_text, read_booleans, refuse_rows, strip_texts

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "BooleanColumn",
    "CategoryColumn",
    "Column",
    "DateColumn",
    "Encoding",
    "NumberColumn",
    "PresenceColumn",
    "column_from_dict",
    "encode_column",
    "find_missing",
    "read_numbers",
]

Array = np.ndarray[Any, Any]

FAR = 1e4
"""Standard deviations from the mean that are worth a note. No training row is as far, unless there are 1e8 of them."""

FAR_DATES = 30.0
"""Standard deviations from the mean that are worth a note for a date, unless a training row was as far: of dates spread
evenly over ten years, 87 years."""


@dataclass(frozen=True)
class NumberColumn:
    """A column of numbers, standardized: ``(value - mean) / std``, a missing value first replaced by the median.

    Parameters
    ----------
    name : str
        The column.
    mean, std, median : float
        Of the training rows.
    flagged : bool
        Whether a feature says where values are missing.
    notation : NumberNotation or None
        How text is read as numbers; None if it has to be written plainly.
    odd : bool
        Whether training had texts that are no numbers, which are gaps.
    """

    name: str
    mean: float
    std: float
    median: float
    flagged: bool = False
    notation: NumberNotation | None = None
    odd: bool = False

    n_numbers: ClassVar[int] = 1

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features: the column's own, and that of the flag."""
        return (self.name, *_name_flag(self.name, self.flagged))

    def make_writer(self, series: pl.Series, how: Encoding) -> Writer:
        """Check the numbers, and return what standardizes them."""
        what = f"column {shown(self.name)}"
        numbers, told = (as_numbers(series, what), None) if how.strict else read_numbers(series, self, how)
        missing = np.isnan(numbers)
        how.check_missing(what, missing, self.name, self.flagged, told)
        self._check_size(series, numbers, how)
        values = how.round(self._standardize(np.where(missing, self.median, numbers)))

        def write(rows: slice, block: Array) -> None:
            block[:, 0] = values[rows]
            if self.flagged:
                block[:, 1] = missing[rows]

        return write

    def _standardize(self, numbers: Array) -> Array:
        with np.errstate(over="ignore"):
            standardized: Array = (numbers - self.mean) / self.std
        return standardized

    def _check_size(self, series: pl.Series, numbers: Array, how: Encoding) -> None:
        """Refuse numbers too large to be standardized, and tell of those that are far from all that training saw."""
        ends = np.array([np.fmin.reduce(numbers), np.fmax.reduce(numbers)]) if len(numbers) else np.zeros(0)
        if not (np.abs(self._standardize(ends)) > FAR).any():  # the farthest is one of them
            return
        what, standardized = f"column {shown(self.name)}", self._standardize(numbers)
        refuse_rows(series, np.isinf(standardized), what, "numbers of the size seen in training")
        far = np.abs(standardized) > FAR
        first = int(far.argmax())
        how.tally.add_far(
            self.name, int(far.sum()), number_row(first), f"{numbers[first]:g}", float(abs(standardized[first]))
        )

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        known = {"kind": "number", "name": self.name, "mean": self.mean, "std": self.std, "median": self.median}
        more = {} if self.notation is None else {"notation": self.notation.to_dict()}
        return known | _list_set(flagged=self.flagged, odd=self.odd) | more


def read_numbers(series: pl.Series, column: NumberColumn, how: Encoding) -> tuple[Array, Array]:
    """Give the numbers of a column by its notation, NaN for gaps; what cannot be read and infinity are gaps.

    Durations are seconds. Numbers of a column that is no text are as text without a unit.

    Returns
    -------
    numbers : array of float64, shape (rows,)
    told : array of bool, shape (rows,)
        Where there is a gap that the user is told of already.

    Raises
    ------
    InputError
        If a text is no number, and that is to be refused; or the column holds dates or lists.
    """
    import polars as pl

    if series.dtype == pl.Duration:
        series = series.dt.total_microseconds() / 1e6
    needs_unit = column.notation is not None and column.notation.needs_unit
    expected = f"numbers with {column.notation.unit}" if column.notation is not None and needs_unit else "numbers"
    if not is_text(series) and series.dtype != pl.Boolean:
        numbers: Array = as_numbers(series.cast(pl.Float64), "") if series.dtype.is_integer() else _read_floats(series)
        told = np.isinf(numbers)
        if told.any() and not how.fitted_here:
            how.tally.add("infinite", column.name, int(told.sum()))
        numbers = np.where(told, np.nan, numbers) if told.any() else numbers
        bare = find_bare(numbers) if needs_unit else np.zeros(len(numbers), dtype=bool)
        if bare.any():
            how.check_texts(series.cast(pl.String), bare, column.name, expected)
            numbers, told = np.where(bare, np.nan, numbers), told | bare
        return numbers, told
    texts = tidy_texts(as_texts(series, column.name))
    plain = NumberNotation(",", ".") if how.decimal == "," else NumberNotation()
    numbers, bounds = (column.notation or plain).read_with_bounds(texts)
    if bounds.any() and not how.fitted_here:
        examples = map(shown, texts.filter(bounds).unique(maintain_order=True).head(3))
        how.tally.add("bounds", column.name, int(bounds.sum()), examples)
    unread = np.isnan(numbers) & texts.is_not_null().to_numpy()
    how.check_texts(texts, unread, column.name, expected, odd=column.odd)
    if column.notation is not None and column.notation.decimal != how.decimal and not how.fitted_here:
        _note_points(texts.filter(~np.isnan(numbers)), column.notation, column.name, how)
    return numbers, unread


def _note_points(texts: pl.Series, notation: NumberNotation, name: str, how: Encoding) -> None:
    """Tell of marks between thousands that could be decimal ones, as they are elsewhere in the file, if all could."""
    doubtful, certain = notation.find_doubtful(texts)
    if certain:
        how.tally.settle("points", name)
    elif len(doubtful):
        how.tally.add("points", name, len(doubtful), map(shown, doubtful.unique(maintain_order=True).head(3)))


def _read_floats(series: pl.Series) -> Array:
    """Give a column that is neither text nor integers as float64, infinite numbers among them."""
    numbers: Array
    if series.dtype.is_float():
        numbers = np.asarray(series.to_numpy(), np.float64)
    else:
        numbers = as_numbers(series, f"column {shown(series.name)}")
    return numbers


@dataclass(frozen=True)
class BooleanColumn:
    """A column of booleans, as 0 and 1, a missing one replaced by the more frequent."""

    name: str
    most_frequent: bool
    flagged: bool = False

    n_numbers: ClassVar[int] = 0

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features: the column's own, and that of the flag."""
        return (self.name, *_name_flag(self.name, self.flagged))

    def make_writer(self, series: pl.Series, how: Encoding) -> Writer:
        """Check the values, and return what writes 1 for true and 0 for false."""
        what = f"column {shown(self.name)}"
        booleans, told = as_booleans(series, what) if how.strict else read_booleans(series, what), None
        missing = booleans.is_null().to_numpy()
        if not how.strict:
            told = missing & series.is_not_null().to_numpy()
            how.check_texts(as_texts(series, what), told, self.name, "true or false")
        how.check_missing(what, missing, self.name, self.flagged, told)
        values = booleans.fill_null(self.most_frequent).to_numpy()

        def write(rows: slice, block: Array) -> None:
            block[:, 0] = values[rows]
            if self.flagged:
                block[:, 1] = missing[rows]

        return write

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        known = {"kind": "boolean", "name": self.name, "most_frequent": self.most_frequent}
        return known | _list_set(flagged=self.flagged)


_CATEGORY_FLAGS = ("flagged", "other", "stripped", "folded", "coded")


@dataclass(frozen=True)
class CategoryColumn:
    """A column of categories, one-hot or as a code.

    A missing value is a category of its own where the column is flagged, and else replaced by the most frequent. A code
    is the number of the feature that would be 1 if the column were one-hot, and -1 where none would be.

    Parameters
    ----------
    name : str
        The column.
    categories : tuple of str
        Those that are told apart, sorted.
    most_frequent : str
        One of them.
    flagged : bool
        Whether missing is a category.
    other : bool
        Whether what is none of the categories counts as one, because training had such rows.
    stripped : bool
        Whether spaces around a value do not count, and text without anything else is missing.
    folded : bool
        Whether a value in another spelling than a category has, as `bpx.tables.spelling` takes it, is of the category.
    coded : bool
        Whether there is one feature, a code, in place of one for each category.
    """

    name: str
    categories: tuple[str, ...]
    most_frequent: str
    flagged: bool = False
    other: bool = False
    stripped: bool = False
    folded: bool = False
    coded: bool = False

    n_numbers: ClassVar[int] = 0

    @property
    def n_codes(self) -> int:
        """How many codes there are, from 0: one for each category, one for all others and one for missing values."""
        return len(self.categories) + self.other + self.flagged

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column=category`` for each category, that of all others and that of the flag.

        That of a code is ``column (code)``.
        """
        if self.coded:
            return (f"{self.name} (code)",)
        named = tuple(f"{self.name}={category}" for category in self.categories)
        return (*named, *((f"{self.name} is another",) if self.other else ()), *_name_flag(self.name, self.flagged))

    def make_writer(self, series: pl.Series, how: Encoding) -> Writer:
        """Check the values, and return what writes 1 in the place of the row's category, or the number of the place."""
        import polars as pl

        what = f"column {shown(self.name)}"
        texts = as_texts(series, what)
        if self.stripped:
            texts = strip_texts(texts)
        missing = texts.is_null().to_numpy()
        how.check_missing(what, missing, self.name, self.flagged)
        if not self.flagged:
            texts = texts.fill_null(self.most_frequent)
        texts = self.respell(texts, how)
        places = self.find_places(texts)
        unseen = (places.is_null() & texts.is_not_null()).to_numpy()
        if how.ignore_unseen and unseen.any() and not self.other:
            how.tally.add_unseen(self.name, int(unseen.sum()), texts.filter(unseen).unique().to_list())
        elif not self.other:
            advice = "; correct it, or pass unseen='ignore' (--unseen ignore)"
            refuse_rows(texts, unseen, what, f"one of {listed(self.categories)}", advice)
        none = len(self.categories)
        if self.coded:
            codes = places.cast(pl.Int32).fill_null(none if self.other else -1).to_numpy()
            codes = np.where(missing, self.n_codes - 1, codes) if self.flagged else codes

            def write_codes(rows: slice, block: Array) -> None:
                block[:, 0] = codes[rows]

            return write_codes
        numbers = places.fill_null(none).set(texts.is_null(), none + 1)
        found = numbers.to_numpy().astype(np.min_scalar_type(none + 1))

        def write(rows: slice, block: Array) -> None:
            some = found[rows]
            known = np.flatnonzero(some < none)
            block[known, some[known]] = 1.0
            if self.other:
                block[:, none] = some == none
            if self.flagged:
                block[:, -1] = some == none + 1

        return write

    def find_places(self, texts: pl.Series) -> pl.Series:
        """Give the place of each text among the categories; null where it is none."""
        import polars as pl

        return texts.cast(pl.Enum(self.categories), strict=False).to_physical().cast(pl.UInt32)

    def respell(self, texts: pl.Series, how: Encoding) -> pl.Series:
        """Give texts with those that are categories in another spelling spelled as these, if that is not refused."""
        if not self.folded or how.refuse_unread:
            return texts
        unseen = self.find_places(texts).is_null() & texts.is_not_null()
        values = texts.filter(unseen).unique(maintain_order=True)
        known = match_spellings(values, self.categories)
        values, known = values.filter(known.is_not_null()), known.drop_nulls()
        if not len(values):
            return texts
        other = unseen & texts.is_in(values.to_list())
        if not how.fitted_here:
            examples = (f"{shown(one)} as {shown(as_known)}" for one, as_known in zip(values, known, strict=True))
            how.tally.add("respelled", self.name, int(other.sum()), examples)
        return texts.replace(values, known)

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        known = {
            "kind": "category",
            "name": self.name,
            "categories": list(self.categories),
            "most_frequent": self.most_frequent,
        }
        return known | _list_set(**{name: getattr(self, name) for name in _CATEGORY_FLAGS})


@dataclass(frozen=True)
class DateColumn:
    """A column of dates or times, as numbers that mean something.

    Its features are the time since the first, standardized; the year, standardized; and sine and cosine of the month of
    the year, the day of the week and the hour, each only where training saw it vary. A missing value is the median.

    Parameters
    ----------
    name : str
        The column.
    time : {"date", "time"}
        Whether there are days, or times of the day alone.
    day_first : bool or None
        Whether ``1/2/2020`` is the first of February; None where no date of training said it, so that new rows do.
    mean, std, median : float
        Of the moments in the training rows, in seconds.
    year_mean, year_std : float
        Of the years; the deviation is 0 where there is one year.
    cycles : tuple of str
        Those of `bpx.tables.dates.CYCLES` that vary.
    flagged : bool
        Whether a feature says where values are missing.
    odd : bool
        Whether training had texts that are no dates, which are gaps.
    months : bool or None
        Whether texts such as ``2007-08`` are months; None, in a file of an earlier bpx, if all texts at hand look so.
    reach : float
        How many standard deviations from the mean the farthest training row is; 0 if they are not worth a note.
    """

    name: str
    time: Literal["date", "time"]
    day_first: bool | None
    mean: float
    std: float
    median: float
    year_mean: float = 0.0
    year_std: float = 0.0
    cycles: tuple[str, ...] = ()
    flagged: bool = False
    odd: bool = False
    months: bool | None = None
    reach: float = 0.0

    @property
    def n_numbers(self) -> int:
        """How many features, the first, are numbers: the time and, where it varies, the year."""
        return 2 if self.year_std else 1

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, such as ``when (month, sine)``."""
        year = (f"{self.name} (year)",) if self.year_std else ()
        cycles = (f"{self.name} ({cycle}, {wave})" for cycle in self.cycles for wave in ("sine", "cosine"))
        return (f"{self.name} (elapsed)", *year, *cycles, *_name_flag(self.name, self.flagged))

    def make_writer(self, series: pl.Series, how: Encoding) -> Writer:
        """Check the values, and return what writes time, year, and sines and cosines."""
        import polars as pl

        what = f"column {shown(self.name)}"
        moments = self.read_in_order(series, how)
        missing = np.isnan(moments)
        unread = missing & series.is_not_null().to_numpy()
        if unread.any():
            texts = series if is_text(series) else series.cast(pl.String)
            how.check_texts(texts, unread, self.name, "dates" if self.time == "date" else "times", odd=self.odd)
        how.check_missing(what, missing, self.name, self.flagged, unread)
        self._tell_far(series, moments, how)
        moments = np.where(missing, self.median, moments)

        def write(rows: slice, block: Array) -> None:
            some, features = moments[rows], iter(block.T)
            next(features)[:] = (some - self.mean) / self.std
            if self.year_std:
                next(features)[:] = (count_years(some) - self.year_mean) / self.year_std
            for cycle in self.cycles:
                angle = 2.0 * np.pi * find_phase(some, cycle)
                next(features)[:] = np.sin(angle)
                next(features)[:] = np.cos(angle)
            if self.flagged:
                next(features)[:] = missing[rows]

        return write

    def read_in_order(self, series: pl.Series, how: Encoding) -> Array:
        """Read the moments with day and month in the order of training, unless the table has the other one.

        A date that is one in the other order alone is read so. Where training had no dates that say an order, it is
        that which `find_dates` finds in the table.

        Raises
        ------
        InputError
            If a date could be read in two ways, training did not say which, and what it did not say is to be refused.
        """
        turned = self.name in how.turned
        read = read_moments if how.refuse_unread and self.day_first is not None else read_any_order
        moments = read(series, self.time, day_first=bool(self.day_first) != turned, months=self.months)
        if self.time == "time" or not is_text(series) or (how.refuse_unread and self.day_first is not None):
            return moments
        found, by_day, by_month, either = find_orders(series)
        if how.refuse_unread:
            expected = "dates that say which number is the day, such as 2024-12-31"
            refuse_rows(series, either, f"column {shown(self.name)}", expected)
            return moments
        how.orders[self.name] = found.follow(how.orders.get(self.name))
        if self.day_first is None:
            self._tell_either_way(series, moments, either, how)
            return moments
        unlike = by_month if self.day_first else by_day
        told = unlike | either if turned else unlike
        if told.any() and not how.fitted_here:
            examples = map(shown, series.filter(told).unique(maintain_order=True).head(3))
            how.tally.add("other order", self.name, int(told.sum()), examples)
        return moments

    def _tell_far(self, series: pl.Series, moments: Array, how: Encoding) -> None:
        """Tell of dates that are far from all that training saw."""
        deviations = np.abs(moments - self.mean) / self.std
        far = deviations > max(FAR_DATES, self.reach)
        if far.any():
            first = int(far.argmax())
            value = shown(str(series[first]))
            how.tally.add_far(self.name, int(far.sum()), number_row(first), value, float(deviations[first]))

    def _tell_either_way(self, series: pl.Series, moments: Array, either: Array, how: Encoding) -> None:
        """Tell of dates that could be read in two ways; `Encoding.tell` leaves it out where others told the order."""
        if how.fitted_here or not either.any():
            return
        texts = series.cast(str)
        rows = [
            int((texts == text).fill_null(False).to_numpy().argmax())
            for text in texts.filter(either).unique(maintain_order=True).head(3)
        ]
        examples = (f"{shown(texts[row])} as {write_day(moments[row])}" for row in rows)
        how.tally.add("either way", self.name, int(either.sum()), examples)

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        return {
            "kind": "date",
            "name": self.name,
            "time": self.time,
            **({} if self.day_first is None else {"day_first": self.day_first}),
            "mean": self.mean,
            "std": self.std,
            "median": self.median,
            "year_mean": self.year_mean,
            "year_std": self.year_std,
            "cycles": list(self.cycles),
            **({} if self.months is None else {"months": self.months}),
            **({"reach": self.reach} if self.reach else {}),
        } | _list_set(flagged=self.flagged, odd=self.odd)


@dataclass(frozen=True)
class PresenceColumn:
    """A column of which it is used whether there is a value: it has one value only, or texts that hardly come again."""

    name: str

    flagged: ClassVar[bool] = True
    n_numbers: ClassVar[int] = 0

    @property
    def features(self) -> tuple[str, ...]:
        """The name of the feature, which is 1 where the value is missing."""
        return _name_flag(self.name, True)

    def make_writer(self, series: pl.Series, how: Encoding) -> Writer:
        """Return what writes 1 where the value is missing and 0 elsewhere."""
        missing = find_missing(series)
        how.check_missing(f"column {shown(self.name)}", missing, self.name, flagged=True)

        def write(rows: slice, block: Array) -> None:
            block[:, 0] = missing[rows]

        return write

    def to_dict(self) -> dict[str, Any]:
        """Give what was learned as JSON data."""
        return {"kind": "presence", "name": self.name}


def find_missing(series: pl.Series) -> Array:
    """Tell where a column of any type has no value, or nothing but spaces; bool, shape (rows,)."""
    if is_text(series):
        series = tidy_texts(as_texts(series, ""))
    missing: Array = (series.fill_nan(None) if series.dtype.is_float() else series).is_null().to_numpy()
    return missing


def _name_flag(name: str, flagged: bool) -> tuple[str, ...]:
    return (f"{name} is missing",) if flagged else ()


def _list_set(**flags: bool) -> dict[str, bool]:
    """Give the flags that are set, so that a column without one is stored as it was before there were any."""
    return {name: True for name, is_set in flags.items() if is_set}


Column = NumberColumn | BooleanColumn | CategoryColumn | DateColumn | PresenceColumn


def encode_column(column: Column, series: pl.Series, how: Encoding) -> Array:
    """Give the features of a column alone; float64, shape (rows, features)."""
    x = np.zeros((len(series), len(column.features)))
    column.make_writer(series, how)(slice(0, len(series)), x)
    return x


def column_from_dict(fields: Fields) -> Column:
    """Build a column again from what `to_dict` gave.

    Raises
    ------
    FileFormatError
        If the data is not what `to_dict` writes.
    """
    kind = fields.choice("kind", ("number", "boolean", "category", "date", "presence"))
    name = fields.text("name")

    def flag(key: str) -> bool:
        return fields.boolean(key) if fields.has(key) else False

    column: Column
    if kind == "number":
        mean, std, median = fields.number("mean"), fields.number("std", positive=True), fields.number("median")
        stored = fields.value("notation") if fields.has("notation") else None
        notation = None if stored is None else notation_from_dict(Fields(stored, f"{fields.where}, notation"))
        column = NumberColumn(name, mean, std, median, flag("flagged"), notation, flag("odd"))
    elif kind == "boolean":
        column = BooleanColumn(name, fields.boolean("most_frequent"), flag("flagged"))
    elif kind == "presence":
        column = PresenceColumn(name)
    elif kind == "date":
        time: Any = fields.choice("time", ("date", "time"))
        day_first = fields.boolean("day_first") if fields.has("day_first") else None
        mean, std, median = fields.number("mean"), fields.number("std", positive=True), fields.number("median")
        year = fields.number("year_mean"), fields.number("year_std")
        cycles = fields.texts("cycles")
        if not set(cycles) <= set(CYCLES) or year[1] < 0.0:
            raise FileFormatError(
                f"{fields.where}: expected cycles among {listed(CYCLES)} and a deviation of 0 or more"
            )
        months = fields.boolean("months") if fields.has("months") else None
        reach = fields.number("reach", positive=True) if fields.has("reach") else 0.0
        column = DateColumn(
            name, time, day_first, mean, std, median, *year, cycles, flag("flagged"), flag("odd"), months, reach
        )
    else:
        categories = fields.texts("categories", at_least=2)
        most_frequent = fields.choice("most_frequent", categories)
        flags = {key: flag(key) for key in _CATEGORY_FLAGS}
        column = CategoryColumn(name, categories, most_frequent, **flags)
    fields.done()
    return column
