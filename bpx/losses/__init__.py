"""Losses: how wrong the outputs are, and the gradient that starts the backward pass.

Each class states the loss ``l`` of one sample, summed over the outputs, and its gradient. The loss of a batch is the
mean over its samples (``reduction="mean"``; with sample weights ``w`` the weighted mean ``sum(w * l) / sum(w)``) or the
sum (``reduction="sum"``; ``sum(w * l)``).
"""

from __future__ import annotations

from typing import Any

from bpx.arguments import look_up
from bpx.errors import FileFormatError
from bpx.losses.base import KINDS, REDUCTIONS, Loss, LossFormulas
from bpx.losses.classes import BinaryCrossEntropy, CrossEntropy, one_hot
from bpx.losses.members import MeanOverMembers
from bpx.losses.values import AbsoluteError, Huber, Poisson, Quantile, SquaredError

__all__ = [
    "KINDS", "LOSSES", "REDUCTIONS", "AbsoluteError", "BinaryCrossEntropy", "CrossEntropy", "Huber", "Loss",
    "LossFormulas", "MeanOverMembers", "Poisson", "Quantile", "SquaredError", "get_loss", "loss_from_config", "one_hot",
]  # fmt: skip

LOSSES: dict[str, type[Loss]] = {
    cls.name: cls for cls in (SquaredError, AbsoluteError, Huber, Quantile, CrossEntropy, BinaryCrossEntropy, Poisson)
}
"""The losses by name; `MeanOverMembers`, which takes another one, has none."""


def get_loss(loss: str | Loss) -> Loss:
    """Return the loss of a name; a loss is returned as it is.

    Raises
    ------
    InputError
        If no loss has this name; the message lists them and the nearest spelling.
    """
    return look_up("loss", loss, Loss, LOSSES)


def loss_from_config(config: Any) -> Loss:
    """Build a loss from plain data, as `Loss.config` gives it.

    Raises
    ------
    FileFormatError
        If the data describes no loss.
    """
    if not isinstance(config, dict):
        raise FileFormatError(f"expected a loss with a 'kind', got {config!r}")
    settings = {name: value for name, value in config.items() if name != "kind"}
    cls = KINDS.find("loss", config.get("kind"))
    try:
        return cls.from_config(settings)  # type: ignore[no-any-return]
    except KeyError as error:
        raise FileFormatError(f"loss: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"loss: {error}") from error
