"""The network, saved after each epoch or whenever it is the best so far."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from bpx.arguments import check_choice
from bpx.callbacks.monitoring import Monitor
from bpx.errors import CheckpointWarning, InputError
from bpx.files import save
from bpx.training.callback import Callback, Run
from bpx.writing import check_path


class Checkpoint(Callback):
    """Save the network after each epoch, or only when it is the best so far, for `bpx.load` to read.

    These are files of networks. To be able to resume a training exactly, use ``fit(..., checkpoint="run/")``.

    Parameters
    ----------
    path : path
        File to write. ``{epoch}`` in it becomes the number of the epoch, so that every one is kept; without it there is
        one file, which is always whole. Its folder must exist.
    monitor : str or None
        The number that says what is best, as for `EarlyStopping`; None saves after every epoch.
    mode : str
        "min" or "max": which is better; "auto" knows it of losses and of bpx's metrics.
    on_error : str
        "warn" continues without a file that cannot be written, "raise" ends the training.

    Attributes
    ----------
    last : Path or None
        The file that was written last.

    See Also
    --------
    EarlyStopping : End a training that no longer improves.
    Network.save : Write a network to its file.
    Network.fit : Train a network.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> path = os.path.join(tempfile.mkdtemp(), "best.safetensors")
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=3, callbacks=[bpx.Checkpoint(path, monitor="loss")])
    >>> bpx.load(path).n_params == net.n_params
    True
    """

    def __init__(
        self, path: str | os.PathLike[str], monitor: str | None = None, mode: str = "auto", on_error: str = "warn"
    ) -> None:
        self.path = os.fspath(check_path("the path of a checkpoint's file", path))
        self.monitor = None if monitor is None else Monitor(monitor, 0.0, mode)
        self.on_error = check_choice("on_error", on_error, ("warn", "raise"))
        self.last: Path | None = None

    def on_train_begin(self, run: Run) -> None:
        if self.monitor is not None:
            self.monitor.begin(run, "Checkpoint")
        folder = Path(self.path.replace("{epoch}", "0")).parent
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder} to save the network in; make it first")
        self.last = None

    def on_epoch_end(self, run: Run) -> None:
        if self.monitor is not None and not self.monitor.see(run.logs[self.monitor.name])[0]:
            return
        path = Path(self.path.replace("{epoch}", str(run.epoch)))
        try:
            save(run.net, path)
            self.last = path
        except InputError as error:
            if self.on_error == "raise":
                raise
            warnings.warn(f"{error}; training goes on without this file", CheckpointWarning, stacklevel=2)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which alone a training is resumed, as plain data."""
        return {} if self.monitor is None else self.monitor.settings

    def state_dict(self) -> dict[str, Any]:
        monitor = None if self.monitor is None else self.monitor.state_dict()
        return {"monitor": monitor, "last": None if self.last is None else str(self.last)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.monitor is not None:
            self.monitor.load_state_dict(state["monitor"])
        self.last = None if state["last"] is None else Path(state["last"])
