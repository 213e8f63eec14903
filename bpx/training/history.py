"""What a training recorded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from bpx.markup import format_number, make_paragraph, make_table
from bpx.naming import Pickled


@dataclass(repr=False)
class History(Pickled):
    """One entry an epoch of what a call of ``fit`` recorded.

    Attributes
    ----------
    loss : list of float
        Training loss of each epoch, penalties included: the mean of its batches' losses, each taken before its update
        and weighted by the batch's rows, or by the sum of their weights; the plain sum, where the loss is a sum.
    validation_loss : list of float
        Loss on the validation data after each epoch; empty without validation data.
    metrics : dict of list of float
        Metrics on the training data after each epoch, by name.
    validation_metrics : dict of list of float
        Metrics on the validation data after each epoch, by name; empty without validation data.
    epoch : list of int
        Numbers of the epochs, counted over all calls of ``fit``, from 1.
    seconds : float
        Time of the whole call; of a training that was resumed, the time of all its parts.
    stop_reason : str
        Why training ended before its last epoch; empty where it did not.

    See Also
    --------
    CSVLog : Write the numbers of each epoch as CSV.
    bpx.plot.learning_curves : Loss and metrics by the epoch.
    Network.fit : Train a network.

    Examples
    --------
    >>> import bpx
    >>> history = bpx.mlp([2, 1], loss="squared_error").fit(*bpx.datasets.xor(), epochs=2)
    >>> len(history), sorted(history.to_dict())[:3]
    (2, ['epoch', 'loss', 'metrics'])
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    validation_metrics: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    seconds: float = 0.0
    stop_reason: str = ""

    def __len__(self) -> int:
        return len(self.loss)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data: numbers, text, lists and dicts, as JSON takes them."""
        return asdict(self)

    def curves(self) -> dict[str, list[float]]:
        """Return everything that was recorded by name, that of the validation data as ``"validation_..."``."""
        columns = {"loss": self.loss, **self.metrics, "validation_loss": self.validation_loss}
        columns |= {f"validation_{name}": values for name, values in self.validation_metrics.items()}
        return {name: values for name, values in columns.items() if values}

    def last(self) -> dict[str, float]:
        """Return the numbers of the last epoch by name, those of the validation data as ``"validation_..."``."""
        return {name: values[-1] for name, values in self.curves().items()}

    def __repr__(self) -> str:
        numbers = "".join(f", {name}={value:.4g}" for name, value in self.last().items())
        stopped = f", stop_reason={self.stop_reason!r}" if self.stop_reason else ""
        return f"History(epochs={len(self)}{numbers}, seconds={self.seconds:.3g}{stopped})"

    def _repr_html_(self) -> str:
        """Return a row for each number that was recorded: its first and last value, its lowest and highest."""
        rows = [
            (name, *(format_number(value) for value in (values[0], values[-1], min(values), max(values))))
            for name, values in self.curves().items()
        ]
        stopped = f"; {self.stop_reason}" if self.stop_reason else ""
        line = f"{len(self):,} epochs in {self.seconds:.3g} s{stopped}"
        return make_paragraph(line) + make_table(("", "first", "last", "lowest", "highest"), rows)
