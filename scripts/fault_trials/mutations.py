"""Changes of data that keep most of its structure, so that they get past the first check of a reader."""

from __future__ import annotations

import copy
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 1e308, -0.5, float("nan"), float("inf"), 10**30, -(10**30), 2**31, 2**63, "", "x",
    "\x1b[31m", "../../x", "relu", "float16", "x" * 5000, [], {}, [[]], [None], [1, 2, 3], {"kind": "Linear"},
)  # fmt: skip


def mutate_tree(tree: Any, draw: random.Random) -> Any:
    """Return JSON data with one to three of its parts replaced, removed, doubled, swapped or buried."""
    tree = copy.deepcopy(tree)
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        places = list(_list_places(tree))
        if not places:
            return draw.choice(ODD_VALUES)
        parent, key = draw.choice(places)
        action = draw.randrange(7)
        if action <= 2:
            parent[key] = copy.deepcopy(draw.choice(ODD_VALUES))
        elif action == 3:
            del parent[key]
        elif action == 4:
            other, name = draw.choice(places)
            if name in (other if isinstance(other, dict) else range(len(other))):
                parent[key] = copy.deepcopy(other[name])
        elif action == 5 and isinstance(parent, list):
            parent.insert(key, copy.deepcopy(parent[key]))
        else:
            for _ in range(draw.choice((1, 3, 100))):
                parent[key] = [parent[key]] if draw.random() < 0.5 else {"a": parent[key]}
    return tree


def _list_places(tree: Any) -> Any:
    """Yield each container of JSON data with each of its keys."""
    waiting = [tree]
    while waiting:
        found = waiting.pop()
        if isinstance(found, (dict, list)):
            for key in found if isinstance(found, dict) else range(len(found)):
                yield found, key
                waiting.append(found[key])


def mutate_bytes(data: bytes, draw: random.Random) -> bytes:
    """Return bytes with some flipped, overwritten, removed, inserted, doubled, or cut off."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4, 16))):
        at = draw.randrange(len(changed) + 1)
        action = draw.randrange(8)
        if action <= 1 and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif action == 2:
            changed[at : at + 8] = draw.choice((bytes(8), b"\xff" * 8, (2**40).to_bytes(8, "little"), b"\x7f" * 8))
        elif action == 3:
            del changed[at : at + draw.choice((1, 2, 16, 256))]
        elif action == 4:
            changed[at:at] = draw.randbytes(draw.choice((1, 4, 64)))
        elif action == 5:
            changed[at:at] = changed[at : at + draw.choice((1, 16, 256))] * draw.choice((1, 2, 50))
        elif action == 6:
            changed[at : at + 1] = draw.choice(
                (b"\0", b"\n", b'"', b",", b"\xef\xbb\xbf", b"\xff\xfe", b"\x1b[2J", b"[")
            )
        else:
            del changed[at:]
    return bytes(changed)


ODD_CELLS = (
    "", "NA", "nan", "inf", "-inf", "1e999", "0" * 400, "9" * 400, "=1+1", "\x1b[2J", '"', '""', "'", "\0", "é",
    "\ufeff", "1,000", "1.000,5", "00123", "true", "2020-01-01", "x" * 3000, " ", "\t", "1" + " " * 50, "-", "+",
    "0x1F", "1_000",
)  # fmt: skip


def mutate_csv(text: str, draw: random.Random) -> bytes:
    """Return a CSV table with odd cells, odd separators, missing and further columns and rows, doubled names."""
    rows = [line.split(",") for line in text.splitlines()]
    for _ in range(draw.choice((1, 2, 3, 10))):
        row = draw.choice(rows)
        action = draw.randrange(9)
        if action <= 3 and row:
            row[draw.randrange(len(row))] = draw.choice(ODD_CELLS)
        elif action == 4 and row:
            del row[draw.randrange(len(row))]
        elif action == 5:
            row.insert(draw.randrange(len(row) + 1), draw.choice(ODD_CELLS))
        elif action == 6:
            rows.insert(draw.randrange(len(rows) + 1), list(draw.choice(rows)))
        elif action == 7:
            for other in rows:
                other.append(draw.choice(ODD_CELLS))
        elif rows[0]:
            rows[0][draw.randrange(len(rows[0]))] = draw.choice(rows[0])
    separator = draw.choice((",", ",", ",", ";", "\t", "|", " "))
    data = draw.choice(("\n", "\n", "\r\n", "\r")).join(separator.join(row) for row in rows)
    encoded = data.encode(draw.choice(("utf-8", "utf-8", "utf-8", "utf-16", "latin-1")), "replace")
    return mutate_bytes(encoded, draw) if draw.random() < 0.2 else encoded
