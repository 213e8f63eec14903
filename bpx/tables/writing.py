"""Writing a table with predictions beside its own columns."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.tables.csv_appending import append_columns
from bpx.tables.csv_rows import is_tsv
from bpx.tables.frames import take_frame
from bpx.tables.inferring import Decimal
from bpx.tables.kinds import find_kind
from bpx.tables.messages import listed, shown
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.target import ClassTarget
from bpx.tables.unpacking import find_compression
from bpx.writing import write_whole

if TYPE_CHECKING:
    import polars as pl

__all__ = ["predictions_table", "write_predictions"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")


def predictions_table(frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor) -> pl.DataFrame:
    """Put predictions beside the columns of a table.

    Parameters
    ----------
    frame : polars.DataFrame, or of another library
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
    frame = take_frame(frame)
    return frame.with_columns(_predicted_columns(frame, outputs, preprocessor))


def _predicted_columns(frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor) -> list[pl.Series]:
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
    return [pl.Series(name, values) for name, values in columns.items()]


def write_predictions(
    path: str | os.PathLike[str],
    frame: pl.DataFrame,
    outputs: Any,
    preprocessor: Preprocessor,
    *,
    source: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
    decimal: Decimal | None = None,
    notes: list[str] | None = None,
) -> None:
    """Write a table with predictions beside its columns, as `predictions_table` makes it.

    From one CSV file to another, the text of the first comes back to the byte, each row with its predictions behind
    it: ``00123``, ``NA``, numbers of 20 digits, encoding, separator, quotation marks and line ends; see
    `append_columns`. One that was compressed comes back unpacked. From CSV to TSV, or back, values come back as they
    were, with the other separator. Anything else, such as a workbook, is written from ``frame``.

    The file is written beside its place and then renamed, so that a fault leaves an older file as it was.

    Parameters
    ----------
    path : str or path
        The file; its ending, ``.csv``, ``.tsv`` or ``.parquet``, says the format.
    frame : polars.DataFrame, or of another library
        The table that was predicted.
    outputs : array
        What the network predicts for it, as `Preprocessor.decode_target` takes it.
    preprocessor : Preprocessor
        The preprocessing of the network.
    source : str or path, optional
        The file that ``frame`` was read from; without it, CSV is written from ``frame`` too.
    encoding : str, optional
        The encoding of that file, where it was given to `read_table` too.
    decimal : {".", ","}, optional
        What stands before decimals in that file, where it was given to `read_table` too.
    notes : list of str, optional
        Gets a line where the file was compressed, and what is written is not.

    Raises
    ------
    InputError
        If the ending is another one, the file cannot be written, a column cannot be written in this format, the table
        has a column of such a name already, ``outputs`` does not fit it, or ``source`` has got other rows meanwhile.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{file}: expected a file that ends in {', '.join(SUFFIXES)}, got {suffix or 'no ending'!r}")
    frame = take_frame(frame)
    columns = _predicted_columns(frame, outputs, preprocessor)
    if source is not None and suffix in SEPARATORS and _is_csv(Path(source)):
        try:
            content = append_columns(
                Path(source),
                columns,
                None if (suffix == ".tsv") == is_tsv(Path(source)) else SEPARATORS[suffix],
                encoding=encoding,
                decimal=decimal or preprocessor.reading.decimal,
                header=preprocessor.reading.header,
            )
            with Path(source).open("rb") as given:
                compression = find_compression(given.read(4))
            if compression and notes is not None:
                notes.append(f"{file} is written as it is, and not compressed by {compression} as {source}")
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error
    else:
        content = _render(file, frame.with_columns(columns))
    write_whole(file, content)


def _is_csv(source: Path) -> bool:
    """Tell whether the file that a table was read from is CSV; one that has gone meanwhile is an error of its own."""
    try:
        return find_kind(source) == "csv"
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error


def _render(file: Path, table: pl.DataFrame) -> bytes:
    """Return a table as the content of a file, in the format that its ending says."""
    import polars as pl

    stream, suffix = io.BytesIO(), file.suffix.lower()
    try:
        if suffix == ".parquet":
            table.write_parquet(stream)
        else:
            table.write_csv(stream, separator=SEPARATORS[suffix])
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: cannot be written as {suffix[1:].upper()}: {shown(reason)}") from error
    return stream.getvalue()
