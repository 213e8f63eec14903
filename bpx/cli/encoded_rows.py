"""Rows for a trained network, of any number: some are read and encoded at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bpx.cli import builtin_data
from bpx.cli.sources import FileOptions, is_builtin, name_columns
from bpx.recipes.model_file import Model
from bpx.tables.encoding import Encoding
from bpx.tables.messages import number_rows
from bpx.tables.parts import TableParts, open_parts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["EncodedRows"]

_VALUES_ENCODED = 2**22
"""Inputs of the network that are made at a time, if rows are not too long."""

_PATIENCE_SECONDS = 1.0
"""A bar appears when it has taken this long."""


class EncodedRows:
    """The rows of a file, or of a data set that ships with bpx, as a network takes them.

    Parameters
    ----------
    model : Model
    data : str
        The data set or the file.
    file : FileOptions
        How the file is written.
    typed : bool
        Whether columns that are no inputs need the types that they have in the whole table too.
    unseen, strict
        As `Preprocessor.transform` takes them.

    Attributes
    ----------
    notes : list of str
        What the user should know.
    parts : TableParts or None
        The file; None for a data set that ships with bpx.

    Raises
    ------
    InputError
        If there is no such data, or it is not like the data of the training.
    """

    doing = "reading"
    """What a progress bar says."""

    def __init__(
        self, model: Model, data: str, file: FileOptions, *, typed: bool, unseen: Any = None, strict: bool = False
    ) -> None:
        self.model, self.data = model, data
        self.notes: list[str] = []
        self.parts: TableParts | None = None
        if not is_builtin(data):
            self.parts = open_parts(
                data,
                model.preprocessor,
                decimal=file.decimal,  # type: ignore[arg-type]
                encoding=file.encoding,
                sheet=file.sheet,
                typed=typed,
                notes=self.notes,
            )
        decimal = "." if self.parts is None else self.parts.decimal
        self._how = model.preprocessor.begin_encoding(unseen=unseen, strict=strict, decimal=decimal)

    def run(self, take: Callable[[Iterator[Any]], None], *, bar: bool = False) -> None:
        """Go through all rows.

        Parameters
        ----------
        take : callable
            Is given an iterator of what `_encode_some` makes of some rows at a time, in their order, and goes through
            all of it. It is called anew if it turns out that dates have to be read otherwise.
        bar : bool
            Whether a terminal shows a progress bar.
        """
        while True:
            notes: list[str] = []
            self._begin()
            turned = self._run_once(take, notes, bar)
            if not turned:
                break
            self._how = self._how.begin_again(turned)
        self.notes += [*notes, *self._tell(), *self._how.tell(self.model.preprocessor.column_names)]

    def _begin(self) -> None:
        """Forget what was found in an earlier pass."""

    def _tell(self) -> list[str]:
        """Return what was found beside what `Encoding` tells."""
        return []

    def _encode_builtin(self) -> Any:
        """Return a data set that ships with bpx, encoded."""
        return None, builtin_data.encode(self.data, self.model.preprocessor)[0]

    def _encode_some(self, frame: pl.DataFrame, how: Encoding, place: int) -> Any:
        """Return some rows as they were read, the first of which has a place in the table, and their encoding."""
        with number_rows(place):
            return frame, self.model.preprocessor.encode(frame, how)

    def _run_once(self, take: Any, notes: list[str], bar: bool) -> frozenset[str]:
        turned: list[frozenset[str]] = []

        def give() -> Iterator[Any]:
            yield from self._encode(notes, bar)
            turned.append(self.model.preprocessor.find_turned(self._how))
            if turned[0]:
                raise _AnewError

        with contextlib.suppress(_AnewError):
            take(give())
        return turned[0]

    def _encode(self, notes: list[str], bar: bool) -> Iterator[Any]:
        if self.parts is None:
            yield self._encode_builtin()
            return
        preprocessor = self.model.preprocessor
        at_once = max(_VALUES_ENCODED // max(preprocessor.n_features, 1), 1)
        place = 0
        for frame in _show_progress(self.parts, bar, self.doing):
            noted: list[str] = []
            frame = name_columns(self.data, frame, preprocessor, noted)
            notes[:] = noted
            for start in range(0, frame.height, at_once):
                some = frame[start : start + at_once]
                yield self._encode_some(some, self._how, place)
                place += some.height


class _AnewError(Exception):
    """The rows have to be gone through anew."""


def _show_progress(parts: TableParts, bar: bool, doing: str) -> Iterator[pl.DataFrame]:
    """Yield the parts of a table; a bar shows how many of them there have been, if it is wanted and takes a while."""
    from tqdm import tqdm

    hidden = None if bar and not parts.whole else True  # None: unless standard error is a terminal
    with tqdm(
        total=parts.size, unit="", unit_scale=True, desc=doing, delay=_PATIENCE_SECONDS, leave=False,
        file=sys.stderr, disable=hidden, bar_format="{l_bar}{bar}| [{elapsed}<{remaining}]",
    ) as progress:  # fmt: skip
        for frame, done in parts:
            yield frame
            progress.update(done - progress.n)
