"""What a training recorded."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class History:
    """One entry an epoch of what a call of ``fit`` recorded.

    Attributes
    ----------
    loss : list of float
        Training loss of each epoch: the mean of its batches' losses, each taken before its update (their sum, where the
        loss is a sum), penalties included.
    validation_loss : list of float
        Loss on the validation data after each epoch; empty without validation data.
    metrics : dict of list of float
        Metrics after each epoch, by name.
    epoch : list of int
        Numbers of the epochs, counted over all calls of ``fit``, from 1.
    seconds : float
        Time of the whole call.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.loss)
