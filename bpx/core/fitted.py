"""Estimators where a network is asked for: what they must have, and the network and samples that they stand for."""

from __future__ import annotations

from typing import Any, Protocol

from bpx.core.model import Model
from bpx.errors import InputError


class FittedEstimator(Protocol):
    """An estimator that was fitted: its network, and samples as that takes them.

    The estimators of `bpx.sklearn` are such. One of your own is taken too, if it has both.

    Examples
    --------
    >>> import bpx
    >>> class Scaled:
    ...     def __init__(self, net, factor):
    ...         self.network_, self.factor = net, factor
    ...
    ...     def encode(self, X, y):
    ...         return X * self.factor, y
    >>> x, y = bpx.datasets.xor()
    >>> bpx.diagnose(Scaled(bpx.mlp([2, 3, 1], loss="binary_cross_entropy"), 1e3), x, y).names
    ('unscaled_inputs',)
    """

    @property
    def network_(self) -> Any:
        """The fitted `bpx.Network`."""

    def encode(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return samples and targets as the network takes them."""


def find_network(net: Any, x: Any, y: Any) -> tuple[Any, Any, Any]:
    """Return a network, samples and targets; those of an estimator, where one is given, as its network takes them.

    Raises
    ------
    InputError
        If it is neither.
    """
    if isinstance(net, Model):
        return net, x, y
    if isinstance(net, type) or not callable(getattr(net, "encode", None)):
        kind = f"the class {net.__name__}" if isinstance(net, type) else f"an object of the class {type(net).__name__}"
        raise InputError(f"net must be a bpx.Network, or a fitted estimator of bpx.sklearn, got {kind}")
    x, y = net.encode(x, y)
    return net.network_, x, y
