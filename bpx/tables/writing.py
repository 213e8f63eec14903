"""Writing a table with predictions beside its own columns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.tables.messages import listed, shown
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.target import ClassTarget
from bpx.writing import open_whole

if TYPE_CHECKING:
    import polars as pl

__all__ = ["predictions_table", "write_predictions"]

SUFFIXES = (".csv", ".tsv", ".parquet")


def predictions_table(frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor) -> pl.DataFrame:
    """Put predictions beside the columns of a table.

    Parameters
    ----------
    frame : polars.DataFrame
        The table that was predicted.
    outputs : array
        What the network predicts for it, as `Preprocessor.decode_target` takes it.
    preprocessor : Preprocessor
        The preprocessing of the network.

    Returns
    -------
    polars.DataFrame
        The columns of ``frame``, then ``prediction`` and, for classes, ``probability_LABEL`` for each class.

    Raises
    ------
    InputError
        If the table has a column of such a name already, or ``outputs`` does not fit it.
    """
    import_optional("polars", "tables", "table")
    import polars as pl

    columns = {"prediction": preprocessor.decode_target(outputs).tolist()}
    if isinstance(preprocessor.target, ClassTarget):
        probabilities = preprocessor.target.probabilities(outputs)
        names = [f"probability_{label}" for label in preprocessor.class_names]
        columns |= {name: probabilities[:, index] for index, name in enumerate(names)}
    taken = [name for name in columns if name in frame.columns]
    if taken:
        raise InputError(f"the table has columns named {listed(taken)} already, where predictions go; rename them")
    if len(columns["prediction"]) != frame.height:
        raise InputError(f"expected predictions for {frame.height:,} rows, got {len(columns['prediction']):,}")
    return frame.with_columns(pl.Series(name, values) for name, values in columns.items())


def write_predictions(
    path: str | os.PathLike[str], frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor
) -> None:
    """Write a table with predictions beside its columns, as `predictions_table` makes it.

    The file is written beside its place and then renamed, so that a fault leaves an older file as it was.

    Parameters
    ----------
    path : str or path
        The file; its ending, ``.csv``, ``.tsv`` or ``.parquet``, says the format.
    frame : polars.DataFrame
        The table that was predicted.
    outputs : array
        What the network predicts for it, as `Preprocessor.decode_target` takes it.
    preprocessor : Preprocessor
        The preprocessing of the network.

    Raises
    ------
    InputError
        If the ending is another one, the file cannot be written, a column cannot be written in this format, the table
        has a column of such a name already, or ``outputs`` does not fit it.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{file}: expected a file that ends in {', '.join(SUFFIXES)}, got {suffix or 'no ending'!r}")
    table = predictions_table(frame, outputs, preprocessor)
    import polars as pl

    try:
        with open_whole(file) as stream:
            if suffix == ".parquet":
                table.write_parquet(stream)
            else:
                table.write_csv(stream, separator="\t" if suffix == ".tsv" else ",")
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: cannot be written as {suffix[1:].upper()}: {shown(reason)}") from error
