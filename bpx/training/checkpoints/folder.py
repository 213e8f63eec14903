"""A folder of checkpoints: named by their step, written whole, the oldest removed, the newest good one found."""

from __future__ import annotations

import contextlib
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from bpx.errors import CheckpointWarning, FileFormatError, InputError
from bpx.files.network_file import read
from bpx.training.checkpoints.snapshot import Snapshot, open_snapshot
from bpx.writing import write_whole

_NAME = re.compile(r"checkpoint-(\d{12})\.safetensors")


def make_path(folder: Path, step: int) -> Path:
    """Return the file of the checkpoint after so many steps."""
    return folder / f"checkpoint-{step:012d}.safetensors"


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the oldest first; none where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


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
    from safetensors.numpy import save as to_bytes

    metadata = {**snapshot.metadata, "checksum": _compute_checksum(snapshot)}
    write_whole(path, to_bytes(snapshot.arrays, metadata=metadata))


def remove_old(folder: Path, newest: Path, keep: int) -> None:
    """Remove the oldest checkpoints up to the newest so that ``keep`` of them stay; later ones are left alone."""
    older = [path for path in list_checkpoints(folder) if read_step(path) <= read_step(newest)]
    for path in older[:-keep]:
        with contextlib.suppress(OSError):  # one file too many does no harm
            path.unlink()


def remove_parts(folder: Path) -> None:
    """Remove what a killed process left of files that it had not finished."""
    for path in folder.glob(".checkpoint-*.part"):
        with contextlib.suppress(OSError):
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
    metadata, arrays = read(path)
    checksum = metadata.pop("checksum", "")
    snapshot = Snapshot(metadata, arrays)
    try:
        tree = open_snapshot(snapshot)
    except FileFormatError as error:
        raise FileFormatError(f"{path} is no checkpoint: {error}") from error
    if checksum != _compute_checksum(snapshot):
        raise FileFormatError(f"{path} is damaged: its content is not what was written")
    return snapshot, tree


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


def _compute_checksum(snapshot: Snapshot) -> str:
    """Return a checksum of text and numbers."""
    total = 0
    for key in sorted(snapshot.metadata):
        total = zlib.crc32(f"{key}={snapshot.metadata[key]}".encode(), total)
    for name in sorted(snapshot.arrays):
        array = np.ascontiguousarray(snapshot.arrays[name])
        total = zlib.crc32(f"{name}:{array.dtype}{array.shape}".encode(), total)
        total = zlib.crc32(array.tobytes(), total)
    return f"{total:08x}"
