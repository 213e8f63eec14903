"""What is found in the target of a table that a trained model is measured on, of which some rows come at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpx.tables.messages import counted, shown
from bpx.tables.spelling import tell_spellings

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TargetTally"]

_EXAMPLES = 3


class TargetTally:
    """Rows without a target, bounds, and classes in another spelling than in training, counted over parts of a table.

    Parameters
    ----------
    name : str
        The target.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows_without = 0
        self._examples: list[object] = []
        self._bounds = 0
        self._bound_examples: list[object] = []
        self._respelled: dict[str, str] = {}

    def add_without(self, values: pl.Series) -> None:
        """Take what stands in place of a target in further rows."""
        self._rows_without += len(values)
        there = (values.fill_nan(None) if values.dtype.is_float() else values).drop_nulls()
        self._examples = _add_examples(self._examples, there)

    def add_bounds(self, values: pl.Series) -> None:
        """Take targets that are bounds, such as ``90+``, in further rows."""
        self._bounds += len(values)
        self._bound_examples = _add_examples(self._bound_examples, values)

    def add_respelled(self, respelled: Mapping[str, str]) -> None:
        """Take classes in another spelling, and what they were taken as."""
        self._respelled.update(respelled)

    def tell(self) -> list[str]:
        """Return what the user should know, a line each."""
        notes = []
        if self._rows_without:
            examples = ", ".join(map(shown, self._examples[:_EXAMPLES]))
            such = f" (such as {examples})" if examples else ""
            notes.append(f"{counted(self._rows_without, 'row')} without the target {shown(self._name)} left out{such}")
        if self._bounds:
            such = ", ".join(map(shown, self._bound_examples))
            bounds = counted(self._bounds, "bound")
            notes.append(f"target {shown(self._name)}: {bounds} taken as the number, such as {such}")
        if self._respelled:
            notes.append(
                f"target {shown(self._name)}: classes in another spelling than in training, taken as those: "
                f"{tell_spellings(self._respelled)}"
            )
        return notes


def _add_examples(examples: list[object], values: pl.Series) -> list[object]:
    """Return the first different values of a column, of which some rows come at a time."""
    if len(examples) == _EXAMPLES:
        return examples
    return list(dict.fromkeys([*examples, *values.unique(maintain_order=True).head(_EXAMPLES)]))[:_EXAMPLES]
