"""Applying a trained network to rows of any number: some are read, encoded, predicted and given on at a time.

What is predicted does not depend on how many rows are in memory at a time: they are put together to pieces of the
length that the network takes for itself.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.cli import builtin_data
from bpx.cli.sources import FileOptions, is_builtin, name_columns
from bpx.core.model import PREDICT_ROWS
from bpx.optional import import_optional
from bpx.recipes.model_file import Model
from bpx.tables.encoding import Encoding
from bpx.tables.messages import number_rows
from bpx.tables.parts import TableParts, open_parts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Prediction", "make_builtin_table"]

Array = np.ndarray[Any, Any]

_VALUES_ENCODED = 2**22
"""Inputs of the network that are made at a time, if rows are not too long."""

_PATIENCE_SECONDS = 1.0
"""A bar appears when it has taken this long."""


class Prediction:
    """The rows of a file, or of a data set that ships with bpx, and what a network makes of them.

    Parameters
    ----------
    model : Model
    data : str
        The data set or the file.
    file : FileOptions
        How the file is written.
    typed : bool
        Whether the rows are to be written from the table that they were read as.
    unseen, strict
        As `Preprocessor.transform` takes them.

    Attributes
    ----------
    notes : list of str
        What the user should know.

    Raises
    ------
    InputError
        If there is no such data, or it is not like the data of the training.
    """

    def __init__(
        self, model: Model, data: str, file: FileOptions, *, typed: bool, unseen: Any = None, strict: bool = False
    ) -> None:
        self._model, self._data = model, data
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

    def run(self, take: Callable[[Iterator[tuple[pl.DataFrame | None, Array]]], None], *, bar: bool = False) -> None:
        """Predict all rows.

        Parameters
        ----------
        take : callable
            Is given an iterator of rows and what the network makes of them, some at a time in their order, and goes
            through all of it. It is called anew if it turns out that dates have to be read otherwise.
        bar : bool
            Whether a terminal shows a progress bar.
        """
        while True:
            notes: list[str] = []
            turned = self._run_once(take, self._how, notes, bar)
            if not turned:
                break
            self._how = self._how.begin_again(turned)
        self.notes += [*notes, *self._how.tell(self._model.preprocessor.column_names)]

    def _run_once(self, take: Any, how: Encoding, notes: list[str], bar: bool) -> frozenset[str]:
        preprocessor = self._model.preprocessor
        turned: list[frozenset[str]] = []

        def give() -> Iterator[tuple[pl.DataFrame | None, Array]]:
            yield from _predict(self._model, self._encode(how, notes, bar))
            turned.append(preprocessor.find_turned(how))
            if turned[0]:
                raise _AnewError

        with contextlib.suppress(_AnewError):
            take(give())
        return turned[0]

    def _encode(self, how: Encoding, notes: list[str], bar: bool) -> Iterator[tuple[pl.DataFrame | None, Array]]:
        """Yield rows, those of a file beside themselves as they were read, with their encoding."""
        preprocessor = self._model.preprocessor
        if self.parts is None:
            yield None, builtin_data.encode(self._data, preprocessor)[0]
            return
        at_once = max(_VALUES_ENCODED // max(preprocessor.n_features, 1), 1)
        place = 0
        for frame in _show_progress(self.parts, bar):
            noted: list[str] = []
            frame = name_columns(self._data, frame, preprocessor, noted)
            notes[:] = noted
            for start in range(0, frame.height, at_once):
                some = frame[start : start + at_once]
                with number_rows(place):
                    x = preprocessor.encode(some, how)
                yield some, x
                place += some.height


class _AnewError(Exception):
    """The rows have to be predicted anew."""


def _show_progress(parts: TableParts, bar: bool) -> Iterator[pl.DataFrame]:
    """Yield the parts of a table; a bar shows how many of them there have been, if it is wanted and takes a while."""
    from tqdm import tqdm

    hidden = None if bar and not parts.whole else True  # None: unless standard error is a terminal
    with tqdm(
        total=parts.size, unit="", unit_scale=True, desc="predicting", delay=_PATIENCE_SECONDS, leave=False,
        file=sys.stderr, disable=hidden, bar_format="{l_bar}{bar}| [{elapsed}<{remaining}]",
    ) as progress:  # fmt: skip
        for frame, done in parts:
            yield frame
            progress.update(done - progress.n)


def _predict(
    model: Model, encoded: Iterable[tuple[pl.DataFrame | None, Array]]
) -> Iterator[tuple[pl.DataFrame | None, Array]]:
    """Yield rows with what the network makes of them, from pieces of the rows as it would make them of all at once."""
    frames: deque[Any] = deque()
    waiting: list[Array] = []
    count = 0

    def give_on(outputs: Array) -> Iterator[tuple[pl.DataFrame | None, Array]]:
        place = 0
        while place < len(outputs):
            frame = frames.popleft()
            if frame is None:
                yield None, outputs
                return
            here = min(frame.height, len(outputs) - place)
            if here < frame.height:
                frames.appendleft(frame[here:])
            yield frame[:here], outputs[place : place + here]
            place += here

    for frame, x in encoded:
        frames.append(frame)
        waiting.append(x)
        count += len(x)
        ready = (count // PREDICT_ROWS - 1) * PREDICT_ROWS  # the last piece is never predicted alone
        if ready > 0:
            x = np.concatenate(waiting) if len(waiting) > 1 else x
            waiting, count = [x[ready:]], count - ready
            yield from give_on(model.network.predict(x[:ready]))
    if count:
        yield from give_on(model.network.predict(np.concatenate(waiting) if len(waiting) > 1 else waiting[0]))


def make_builtin_table(data: str) -> pl.DataFrame:
    """Return a data set that ships with bpx as a table, to be written with its predictions."""
    import_optional("polars", "tables", "table")
    import polars as pl

    from bpx.datasets import load

    dataset = load(data)
    columns = {name: dataset.x[:, i] for i, name in enumerate(dataset.feature_names)}
    return pl.DataFrame(columns | {"y": dataset.y.reshape(-1)})
