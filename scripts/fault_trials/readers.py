"""The files that bpx reads, each with a good one, ways to spoil it, and the call that reads it."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import load as load_arrays

import bpx
from bpx.cli import main as run_command
from bpx.files.array_file import CHECKSUM, to_bytes
from bpx.tables.reading import read_table
from fault_trials.mutations import mutate_bytes, mutate_csv, mutate_tree
from fault_trials.training import make_network, make_samples

Mutate = Callable[[bytes, random.Random], bytes]


class Reader(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    suffix : str
    make : callable
        ``make(folder)`` returns the bytes of a good file.
    mutate : callable
        ``mutate(data, draw)`` returns the bytes of a spoiled one.
    read : callable
        ``read(path)`` reads a file as a user would.
    """

    suffix: str
    make: Callable[[Path], bytes]
    mutate: Mutate
    read: Callable[[Path], Any]


# -- models and checkpoints -----------------------------------------------------------------------------------


def _make_model(folder: Path) -> bytes:
    path = folder / "good.safetensors"
    make_network().save(path)
    return path.read_bytes()


def _make_checkpoint(folder: Path) -> bytes:
    x, y = make_samples()
    make_network().fit(x, y, epochs=1, checkpoint=folder / "good", keep=1, progress=False)
    return next((folder / "good").glob("*.safetensors")).read_bytes()


def mutate_safetensors(data: bytes, draw: random.Random) -> bytes:
    """Spoil a safetensors file: its bytes, its header, or, with a checksum that fits, its text or its arrays."""
    way = draw.random()
    if way < 0.2:
        return mutate_bytes(data, draw)
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if way < 0.4:
        text = json.dumps(mutate_tree(header, draw)).encode()
        return struct.pack("<Q", len(text)) + text + body
    metadata = {name: text for name, text in header["__metadata__"].items() if name != CHECKSUM}
    arrays = load_arrays(data)
    for _ in range(draw.choice((1, 1, 2))):
        name = draw.choice(list(metadata))
        if metadata[name][:1] in "{[" and draw.random() < 0.9:
            metadata[name] = json.dumps(mutate_tree(_read_json(metadata[name]), draw))
        elif draw.random() < 0.5:
            metadata[name] = draw.choice(("", "{", "1", "2", "x", "[" * 5000, "null", "\x1b[2J"))
        elif arrays:
            _spoil_array(arrays, draw)
    return to_bytes(metadata, arrays)


def _read_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # spoiled already
        return text


def _spoil_array(arrays: dict[str, np.ndarray], draw: random.Random) -> None:
    """Rename an array, leave it out, or give it another shape, type or odd numbers."""
    name = draw.choice(list(arrays))
    array = arrays.pop(name)
    action = draw.randrange(6)
    if action == 0:
        arrays[name + "x"] = array
    elif action == 1:
        arrays[name] = array.reshape(1, *array.shape)
    elif action == 2:
        arrays[name] = array.astype(draw.choice((np.int64, np.float32, np.float16, np.uint8, np.bool_)))
    elif action == 3:
        arrays[name] = np.full_like(array, draw.choice((0, 1, 200)))
    elif action == 4:
        arrays[name] = array[:0] if array.ndim else array


def _resume(path: Path) -> None:
    bpx.load(path)
    x, y = make_samples()
    make_network().fit(x, y, epochs=1, resume=path, progress=False)


# -- tables ---------------------------------------------------------------------------------------------------


def _make_rows() -> list[list[str]]:
    draw = random.Random(0)
    rows = [["id", "size", "kind", "target"]]
    rows += [[f"{i:04d}", f"{draw.gauss(0, 1):.3f}", draw.choice("abc"), draw.choice(("yes", "no"))] for i in range(30)]
    return rows


def _make_csv(folder: Path) -> bytes:
    return "\n".join(map(",".join, _make_rows())).encode()


def _make_npz(folder: Path) -> bytes:
    x, y = make_samples()
    file = io.BytesIO()
    np.savez_compressed(file, x=x, y=y)
    return file.getvalue()


def _make_parquet(folder: Path) -> bytes:
    import polars as pl

    names, *rows = _make_rows()
    file = io.BytesIO()
    pl.DataFrame({name: [row[i] for row in rows] for i, name in enumerate(names)}).write_parquet(file)
    return file.getvalue()


def _make_frame() -> Any:
    import polars as pl

    names, *rows = _make_rows()
    return pl.DataFrame({name: [row[i] for row in rows] for i, name in enumerate(names)})


def _make_arrow(folder: Path) -> bytes:
    file = io.BytesIO()
    _make_frame().write_ipc(file, compression="zstd")
    return file.getvalue()


def _make_json_lines(folder: Path) -> bytes:
    file = io.BytesIO()
    _make_frame().write_ndjson(file)
    return file.getvalue()


def _make_gzip(folder: Path) -> bytes:
    return gzip.compress(_make_csv(folder))


def _make_zstd(folder: Path) -> bytes:
    import zstandard

    data: bytes = zstandard.ZstdCompressor(write_checksum=True).compress(_make_csv(folder))
    return data


def _make_workbook(folder: Path) -> bytes:
    """Write the parts that a workbook cannot be without."""
    main, of = "http://schemas.openxmlformats.org/spreadsheetml/2006/main", "http://schemas.openxmlformats.org"
    cell = '<c t="inlineStr"><is><t>{}</t></is></c>'
    rows = "".join(f"<row>{''.join(map(cell.format, row))}</row>" for row in _make_rows())
    link = f'<Relationship Id="a" Type="{of}/officeDocument/2006/relationships/'
    links = f'<Relationships xmlns="{of}/package/2006/relationships">'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{of}/package/2006/content-types"/>',
        "_rels/.rels": f'{links}{link}officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{of}/officeDocument/2006/relationships"><sheets>'
        '<sheet name="rows" sheetId="1" r:id="a"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{links}{link}worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData></worksheet>',
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file.getvalue()


def _mutate_workbook(data: bytes, draw: random.Random) -> bytes:
    """Spoil a workbook: its bytes, or one of its parts in an archive that is whole."""
    if draw.random() < 0.5:
        return mutate_bytes(data, draw)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        spoiled = draw.choice(given.namelist())
        for name in given.namelist():
            part = given.read(name)
            archive.writestr(name, mutate_bytes(part, draw) if name == spoiled else part)
    return file.getvalue()


def _train_on(path: Path) -> None:
    """Read a table, and train on it by the command line for one epoch where it can be read."""
    table = read_table(path)
    if table.width:
        run("train", path, "--target", table.columns[-1], "--epochs", 1, "--hidden", 2)


def _mutate_csv(data: bytes, draw: random.Random) -> bytes:
    return mutate_csv(data.decode(), draw)


# -- the command line -----------------------------------------------------------------------------------------


def _make_plan(folder: Path) -> bytes:
    run("train", "xor", "--epochs", 2, "--checkpoint", folder / "plan")
    return (folder / "plan" / "command.json").read_bytes()


def _mutate_json(data: bytes, draw: random.Random) -> bytes:
    if draw.random() < 0.2:
        return mutate_bytes(data, draw)
    return json.dumps(mutate_tree(json.loads(data), draw)).encode()


def _resume_plan(path: Path) -> None:
    folder = path.parent / "plan"
    (folder / "command.json").write_bytes(path.read_bytes())
    run("train", "--resume", folder, "--epochs", 2)  # a plan of 10**30 epochs is a plan, and takes its time


class CommandFault(Exception):
    """The command line ended as it should not."""


def run(*arguments: object) -> None:
    """Run a command of bpx in this process.

    Raises
    ------
    CommandFault
        If it ends with another code than 0 or, a user's mistake, 2 with a message.
    """
    out, said = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            run_command([str(argument) for argument in arguments])
    except SystemExit as end:
        code = end.code or 0
        if code not in (0, 2) or (code == 2 and not said.getvalue().strip()):
            raise CommandFault(f"exit code {code}, {said.getvalue()[-200:]!r}") from None
    if "\x1b" in out.getvalue() + said.getvalue():
        raise CommandFault(f"a raw escape on the terminal: {(out.getvalue() + said.getvalue())[-200:]!r}")


READERS = {
    "model": Reader(".safetensors", _make_model, mutate_safetensors, bpx.load),
    "checkpoint": Reader(".safetensors", _make_checkpoint, mutate_safetensors, _resume),
    "csv": Reader(".csv", _make_csv, _mutate_csv, read_table),
    "csv and training": Reader(".csv", _make_csv, _mutate_csv, _train_on),
    "npz": Reader(".npz", _make_npz, mutate_bytes, read_table),
    "arrow": Reader(".arrow", _make_arrow, mutate_bytes, read_table),
    "json lines": Reader(".jsonl", _make_json_lines, mutate_bytes, read_table),
    "gzip": Reader(".csv.gz", _make_gzip, mutate_bytes, read_table),
    "zstd": Reader(".csv.zst", _make_zstd, mutate_bytes, read_table),
    "excel": Reader(".xlsx", _make_workbook, _mutate_workbook, read_table),
    "parquet": Reader(".parquet", _make_parquet, mutate_bytes, read_table),
    "command": Reader(".json", _make_plan, _mutate_json, _resume_plan),
}
