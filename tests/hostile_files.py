"""Files of networks and checkpoints that are damaged, or made to harm: for the tests, and for whoever tries more."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bpx.files.array_file import CHECKSUM, ArrayFile, to_bytes


def read_parts(path: Any) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return the metadata, without the checksum, and the arrays of a file."""
    with ArrayFile(path) as file:
        return {k: v for k, v in file.metadata.items() if k != CHECKSUM}, dict(file.read_arrays())


def write_parts(path: Any, metadata: dict[str, str], arrays: dict[str, np.ndarray]) -> None:
    """Write a file with a checksum that fits it, whatever is in it."""
    path.write_bytes(to_bytes(metadata, arrays))


def write_raw(path: Any, header: bytes, data: bytes = b"") -> None:
    """Write a safetensors file of a header as it is given."""
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)


def flip(content: bytes, bit: int) -> bytes:
    """Return bytes with one bit changed."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def nest(depth: int, inner: str = "0") -> str:
    """Return JSON of lists within lists."""
    return "[" * depth + inner + "]" * depth


VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 10**30, -(10**30), 2**63, 2**64, 1.5, 1e308, float("nan"), float("inf"), "", "x", "Linear",
    "a" * 10_000, [], [[]], [1], ["weight"], {}, {"kind": "Linear"}, {"__array__": "params.0.weight"},
    {"__array__": []}, {"__array__": "nowhere"}, json.loads(nest(300)),
)  # fmt: skip
"""What stands where something else should."""


def list_places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of everything in plain data, the whole first."""
    yield at
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in entries:
        yield from list_places(value, (*at, key))


def mutate(tree: Any, draw: random.Random) -> Any:
    """Return plain data with one thing in it replaced, removed, doubled or renamed."""
    tree = json.loads(json.dumps(tree))
    place = draw.choice(list(list_places(tree)))
    if not place:
        return draw.choice(VALUES)
    holder = tree
    for key in place[:-1]:
        holder = holder[key]
    way = draw.choice(("replace", "replace", "replace", "remove", "rename", "double"))
    if way == "remove":
        del holder[place[-1]]
    elif way == "rename" and isinstance(holder, dict):
        holder[draw.choice(("kind", "layers", "x", *holder))] = holder.pop(place[-1])
    elif way == "double" and isinstance(holder, list):
        holder.append(holder[place[-1]])
    else:
        holder[place[-1]] = draw.choice(VALUES)
    return tree


def mutate_arrays(arrays: dict[str, np.ndarray], draw: random.Random) -> dict[str, np.ndarray]:
    """Return arrays of which one is removed, renamed, or has another shape or dtype."""
    name = draw.choice(list(arrays))
    rest = {key: array for key, array in arrays.items() if key != name}
    others: list[Callable[[np.ndarray], dict[str, np.ndarray]]] = [
        lambda a: {},
        lambda a: {"params.99.weight": a},
        lambda a: {"training.x": a},
        lambda a: {"": a},
        lambda a: {name: a[..., None]},
        lambda a: {name: a.reshape(-1)},
        lambda a: {name: np.zeros((0, 3), dtype=a.dtype)},
        lambda a: {name: a.astype(draw.choice(("float16", "float32", "float64", "int64", "uint8", "bool")))},
        lambda a: {name: np.full_like(a, np.nan) if a.dtype.kind == "f" else a},
        lambda a: {name: np.concatenate([a.reshape(-1), a.reshape(-1)])},
    ]
    return {**rest, **draw.choice(others)(arrays[name])}


def mutate_parts(
    metadata: dict[str, str], arrays: dict[str, np.ndarray], draw: random.Random
) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return a file's parts with one fault in its text, its JSON or its arrays, for `write_parts`."""
    key = draw.choice([*metadata, "arrays"])
    if key == "arrays":
        return metadata, mutate_arrays(arrays, draw)
    way = draw.choice(("json", "json", "json", "text", "deep", "remove"))
    if way == "json" and metadata[key][:1] in ("{", "["):
        return {**metadata, key: json.dumps(mutate(json.loads(metadata[key]), draw))}, arrays
    if way == "remove":
        return {k: v for k, v in metadata.items() if k != key}, arrays
    text = nest(draw.choice((100, 1000, 100_000))) if way == "deep" else draw.choice(("", "{", "null", "0", "x" * 99))
    return {**metadata, key: text}, arrays
