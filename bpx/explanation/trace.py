"""What `explain` returns: training steps, their layers, and every quantity of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpx.backend.base import Backend
from bpx.checks import count
from bpx.errors import InputError, unknown_name
from bpx.explanation.chain import Chain, ChainRule
from bpx.explanation.jacobian import LocalDerivatives
from bpx.explanation.quantity import Quantity
from bpx.explanation.symbols import Symbol, WeightKey, parameter_symbol, parse_weight, shapes_of
from bpx.explanation.watch import LayerRecord

FORMAT = "bpx-trace/1"
"""What a trace's plain data say of themselves."""

MAX_PATHS = 1000
"""Paths of a chain that are told apart, unless asked otherwise."""


class _Quantities:
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
class LayerTrace(_Quantities):
    """One layer's quantities in a step.

    Attributes
    ----------
    index : int
        Its number in ``net.layers``.
    kind, description : str
        Its class, and how it is written.
    quantities : dict of Quantity
        By key. A linear layer has "inputs", "w", "b", "z", "delta", "dL/dw", "dL/db", "dL/dinputs", "update w",
        "new w", "update b", "new b"; an activation "inputs", "a", "dL/da", "da/dz", "delta". ``layer["z"]`` finds one,
        as does its textbook name: ``layer["weighted input"]``.
    """

    index: int
    kind: str
    description: str
    quantities: dict[str, Quantity]

    def __repr__(self) -> str:
        return f"LayerTrace({self.index}, {self.description}: {', '.join(self.quantities)})"


@dataclass(eq=False, repr=False)
class StepTrace(_Quantities):
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
    """

    number: int
    loss: float
    loss_after: float
    learning_rate: float
    quantities: dict[str, Quantity]
    layers: list[LayerTrace]
    _records: list[LayerRecord] = field(default_factory=list)
    _derivatives: list[LocalDerivatives] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"StepTrace({self.number}, loss={self.loss:.6g}, loss_after={self.loss_after:.6g})"

    def derivatives(self, backend: Backend) -> list[LocalDerivatives]:
        """Return the layers' local derivatives, which all chains of the step share; empty if its arrays are gone."""
        if not self._derivatives:
            self._derivatives = [LocalDerivatives(backend, record) for record in self._records]
        return self._derivatives

    def to_dict(self) -> dict[str, Any]:
        """Return the step as plain data."""
        from bpx.explanation.quantity import plain

        return {
            "step": self.number, "loss": plain(self.loss), "loss_after": plain(self.loss_after),
            "learning_rate": self.learning_rate,
            "quantities": {key: q.to_dict() for key, q in self.quantities.items()},
            "layers": [
                {
                    "index": layer.index, "kind": layer.kind, "layer": layer.description,
                    "quantities": {key: q.to_dict() for key, q in layer.quantities.items()},
                }
                for layer in self.layers
            ],
        }  # fmt: skip


@dataclass(eq=False, repr=False)
class Trace:
    """Training steps with every quantity of their forward pass, error, backward pass and update.

    Attributes
    ----------
    steps : list of StepTrace
    samples : int
        Rows of the batch.
    network, loss, optimizer, backend, dtype : str
        What was explained, in words.
    detail : str
        "full": every number is kept; "summary": norms and histograms.
    notes : tuple of str
        What a reader must know: that numbers were summarized, that layers behave as in prediction ...

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> trace = bpx.explain(net, *bpx.datasets.xor())
    >>> trace.steps[0].layers[0]["z"].formula.text
    'z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾'
    >>> trace.chain("0.weight[1,0]").difference < 1e-12
    True
    """

    steps: list[StepTrace]
    samples: int
    network: str
    loss: str
    optimizer: str
    backend: str
    dtype: str
    detail: str
    notes: tuple[str, ...]
    symbols: list[Symbol]
    _backend: Backend

    def chain(self, weight: str, sample: int | None = None, *, step: int = 0, max_paths: int = MAX_PATHS) -> Chain:
        """Return the chain rule of a single parameter: the factors whose products add up to its gradient.

        ``dL/dw = sum over samples and paths of dz/dw * (a factor for each layer crossed) * dL/d(output)``; every factor
        is what the layer's own backward pass makes of a unit vector.

        Parameters
        ----------
        weight : str
            ``LAYER.NAME[INDEX]``, counted from 0: "0.weight[1,0]", "2.bias[0]".
        sample : int or None
            Row of the batch whose share is wanted; None: the sum over the batch, which is the gradient.
        step : int
            Which step of the trace.
        max_paths : int
            Most products to tell apart. Where there are more, those that agree up to some layer are summed; with the
            gradient that arrives there as their last factor, the sum stays the same.

        Returns
        -------
        Chain

        Raises
        ------
        InputError
            If there is no such parameter, sample or step, or the step's arrays are gone because its trace is a summary.
        """
        step, max_paths = count("step", step, 0), count("max_paths", max_paths)
        if step >= len(self.steps):
            raise InputError(f"the trace has steps 0 to {len(self.steps) - 1}, got step {step}")
        if sample is not None and count("sample", sample, 0) >= self.samples:
            raise InputError(f"the batch has samples 0 to {self.samples - 1}, got sample {sample}")
        key = parse_weight(weight, shapes_of([record.params for record in self.steps[0]._records]))
        layers = self.steps[step].derivatives(self._backend)
        if not layers:
            raise InputError(
                f"the arrays of step {step} are gone, because a summary keeps those of step 0 alone; "
                "use explain(..., detail='full')"
            )
        symbol = parameter_symbol(layers[key.layer].record.layer, key.name, self.symbols[key.layer + 1])
        return ChainRule(layers, self.symbols).chain(key, symbol, sample, max_paths)

    def steepest(self) -> str:
        """Return the key of a parameter worth a look: of the first layer that has weights, the one of largest gradient.

        Raises
        ------
        InputError
            If the network has no parameters.
        """
        for i, record in enumerate(self.steps[0]._records):
            for name, gradient in record.grads.items():
                size = np.abs(self._backend.to_numpy(gradient))
                index = np.unravel_index(int(size.argmax()), size.shape)
                return str(WeightKey(i, name, tuple(map(int, index))))
        raise InputError("the network has no parameters, so there is no chain rule to follow")

    def to_dict(self) -> dict[str, Any]:
        """Return the trace as plain data: numbers, strings, lists and dicts."""
        return {
            "format": FORMAT, "network": self.network, "loss": self.loss, "optimizer": self.optimizer,
            "backend": self.backend, "dtype": self.dtype, "samples": self.samples, "detail": self.detail,
            "notes": list(self.notes), "steps": [step.to_dict() for step in self.steps],
        }  # fmt: skip

    def to_json(self, indent: int | None = None) -> str:
        """Return the trace as JSON; numbers have all their digits, and what is not finite is null."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        first, last = self.steps[0].loss, self.steps[-1].loss_after
        return f"Trace({self.network}; {len(self)} of {self.optimizer}, loss {first:.6g} to {last:.6g})"

    def __str__(self) -> str:
        from bpx.explanation.text import trace_text

        return trace_text(self)

    def _repr_html_(self) -> str:
        from bpx.explanation.html import trace_html

        return trace_html(self)
