"""A folder of checkpoints: named by their step, written whole, the oldest removed, the newest good one found."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bpx.errors import CheckpointWarning, FileFormatError, InputError
from bpx.files.array_file import CHECKSUM, ArrayFile, describe_fault, to_bytes
from bpx.files.network_file import check_checksum, check_format
from bpx.training.checkpoints.snapshot import Snapshot, check_version, open_snapshot
from bpx.writing import remove_parts, write_whole

_NAME = re.compile(r"checkpoint-(\d{12})\.safetensors")


def make_path(folder: Path, step: int) -> Path:
    """Return the file of the checkpoint after so many steps."""
    return folder / f"checkpoint-{step:012d}.safetensors"


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the oldest first; none where there is no folder.

    Raises
    ------
    InputError
        If the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror or error}") from error


def read_step(path: Path) -> int:
    """Return after how many steps a checkpoint was written, by its name; -1 where the name does not say."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def write(path: Path, snapshot: Snapshot) -> None:
    """Write a checkpoint so that it is there whole or not at all.

    Raises
    ------
    InputError
        If it cannot be written; what was there before is still there.
    """
    write_whole(path, to_bytes(snapshot.metadata, snapshot.arrays))


def remove_old(folder: Path, newest: Path, keep: int) -> None:
    """Remove the oldest checkpoints up to the newest so that ``keep`` of them stay; later ones are left alone."""
    with contextlib.suppress(InputError):  # a file too many does no harm
        older = [path for path in list_checkpoints(folder) if read_step(path) <= read_step(newest)]
        for path in older[:-keep]:
            with contextlib.suppress(OSError):
                path.unlink()


def remove_left_over(folder: Path) -> None:
    """Remove what killed processes left of files that they had not finished, those of an earlier bpx too."""
    remove_parts(folder)
    with contextlib.suppress(OSError):
        for path in folder.glob(".checkpoint-*.part"):
            path.unlink()


def read_checkpoint(path: Path) -> tuple[Snapshot, dict[str, Any]]:
    """Return a checkpoint, and the training that it holds.

    Raises
    ------
    FileFormatError
        If the file is truncated, changed, or no checkpoint of this version.
    InputError
        If there is no such file.
    """
    with ArrayFile(path) as file:
        check_format(file)
        with _naming(path):
            check_version(file.metadata)
        check_checksum(file)
        metadata = {key: text for key, text in file.metadata.items() if key != CHECKSUM}
        snapshot = Snapshot(metadata, dict(file.read_arrays()))
    with _naming(path):
        return snapshot, open_snapshot(snapshot)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in what is found wrong with its training."""
    try:
        yield
    except FileFormatError as error:
        raise describe_fault(path, f" is no checkpoint: {error}") from error


def find_newest(folder: Path) -> tuple[Path, Snapshot, dict[str, Any]] | None:
    """Return the newest good checkpoint of a folder, with its path; None where the folder holds none at all.

    Files that are truncated, damaged or foreign are passed over with a warning.

    Raises
    ------
    FileFormatError
        If there are checkpoints, but none that is good.
    """
    found = list_checkpoints(folder)
    for path in reversed(found):
        try:
            return path, *read_checkpoint(path)
        except (FileFormatError, InputError) as error:
            if path != found[0]:
                warnings.warn(f"{error}; taking an older checkpoint", CheckpointWarning, stacklevel=2)
                continue
            raise FileFormatError(f"{folder} holds no checkpoint that can be read; the oldest: {error}") from error
    return None
