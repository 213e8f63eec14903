"""Optimizers: how a gradient changes a weight.

An optimizer is a frozen record of settings and two functions. ``coefficients`` gives, on the host in double precision,
all numbers that change from step to step (the learning rate, Adam's bias corrections). ``update`` changes one array and
its slots (velocity, moments) element by element, in place: the step owns them. It is handed its numbers as arguments,
so a compiled step stays the same when the learning rate moves.
"""

from __future__ import annotations

from bpx.arguments import look_up
from bpx.optimizers.adaptive import Adam, AdamW, RMSprop
from bpx.optimizers.averaging import Averaged
from bpx.optimizers.base import Optimizer, Update
from bpx.optimizers.descent import SGD
from bpx.optimizers.groups import ParameterGroup
from bpx.optimizers.lbfgs import LBFGS

__all__ = [
    "LBFGS", "OPTIMIZERS", "SGD", "Adam", "AdamW", "Averaged", "Optimizer", "ParameterGroup", "RMSprop", "Update",
    "get_optimizer",
]  # fmt: skip

OPTIMIZERS: dict[str, type[Optimizer]] = {cls.name: cls for cls in (SGD, Adam, AdamW, RMSprop)}
"""The optimizers by name that make a step of one gradient.

"lbfgs", which searches along a line, is beside them; `Averaged`, which takes another one, has no name.
"""


def get_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimizer of a name, with its default settings; an optimizer is returned as it is.

    Raises
    ------
    InputError
        If no optimizer has this name; the message lists them and the nearest spelling.

    See Also
    --------
    bpx.optimizers.Optimizer : What every optimizer does; the parent of your own.
    Network.fit : Train a network.

    Examples
    --------
    >>> from bpx.optimizers import get_optimizer
    >>> get_optimizer("rmsprop")
    RMSprop(learning_rate=0.001, decay=0.9, eps=1e-08)
    """
    return look_up("optimizer", optimizer, Optimizer, {**OPTIMIZERS, LBFGS.name: LBFGS})
