"""Applying a trained network to rows of any number: some are read, encoded, predicted and given on at a time.

What is predicted does not depend on how many rows are in memory at a time: they are put together to pieces of the
length that the network takes for itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.cli.encoded_rows import EncodedRows
from bpx.core.model import PREDICT_ROWS
from bpx.optional import import_optional
from bpx.recipes.model_file import Model

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Prediction", "make_builtin_table"]

Array = np.ndarray[Any, Any]


class Prediction(EncodedRows):
    """The rows of a file, or of a data set that ships with bpx, and what a network makes of them.

    Parameters and attributes are those of `EncodedRows`.
    """

    doing = "predicting"

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
        super().run(lambda encoded: take(_predict(self.model, encoded)), bar=bar)


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
