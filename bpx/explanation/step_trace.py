"""One training step of a trace: its layers and every quantity of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bpx.backend.base import Backend
from bpx.errors import unknown_name
from bpx.explanation.jacobian import LocalDerivatives
from bpx.explanation.quantity import Quantity, make_plain
from bpx.explanation.watch import LayerRecord


class Quantities:
    """Something whose quantities are found by key or by textbook name."""

    quantities: dict[str, Quantity]

    def __getitem__(self, name: str) -> Quantity:
        if name in self.quantities:
            return self.quantities[name]
        found = [q for q in self.quantities.values() if q.name == name]
        if not found:
            raise unknown_name("quantity", name, self.quantities)
        return found[0]

    def __iter__(self) -> Iterator[Quantity]:
        return iter(self.quantities.values())


@dataclass(eq=False, repr=False)
class LayerTrace(Quantities):
    """One layer's quantities in a step.

    Attributes
    ----------
    index : int
        Its number in ``net.layers``, or among the layers of its block.
    place : str
        Where the network has it: "2", or "2.0" for the first layer of the residual block that is its layer 2.
    kind, description : str
        Its class, and how it is written.
    quantities : dict of Quantity
        By key. A linear layer has "inputs", "w", "b", "z", "delta", "dL/dw", "dL/db", "dL/dinputs", "update w",
        "new w", "update b", "new b"; an activation "inputs", "a", "dL/da", "da/dz", "delta". Of an optimizer that is
        `bpx.Averaged` there are also "average w" and "average b". ``layer["z"]`` finds one, as does its textbook name:
        ``layer["weighted input"]``.
    layers : list of LayerTrace
        Of a residual block, its layers; a block's own quantities are those of the block as one layer.

    See Also
    --------
    bpx.explanation.Quantity : One quantity of a step.
    bpx.explanation.StepTrace : One training step.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> layer = bpx.explain(net, *bpx.datasets.xor()).steps[0].layers[0]
    >>> layer.kind, layer["z"] is layer["weighted input"]
    ('Linear', True)
    """

    index: int
    kind: str
    description: str
    quantities: dict[str, Quantity]
    place: str
    layers: list[LayerTrace] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the layer's quantities as plain data, and of a block those of its layers."""
        made: dict[str, Any] = {
            "index": self.index, "place": self.place, "kind": self.kind, "layer": self.description,
            "quantities": {key: q.to_dict() for key, q in self.quantities.items()},
        }  # fmt: skip
        return made | ({"layers": [layer.to_dict() for layer in self.layers]} if self.layers else {})

    def __repr__(self) -> str:
        return f"LayerTrace({self.place}, {self.description}: {', '.join(self.quantities)})"


@dataclass(eq=False, repr=False)
class StepTrace(Quantities):
    """One training step.

    Attributes
    ----------
    number : int
        Its number in the trace, from 0.
    loss, loss_after : float
        The batch's loss before and after the update, without penalties.
    learning_rate : float
        Of this step.
    quantities : dict of Quantity
        What belongs to no layer: "inputs", "targets", "outputs", "probabilities", "losses", "error".
    layers : list of LayerTrace
    records : list of LayerRecord
        Each layer's part in the step, in arrays of the device; empty if they were not kept.

    See Also
    --------
    bpx.explanation.LayerTrace : One layer's quantities.
    Trace : Training steps, with every quantity.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> step = bpx.explain(net, *bpx.datasets.xor(), optimizer=bpx.SGD(0.5)).steps[0]
    >>> step.number, step.learning_rate, [layer.kind for layer in step.layers]
    (0, 0.5, ['Linear', 'Sigmoid', 'Linear', 'Sigmoid'])
    """

    number: int
    loss: float
    loss_after: float
    learning_rate: float
    quantities: dict[str, Quantity]
    layers: list[LayerTrace]
    records: list[LayerRecord] = field(default_factory=list)
    _derivatives: list[LocalDerivatives] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"StepTrace({self.number}, loss={self.loss:.6g}, loss_after={self.loss_after:.6g})"

    def make_derivatives(self, backend: Backend) -> list[LocalDerivatives]:
        """Return the layers' local derivatives, which all chains of the step share; empty if its arrays are gone."""
        if not self._derivatives:
            self._derivatives = [LocalDerivatives(backend, record) for record in self.records]
        return self._derivatives

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain data."""
        return {
            "step": self.number, "loss": make_plain(self.loss), "loss_after": make_plain(self.loss_after),
            "learning_rate": self.learning_rate,
            "quantities": {key: q.to_dict() for key, q in self.quantities.items()},
            "layers": [layer.to_dict() for layer in self.layers],
        }  # fmt: skip
