"""Logs of a training in text files: a row or a line for each epoch, cut back to the checkpoint on resume."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import math
import os
import warnings
from typing import IO, Any

from bpx.arguments import check_count
from bpx.errors import CheckpointWarning, InputError
from bpx.training.callback import Callback, Run
from bpx.writing import check_path


class LogFile(Callback):
    """A text file that grows by what `text` makes of each epoch.

    Parameters
    ----------
    path : path
        Its folder must exist.
    append : bool
        Whether a new training adds to an older file instead of replacing it.

    Notes
    -----
    The file holds whole epochs after each one. Where one cannot be written (a full disk), what was written of it is cut
    off again and a `CheckpointWarning` says so, once; training continues, and the missing epochs are written as soon as
    that is possible. When a training is resumed, the file is cut back to where it was when the checkpoint was written,
    so that it ends as if nothing had happened. A file that was removed in between starts anew.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = check_path("the name of a log", path)
        self.append = bool(append)
        self._file: IO[bytes] | None = None
        self._length = 0
        self._waiting = b""
        self._failing = False

    def text(self, run: Run) -> str:
        """Return what an epoch adds to the file."""
        raise TypeError(f"{type(self).__name__} defines no text")

    @property
    def empty(self) -> bool:
        """Whether the file holds nothing, and nothing waits to be written."""
        return not self._length and not self._waiting

    def on_train_begin(self, run: Run) -> None:
        keep = self.append or run.resumed
        try:
            self._file = self.path.open("ab" if keep else "wb", buffering=0)
            self._length = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise InputError(f"cannot write the log {self.path}: {error.strerror or error}") from error
        self._waiting, self._failing = b"", False

    def on_epoch_end(self, run: Run) -> None:
        if self._file is not None:
            self._waiting += self.text(run).encode()
            self._write()

    def on_train_end(self, run: Run) -> None:
        if self._file is not None:
            if self._waiting:
                self._write()
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def _write(self) -> None:
        """Write what waits, whole or not at all."""
        assert self._file is not None
        written = 0
        try:
            while written < len(self._waiting):  # a disk that is nearly full takes a part
                written += self._file.write(self._waiting[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self._length)
                self._file.seek(self._length)
            self._report_failure(error)
            return
        self._length += written
        self._waiting, self._failing = b"", False

    def _report_failure(self, error: OSError) -> None:
        """Warn about a log that cannot be written, once until it can be again."""
        if not self._failing:
            warnings.warn(
                f"cannot write the log {self.path}: {error.strerror or error}; training goes on, and the missing "
                "epochs are written as soon as that is possible",
                CheckpointWarning,
                stacklevel=2,
            )
        self._failing = True

    def state_dict(self) -> dict[str, Any]:
        if self._file is None:
            return {"length": self.path.stat().st_size if self.path.exists() else 0}
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):  # a pipe or a terminal has no disk
                self._report_failure(error)
        return {"length": self._length, **({"waiting": self._waiting.decode()} if self._waiting else {})}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._file is not None:
            self._length = min(check_count("length", state["length"], 0), self._length)
            self._waiting = state.get("waiting", "").encode()
            self._file.truncate(self._length)
            self._file.seek(0, os.SEEK_END)


class CSVLog(LogFile):
    """Write the numbers of each epoch to a CSV file: a header, then one row an epoch.

    Parameters
    ----------
    path : path
        Its folder must exist.
    append : bool
        Whether a new training adds to an older file of the same columns instead of replacing it.

    Notes
    -----
    The columns are "epoch" and the names of ``run.logs``. Numbers are written so that reading them gives the same ones.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> from pathlib import Path
    >>> path = os.path.join(tempfile.mkdtemp(), "log.csv")
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=2, callbacks=[bpx.CSVLog(path)])
    >>> [line.split(",")[0] for line in Path(path).read_text().splitlines()]
    ['epoch', '1', '2']
    """

    def text(self, run: Run) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        if self.empty:
            writer.writerow(["epoch", *run.logs])
        writer.writerow([run.epoch, *map(repr, run.logs.values())])
        return out.getvalue()


class JSONLinesLog(LogFile):
    """Write the numbers of each epoch to a file of JSON lines: one object an epoch.

    Parameters
    ----------
    path : path
        Its folder must exist.
    append : bool
        Whether a new training adds to an older file instead of replacing it.

    Notes
    -----
    Each object has "epoch" and the names of ``run.logs``; a number that is not finite is null, as JSON has it.

    Examples
    --------
    >>> import json, os, tempfile, bpx
    >>> from pathlib import Path
    >>> path = os.path.join(tempfile.mkdtemp(), "log.jsonl")
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=2, callbacks=[bpx.JSONLinesLog(path)])
    >>> [json.loads(line)["epoch"] for line in Path(path).read_text().splitlines()]
    [1, 2]
    """

    def text(self, run: Run) -> str:
        numbers = {name: value if math.isfinite(value) else None for name, value in run.logs.items()}
        return json.dumps({"epoch": run.epoch, **numbers}) + "\n"
