"""Arrays in nested lists, tuples and dicts: listed, replaced, compared and overwritten."""

from __future__ import annotations

from collections.abc import Iterator
from operator import is_
from typing import Any

from bpx.backend.base import Array


def list_leaves(tree: Any) -> list[Array]:
    """Return the arrays in nested lists, tuples and dicts; a dict is gone through in the order of its keys."""
    if tree is None:
        return []
    if isinstance(tree, dict):
        return [leaf for name in sorted(tree) for leaf in list_leaves(tree[name])]
    if isinstance(tree, (list, tuple)):
        return [leaf for part in tree for leaf in list_leaves(part)]
    return [tree]


def rebuild(tree: Any, arrays: Iterator[Array]) -> Any:
    """Return lists, tuples and dicts like those of ``tree``, with other arrays in the order of `list_leaves`."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        made = {name: rebuild(tree[name], arrays) for name in sorted(tree)}
        return {name: made[name] for name in tree}
    if isinstance(tree, (list, tuple)):
        return type(tree)(rebuild(part, arrays) for part in tree)
    return next(arrays)


def are_same(arrays: list[Array], others: list[Array]) -> bool:
    """Tell whether two lists hold the same arrays, not merely equal ones."""
    return len(arrays) == len(others) and all(map(is_, arrays, others))


def overwrite(arrays: list[Array], results: list[Array]) -> None:
    """Write results into the arrays whose places they take."""
    for array, result in zip(arrays, results, strict=True):
        if result is not array:
            array[...] = result
