"""TensorBoard's event files, written by tensorboardX."""

from __future__ import annotations

import os
from typing import Any

from bpx.arguments import check_count
from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.training.callback import Callback, Run


class TensorBoard(Callback):
    """Write the numbers of each epoch, the learning rate and, if asked for, histograms of weights for TensorBoard.

    Needs the extra ``tensorboard``. Show them with ``tensorboard --logdir FOLDER``.

    Parameters
    ----------
    folder : path
        Made if it does not exist; each run of a comparison has one of its own.
    histograms : int or None
        Epochs between two histograms of each parameter; None writes none.

    Notes
    -----
    When a training is resumed, TensorBoard drops the events that came after the checkpoint.

    Raises
    ------
    InputError
        If tensorboardX is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str], histograms: int | None = None) -> None:
        self._library = import_optional("tensorboardX", "TensorBoard's event files", "tensorboard")
        self.folder = os.fspath(folder)
        self.histograms = None if histograms is None else check_count("histograms", histograms)
        self._writer: Any = None

    def on_train_begin(self, run: Run) -> None:
        first = run.epoch + 1 if run.resumed else None
        try:
            self._writer = self._library.SummaryWriter(self.folder, purge_step=first)
        except OSError as error:
            raise InputError(f"cannot write to the folder {self.folder}: {error.strerror or error}") from error

    def on_epoch_end(self, run: Run) -> None:
        for name, value in run.logs.items():
            self._writer.add_scalar(name, value, run.epoch)
        self._writer.add_scalar("learning_rate", run.learning_rate, run.epoch)
        if self.histograms and run.done % self.histograms == 0:
            for i, part in enumerate(run.net.params):
                for name, array in part.items():
                    self._writer.add_histogram(f"{i}.{name}", run.net.backend.to_numpy(array), run.epoch)

    def on_train_end(self, run: Run) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
