"""Disks that run full while bpx writes."""

from __future__ import annotations

import contextlib
import os
import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import bpx
from fault_trials.tally import Tally, summarize
from fault_trials.training import make_network, make_samples

SIZE = 256 * 1024
"""Bytes of the file system that is filled."""


@contextlib.contextmanager
def mount_small_disk(folder: Path) -> Iterator[Path | None]:
    """Mount a file system in memory of `SIZE` bytes; None where that is not allowed."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disks(folder: Path, levels: int) -> Tally:
    """Save models, checkpoints and logs on a disk with less and less room."""
    tally = Tally(
        "a disk that is full",
        "the old file stays whole, nothing is left over, a model is an InputError, the rest a warning",
    )
    with mount_small_disk(folder / "disk") as disk:
        if disk is None:
            tally.skipped = "a small tmpfs cannot be mounted here"
            return tally
        for level in range(levels):
            room = level * 16 * 1024 // levels
            for name, write in _WRITERS.items():
                for path in disk.rglob("*"):
                    if path.is_file():
                        path.unlink()
                wrong = _write_on_full_disk(disk, write, room)
                tally.count(None if wrong is None else f"{name} with {room} bytes left: {wrong}")
    return tally


def _write_on_full_disk(disk: Path, write: Callable[[Path], str | None], room: int) -> str | None:
    old = disk / "model.safetensors"
    make_network().save(old)
    whole = old.read_bytes()
    filler = disk / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    os.truncate(filler, max(0, filler.stat().st_size - room))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            wrong = write(disk)
    except Exception as error:
        wrong = summarize(error)
    if wrong is None and old.read_bytes() != whole and bpx.load(old).n_params != make_network().n_params:
        wrong = "the old model is not whole"
    left = [path.name for path in disk.iterdir() if "tmp" in path.name or path.name.startswith(".")]
    return wrong or (f"left over: {left}" if left else None)


def _save_model(disk: Path) -> str | None:
    with contextlib.suppress(bpx.InputError):
        make_network(seed=6).save(disk / "model.safetensors")
    return None


def _train_with_checkpoints(disk: Path) -> str | None:
    x, y = make_samples()
    history = make_network().fit(x, y, epochs=3, checkpoint=disk / "run", progress=False)
    return None if len(history.loss) == 3 else "the training ended early"


def _train_with_logs(disk: Path) -> str | None:
    x, y = make_samples()
    logs = [bpx.CSVLog(disk / "log.csv"), bpx.JSONLinesLog(disk / "log.jsonl")]
    history = make_network().fit(x, y, epochs=30, callbacks=logs, progress=False)
    return None if len(history.loss) == 30 else "the training ended early"


_WRITERS = {"a model": _save_model, "checkpoints": _train_with_checkpoints, "logs": _train_with_logs}
