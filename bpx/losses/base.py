"""What a loss is: a number that says how wrong the outputs are, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from bpx.arguments import check_choice
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.naming import Kinds, Pickled, convert_settings, list_settings

REDUCTIONS = ("mean", "sum")
"""How the losses of a batch's samples become one."""


KINDS = Kinds()
"""The classes of losses by their kinds, as files name them: bpx's own by their names, others by their classes'."""


class LossFormulas(NamedTuple):
    """How a loss is written on paper, in templates: ``$z`` stands for the outputs, ``y`` for the targets.

    Attributes
    ----------
    loss : Formula
        Of one sample.
    gradient : Formula
        With respect to z.
    prediction : Formula or None
        What the outputs mean to a person; None where that is the outputs themselves.
    """

    loss: Formula
    gradient: Formula
    prediction: Formula | None = None


@dataclass(frozen=True)
class Loss(Pickled):
    """A loss: ``forward(xp, z, y, weight=None) -> (value, cache)`` and ``backward(xp, cache) -> dz``.

    Parameters
    ----------
    reduction : str
        "mean" over the batch or "sum".

    Attributes
    ----------
    name : str
        What it is called; the class's name, unless the class says another.
    targets : str
        What y holds: "values" of any size, "counts" of at least 0, "probabilities" in [0, 1], or "classes".
    kind : str
        What files call the class.
    formulas : LossFormulas or None
        How it is written on paper; without them `bpx.explain` names the class.
    onnx : tuple (str, dict) or None
        ONNX operator, with its attributes, that turns the outputs into predictions; None where they are the same.

    See Also
    --------
    SquaredError : Follow the mean.
    CrossEntropy : One of several classes, from logits.
    Layer : What every layer does; the parent of your own.

    Examples
    --------
    >>> import bpx
    >>> bpx.Huber(delta=0.5).config()
    {'kind': 'huber', 'reduction': 'mean', 'delta': 0.5}
    >>> issubclass(bpx.Huber, bpx.Loss)
    True
    """

    reduction: str = "mean"

    name: ClassVar[str] = ""
    targets: ClassVar[str] = "values"
    kind: ClassVar[str] = ""
    formulas: ClassVar[LossFormulas | None] = None
    onnx: ClassVar[tuple[str, dict[str, Any]] | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not vars(cls).get("name"):
            cls.name = cls.__name__
        cls.kind = KINDS.register(cls, cls.name if cls.__module__.startswith("bpx.losses.") else cls.__name__)

    def __post_init__(self) -> None:
        check_choice("reduction", self.reduction, REDUCTIONS)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        """Return the batch's loss, a scalar, and what the backward pass needs to remember.

        Parameters
        ----------
        xp : namespace
            Array API namespace of the arrays.
        z : array (batch, n_out)
            The network's outputs; for the cross-entropies logits.
        y : array
            Targets of z's shape, or for `CrossEntropy` integer classes (batch,).
        weight : array (batch,) or None
            Weights of the samples.
        """
        raise TypeError(f"{type(self).__name__} defines no forward pass")

    def backward(self, xp: Any, cache: Any) -> Array:
        """Return the gradient of the batch's loss with respect to z."""
        raise TypeError(f"{type(self).__name__} defines no backward pass")

    def count_targets(self, n_out: int) -> int:
        """Return how many targets a sample has, given its outputs: as many, unless several have one in common.

        Raises
        ------
        InputError
            If there cannot be so many outputs.
        """
        return n_out

    def probabilities(self, xp: Any, z: Array) -> Array:
        """Return what the outputs mean to a person: probabilities for the cross-entropies, the outputs otherwise."""
        return z

    def scale(self, xp: Any, rows: int, weight: Array | None) -> Any:
        """Return the factor of each sample's loss: a number, or a column (batch, 1) where samples have weights."""
        if weight is None:
            return 1.0 if self.reduction == "sum" else 1.0 / rows
        column = xp.reshape(weight, (rows, 1))
        if self.reduction == "sum":
            return column
        total = xp.sum(weight)  # 0 where a batch holds only samples that do not count; their loss is 0 then
        return column / xp.where(total > 0.0, total, 1.0)

    def config(self) -> dict[str, Any]:
        """Return the loss as plain data: its kind and its settings."""
        return {"kind": self.kind, **list_settings(self)}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Loss:
        """Build the loss from its settings."""
        return cls(**convert_settings(settings))


def dot(xp: Any, a: Array, b: Array) -> Array:
    """Return the sum of the products of two arrays' elements, a scalar."""
    return xp.vecdot(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))


def sum_scaled(xp: Any, losses: Array, scale: Any) -> Array:
    """Return the sum of elements' losses, each times its sample's factor."""
    return xp.sum(losses * scale)
