"""Logs of a training in text files: a row or a line for each epoch, cut back to the checkpoint on resume."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from typing import Any

from bpx.arguments import check_count
from bpx.callbacks.growing_file import GrowingFile
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
        self._file: GrowingFile | None = None

    def text(self, run: Run) -> str:
        """Return what an epoch adds to the file."""
        raise TypeError(f"{type(self).__name__} defines no text")

    def on_train_begin(self, run: Run) -> None:
        self._file = GrowingFile(self.path, keep=self.append or run.resumed)

    def on_epoch_end(self, run: Run) -> None:
        if self._file is not None:
            self._file.append(self.text(run).encode())

    def on_train_end(self, run: Run) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def state_dict(self) -> dict[str, Any]:
        if self._file is None:
            return {"length": self.path.stat().st_size if self.path.exists() else 0}
        self._file.synchronize()
        waiting = self._file.waiting.decode()
        return {"length": self._file.length, **({"waiting": waiting} if waiting else {})}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.cut(check_count("length", state["length"], 0), state.get("waiting", "").encode())


class CSVLog(LogFile):
    """Write the numbers of each epoch to a CSV file: a header, then one row an epoch.

    Parameters
    ----------
    path : path
        Its folder must exist.
    append : bool
        Whether a new training adds to an older file of the same columns instead of replacing it.

    See Also
    --------
    JSONLinesLog : Write the numbers of each epoch as JSON lines.
    TensorBoard : Write the numbers of each epoch for TensorBoard.
    History : The numbers of each epoch.

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
        if self._file is not None and not self._file.length and not self._file.waiting:
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

    See Also
    --------
    CSVLog : Write the numbers of each epoch as CSV.
    TensorBoard : Write the numbers of each epoch for TensorBoard.
    History : The numbers of each epoch.

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
