"""TensorBoard's event files, written by tensorboardX."""

from __future__ import annotations

import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.callbacks.growing_file import GrowingFile
from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.training.callback import Callback, Run
from bpx.writing import check_path

BINS = 30
"""Bars of a histogram: as many as TensorBoard shows."""


class TensorBoard(Callback):
    """Write the numbers of each epoch, the learning rate and, if asked for, histograms of weights for TensorBoard.

    Needs the extra ``tensorboard``. Show them with ``tensorboard --logdir FOLDER``.

    Parameters
    ----------
    folder : path
        Made if it does not exist; each run of a comparison has one of its own.
    histograms : int or None
        Epochs between two histograms of each parameter; None writes none.

    See Also
    --------
    CSVLog : Write the numbers of each epoch as CSV.
    JSONLinesLog : Write the numbers of each epoch as JSON lines.

    Notes
    -----
    When a training is resumed, TensorBoard drops the events that came after the checkpoint. Where an event cannot be
    written (a full disk), a `CheckpointWarning` says so, once, and it is written as soon as that is possible.

    Raises
    ------
    InputError
        If tensorboardX is not installed.

    Examples
    --------
    >>> import bpx, os, tempfile
    >>> x, y = bpx.datasets.xor()
    >>> folder = tempfile.mkdtemp()
    >>> net = bpx.mlp([2, 4, 1], loss="binary_cross_entropy")
    >>> history = net.fit(x, y, epochs=3, callbacks=[bpx.TensorBoard(folder)])
    >>> len(os.listdir(folder))
    1
    """

    def __init__(self, folder: str | os.PathLike[str], histograms: int | None = None) -> None:
        import_optional("tensorboardX", "TensorBoard's event files", "tensorboard")
        self.folder = os.fspath(check_path("the folder of TensorBoard", folder, "a folder"))
        self.histograms = None if histograms is None else check_count("histograms", histograms)
        self._file: GrowingFile | None = None

    def on_train_begin(self, run: Run) -> None:
        folder = Path(self.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write to the folder {folder}: {error.strerror or error}") from error
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._file = GrowingFile(folder / name, keep=False)
        self._append(file_version="brain.Event:2")
        if run.resumed:  # TensorBoard drops what an interrupted training wrote of these epochs
            from tensorboardX.proto.event_pb2 import SessionLog

            self._append(step=run.epoch + 1, session_log=SessionLog(status=SessionLog.START))

    def on_epoch_end(self, run: Run) -> None:
        from tensorboardX.summary import histogram, scalar

        for name, value in {**run.logs, "learning_rate": run.learning_rate}.items():
            self._append(step=run.epoch, summary=scalar(name, value))
        if self.histograms and run.done % self.histograms == 0:
            for i, part in enumerate(run.net.params):
                for name, array in part.items():
                    numbers = run.net.backend.to_numpy(array)
                    finite = numbers[np.isfinite(numbers)]
                    if finite.size:
                        self._append(step=run.epoch, summary=histogram(f"{i}.{name}", finite, BINS))

    def on_train_end(self, run: Run) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, **content: Any) -> None:
        """Add an event to the file: its length and its bytes, each with a checksum, as TensorFlow's records are.

        tensorboardX's own writer does so in a thread, and waits for that forever once the disk is full.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.record_writer import masked_crc32c

        event = Event(wall_time=time.time(), **content).SerializeToString()
        length = struct.pack("<Q", len(event))
        record = length + struct.pack("<I", masked_crc32c(length)) + event + struct.pack("<I", masked_crc32c(event))
        assert self._file is not None
        self._file.append(record)
