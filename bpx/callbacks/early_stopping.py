"""Stop when training makes no more progress, and restore the best weights."""

from __future__ import annotations

from typing import Any

from bpx.arguments import check_count
from bpx.backend.base import Array
from bpx.callbacks.monitoring import Monitor
from bpx.errors import InputError
from bpx.training.callback import Callback, Run


class EarlyStopping(Callback):
    """End a training when a number has not improved for some epochs, and restore the best weights.

    Parameters
    ----------
    monitor : str
        The number: "validation_loss", "loss", a metric's name for that on the training data, ``"validation_"`` and the
        name for that on the validation data.
    patience : int
        Epochs in a row without improvement after which training ends; at least 1.
    min_delta : float
        How much better than ``best`` a value has to be to count as an improvement, in units of the number; at least 0.
    mode : str
        "min" or "max": which is better; "auto" knows it of losses and of bpx's metrics.
    restore_best : bool
        Whether the network ends with the weights and running statistics of its best epoch, however training ended.

    Attributes
    ----------
    best : float
        The best value, even if it is better than the one before it by less than ``min_delta``.
    best_epoch : int
        Its epoch, from 1, over all calls of ``fit``; 0 before the first.

    See Also
    --------
    ReduceOnPlateau : Lower the rate where nothing improves.
    Checkpoint : Keep the best or the newest network as a file.

    Notes
    -----
    The copy of the best weights stays on the network's device. The optimizer's state is not restored. Each call of
    ``fit`` starts the count again; a resumed one continues it.

    References
    ----------
    L. Prechelt, "Early stopping - but when?", 1998, section 2.2 (the class UP of criteria counts strips in a row).

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(200, seed=0)
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> stop = bpx.EarlyStopping("loss", patience=3, min_delta=0.01)
    >>> history = net.fit(x, y, epochs=500, batch_size=20, callbacks=[stop])
    >>> len(history) < 500
    True
    """

    def __init__(
        self,
        monitor: str = "validation_loss",
        patience: int = 10,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        self.monitor = Monitor(monitor, min_delta, mode)
        self.patience = check_count("patience", patience)
        self.restore_best = bool(restore_best)
        self._forget()

    def _forget(self) -> None:
        self.best_epoch = 0
        self._weights: dict[str, list[dict[str, Array]]] | None = None
        self._shapes: list[list[dict[str, tuple[int, ...]]]] = []

    @property
    def best(self) -> float:
        """The best value so far; infinite before the first."""
        return self.monitor.best

    def on_train_begin(self, run: Run) -> None:
        self.monitor.begin(run, "EarlyStopping")
        self._forget()
        self._shapes = _list_shapes({"params": run.net.params, "state": run.net.state})

    def on_epoch_end(self, run: Run) -> None:
        is_best, _ = self.monitor.see(run.logs[self.monitor.name])
        if is_best:
            self.best_epoch = run.epoch
            if self.restore_best:
                copy = run.net.backend.copy
                self._weights = {
                    kind: [{name: copy(array) for name, array in part.items()} for part in parts]
                    for kind, parts in (("params", run.net.params), ("state", run.net.state))
                }
        if self.monitor.waited >= self.patience:
            enough = f" by more than {self.monitor.min_delta:g}" if self.monitor.min_delta else ""
            run.stop(
                f"{self.monitor.name} has not improved{enough} for {self.monitor.waited} epochs; "
                f"best {self.best:.6g} in epoch {self.best_epoch}"
            )

    def on_train_end(self, run: Run) -> None:
        if self._weights is not None:
            run.net.params, run.net.state = self._weights["params"], self._weights["state"]
        self._weights = None

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which alone a training is resumed, as plain data."""
        return {**self.monitor.settings, "patience": self.patience, "restore_best": self.restore_best}

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor.state_dict(), "best_epoch": self.best_epoch, "weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state["monitor"])
        self.best_epoch = check_count("best_epoch", state["best_epoch"], 0)
        if state["weights"] is not None and _list_shapes(state["weights"]) != self._shapes:
            raise InputError("the weights of the best epoch do not fit the network")
        self._weights = state["weights"]


def _list_shapes(weights: dict[str, list[dict[str, Array]]]) -> list[list[dict[str, tuple[int, ...]]]]:
    """Return the shapes of parameters and running statistics."""
    return [
        [{name: tuple(array.shape) for name, array in part.items()} for part in weights[kind]]
        for kind in ("params", "state")
    ]
