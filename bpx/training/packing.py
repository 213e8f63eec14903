"""Nested plain data with arrays in it, taken apart into JSON and named arrays, and put together again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bpx.backend.transfer import library_of, to_numpy
from bpx.errors import FileFormatError, InputError

ARRAY = "__array__"
"""Key of the dict that stands for an array in the JSON."""


def pack(tree: Any, name: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a tree as JSON takes it, and the arrays that were in it, by name.

    Parameters
    ----------
    tree : nested dict, list, tuple of numbers, text, bool, None and arrays
        Keys of dicts are text; tuples come back as lists; arrays may lie on any device.
    name : str
        Where the names of the arrays begin.

    Raises
    ------
    InputError
        If something is in it that is none of these; says where.
    """
    arrays: dict[str, np.ndarray] = {}

    def packed(value: Any, at: str) -> Any:
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str) or key == ARRAY:
                    raise InputError(f"{at}: the keys of a state must be text other than {ARRAY!r}, got {key!r}")
            return {key: packed(item, f"{at}.{key}") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [packed(item, f"{at}.{i}") for i, item in enumerate(value)]
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if library_of(value) is not None:
            arrays[at] = np.array(to_numpy(value), order="C")
            return {ARRAY: at}
        raise InputError(f"{at}: a state may hold numbers, text, lists, dicts and arrays, got {type(value).__name__}")

    return packed(tree, name), arrays


def unpack(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the tree that `pack` took apart.

    Raises
    ------
    FileFormatError
        If an array is missing.
    """
    if isinstance(tree, dict):
        if set(tree) == {ARRAY}:
            if tree[ARRAY] not in arrays:
                raise FileFormatError(f"the array {tree[ARRAY]!r} is missing")
            return arrays[tree[ARRAY]]
        return {key: unpack(value, arrays) for key, value in tree.items()}
    return [unpack(value, arrays) for value in tree] if isinstance(tree, list) else tree
