"""Groups of parameters that move at a rate of their own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from bpx.arguments import check_number
from bpx.errors import InputError


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters whose learning rate, and weight decay, is the optimizer's times a factor.

    Parameters
    ----------
    names : str or tuple of str
        Which ones, by their keys in ``net.state_dict()``, with ``*`` for any text: "0.weight", "*.bias", or several, as
        in ("0.*", "2.*").
    learning_rate_factor : float
        At least 0; with 0 they stay.
    weight_decay_factor : float
        At least 0. What decays is subtracted times the learning rate of the group, as `AdamW` has it.

    Raises
    ------
    InputError
        If there are no names, or a factor is negative or no finite number.

    See Also
    --------
    AdamW : Adam with weight decay beside the gradient.
    SGD : Gradient descent, with momentum if asked for.

    Notes
    -----
    Of several groups that name a parameter the first counts.

    References
    ----------
    D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024, section 3: the scaling layer at 6 times the rate, biases at 0.1 times and without decay.

    Examples
    --------
    >>> import bpx
    >>> biases = bpx.ParameterGroup("*.bias", learning_rate_factor=0.1, weight_decay_factor=0.0)
    >>> optimizer = bpx.AdamW(0.04, weight_decay=0.02, groups=[bpx.ParameterGroup("0.*", 6.0), biases])
    >>> net = bpx.Network([bpx.Scale(2), bpx.NTKLinear(2, 8), bpx.ReLU(), bpx.NTKLinear(8, 1)], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=10, optimizer=optimizer)
    """

    names: str | tuple[str, ...]
    learning_rate_factor: float = 1.0
    weight_decay_factor: float = 1.0

    def __post_init__(self) -> None:
        names = (self.names,) if isinstance(self.names, str) else self.names
        chosen = tuple(names) if isinstance(names, Iterable) else ()
        if not chosen or not all(isinstance(name, str) for name in chosen):
            raise InputError(f"names must be a text such as '*.bias', or several, got {self.names!r}")
        object.__setattr__(self, "names", chosen)
        check_number("learning_rate_factor", self.learning_rate_factor, minimum=0.0)
        check_number("weight_decay_factor", self.weight_decay_factor, minimum=0.0)

    def includes(self, key: str) -> bool:
        """Tell whether a parameter, by its key, is of this group."""
        return any(fnmatchcase(key, name) for name in self.names)


def check_groups(groups: Any) -> tuple[ParameterGroup, ...]:
    """Return groups as a tuple; refuse what is none."""
    given = (groups,) if isinstance(groups, ParameterGroup) else groups
    chosen = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(group, ParameterGroup) for group in chosen):
        raise InputError(f"groups must be a bpx.ParameterGroup or a sequence of them, got {groups!r}")
    return chosen
