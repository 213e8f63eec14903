"""Reading Excel workbooks: one sheet, by the package fastexcel, each cell as text that is typed as that of CSV is."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.tables.archives import check_directory, check_unpacked
from bpx.tables.headers import count_rows_to_compare, name_columns, number_columns
from bpx.tables.inferring import Inference
from bpx.tables.messages import listed, nearest, shown
from bpx.tables.trying import try_apart

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_excel"]

_ENTRIES = 10_000
_LEAST_MEMORY, _MEMORY_A_BYTE = 2**31, 32
"""Bytes of memory that a workbook may take, and how many for each byte that it unpacks to."""

_NO_WORKBOOK = "not an Excel workbook that can be read"


def read_excel(
    path: Path, how: Inference, *, sheet: str | None = None, header: bool = True, notes: list[str]
) -> pl.DataFrame:
    """Read a sheet of an ``.xlsx`` workbook.

    Each cell is taken as the text that it holds, formulas as what they came to, errors such as ``#N/A`` as missing, and
    the columns get their types as those of a CSV file do. Empty rows are passed over, as are columns without a name and
    without values.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    how : Inference
        Which columns stay text, and what is missing.
    sheet : str, optional
        The name of the sheet; by default the first.
    header : bool
        Whether the first row is one of names.
    notes : list of str
        Gets a line where there are several sheets to choose from, and one about columns without a name.

    Raises
    ------
    InputError
        If it is damaged, no workbook, empty or far larger than its file; has no such sheet; or its header is none.
    """
    import_optional("fastexcel", "Excel workbooks", "table")
    import polars as pl

    unpacked = _check(path)
    memory = max(_LEAST_MEMORY, _MEMORY_A_BYTE * unpacked)
    try_apart(path, "an Excel workbook", __name__, _decode.__name__, part=sheet or "", memory=memory)
    try:
        sheets, cells = _decode(path, sheet or "")
    except (InputError, MemoryError):
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # of Rust's, a panic is no Exception
        reason = (str(error).strip() or "unknown reason").splitlines()[0]
        raise InputError(f"{path}: {_NO_WORKBOOK} ({shown(reason)})") from error
    name = sheet or sheets[0]
    cells = cells.filter(~pl.all_horizontal(pl.all().is_null())) if cells.width else cells
    if cells.height == 0:
        others = [other for other in sheets if other != name]
        advice = f"; choose another by sheet='...' (--sheet ...): {listed(others)}" if others else ""
        raise InputError(f"{path}: the sheet {shown(name)} is empty{advice}")
    if sheet is None and len(sheets) > 1:
        notes.append(f"read the sheet {shown(name)} of {listed(sheets)}; choose another by sheet='...' (--sheet ...)")
    if not header:
        return cells.rename(dict(zip(cells.columns, number_columns(cells.width), strict=True))).with_columns(
            how.infer(pl.Series(place, column, dtype=pl.String))
            for place, column in zip(number_columns(cells.width), cells.get_columns(), strict=True)
        )
    top = ["" if value is None else value for value in cells.row(0)]
    below = cells.slice(1)
    used = [i for i, value in enumerate(top) if value.strip() or below.to_series(i).null_count() < below.height]
    rows = below.head(count_rows_to_compare(cells.width)).fill_null("").rows()
    names = name_columns(
        f"{path}, sheet {shown(name)}", [top[i] for i in used], [[r[i] for i in used] for r in rows], notes
    )
    columns = [below.to_series(i).alias(column) for i, column in zip(used, names, strict=True)]
    return pl.DataFrame([how.infer(column) for column in columns])


def _check(path: Path) -> int:
    """Refuse an archive that is none or unpacks to too much; return the bytes that it unpacks to."""
    try:
        with path.open("rb") as file:
            check_directory(path, file, _ENTRIES, _NO_WORKBOOK, "its directory takes {length} bytes, too many")
            with zipfile.ZipFile(file) as archive:
                return check_unpacked(path, archive, "save it as CSV")
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile raises a dozen classes on bytes that are none of its own
        raise InputError(f"{path}: {_NO_WORKBOOK}") from error


def _decode(path: str | Path, sheet: str = "") -> tuple[list[str], pl.DataFrame]:
    """Return the names of the sheets, and the cells of one, all of them text."""
    fastexcel: Any = import_optional("fastexcel", "Excel workbooks", "table")
    logging.getLogger("fastexcel").setLevel(logging.ERROR)
    book = fastexcel.read_excel(Path(path))
    sheets = book.sheet_names
    if sheet and sheet not in sheets:
        raise InputError(f"{path}: no sheet {shown(sheet)}{nearest(sheet, sheets)}; it has {listed(sheets)}")
    if not sheets:
        raise InputError(f"{path}: the workbook has no sheets")
    cells = book.load_sheet(sheet or sheets[0], header_row=None, dtypes="string").to_polars()
    return sheets, cells
