"""Rows whose targets are known, of any number, for a trained network to be measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.cli import builtin_data
from bpx.cli.encoded_rows import EncodedRows
from bpx.cli.measures import regroup
from bpx.cli.sources import FileOptions, count_classes, rank_classes, refuse_unseen
from bpx.errors import InputError
from bpx.recipes.model_file import Model
from bpx.tables.encoding import Encoding
from bpx.tables.messages import number_rows
from bpx.tables.target_tally import TargetTally

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LabelledRows"]

Array = np.ndarray[Any, Any]


class LabelledRows(EncodedRows):
    """The rows of a file, or of a data set that ships with bpx, that have a target, and these targets.

    Parameters
    ----------
    model : Model
    data : str
        The data set or the file.
    file : FileOptions
        How the file is written.
    unseen : {"refuse", "ignore"} or None
        As `Preprocessor.transform` takes it.
    strict : bool
        Whether cells that cannot be read as training read them, and classes that it never saw, are refused.

    Attributes
    ----------
    unseen : dict from str to int
        Classes that the training never saw, and how many rows have each, the most frequent first.
    taken_for : array of int, shape (classes,)
        How many rows of such classes the network takes for each class that it knows.
    """

    doing = "evaluating"

    def __init__(self, model: Model, data: str, file: FileOptions, *, unseen: Any = None, strict: bool = False) -> None:
        self.unseen: dict[str, int] = {}
        self._refused = strict or model.preprocessor.strict
        super().__init__(model, data, file, typed=True, unseen=unseen, strict=strict)

    def measure(
        self, take: Callable[[Iterator[tuple[Array, Array]]], None], predict: Callable[[Array], Array], *, bar: bool
    ) -> None:
        """Go through all rows.

        Parameters
        ----------
        take : callable
            Is given an iterator of rows and targets as the network takes them, some at a time; `run` says when anew.
        predict : callable
            ``predict(x)`` returns the number of the class that each row is taken for.
        bar : bool
            Whether a terminal shows a progress bar.

        Raises
        ------
        InputError
            If no row has a target, or none has a class that the training saw.
        """
        self.run(lambda encoded: take(self._part(encoded, predict)), bar=bar)

    def _part(
        self, encoded: Iterator[tuple[Array, Array]], predict: Callable[[Array], Array]
    ) -> Iterator[tuple[Array, Array]]:
        """Yield the rows of classes that the training saw, and count what the others are taken for."""
        preprocessor = self.model.preprocessor
        n_known, others = 0, list[tuple[Array, ...]]()
        for x, y in encoded:
            known = np.ones(len(y), dtype=bool) if preprocessor.task == "regression" else y >= 0
            n_known += int(known.sum())
            if not known.all():
                others.append((x[~known],))
                others = self._count_taken(others, predict, all_of_them=False)
                x, y = x[known], y[known]
            if len(y):
                yield x, y
        self._count_taken(others, predict, all_of_them=True)
        self.unseen.update(rank_classes(self._unseen))  # in place: whoever takes the rows looks at it next
        if not n_known and self.unseen:
            refuse_unseen(self.data, preprocessor, self.unseen)
        if not n_known:
            raise InputError(f"{self.data}: no row has the target {preprocessor.target.name!r}")

    def _count_taken(
        self, waiting: list[tuple[Array, ...]], predict: Callable[[Array], Array], *, all_of_them: bool
    ) -> list[tuple[Array, ...]]:
        """Count what rows of unknown classes are taken for, in parts of one length; return the rows that are left."""
        parts = list(regroup(waiting, self.model.preprocessor.n_features))
        left = [] if all_of_them or not parts else [parts.pop()]
        for (x,) in parts:
            self.taken_for += np.bincount(predict(x), minlength=len(self.taken_for))
        return left

    def _begin(self) -> None:
        self._tally = TargetTally(self.model.preprocessor.target.name)
        self._unseen: Counter[str] = Counter()
        self.unseen.clear()
        self.taken_for = np.zeros(self.model.preprocessor.n_outputs, dtype=np.int64)

    def _tell(self) -> list[str]:
        return self._tally.tell()

    def _encode_builtin(self) -> tuple[Array, Array]:
        x, y, _ = builtin_data.encode(self.data, self.model.preprocessor)
        return x, y

    def _encode_some(self, frame: pl.DataFrame, how: Encoding, place: int) -> tuple[Array, Array]:
        """Return the rows that have a target, and it: -1 for a class that the training never saw."""
        preprocessor = self.model.preprocessor
        with number_rows(place):
            kept = preprocessor.find_target_rows(frame, tally=self._tally)
        frame = frame if len(kept) == frame.height else frame[kept]
        with number_rows((place + kept).tolist()):
            if self._refused:
                y = preprocessor.encode_target(frame)
            else:
                y = preprocessor.match_target(frame, tally=self._tally)
                if preprocessor.task == "classification" and (y < 0).any():
                    self._unseen += count_classes(frame.get_column(preprocessor.target.name).filter(y < 0))
            return preprocessor.encode(frame, how), y
