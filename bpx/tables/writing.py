"""Writing a table with predictions beside its own columns."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from bpx.errors import InputError
from bpx.tables.csv_appending import CsvAppender, choose_separator
from bpx.tables.csv_rows import find_separator
from bpx.tables.csv_streaming import HEAD, CsvParts, take_start
from bpx.tables.frames import take_frame
from bpx.tables.inferring import Decimal, Inference
from bpx.tables.kinds import find_kind
from bpx.tables.messages import listed, shown
from bpx.tables.preprocessor import Preprocessor
from bpx.tables.reading import explain_failures
from bpx.tables.target import ClassTarget
from bpx.tables.text_reading import Text
from bpx.tables.text_streaming import StreamedText, open_text
from bpx.writing import open_whole

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PredictionsWriter", "check_ending", "open_predictions", "predictions_table", "write_predictions"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet")

ROWS_A_GROUP, CELLS_A_GROUP = 100_000, 2**22
"""Rows of a group in a Parquet file, and the values that they may have together."""


def predictions_table(
    frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor, *, margin: float | None = None
) -> pl.DataFrame:
    """Put predictions beside the columns of a table.

    Parameters
    ----------
    frame : polars.DataFrame, or of another library
        The table that was predicted.
    outputs : array
        What the network predicts for it, as `Preprocessor.decode_target` takes it.
    preprocessor : Preprocessor
        The preprocessing of the network.
    margin : float, optional
        Half the width of an interval around each prediction of a number, in the units of the target.

    Returns
    -------
    polars.DataFrame
        The columns of ``frame``, then ``prediction`` and, for classes, ``probability_LABEL`` for each class; with a
        ``margin`` ``lower`` and ``upper``, the prediction minus and plus it.

    Raises
    ------
    InputError
        If the table has a column of such a name already, or ``outputs`` does not fit it.

    See Also
    --------
    bpx.tables.write_predictions : Write a table with its predictions.
    bpx.tables.Preprocessor : How columns become numbers.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor, predictions_table
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> fitted = Preprocessor.fit(table, "y")
    >>> predictions_table(table[:1], [[0.25, 0.75]], fitted).row(0)
    (1.0, 'a', 'no', 'yes', 0.25, 0.75)
    """
    frame = take_frame(frame)
    return frame.with_columns(_predicted_columns(frame, outputs, preprocessor, margin))


def _predicted_columns(
    frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor, margin: float | None
) -> list[pl.Series]:
    import polars as pl

    predictions = preprocessor.decode_target(outputs)
    columns: dict[str, Any] = {"prediction": predictions.tolist()}
    if isinstance(preprocessor.target, ClassTarget):
        probabilities = preprocessor.target.probabilities(outputs)
        names = [f"probability_{label}" for label in preprocessor.class_names]
        columns |= {name: probabilities[:, index] for index, name in enumerate(names)}
    elif margin is not None:
        columns |= {"lower": predictions - margin, "upper": predictions + margin}
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
    margin: float | None = None,
    notes: list[str] | None = None,
) -> None:
    """Write a table with predictions beside its columns, as `predictions_table` makes it.

    From one CSV file to another, the text of the first comes back to the byte, each row with its predictions behind
    it: ``00123``, ``NA``, numbers of 20 digits, encoding, separator, quotation marks and line ends; see `CsvAppender`.
    One that was compressed comes back unpacked. From CSV to TSV, or back, values come back as they were, with the other
    separator. Anything else, such as a workbook, is written from ``frame``.

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
    margin : float, optional
        As in `predictions_table`.
    notes : list of str, optional
        Gets a line where the file was compressed, and what is written is not.

    Raises
    ------
    InputError
        If the ending is another one, the file cannot be written, a column cannot be written in this format, the table
        has a column of such a name already, ``outputs`` does not fit it, or ``source`` has got other rows meanwhile.

    See Also
    --------
    bpx.tables.predictions_table : Put predictions beside a table's columns.
    bpx.tables.read_table : Read a table from a file or a frame.

    Examples
    --------
    >>> import os, tempfile
    >>> import polars as pl
    >>> from bpx.tables import Preprocessor, write_predictions
    >>> columns = {"size": [1.0, 2.0, 3.0, 4.0], "kind": ["a", "b", "a", "b"], "y": ["no", "yes", "no", "yes"]}
    >>> table = pl.DataFrame(columns)
    >>> path = os.path.join(tempfile.mkdtemp(), "out.csv")
    >>> write_predictions(path, table[:1], [[0.25, 0.75]], Preprocessor.fit(table, "y"))
    >>> with open(path) as file:
    ...     print(file.readline().strip())
    size,kind,y,prediction,probability_no,probability_yes
    """
    check_ending(path)
    frame = take_frame(frame)
    _predicted_columns(frame, outputs, preprocessor, margin)
    decimal = decimal or preprocessor.reading.decimal
    if source is not None and decimal is None and _is_csv(Path(source)):
        with explain_failures(str(source)):
            decimal = _find_decimal(Path(source), encoding, preprocessor)
    how: dict[str, Any] = {"source": source, "encoding": encoding, "decimal": decimal or ".", "margin": margin}
    with open_predictions(path, preprocessor, **how) as writer:
        writer.write(frame, outputs)
        if notes is not None:
            notes += writer.notes


def check_ending(path: str | os.PathLike[str]) -> str:
    """Return the ending of a file that predictions are to be written to, in small letters.

    Raises
    ------
    InputError
        If predictions are not written in a format of this ending.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, got {suffix or 'no ending'!r}")
    return suffix


class PredictionsWriter(Protocol):
    """What `open_predictions` gives: it writes rows with their predictions, some at a time, in their order."""

    notes: list[str]

    def write(self, frame: pl.DataFrame, outputs: Any) -> None:
        """Write further rows, and what the network predicts for them."""


@contextlib.contextmanager
def open_predictions(
    path: str | os.PathLike[str],
    preprocessor: Preprocessor,
    *,
    source: str | os.PathLike[str] | None = None,
    encoding: str | None = None,
    decimal: Decimal = ".",
    margin: float | None = None,
) -> Iterator[PredictionsWriter]:
    """Open a file for predictions as `write_predictions` writes it, for a table of which some rows come at a time.

    The file is there whole when the block ends well, and not at all otherwise.

    Parameters
    ----------
    path, preprocessor, source, encoding, decimal, margin
        As in `write_predictions`.

    Raises
    ------
    InputError
        As in `write_predictions`.
    """
    file, suffix = Path(path), check_ending(path)
    given = None if source is None else Path(source)
    with open_whole(file) as stream:
        if given is not None and suffix in SEPARATORS and _is_csv(given):
            with explain_failures(str(given)):
                text = open_text(given, encoding, [])
            appending = _AppendingWriter(file, stream, text, preprocessor, decimal, margin)
            yield appending
            appending.finish()
        else:
            unnest = given is not None and find_kind(given) == "json lines"
            if suffix == ".parquet":
                with _ParquetWriter(file, stream, preprocessor, unnest, margin) as writing:
                    yield writing
                    writing.finish()
            else:
                yield _CsvWriter(file, stream, preprocessor, unnest, margin)


class _AppendingWriter:
    """Writes the text of a CSV file, with predictions behind each row."""

    def __init__(
        self,
        file: Path,
        stream: BinaryIO,
        text: StreamedText,
        preprocessor: Preprocessor,
        decimal: Decimal,
        margin: float | None,
    ) -> None:
        start, _ = take_start(text.read_blocks(), HEAD)
        own, told = find_separator(Text(text.path, start))
        separator = choose_separator(text.path, file.suffix.lower())
        header = preprocessor.reading.header
        self._appender = CsvAppender(text, stream, own, told, separator, decimal=decimal, header=header)
        self._preprocessor, self._margin = preprocessor, margin
        self.notes = []
        if text.compression:
            self.notes.append(f"{file} is written as it is, and not compressed by {text.compression} as {text.path}")

    def write(self, frame: pl.DataFrame, outputs: Any) -> None:
        self._appender.write(_predicted_columns(frame, outputs, self._preprocessor, self._margin))

    def finish(self) -> None:
        self._appender.finish()


class _CsvWriter:
    """Writes rows as CSV."""

    def __init__(
        self, file: Path, stream: BinaryIO, preprocessor: Preprocessor, unnest: bool, margin: float | None
    ) -> None:
        self._file, self._stream, self._preprocessor, self._unnest = file, stream, preprocessor, unnest
        self._margin = margin
        self._begun = False
        self.notes: list[str] = []

    def write(self, frame: pl.DataFrame, outputs: Any) -> None:
        table = _join_predictions(frame, outputs, self._preprocessor, self._unnest, self._margin)
        part, separator = io.BytesIO(), SEPARATORS[self._file.suffix.lower()]
        with _explain_format(self._file):
            table.write_csv(part, separator=separator, include_header=not self._begun)
        self._begun = True
        self._stream.write(part.getbuffer())


class _ParquetWriter:
    """Writes rows as Parquet, in groups of rows; those that came first wait in files of their own for the last."""

    def __init__(
        self, file: Path, stream: BinaryIO, preprocessor: Preprocessor, unnest: bool, margin: float | None
    ) -> None:
        self._file, self._stream, self._preprocessor, self._unnest = file, stream, preprocessor, unnest
        self._margin = margin
        self._waiting: list[pl.DataFrame] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._parts: list[Path] = []
        self.notes: list[str] = []

    def __enter__(self) -> _ParquetWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def write(self, frame: pl.DataFrame, outputs: Any) -> None:
        import polars as pl

        self._waiting.append(_join_predictions(frame, outputs, self._preprocessor, self._unnest, self._margin))
        size = self._count_rows_a_group()
        if sum(table.height for table in self._waiting) >= 2 * size:
            table = pl.concat(self._waiting)
            whole = table.height // size * size
            self._set_aside(table[:whole])
            self._waiting = [table[whole:]]

    def _count_rows_a_group(self) -> int:
        width: int = self._waiting[0].width
        return max(min(ROWS_A_GROUP, CELLS_A_GROUP // width), 1)

    def _set_aside(self, table: pl.DataFrame) -> None:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix=".bpx-", suffix=".parts", dir=self._file.parent)
        self._parts.append(Path(self._folder.name) / f"{len(self._parts):09}.parquet")
        with _explain_format(self._file):
            table.write_parquet(self._parts[-1], row_group_size=self._count_rows_a_group())

    def finish(self) -> None:
        """Write the file, of all that was set aside."""
        import polars as pl

        size, table = self._count_rows_a_group(), pl.concat(self._waiting)
        if self._folder is None:
            whole = io.BytesIO()
            with _explain_format(self._file):
                table.write_parquet(whole, row_group_size=size)
            self._stream.write(whole.getbuffer())
            return
        if table.height:
            self._set_aside(table)
        joined = Path(self._folder.name) / "whole.parquet"
        with _explain_format(self._file):
            pl.scan_parquet(self._parts, glob=False).sink_parquet(joined, row_group_size=size)
        with joined.open("rb") as content:
            shutil.copyfileobj(content, self._stream)


def _join_predictions(
    frame: pl.DataFrame, outputs: Any, preprocessor: Preprocessor, unnest: bool, margin: float | None
) -> pl.DataFrame:
    """Put predictions beside the columns of a table; lists of JSON text, as JSON lines are read, become this text."""
    import polars as pl

    columns = _predicted_columns(frame, outputs, preprocessor, margin)
    if unnest:
        nested = [name for name, dtype in frame.schema.items() if dtype == pl.List(pl.String)]
        frame = frame.with_columns(pl.col(nested).list.first())
    return frame.with_columns(columns)


def _is_csv(source: Path) -> bool:
    """Tell whether the file that a table was read from is CSV; one that has gone meanwhile is an error of its own."""
    with explain_failures(str(source)):
        return find_kind(source) == "csv"


def _find_decimal(source: Path, encoding: str | None, preprocessor: Preprocessor) -> Decimal:
    """Find what stands before decimals in a CSV file, as who read it did."""
    parts = CsvParts(
        open_text(source, encoding, []), Inference(), header=preprocessor.reading.header, bytes_a_part=2**24, notes=[]
    )
    return parts.find_decimal([])


@contextlib.contextmanager
def _explain_format(file: Path) -> Iterator[None]:
    """Say of what polars refuses to write in this block which file it was."""
    import polars as pl

    try:
        yield
    except pl.exceptions.PolarsError as error:
        reason, kind = str(error).splitlines()[0], file.suffix[1:].upper()
        raise InputError(f"{file}: cannot be written as {kind}: {shown(reason)}") from error
