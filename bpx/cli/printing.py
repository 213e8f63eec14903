"""Printing for people, and one JSON object for programs."""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table

from bpx.cli.advice import translate
from bpx.markup import escape_controls

__all__ = ["JsonList", "Printer", "plain", "seconds"]

_WIDTH_OF_A_PIPE = 120

_IN_MEMORY = 2**24
"""Characters of a list that are kept in memory."""


class Printer:
    """What a command prints with: people read sentences and tables, programs one JSON object.

    Parameters
    ----------
    json : bool
        Whether `result` prints its data as JSON, and everything else is silent.
    """

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self._silent = False
        width = None if sys.stdout.isatty() else _WIDTH_OF_A_PIPE
        # Names of columns and files are printed as they are, but for control characters: no markup, no emoji.
        self._console = Console(width=width, markup=False, emoji=False, highlight=False)

    def silence(self) -> None:
        """Print nothing from now on: another process does."""
        self._silent = True

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print a sentence for people, wrapped at the width of the terminal."""
        if not self.json and not self._silent:
            self._console.print(escape_controls(text, keep="\n"), style=style)

    def notes(self, notes: Iterable[str]) -> None:
        """Print what the user should know, a line each."""
        for note in notes:
            self.line(f"note: {escape_controls(translate(note))}", style="yellow")

    def facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Print names and values in two columns."""
        grid = Table.grid(padding=(0, 2))
        for name, value in facts:
            grid.add_row(escape_controls(name), escape_controls(value))
        if not self.json and not self._silent:
            self._console.print(grid)

    def table(
        self, header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Sequence[int] = (), lines: bool = False
    ) -> None:
        """Print a table; columns are flush right, those of ``left`` flush left; with ``lines``, cells may have some."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for i, name in enumerate(header):
            table.add_column(escape_controls(name), justify="left" if i in left else "right")
        for row in rows:
            table.add_row(*(escape_controls(cell, keep="\n" if lines else "") for cell in row))
        if not self.json and not self._silent:
            self._console.print(table)

    def result(self, data: dict[str, Any]) -> None:
        """Print the JSON object, if it is wanted."""
        if self.json and not self._silent:
            if "notes" in data:
                data = data | {"notes": [translate(note) for note in data["notes"]]}
            pieces = "{"
            for i, (name, value) in enumerate(data.items()):
                pieces += f"{', ' if i else ''}{json.dumps(str(name))}: "
                if isinstance(value, JsonList):
                    print(pieces, end="")
                    value.write(sys.stdout)
                    pieces = ""
                else:
                    pieces += json.dumps(plain(value), allow_nan=False)
            print(pieces + "}")


class JsonList:
    """A list of JSON data that grows, and is kept as text in a file without a name when it gets long.

    Use it in a ``with`` block, which ends the file.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="")  # noqa: SIM115
        self._empty = True

    def __enter__(self) -> JsonList:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def extend(self, values: list[Any]) -> None:
        """Add values, of which none is NaN or infinite."""
        if values:
            self._file.write(("" if self._empty else ", ") + json.dumps(values, allow_nan=False)[1:-1])
            self._empty = False

    def write(self, stream: TextIO) -> None:
        """Write the list as JSON."""
        self._file.seek(0)
        stream.write("[")
        shutil.copyfileobj(self._file, stream)
        stream.write("]")


def plain(value: Any) -> Any:
    """Return NumPy's values and containers as those of JSON; NaN and infinity become null."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def seconds(time: float) -> str:
    """Write a time for people."""
    return f"{time:.2f} s" if time < 60 else f"{int(time // 60)} min {time % 60:.0f} s"
