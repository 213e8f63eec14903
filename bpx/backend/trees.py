"""Arrays in lists, tuples and dicts: taken out in an order of their own, and put back."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import Any

from bpx.backend.base import Array


def leaves(tree: Any) -> list[Array]:
    """Return the arrays in lists, tuples and dicts, those of a dict in the order of their names."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in leaves(tree[name])]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in leaves(part)]
    return [tree]


def rebuilt(tree: Any, arrays: Iterator[Array]) -> Any:
    """Return lists, tuples and dicts like those of ``tree``, with other arrays in the order of `leaves`."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        made = {name: rebuilt(tree[name], arrays) for name in sorted(tree)}
        return {name: made[name] for name in tree}
    if isinstance(tree, (list, tuple)):
        return type(tree)(rebuilt(part, arrays) for part in tree)
    return next(arrays)


def same(arrays: list[Array], others: list[Array]) -> bool:
    """Tell whether two lists hold the same arrays, not merely equal ones."""
    return len(arrays) == len(others) and all(map(is_, arrays, others))


def keep(arrays: list[Array], results: list[Array]) -> None:
    """Write results into the arrays whose places they take."""
    for array, result in zip(arrays, results, strict=True):
        if result is not array:
            array[...] = result
