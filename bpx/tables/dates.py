"""Dates and times: read from any column that holds them, and told apart into numbers that mean something.

A moment is a float, the seconds since 1970-01-01 by the clock that wrote it; the offset of a time zone is not counted,
so that the hour is the hour that people saw. Of a column of times alone it is the seconds since midnight.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.tables.notation import MANY_NUMBERS, find_gap_words, tidy_texts
from bpx.tables.values import read_values

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "CYCLES",
    "FoundDates",
    "Orders",
    "count_years",
    "find_dates",
    "find_orders",
    "find_phase",
    "looks_monthly",
    "read_any_order",
    "read_moments",
    "write_day",
]

Array = np.ndarray[Any, Any]

CYCLES = ("month", "weekday", "hour")
"""What comes again and again, each as sine and cosine."""

_DAY = 86400.0
_MONTH_NAMES = (
    ("jan",), ("feb",), ("mar", "mär"), ("apr",), ("may", "mai"), ("jun",),
    ("jul",), ("aug",), ("sep",), ("oct", "okt"), ("nov",), ("dec", "dez"),
)  # fmt: skip
_MONTHS = {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names}
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-zä]*\.?"
_CLOCK = (
    r"(?:[T ,]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:[.,]\d+)?))?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?:Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?)?)?"
)
_WEEKDAY = r"(?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,? )?"
_PATTERNS = (
    rf"^(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}}){_CLOCK}$",
    rf"^(?P<first>\d{{1,2}})[-/.](?P<other>\d{{1,2}})[-/.](?P<year>\d{{4}}|\d{{2}}){_CLOCK}$",
    rf"^{_WEEKDAY}(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[ -/]?{_MONTH}[ ,/-]*(?P<year>\d{{4}}|\d{{2}}){_CLOCK}$",
    rf"^{_WEEKDAY}{_MONTH} (?P<day>\d{{1,2}})(?:st|nd|rd|th)?,? +(?P<year>\d{{4}}){_CLOCK}$",
    r"^(?P<year>(?:19|20)\d{2})(?P<month>\d{2})(?P<day>\d{2})$",
    r"^(?P<year>\d{4})[ -]?Q(?P<quarter>[1-4])$",
    r"^Q(?P<quarter>[1-4])[ /-]?(?P<year>\d{4})$",
)
_MONTHLY = (r"^(?P<year>(?:19|20)\d{2})-(?P<month>\d{1,2})$", rf"^{_MONTH}[ -](?P<year>\d{{4}})$")
_TIME = r"^(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?\s*(?P<half>[ap]\.?m\.?)?$"

_NO_DATE = r"^0{1,4}([-/.]0{1,2}){2}([T ]00?:00(:00)?)?$|^0{1,2}[-/.]0{1,2}[-/.]0{2,4}$"
"""What databases write for a date that is not there, such as ``0000-00-00``."""

_COMPACT = (19000101, 21001231)
"""Integers between these, each of which is a date, are dates."""

_FEW_DATES = 3
_FIRST_LOOK = 1000
"""Different texts of a large column that are looked at first; where they are no dates, the others are not read."""

_KINDS: tuple[Literal["time", "date"], ...] = ("time", "date")


@dataclass(frozen=True)
class FoundDates:
    """What the values of a column are, read as dates or times.

    Parameters
    ----------
    kind : {"date", "time"}
        Whether there are days, or times of the day alone.
    day_first : bool or None
        Whether ``1/2/2020`` is the first of February; None where no date says or depends on it.
    ambiguous : str
        A date that could be read either way, if the others do not tell which; else empty.
    odd : tuple of str
        Texts that are no dates.
    example : str
        A date as it is written; empty for a column whose type says that it holds dates.
    months : bool
        Whether texts such as ``2007-08`` are months.
    """

    kind: Literal["date", "time"]
    day_first: bool | None = None
    ambiguous: str = ""
    odd: tuple[str, ...] = ()
    example: str = ""
    months: bool = False


@dataclass(frozen=True)
class Orders:
    """In which order the days and months of a column may be: what its dates such as ``1/2/2020`` say of it.

    Parameters
    ----------
    day_first, month_first : bool
        Whether there are dates that are one in this order alone, as ``25/12/2020`` is with the day first.
    example : str
        The first date that is another one in the other order, such as ``1/2/2020``; empty if there is none.
    firsts, others : frozenset of int
        Which numbers come first and second in dates that are one in both orders.
    """

    day_first: bool = False
    month_first: bool = False
    example: str = ""
    firsts: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    @property
    def ambiguous(self) -> bool:
        """Whether there are dates that could be read in two ways, and the others do not tell which."""
        return bool(self.example) and self.day_first == self.month_first

    def follow(self, before: Orders | None) -> Orders:
        """Return what is so of this part of a column together with the parts before it."""
        if before is None:
            return self
        return Orders(
            self.day_first or before.day_first,
            self.month_first or before.month_first,
            before.example or self.example,
            self.firsts | before.firsts,
            self.others | before.others,
        )

    def decide(self) -> bool | None:
        """Tell whether the day comes first, as `find_dates` says; None where no date depends on it."""
        if self.day_first or self.month_first:
            return self.day_first
        if not self.example:
            return None
        if len(self.firsts) != len(self.others):
            return len(self.firsts) > len(self.others)
        return "/" not in self.example

    def contradict(self, *, day_first: bool | None) -> bool:
        """Tell whether dates that are read in an order are to be read in the other one.

        Parameters
        ----------
        day_first : bool or None
            The order of training; None where it had no such dates, so that the month was taken to be first.
        """
        if day_first is None:
            return self.decide() is True
        sure, against = (self.day_first, self.month_first) if day_first else (self.month_first, self.day_first)
        return bool(self.example) and against and not sure


def find_dates(series: pl.Series) -> FoundDates | None:
    """Find whether a column holds dates or times, and how it writes them.

    Text does if every text is one in ISO's or a common form, a missing value put in words, or, where there are more
    than 10 different dates and fewer odd texts than these, nearly every one. Integers do if there are three or more and
    each is a date like 20241231. Where no number of ``1/2/2020`` is above 12, the one that takes more values is the
    day; where that does not tell, the day comes first after points and dashes and the month after slashes. What
    databases write for no date, ``0000-00-00``, is odd however few dates there are.

    Parameters
    ----------
    series : polars.Series
        The column, all of its rows.
    """
    import polars as pl

    if series.dtype == pl.Time:
        return FoundDates("time")
    if series.dtype in (pl.Date, pl.Datetime):
        return FoundDates("date")
    if series.dtype.is_integer():
        low, high = series.min(), series.max()
        if low is None or low < _COMPACT[0] or high > _COMPACT[1]:
            return None
    values = series.drop_nulls().unique(maintain_order=True)
    if series.dtype.is_integer():
        if len(values) < _FEW_DATES:
            return None
        read = ~np.isnan(read_moments(values, "date"))
        return FoundDates("date", example=str(values[0])) if read.all() else None
    texts = tidy_texts(values.cast(pl.String)).drop_nulls()
    texts = texts.filter(~find_gap_words(texts))
    none = texts.str.contains(_NO_DATE)
    texts, no_dates = texts.filter(~none), texts.filter(none)
    if len(texts) == 0:
        return None
    for kind in _KINDS:
        if len(texts) > _FIRST_LOOK and _find_in_texts(texts.gather_every(len(texts) // _FIRST_LOOK), kind) is None:
            continue
        found = _find_in_texts(texts, kind)
        if found is not None:
            return dataclasses.replace(found, odd=(*no_dates, *found.odd))
    return None


def _find_in_texts(texts: pl.Series, kind: Literal["date", "time"]) -> FoundDates | None:
    import polars as pl

    orders = find_orders(texts)[0] if kind == "date" else Orders()
    day_first = orders.decide()
    months = kind == "date" and looks_monthly(texts)
    read = ~np.isnan(read_any_order(texts, kind, day_first=bool(day_first), months=months))
    count, odd = int(read.sum()), texts.filter(pl.Series(~read))
    if count == 0 or (len(odd) and count <= max(MANY_NUMBERS, len(odd))):
        return None
    if texts.str.contains(r"^\d{8}$").all() and count < _FEW_DATES:
        return None
    ambiguous = orders.example if orders.ambiguous else ""
    return FoundDates(kind, day_first, ambiguous, tuple(odd.to_list()), texts[int(read.argmax())], months)


def find_orders(texts: pl.Series) -> tuple[Orders, Array, Array, Array]:
    """Find in which order days and months are, and of each text whether it is a date in one order alone, or in either.

    Returns
    -------
    orders : Orders
        What is so of all of them.
    day_first, month_first, either : array of bool, shape (rows,)
        False where a text is no date such as ``1/2/2020``; ``either`` too where both numbers are the same.
    """
    import polars as pl

    parts = tidy_texts(texts.cast(pl.String)).str.extract_groups(_ignore_case(_PATTERNS[1])).struct.unnest()
    numbers = (parts.get_column(name).cast(pl.Int64, strict=False) for name in ("first", "other"))
    first, other = (number.fill_null(0).to_numpy() for number in numbers)
    day, month = ((one > 0) & (one <= 12) for one in (other, first))
    by_day, by_month, either = (first > 12) & day, month & (other > 12), day & month & (first != other)
    example = str(texts[int(either.argmax())]) if either.any() else ""
    firsts, others = (frozenset(np.unique(one[day & month]).tolist()) for one in (first, other))
    return Orders(bool(by_day.any()), bool(by_month.any()), example, firsts, others), by_day, by_month, either


def looks_monthly(values: pl.Series) -> bool:
    """Tell whether every value is a month, such as ``2007-08``; where one is none, these may be seasons."""
    import polars as pl

    def fit(some: pl.Series) -> bool:
        texts = tidy_texts(some.cast(pl.String)).drop_nulls()
        return any(bool(texts.str.contains(_ignore_case(pattern)).all()) for pattern in _MONTHLY)

    return fit(values.head(_FIRST_LOOK)) and (len(values) <= _FIRST_LOOK or fit(values))


def _ignore_case(pattern: str) -> str:
    return f"(?i){pattern}"


def read_moments(
    series: pl.Series, kind: Literal["date", "time"], *, day_first: bool = False, months: bool | None = None
) -> Array:
    """Give dates or times of a column of any type as float64 seconds, NaN where there is none; shape (rows,).

    Whether texts such as ``2007-08`` are months is found by `looks_monthly` if it is not said.
    """
    import polars as pl

    if series.dtype == pl.Time:
        return np.asarray(series.to_physical().cast(pl.Float64).to_numpy() / 1e9)
    if series.dtype in (pl.Date, pl.Datetime):
        if series.dtype == pl.Datetime:
            series = series.dt.replace_time_zone(None)
        moments = series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64).to_numpy() / 1e6
        return np.asarray(moments % _DAY if kind == "time" else moments)
    series = series if series.dtype.is_integer() else series.cast(pl.String)
    if kind == "time":
        return read_values(series, _read_times)
    by_month = looks_monthly(series) if months is None else months
    patterns = (*_PATTERNS, *(_MONTHLY if by_month else ()))
    return read_values(series, lambda values: _read_dates(values, patterns, day_first))


def _read_times(values: pl.Series) -> Array:
    import polars as pl

    texts, pattern = tidy_texts(values.cast(pl.String)), _ignore_case(_TIME)
    found = np.full(len(texts), np.nan)
    fits = texts.str.contains(pattern).fill_null(False)
    if fits.any():
        found[fits.to_numpy()] = _read_clock(texts.filter(fits).str.extract_groups(pattern).struct.unnest())
    return found


def _read_dates(values: pl.Series, patterns: Sequence[str], day_first: bool) -> Array:
    """Read dates by the first of the patterns that each fits, if there is one."""
    import polars as pl

    texts = tidy_texts(values.cast(pl.String))
    found = np.full(len(texts), np.nan)
    left = np.flatnonzero(texts.is_not_null().to_numpy())
    for pattern in map(_ignore_case, patterns):
        some = texts.gather(left)
        fits = some.str.contains(pattern)
        if not fits.any():  # to take none apart is quicker than to take apart what does not fit
            continue
        parts = some.filter(fits).str.extract_groups(pattern).struct.unnest()
        moments = _read_days(parts, day_first)
        if "hour" in parts.columns:
            moments += np.where(parts.get_column("hour").is_null().to_numpy(), 0.0, _read_clock(parts))
        found[left[fits.to_numpy()]] = moments
        left = left[np.isnan(found[left])]
        if not len(left):
            break
    return found


def read_any_order(
    series: pl.Series, kind: Literal["date", "time"], *, day_first: bool = False, months: bool | None = None
) -> Array:
    """Give dates or times as `read_moments` does, and those that are dates in the other order alone read so."""
    moments = read_moments(series, kind, day_first=day_first, months=months)
    if kind == "time" or series.dtype.is_temporal() or series.dtype.is_integer() or not np.isnan(moments).any():
        return moments
    other = read_moments(series, kind, day_first=not day_first, months=months)
    return np.where(np.isnan(moments), other, moments)


def _read_days(parts: pl.DataFrame, day_first: bool) -> Array:
    """Give the seconds from 1970 to the beginning of days; NaN for what is no day of the calendar."""
    import polars as pl

    def take(name: str) -> Array:
        return np.asarray(parts.get_column(name).cast(pl.Float64, strict=False).to_numpy())

    year = take("year")
    short = (parts.get_column("year").str.len_chars() == 2).fill_null(False).to_numpy()
    year = np.where(short, np.where(year < 69, year + 2000, year + 1900), year)
    if "first" in parts.columns:
        first, other = take("first"), take("other")
        day, month = (first, other) if day_first else (other, first)
    elif "quarter" in parts.columns:
        month = 3 * take("quarter") - 2
        day = np.where(np.isnan(month), np.nan, 1.0)
    else:
        named = parts.get_column("month").str.to_lowercase().replace(_MONTHS)
        month = np.asarray(named.cast(pl.Float64, strict=False).to_numpy())
        day = take("day") if "day" in parts.columns else np.where(np.isnan(month), np.nan, 1.0)
    right = (month >= 1) & (month <= 12) & (day >= 1) & (year >= 1)
    months = np.where(right, (year - 1970) * 12 + month - 1, 0.0).astype(np.int64).astype("datetime64[M]")
    starts, ends = (m.astype("datetime64[D]").astype(np.int64) for m in (months, months + np.timedelta64(1, "M")))
    right &= day <= ends - starts
    return np.where(right, (starts + np.where(right, day, 1.0) - 1) * _DAY, np.nan)


def _read_clock(parts: pl.DataFrame) -> Array:
    """Give the seconds since midnight; NaN for what is no time of the day."""
    import polars as pl

    hour, minute, second = (
        parts.get_column(name).str.replace(",", ".").cast(pl.Float64, strict=False)
        for name in ("hour", "minute", "second")
    )
    hour, minute, second = hour.to_numpy(), minute.to_numpy(), second.fill_null(0.0).to_numpy()
    half = parts.get_column("half").str.to_lowercase()
    afternoon = half.str.starts_with("p").fill_null(False).to_numpy()
    right = (minute < 60) & (second < 61) & np.where(half.is_null().to_numpy(), hour < 24, (hour >= 1) & (hour <= 12))
    hour = np.where(half.is_null().to_numpy(), hour, hour % 12 + 12 * afternoon)
    return np.where(right, hour * 3600 + minute * 60 + second, np.nan)


def count_years(moments: Array) -> Array:
    """Give the year of each moment; float64."""
    return np.asarray(_as_datetimes(moments).astype("datetime64[Y]").astype(np.int64) + 1970.0)


def write_day(moment: float) -> str:
    """Write the day of a moment as ISO does."""
    return str(np.datetime64(int(moment // _DAY), "D"))


def find_phase(moments: Array, cycle: str) -> Array:
    """Give where in a cycle each moment is, from 0 up to 1: the month of the year, the day of the week, the hour.

    Parameters
    ----------
    moments : array of float64, shape (rows,)
    cycle : {"month", "weekday", "hour"}
    """
    if cycle == "hour":
        return np.asarray(moments % _DAY / _DAY)
    if cycle == "weekday":
        return np.asarray((np.floor(moments / _DAY) + 3) % 7 / 7)  # 1970-01-01 was a Thursday
    return np.asarray(_as_datetimes(moments).astype("datetime64[M]").astype(np.int64) % 12 / 12)


def _as_datetimes(moments: Array) -> Array:
    return np.floor(moments).astype(np.int64).astype("datetime64[s]")
