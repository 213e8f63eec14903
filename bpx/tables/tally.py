"""What new rows hold that their user should know, counted by topic and column over all parts of a table."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from bpx.tables.facts import Facts
from bpx.tables.messages import counted, shown

__all__ = ["Tally"]

_EXAMPLES = 3
_UNSEEN_NAMED = 20


@dataclass
class _Count:
    """How many cells of a column a topic holds for, and the first different ones."""

    cells: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass
class _Unseen:
    """Rows of a column with unseen categories, and the first of these in sorted order."""

    rows: int = 0
    values: list[str] = field(default_factory=list)


@dataclass
class _Far:
    """Rows of a column that are far from all training rows, and the first of them."""

    rows: int
    first: int
    value: str
    deviations: float


class Tally:
    """Counts of what was found in the columns of a table, of which one part after another is looked at.

    What it tells depends on the rows alone, not on where the table was cut. It keeps a few examples of each kind, so
    that its size does not grow with the table.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], _Count] = {}
        self._settled: set[tuple[str, str]] = set()
        self._unseen: dict[str, _Unseen] = {}
        self._far: dict[str, _Far] = {}

    def add(self, topic: str, name: str, cells: int, examples: Iterable[str] = ()) -> None:
        """Count cells of a column.

        Parameters
        ----------
        topic : str
            One of the topics of `bpx.tables.facts`.
        name : str
            The column.
        cells : int
            How many there are.
        examples : iterable of str
            Different ones, in the order of the rows.
        """
        count = self._counts.setdefault((topic, name), _Count())
        count.cells += cells
        for example in examples:
            if len(count.examples) == _EXAMPLES:
                break
            if example not in count.examples:
                count.examples.append(example)

    def settle(self, topic: str, name: str) -> None:
        """Tell nothing of what was doubtful in a column, because one of its cells shows that it is right."""
        self._settled.add((topic, name))

    def add_unseen(self, name: str, rows: int, values: Collection[str]) -> None:
        """Count rows with categories that training never saw, and remember the first categories in sorted order."""
        unseen = self._unseen.setdefault(name, _Unseen())
        unseen.rows += rows
        unseen.values = heapq.nsmallest(_UNSEEN_NAMED + 1, {*unseen.values, *values})

    def add_far(self, name: str, rows: int, first: int, value: str, deviations: float) -> None:
        """Count rows that are far from all training rows.

        Parameters
        ----------
        name : str
            The column.
        rows : int
            How many there are.
        first : int
            The number of the first.
        value : str
            What it holds, as it is to be written.
        deviations : float
            How many standard deviations that is from the mean.
        """
        if name in self._far:
            self._far[name].rows += rows
        else:
            self._far[name] = _Far(rows, first, value, deviations)

    def tell(self, names: Sequence[str]) -> list[str]:
        """Return what the user should know, a line each, the columns in the order of these names."""
        lines, facts = [], Facts()
        for name in names:
            lines += self._tell_one(name)
        topics = dict.fromkeys(topic for topic, _ in self._counts)
        for topic in topics:
            for name in names:
                count = self._counts.get((topic, name))
                if count is not None and (topic, name) not in self._settled:
                    such = f", such as {', '.join(count.examples)}" if count.examples else ""
                    facts.add(topic, name, counted(count.cells, "value") + such)
        return lines + facts.tell()

    def _tell_one(self, name: str) -> list[str]:
        """Return the lines of one column that is not told of together with others."""
        lines, what = [], f"column {shown(name)}"
        if name in self._far:
            far = self._far[name]
            lines.append(
                f"{what}: {counted(far.rows, 'row')} far from all that training saw, the first in row {far.first:,}: "
                f"{far.value} is {far.deviations:.1g} standard deviations from the mean, and a prediction there "
                "means nothing"
            )
        if name in self._unseen:
            unseen = self._unseen[name]
            named = ", ".join(shown(value) for value in unseen.values[:_UNSEEN_NAMED])
            more = ", ..." if len(unseen.values) > _UNSEEN_NAMED else ""
            lines.append(
                f"{what}: {counted(unseen.rows, 'row')} with a category that training never saw: {named}{more}"
            )
        return lines
