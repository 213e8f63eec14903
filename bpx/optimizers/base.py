"""What an optimizer is: settings, the numbers of each step, and the update of one array."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula, find_declared
from bpx.naming import Kinds, Pickled
from bpx.optimizers.groups import ParameterGroup, check_groups
from bpx.optimizers.schedules import Constant, Schedule, as_schedule

Update = Callable[..., tuple[Array, ...]]
"""``update(xp, w, dw, *slots, *coefficients) -> (w, *slots)``."""

KINDS = Kinds()
"""The classes of optimizers by what checkpoints call them."""


@dataclass(frozen=True)
class Optimizer(Pickled):
    """Settings of a rule that turns gradients into steps.

    Parameters
    ----------
    learning_rate : float or Schedule
        Size of a step, above 0.
    groups : sequence of ParameterGroup
        Parameters that have a factor on the learning rate or the weight decay.

    Attributes
    ----------
    name : str
        What it is called; the class's name, unless the class says another.
    kind : str
        What checkpoints call the class.
    averages : bool
        Whether the last slot of a parameter is the average of its weights, see `bpx.Averaged`.
    steady : bool
        Whether `coefficients` depend on the rates alone. A class that defines `coefficients` and says nothing counts as
        one whose numbers change from step to step.

    See Also
    --------
    SGD : Gradient descent, with momentum if asked for.
    Adam : Scale each weight's step by its own gradients.
    bpx.optimizers.get_optimizer : Return the optimizer of a name.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> optimizer = bpx.SGD(0.1, momentum=0.9)
    >>> isinstance(optimizer, bpx.optimizers.Optimizer), optimizer.name, optimizer.n_slots
    (True, 'sgd', 1)
    >>> w, dw, velocity = np.array([1.0]), np.array([2.0]), np.array([0.0])
    >>> numbers = optimizer.coefficients(np.array([0]), np.array([0.1]))[0]
    >>> w, velocity = optimizer.update(np, w, dw, velocity, *numbers)
    >>> w.tolist()
    [0.8]
    """

    learning_rate: float | Schedule = 0.01
    groups: tuple[ParameterGroup, ...] = field(default=(), kw_only=True, repr=False)

    name: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    averages: ClassVar[bool] = False
    steady: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not vars(cls).get("name"):
            cls.name = cls.__name__
        cls.kind = KINDS.register(cls, cls.__name__)

    def __post_init__(self) -> None:
        as_schedule(self.learning_rate)
        object.__setattr__(self, "groups", check_groups(self.groups))
        decays = hasattr(self, "weight_decay")
        for group in self.groups:
            if group.weight_decay_factor != 1.0 and not decays:
                raise InputError(f"{type(self).__name__} has no weight decay for a share of it in {group!r}; AdamW has")

    @property
    def n_slots(self) -> int:
        """How many arrays are kept for each parameter."""
        return 0

    @property
    def update(self) -> Update:
        """The update of one array and its slots."""
        raise TypeError(f"{type(self).__name__} defines no update")

    @property
    def formula(self) -> Formula | None:
        """How a parameter's change is written on paper; without it `bpx.explain` names the class.

        A template: ``$g`` stands for the gradient, ``$w`` for the parameter, ``$rate`` for the step's learning rate,
        ``$t`` for the number of the step from 1, ``$name`` for a setting.
        """
        return None

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """Return the numbers that `update` takes at each step.

        Parameters
        ----------
        steps : array of int, (n,)
            Numbers of the steps, counted from 0 at the optimizer's first.
        rates : array of float, (n,)
            Their learning rates.

        Returns
        -------
        array of float64, (n, k)
        """
        return rates[:, None]

    def coefficients_of_groups(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        """Return the numbers that `update` takes at each step: for parameters of no group, then for each group's.

        Without groups they are those of `coefficients`, (n, k); with them (n, k * (1 + groups)).
        """
        if not self.groups:
            return self.coefficients(steps, rates)
        parts = [self.coefficients(steps, rates)]
        for group in self.groups:
            parts.append(self.take_share(group).coefficients(steps, rates * group.learning_rate_factor))
        return np.concatenate(parts, axis=1)

    def find_group(self, key: str) -> int:
        """Return the number of a parameter's group, counted from 1; 0 for one of none."""
        return next((g for g, group in enumerate(self.groups, 1) if group.includes(key)), 0)

    def take_share(self, group: ParameterGroup) -> Self:
        """Return the optimizer with a group's weight decay, and no groups; its rate is the caller's to scale."""
        decay = getattr(self, "weight_decay", None)
        share: dict[str, Any] = {} if decay is None else {"weight_decay": decay * group.weight_decay_factor}
        return replace(self, groups=(), **share)

    @property
    def constant(self) -> bool:
        """Whether `update` takes the same numbers at every step, whichever it is.

        Some backends put them on the device once then, so a class whose numbers change late must not be taken for one
        whose numbers never do: it has to say so by ``steady``.
        """
        steady = find_declared(type(self), "steady", "coefficients")
        return bool(steady) and isinstance(as_schedule(self.learning_rate), Constant)
