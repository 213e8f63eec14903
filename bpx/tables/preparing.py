"""From a table to arrays for training, in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.errors import InputError
from bpx.tables.fitting import find_table_target
from bpx.tables.frames import ColumnType, take_frame
from bpx.tables.inferring import Decimal
from bpx.tables.messages import listed
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.splitting import split, split_classes
from bpx.tables.target import ClassTarget
from bpx.tables.task import AskedTask

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Prepared", "prepare"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """A table ready for training.

    Parameters
    ----------
    preprocessor : Preprocessor
        Fitted on the training rows.
    x_train, y_train : array
        The training rows: numbers of shape (rows, n_features), and int64 classes of shape (rows,) or float64 of shape
        (rows, 1).
    x_validation, y_validation : array or None
        The held-out rows; None if none are held out. ``x_train`` and ``x_validation`` are parts of one array.
    train_rows, validation_rows : array of int64
        Which rows of the table these are.
    notes : tuple of str
        What the user should know, one line each.

    See Also
    --------
    bpx.tables.prepare : Split a table and encode both parts.
    bpx.tables.Preprocessor : How columns become numbers.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import prepare
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> prepared = prepare(table, "y", validation=0)
    >>> prepared.x_train.shape, prepared.y_train.tolist(), prepared.x_validation
    ((4, 3), [0, 1, 0, 1], None)
    """

    preprocessor: Preprocessor
    x_train: Array
    y_train: Array
    x_validation: Array | None
    y_validation: Array | None
    train_rows: Array
    validation_rows: Array
    notes: tuple[str, ...]


def prepare(
    frame: pl.DataFrame,
    target: str,
    *,
    validation: float = 0.2,
    seed: int = 0,
    task: AskedTask = "auto",
    missing: Literal["refuse", "impute"] | None = None,
    drop: Collection[str] = (),
    types: Mapping[str, ColumnType] | None = None,
    categories_max: int = 100,
    strict: bool = False,
    dtype: Literal["float32", "float64"] = "float64",
    decimal: Decimal = ".",
    codes: bool = False,
    release: bool = False,
) -> Prepared:
    """Split a table, fit the preprocessing on its training rows and encode both parts.

    Classes are held out in proportion; one of a single row stays with the training rows. Rows without the target are
    left out. A category that only held-out rows have counts as none of the categories, as it would in new data, with a
    note.

    Parameters
    ----------
    frame : polars.DataFrame
        The table.
    target : str
        The column to predict.
    validation : float
        The part of the rows to hold out; 0 for none.
    seed : int
        The seed of the split.
    task, missing, drop, types, categories_max, strict, decimal, codes
        As in `Preprocessor.fit`.
    dtype : {"float32", "float64"}
        The type of the numbers in ``x_train`` and ``x_validation``.
    release : bool
        Whether the table may be used up: a data frame of polars loses its columns as they are encoded, so that their
        memory is free for what is made of them.

    Returns
    -------
    Prepared
        The arrays, the preprocessing and the notes.

    Raises
    ------
    InputError
        As `Preprocessor.fit`, `Preprocessor.transform` and `split` do.

    See Also
    --------
    bpx.tables.read_table : Read a table from a file or a frame.
    bpx.tables.Prepared : A table ready for training.
    bpx.tables.split : Choose the rows to hold out.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import prepare
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> prepared = prepare(table, "y", validation=0)
    >>> prepared.preprocessor.feature_names
    ('size', 'kind=a', 'kind=b')
    """
    if not 0.0 <= validation < 1.0:
        raise InputError(f"expected a part of the rows to hold out, 0 or more and less than 1, got {validation!r}")

    frame = take_frame(frame)

    def fit(rows: Array | None) -> Preprocessor:
        return Preprocessor.fit(
            frame,
            target,
            task=task,
            missing=missing,
            drop=drop,
            types=types,
            categories_max=categories_max,
            rows=rows,
            strict=strict,
            decimal=decimal,
            codes=codes,
        )

    preprocessor = fit(None) if strict or validation == 0.0 else None
    if preprocessor is None:
        found, kept = find_table_target(frame, target, task, drop, types or {}, categories_max, decimal)
    else:
        found, kept = preprocessor.target, preprocessor.find_target_rows(frame)
    rows = None if len(kept) == frame.height else kept
    targets = frame.get_column(target) if rows is None else frame.get_column(target).gather(rows)
    y = found.encode(targets)
    train, held = np.arange(len(kept)), np.arange(0)
    if validation > 0.0:
        if isinstance(found, ClassTarget):
            names = [str(label) for label in found.labels]
            order = sorted(range(len(names)), key=names.__getitem__)
            train, held = split_classes(np.argsort(order)[y], [names[i] for i in order], validation, seed, strict)
        else:
            train, held = split(len(kept), validation, seed)
        preprocessor = fit(kept[train])
        if preprocessor.target != found:  # numbers are standardized by those of the training rows
            y = preprocessor.target.encode(targets)
    assert preprocessor is not None
    notes = [*preprocessor.notes, *([] if validation == 0.0 else _note_single_rows(preprocessor, y))]
    how = preprocessor.begin_encoding(unseen="ignore", fitted_here=True, decimal=decimal)
    x = preprocessor.encode(
        frame,
        how,
        dtype=dtype,
        rows=rows,
        order=np.concatenate([train, held]) if len(held) else None,
        release=release,
    )
    notes += how.tell(preprocessor.column_names)
    return Prepared(
        preprocessor,
        x[: len(train)],
        y[train],
        x[len(train) :] if len(held) else None,
        y[held] if len(held) else None,
        kept[train],
        kept[held],
        tuple(dict.fromkeys(notes)),
    )


def _note_single_rows(preprocessor: Preprocessor, y: Array) -> list[str]:
    """Say which classes have one row, so that nothing can be held out of them."""
    if not isinstance(preprocessor.target, ClassTarget):
        return []
    labels = preprocessor.target.labels
    single = [labels[i] for i in np.flatnonzero(np.bincount(y, minlength=len(labels)) == 1)]
    have = "classes have" if len(single) > 1 else "class has"
    return [f"{len(single):,} {have} one row, which is trained on and not tested: {listed(single)}"] if single else []
