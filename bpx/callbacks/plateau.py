"""Lower the learning rate when training makes no more progress."""

from __future__ import annotations

from typing import Any

from bpx.arguments import check_count, check_number
from bpx.callbacks.monitoring import Monitor
from bpx.training.callback import Callback, Run


class ReduceOnPlateau(Callback):
    """Multiply the learning rate by a factor whenever a number has not improved for some epochs.

    The factor comes on top of the optimizer's schedule: ``rate = schedule(step) * rate_scale``.

    Parameters
    ----------
    factor : float
        Above 0 and below 1.
    patience : int
        Epochs in a row without improvement after which the rate is lowered; at least 1.
    monitor : str
        As for `EarlyStopping`.
    min_delta : float
        Smallest change that counts as an improvement, in units of the number; at least 0.
    mode : str
        "min" or "max": which is better; "auto" knows it of losses and of bpx's metrics.
    cooldown : int
        Epochs after a reduction that do not count; at least 0.
    minimum : float
        Lowest learning rate, at least 0.

    Attributes
    ----------
    reductions : list of int
        The epochs after which the rate was lowered.

    See Also
    --------
    EarlyStopping : End a training that no longer improves.
    StepDecay : Lower the rate every so many epochs.

    Notes
    -----
    The scale belongs to the network's training state: the next ``fit`` with the same optimizer keeps it, and
    ``net.reset()`` or another optimizer sets it back to 1.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, section 3.4 (the rate is
    divided by 10 when the error plateaus).

    Examples
    --------
    >>> import bpx
    >>> plateau = bpx.ReduceOnPlateau(factor=0.5, patience=2, monitor="loss", min_delta=10.0)
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=6, optimizer=bpx.SGD(0.1), callbacks=[plateau])
    >>> plateau.reductions, net.training.rate_scale
    ([3, 5], 0.25)
    """

    def __init__(
        self,
        factor: float = 0.1,
        patience: int = 10,
        monitor: str = "validation_loss",
        min_delta: float = 0.0,
        mode: str = "auto",
        cooldown: int = 0,
        minimum: float = 0.0,
    ) -> None:
        self.factor = check_number("factor", factor, above=0.0, below=1.0)
        self.patience = check_count("patience", patience)
        self.monitor = Monitor(monitor, min_delta, mode)
        self.cooldown = check_count("cooldown", cooldown, 0)
        self.minimum = check_number("minimum", minimum, minimum=0.0)
        self._forget()

    def _forget(self) -> None:
        self.reductions: list[int] = []
        self._resting = 0

    def on_train_begin(self, run: Run) -> None:
        self.monitor.begin(run, "ReduceOnPlateau")
        self._forget()

    def on_epoch_end(self, run: Run) -> None:
        self.monitor.see(run.logs[self.monitor.name])
        if self._resting:
            self._resting -= 1
            self.monitor.waited = 0
        if self.monitor.waited < self.patience:
            return
        self.monitor.waited, self._resting = 0, self.cooldown
        rate = run.learning_rate
        lower = max(rate * self.factor, self.minimum)
        if lower < rate:
            run.training.rate_scale *= self.factor if lower > self.minimum else lower / rate
            self.reductions.append(run.epoch)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which alone a training is resumed, as plain data."""
        return {
            **self.monitor.settings, "factor": self.factor, "patience": self.patience, "cooldown": self.cooldown,
            "minimum": self.minimum,
        }  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        return {"monitor": self.monitor.state_dict(), "reductions": self.reductions, "resting": self._resting}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.monitor.load_state_dict(state["monitor"])
        self.reductions, self._resting = list(state["reductions"]), check_count("resting", state["resting"], 0)
