"""What a fitted preprocessing makes of the columns of a table, as nodes of an ONNX graph.

Numbers and moments are computed in double precision, as `bpx.tables` does, and become numbers of the network's dtype
only when they are standardized: single precision has one number for two minutes of this century's dates, and from 2^24
on not every whole number. Operators are those of opset 17 and ``LabelEncoder`` of ai.onnx.ml 2, in types that ONNX
Runtime has on CPUs. It has no cosine in double precision, and so ``cos(a)`` is ``sin(a + pi / 2)``.

The columns of a kind are computed side by side, so that a thousand columns of numbers take as many nodes as two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.files.onnx_graph import Graph
from bpx.tables.columns import BooleanColumn, CategoryColumn, Column, DateColumn, NumberColumn, PresenceColumn
from bpx.tables.dates import CYCLES
from bpx.tables.parsing import find_missing_text

__all__ = ["CLASSICAL", "Join", "add_features"]

Array = np.ndarray[Any, Any]

CLASSICAL, CLASSICAL_VERSION = "ai.onnx.ml", 2
"""The operators of classical machine learning, of which one is used, and their version."""

Join = Callable[[Sequence[Column]], str]
"""Gives the value in which some columns, all of one type, are side by side: (batch, columns)."""

_DAY = 86400.0


@dataclass(frozen=True)
class Block:
    """Columns of the graph's dtype, side by side.

    Attributes
    ----------
    value : str
        The value in the graph, of shape (batch, len(features)).
    features : tuple
        Of each column which feature it is: the name of a column of the table, and the feature's number among those of
        that column. None where it is none.
    """

    value: str
    features: tuple[tuple[str, int] | None, ...]


def add_features(graph: Graph, columns: Sequence[Column], join: Join) -> str:
    """Add what turns the columns of a table into the input of a network.

    Parameters
    ----------
    graph : Graph
    columns : sequence of Column
        In the order of the preprocessing.
    join : callable
        Gives values of the inputs: of texts for categories and presence, of doubles otherwise.

    Returns
    -------
    str
        The value of shape (batch, features), in the graph's dtype.
    """
    blocks: list[Block] = []
    for kind, add in _KINDS.items():
        chosen = [column for column in columns if type(column) is kind]
        if chosen:
            blocks += add(graph, chosen, join)
    wanted = [(column.name, i) for column in columns for i in range(len(column.features))]
    found = [feature for block in blocks for feature in block.features]
    values = [block.value for block in blocks]
    x = values[0] if len(values) == 1 else graph.node("Concat", values, "features", axis=1)
    if found == wanted:
        return x
    places = {feature: i for i, feature in enumerate(found)}
    order = graph.integers([places[feature] for feature in wanted], "features")
    return graph.node("Gather", [x, order], "features", axis=1)


# -- numbers ----------------------------------------------------------------------------------------------


def _add_numbers(graph: Graph, columns: Sequence[NumberColumn], join: Join) -> list[Block]:
    """Add ``(value - mean) / std``, a missing value first replaced by the median."""
    place = "numbers"
    filled, flags = _fill(graph, columns, join(columns), [column.median for column in columns], place)
    scaled = _standardize(graph, filled, [column.mean for column in columns], [column.std for column in columns], place)
    return [_make_block(graph, scaled, [(column.name, 0) for column in columns], place), *flags]


def _add_booleans(graph: Graph, columns: Sequence[BooleanColumn], join: Join) -> list[Block]:
    """Add 1 for true and 0 for false, a missing value first replaced by the more frequent."""
    place = "booleans"
    frequent = [float(column.most_frequent) for column in columns]
    filled, flags = _fill(graph, columns, join(columns), frequent, place)
    return [_make_block(graph, filled, [(column.name, 0) for column in columns], place), *flags]


def _fill(
    graph: Graph, columns: Sequence[Column], x: str, replacements: Sequence[float], place: str
) -> tuple[str, list[Block]]:
    """Add the replacement of missing values, and the flags that say where they were, the last feature of a column."""
    missing = graph.node("IsNaN", [graph.node("Sub", [x, x], place)], place)  # of infinity too, which is a gap
    filled = graph.node("Where", [missing, _add_row(graph, replacements, place), x], place)
    if not any(column.flagged for column in columns):
        return filled, []
    flags = [(column.name, len(column.features) - 1) if column.flagged else None for column in columns]
    return filled, [_make_block(graph, missing, flags, place)]


def _standardize(graph: Graph, x: str, mean: Sequence[float], std: Sequence[float], place: str) -> str:
    """Add ``(x - mean) / std``, each column with its own."""
    centered = graph.node("Sub", [x, _add_row(graph, mean, place)], place)
    return graph.node("Div", [centered, _add_row(graph, std, place)], place)


def _add_row(graph: Graph, values: Sequence[float], place: str) -> str:
    """Add a number for each column; shape (1, columns)."""
    return graph.tensor(np.array([values], dtype=np.float64), place)


def _make_block(graph: Graph, x: str, features: Iterable[tuple[str, int] | None], place: str) -> Block:
    """Add the conversion to the graph's dtype."""
    return Block(graph.cast(x, graph.dtype, place), tuple(features))


# -- dates ------------------------------------------------------------------------------------------------


def _add_dates(graph: Graph, columns: Sequence[DateColumn], join: Join) -> list[Block]:
    """Add the time that passed, the year, and sine and cosine of month, weekday and hour."""
    place = "dates"
    moments, flags = _fill(graph, columns, join(columns), [column.median for column in columns], place)
    elapsed = _standardize(
        graph, moments, [column.mean for column in columns], [column.std for column in columns], place
    )
    blocks = [_make_block(graph, elapsed, [(column.name, 0) for column in columns], place)]
    clock = _Clock(graph, moments, place)
    if any(column.year_std for column in columns):
        mean, std = [column.year_mean for column in columns], [column.year_std or 1.0 for column in columns]
        years = [(column.name, 1) if column.year_std else None for column in columns]
        blocks.append(_make_block(graph, _standardize(graph, clock.year, mean, std, place), years, place))
    for cycle in CYCLES:
        if any(cycle in column.cycles for column in columns):
            angle = clock.compute("Mul", clock.find_phase(cycle), 2.0 * np.pi)
            for wave, shift in enumerate((0.0, 0.5 * np.pi)):
                shifted = clock.compute("Add", angle, shift) if shift else angle
                waves = [_number_wave(column, cycle, wave) for column in columns]
                blocks.append(_make_block(graph, graph.node("Sin", [shifted], place), waves, place))
    return [*blocks, *flags]


def _number_wave(column: DateColumn, cycle: str, wave: int) -> tuple[str, int] | None:
    """Give the place of sine (0) or cosine (1) of a cycle among the features of a column; None where it has none."""
    if cycle not in column.cycles:
        return None
    first = 2 if column.year_std else 1
    return column.name, first + 2 * column.cycles.index(cycle) + wave


class _Clock:
    """Year, month, weekday and hour of moments, all as doubles, which hold whole numbers exactly.

    Parameters
    ----------
    graph : Graph
    moments : str
        Seconds since 1970-01-01, none of them missing.
    place : str
        What the names of nodes begin with.
    """

    def __init__(self, graph: Graph, moments: str, place: str) -> None:
        self.graph, self.moments, self.place = graph, moments, place
        self._day: str | None = None
        self._calendar: tuple[str, str] | None = None

    def compute(self, operator: str, x: str, number: float) -> str:
        """Add ``x operator number``."""
        return self.graph.node(operator, [x, self.graph.tensor(np.array(number), self.place)], self.place)

    def divide(self, x: str, number: float) -> str:
        """Add ``x // number``, rounded down."""
        return self.graph.node("Floor", [self.compute("Div", x, number)], self.place)

    def add(self, x: str, y: str) -> str:
        """Add ``x + y``."""
        return self.graph.node("Add", [x, y], self.place)

    def subtract(self, x: str, y: str) -> str:
        """Add ``x - y``."""
        return self.graph.node("Sub", [x, y], self.place)

    @property
    def day(self) -> str:
        """Days since 1970-01-01."""
        if self._day is None:
            self._day = self.divide(self.moments, _DAY)
        return self._day

    @property
    def year(self) -> str:
        """The year."""
        return self._find_calendar()[0]

    def find_phase(self, cycle: str) -> str:
        """Add where in a cycle each moment is, from 0 up to 1; see `bpx.tables.dates.find_phase`."""
        if cycle == "hour":
            return self._find_rest(self.moments, self.day, _DAY)
        if cycle == "weekday":
            shifted = self.compute("Add", self.day, 3.0)  # 1970-01-01 was a Thursday
            return self._find_rest(shifted, self.divide(shifted, 7.0), 7.0)
        return self.compute("Div", self._find_calendar()[1], 12.0)

    def _find_rest(self, x: str, quotient: str, divisor: float) -> str:
        """Add ``x % divisor / divisor``, given ``x // divisor``."""
        return self.compute("Div", self.subtract(x, self.compute("Mul", quotient, divisor)), divisor)

    def _find_calendar(self) -> tuple[str, str]:
        """Add year and month, from 0 for January, of days by the Gregorian calendar.

        Days are counted from 0000-03-01, so that the day that leap years add is the last of its year. 400 years, an
        era, have 146,097 days. Of the day d of an era, the year is ``(d - d // 1460 + d // 36524 - d // 146096) //
        365``, and of the day t of a year the month, from 0 for March, is ``(5 t + 2) // 153``.

        References
        ----------
        H. Hinnant, "chrono-compatible low-level date algorithms", 2013, civil_from_days.
        """
        if self._calendar is None:
            days = self.compute("Add", self.day, 719468.0)
            era = self.divide(days, 146097.0)
            d = self.subtract(days, self.compute("Mul", era, 146097.0))
            every_4, every_100, every_400 = (self.divide(d, length) for length in (1460.0, 36524.0, 146096.0))
            year = self.divide(self.subtract(self.add(d, every_100), self.add(every_4, every_400)), 365.0)
            leaps = self.subtract(self.divide(year, 4.0), self.divide(year, 100.0))
            t = self.subtract(d, self.add(self.compute("Mul", year, 365.0), leaps))
            march = self.divide(self.compute("Add", self.compute("Mul", t, 5.0), 2.0), 153.0)
            month = self.compute("Add", march, 2.0)
            following = self.divide(month, 12.0)  # January and February are of the next year
            year = self.add(self.add(year, self.compute("Mul", era, 400.0)), following)
            self._calendar = year, self.subtract(month, self.compute("Mul", following, 12.0))
        return self._calendar


# -- text -------------------------------------------------------------------------------------------------


def _add_categories(graph: Graph, columns: Sequence[CategoryColumn], join: Join) -> list[Block]:
    """Add 1 in the place of the category and 0 elsewhere, or the number of the place; see `CategoryColumn`."""
    return [_add_category(graph, column, join([column])) for column in columns]


def _add_category(graph: Graph, column: CategoryColumn, x: str) -> Block:
    place, width = "categories", column.n_codes
    ids = {category: i for i, category in enumerate(column.categories)}
    ids[find_missing_text(column)] = width - 1 if column.flagged else ids[column.most_frequent]
    others = len(column.categories) if column.other else -1  # -1 is no place, so that all are 0
    if column.coded:
        codes = [float(i) for i in ids.values()]
        encoded = _encode(graph, x, place, keys_strings=list(ids), values_floats=codes, default_float=float(others))
        return _make_block(graph, encoded, [(column.name, 0)], place)
    encoded = _encode(graph, x, place, keys_strings=list(ids), values_int64s=list(ids.values()), default_int64=others)
    hot = graph.node("Equal", [encoded, graph.tensor(np.arange(width, dtype=np.int64)[None, :], place)], place)
    return _make_block(graph, hot, [(column.name, i) for i in range(width)], place)


def _add_presence(graph: Graph, columns: Sequence[PresenceColumn], join: Join) -> list[Block]:
    """Add 1 where there is no text and 0 elsewhere."""
    place = "presence"
    missing = {"keys_strings": [find_missing_text(columns[0])], "values_floats": [1.0], "default_float": 0.0}
    encoded = _encode(graph, join(columns), place, **missing)
    return [_make_block(graph, encoded, [(column.name, 0) for column in columns], place)]


def _encode(graph: Graph, x: str, place: str, **table: Any) -> str:
    """Add a look-up of texts in a table."""
    graph.opsets[CLASSICAL] = CLASSICAL_VERSION
    return graph.node("LabelEncoder", [x], place, domain=CLASSICAL, **table)


_KINDS: dict[type, Callable[[Graph, Any, Join], list[Block]]] = {
    NumberColumn: _add_numbers,
    BooleanColumn: _add_booleans,
    DateColumn: _add_dates,
    CategoryColumn: _add_categories,
    PresenceColumn: _add_presence,
}
"""What a kind of column becomes; a new kind is a function and a line here."""
