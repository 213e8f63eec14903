"""Reading a table: from a file of any of the usual formats, or from a data frame of another library."""

from __future__ import annotations

import contextlib
import difflib
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.tables.columnar_reading import read_arrow, read_parquet
from bpx.tables.csv_reading import read_csv
from bpx.tables.excel_reading import read_excel
from bpx.tables.frames import ColumnType, take_frame
from bpx.tables.headers import check_second_header
from bpx.tables.inferring import (
    MISSING_MARKERS,
    Decimal,
    DecimalSearch,
    Inference,
    blank_markers,
    check_decimal,
    check_markers,
)
from bpx.tables.json_lines_reading import read_json_lines
from bpx.tables.kinds import Kind, find_kind
from bpx.tables.messages import shown
from bpx.tables.npz_reading import read_npz
from bpx.tables.text_reading import check_encoding, read_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["PreparedReading", "blank_frame", "explain_failures", "prepare_reading", "read_prepared", "read_table"]


def read_table(
    source: Any,
    *,
    text: Collection[str] = (),
    types: Mapping[str, ColumnType] | None = None,
    known_texts: Mapping[str, Collection[str]] | None = None,
    missing_values: Collection[str | float] | None = None,
    decimal: Decimal | None = None,
    header: bool = True,
    encoding: str | None = None,
    sheet: str | None = None,
    notes: list[str] | None = None,
) -> pl.DataFrame:
    """Read a table from a file, or take one from a data frame.

    Its content says what a file is: CSV and JSON lines, both also compressed by gzip or zstd, Excel (``.xlsx``),
    Parquet, Arrow (Feather) or NPZ. CSV may be separated by commas, semicolons, tabs or bars, and in any encoding.

    Parameters
    ----------
    source : str, path or data frame
        The file; or a table of pandas, polars, pyarrow or any other library that narwhals knows.
    text : collection of str, optional
        Columns that stay text even if every value is a number, such as postal codes. For a trained model this is
        `Preprocessor.text_columns`. Names that the table lacks are ignored.
    types : dict from str to {"text", "number", "category"}, optional
        Columns whose type is declared. Those of text and of categories keep each text as it stands, ``NA`` and ``?``
        among them, and only an empty value is missing. For a trained model this is `Preprocessor.types`. Names that
        the table lacks are ignored.
    known_texts : dict from str to collection of str, optional
        Texts of columns that are values there, though `missing_values` has them. For a trained model this is
        `Preprocessor.known_texts`. Names that the table lacks are ignored.
    missing_values : collection of str, optional
        What stands for a missing value, beside an empty one, in columns whose type is not declared as text or
        category; a number, such as ``-999``, does in columns of numbers however it is written. By default `NA`, `N/A`,
        `n/a`, `NaN`, `nan`, `null`, `NULL`, `None`, `?`, `-`, `--` and `.`, in CSV, JSON lines and Excel alone: other
        tables have types, and what is missing there is null.
    decimal : {".", ","}, optional
        What stands before the decimals of numbers in files of text. By default it is found: a comma where values stand
        between semicolons, tabs or bars, columns are numbers with commas, and none has a point.
    header : bool
        Whether the first line of CSV and the first row of a sheet are names; else the columns are named by their
        places, ``1``, ``2``, ``3``, ...
    encoding : str, optional
        The encoding of a file of text. By default it is found: by a byte order mark, UTF-8 where it is that, else
        cp1252 or latin-1, with a note.
    sheet : str, optional
        The sheet of a workbook; by default the first.
    notes : list of str, optional
        Gets what was decided and may be wrong, a line each.

    Returns
    -------
    polars.DataFrame
        At least one row and one column. Missing values are null (NaN may occur too, in Parquet, Arrow, NPZ and data
        frames). A column of CSV, JSON lines or Excel is integers, floats, booleans (true, false) or text, whichever
        loses no value; see `bpx.tables.csv_reading.read_csv`. One without a name is called ``unnamed`` and its place.

    Raises
    ------
    InputError
        If the file is missing, a folder, unreadable, empty, damaged, of a format that cannot be read or another than
        its ending says, without rows, or unpacks to far more than its size; if its first line looks like data and
        ``header`` is true; if two columns have one name, a row is of another length than its header, or the first row
        looks like a second header. The message is one line with the file's name and, where it has some, the line.

    See Also
    --------
    bpx.tables.prepare : Split a table and encode both parts.
    bpx.tables.write_predictions : Write a table with its predictions.

    Examples
    --------
    >>> import os, tempfile
    >>> from bpx.tables import read_table
    >>> path = os.path.join(tempfile.mkdtemp(), "table.csv")
    >>> with open(path, "w") as file:
    ...     count = file.write("name;cost\\nA;1,5\\nB;\\n")
    >>> notes = []
    >>> read_table(path, notes=notes).to_dicts()
    [{'name': 'A', 'cost': 1.5}, {'name': 'B', 'cost': None}]
    """
    import_optional("polars", "tables", "table")
    lines: list[str] = [] if notes is None else notes
    how: dict[str, Any] = {"text": text, "types": types, "known_texts": known_texts}
    how |= {"missing_values": missing_values, "decimal": decimal}
    if not isinstance(source, (str, os.PathLike)):
        reading = _check_reading(Path(), "parquet", encoding=None, sheet=None, **how)
        return _finish("the table", blank_frame(take_frame(source), reading.markers, reading.how))
    with explain_failures(str(source)):
        prepared = prepare_reading(source, encoding=encoding, sheet=sheet, **how)
        frame = read_prepared(prepared, header=header, notes=lines)
    if missing_values is None:
        lines += prepared.how.describe_gaps()
    return frame


@dataclass(frozen=True)
class PreparedReading:
    """A file whose format is known, and how it is to be read.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        What it is, as `find_kind` says.
    how : Inference
        How its columns get their types; knows the decimal mark once the file was read.
    markers : tuple of str or None
        What stands for a missing value, where that is said.
    look_for_decimal : bool
        Whether the decimal mark is to be found.
    encoding, sheet : str or None
        As `read_table` takes them.
    """

    path: Path
    kind: Kind
    how: Inference
    markers: tuple[str, ...] | None
    look_for_decimal: bool
    encoding: str | None
    sheet: str | None


def prepare_reading(
    source: str | os.PathLike[str],
    *,
    text: Collection[str] = (),
    types: Mapping[str, ColumnType] | None = None,
    known_texts: Mapping[str, Collection[str]] | None = None,
    missing_values: Collection[str | float] | None = None,
    decimal: Decimal | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    doubted: Collection[str] = (),
) -> PreparedReading:
    """Look at a file and at how it is to be read; see `read_table`.

    Columns that are ``doubted`` tell whether the file has the decimal comma that is given, which is then that of other
    files; see `Inference.settle_decimal`.

    Raises
    ------
    InputError
        If there is no such file, its format cannot be read, or an argument does not go with it.
    """
    import_optional("polars", "tables", "table")
    how: dict[str, Any] = {"text": text, "types": types, "known_texts": known_texts}
    how |= {"missing_values": missing_values, "decimal": decimal}
    _check_reading(Path(), "csv", encoding=encoding, sheet=None, **how)
    if not os.fspath(source):
        raise InputError("expected the name of a file, got an empty one")
    file = Path(source)
    _check_file(file)
    kind = find_kind(file)
    _check_options(file, kind, encoding, sheet)
    reading = _check_reading(file, kind, encoding=encoding, sheet=sheet, **how)
    if decimal == "," and doubted:
        reading.how.doubt = DecimalSearch(doubted)
    return reading


def _check_reading(
    path: Path,
    kind: Kind,
    *,
    text: Collection[str],
    types: Mapping[str, ColumnType] | None,
    known_texts: Mapping[str, Collection[str]] | None,
    missing_values: Collection[str | float] | None,
    decimal: Decimal | None,
    encoding: str | None,
    sheet: str | None,
) -> PreparedReading:
    markers = None if missing_values is None else check_markers(missing_values)
    verbatim = [name for name, declared in (types or {}).items() if declared != "number"]
    how = Inference(text, verbatim, MISSING_MARKERS if markers is None else markers, known=known_texts or {})
    if decimal is not None:
        check_decimal(decimal)
        how.decimal = decimal
    if encoding is not None:
        check_encoding(encoding)
    return PreparedReading(path, kind, how, markers, decimal is None, encoding, sheet)


def read_prepared(source: PreparedReading, *, header: bool = True, notes: list[str]) -> pl.DataFrame:
    """Read a file that `prepare_reading` looked at; see `read_table`.

    Raises
    ------
    InputError
        If it is damaged or not as it has to be.
    """
    file, kind, how = source.path, source.kind, source.how
    if kind in ("csv", "json lines"):
        content = read_text(file, source.encoding, notes)
        if kind == "csv":
            frame = read_csv(content, how, header=header, look_for_decimal=source.look_for_decimal, notes=notes)
        else:
            frame = read_json_lines(content, how)
            frame = read_json_lines(content, how) if how.settle_decimal("", notes) else frame
    elif kind == "excel":
        frame = read_excel(file, how, sheet=source.sheet, header=header, notes=notes)
        if how.settle_decimal(",", notes):  # the numbers of a workbook come with points
            frame = read_excel(file, how, sheet=source.sheet, header=header, notes=[])
    else:
        read = {"parquet": read_parquet, "arrow": read_arrow, "npz": read_npz}[kind]
        frame = blank_frame(read(file), source.markers, how)
    if kind in ("csv", "excel") and header:
        check_second_header(file, frame)
    return _finish(str(file), frame)


@contextlib.contextmanager
def explain_failures(where: str) -> Iterator[None]:
    """Say of what the system or the memory refuses in this block which file it was."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise InputError(f"{where}: cannot be read: it takes more memory than there is") from error


def _finish(where: str, frame: pl.DataFrame) -> pl.DataFrame:
    if frame.height == 0 or frame.width == 0:
        raise InputError(f"{where}: the table has no {'columns' if frame.width == 0 else 'rows'}")
    return frame


def blank_frame(frame: pl.DataFrame, markers: tuple[str, ...] | None, how: Inference) -> pl.DataFrame:
    """Make null what stands for missing values in a table with types, where it is said what does."""
    if markers is None:
        return frame
    return frame.with_columns(
        blank_markers(column, how.list_markers(column.name))
        for column in frame.get_columns()
        if column.name not in how.verbatim
    )


def _check_options(path: Path, kind: Kind, encoding: str | None, sheet: str | None) -> None:
    """Refuse options that say nothing of a file of this kind."""
    if encoding is not None and kind not in ("csv", "json lines"):
        raise InputError(f"{path}: an encoding is for files of text; leave it out")
    if sheet is not None and kind != "excel":
        raise InputError(f"{path}: a sheet is one of an Excel workbook; leave it out")


def _check_file(path: Path) -> None:
    """Refuse what is no file with content, before anything is read: a pipe would wait, and a device never ends."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file{_similar_file(path)}") from None
    except ValueError as error:  # such as a NUL in the name
        raise InputError(f"{shown(str(path))}: no such file ({error})") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: expected a file, got a folder")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: expected a file, got a pipe or a device; write its content to a file first")
    if found.st_size == 0:
        raise InputError(f"{path}: the file is empty")


def _similar_file(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {shown(close[0])}?)" if close else ""
