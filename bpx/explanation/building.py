"""From what was watched in a step to quantities with names and formulas."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.explanation import formulas
from bpx.explanation.jacobian import LocalDerivatives
from bpx.explanation.opening import OpenedLayer, take_arrays
from bpx.explanation.quantity import Quantity
from bpx.explanation.step_trace import LayerTrace
from bpx.explanation.symbols import Symbol, differentiate, is_linear, make_parameter_symbol
from bpx.explanation.watch import LayerRecord, UpdateRecord
from bpx.formulas import Formula
from bpx.layers.base import Params
from bpx.losses import Loss
from bpx.optimizers import Averaged, Optimizer

MAX_JACOBIAN = 100_000
"""Numbers of a layer's Jacobian above which it is left out; a chain asks for the rows it needs."""

MAX_LOSSES = 1000
"""Samples of a summary above which their losses, computed one by one, are left out."""

_SHORT = {"weight": "w", "bias": "b"}
_LONG = {"weight": "weights", "bias": "biases"}


@dataclass(frozen=True)
class Builder:
    """Builds the quantities of a step.

    Attributes
    ----------
    backend : Backend
    keep : bool
        Whether numbers are kept, or summaries.
    row : list of OpenedLayer
        The network's layers, those of residual blocks among them.
    symbols : list of Symbol
        Of the input and of each output in that row.
    """

    backend: Backend
    keep: bool
    row: list[OpenedLayer]
    symbols: list[Symbol]

    def fetch(self, array: Array) -> np.ndarray:
        """Return an array as float64 on the host, its numbers as they are."""
        return self.backend.to_numpy(array).astype(np.float64)

    def make_quantity(
        self, key: str, name: str, symbol: Formula, formula: Formula, part: str, array: Any, made_here: bool = True
    ) -> Quantity:
        """Return a quantity from an array of the device or of the host."""
        values = array if isinstance(array, np.ndarray) else self.fetch(array)
        return Quantity.of(
            key, name, symbol, formula, part, values.astype(np.float64), keep=self.keep, made_here=made_here
        )

    # -- layers -------------------------------------------------------------------------------------------

    def make_layer(
        self,
        place: str,
        record: LayerRecord,
        updates: dict[str, UpdateRecord],
        optimizer: Optimizer,
        rate: float,
        step: int,
        kept: Params,
    ) -> LayerTrace:
        """Return the quantities of one layer, whose parameters the network keeps, averages among them, are ``kept``.

        Of a residual block they are those of the block as one layer, and those of its layers.
        """
        number = next(k for k, each in enumerate(self.row) if each.place == place)
        start = self.row[number].start
        x, y = self.symbols[number if start is None else start], self.symbols[number + 1]
        linear = is_linear(record.layer)
        made = [self.make_quantity("inputs", "inputs", x.of(), x.of(), "forward", record.x, False)]
        parameters = {name: make_parameter_symbol(record.layer, name, y) for name in record.params}
        for name, symbol in parameters.items():
            made.append(self.make_quantity(
                _SHORT.get(name, name), _LONG.get(name, name), symbol.of(), symbol.of(), "forward", record.params[name]
            ))  # fmt: skip
        made += self._make_linear(record, x, y) if linear else self._make_activation(record, x, y)
        for name, symbol in parameters.items():
            formula = formulas.write_parameter_gradient(record.layer, name, symbol, x, y)
            key = f"dL/d{_SHORT.get(name, name)}"
            gradient = differentiate(Formula("L", "L"), symbol.of())
            made.append(self.make_quantity(key, key, gradient, formula, "backward", record.grads[name]))
        if linear:
            formula = formulas.write_linear_back(x, y)
            made.append(
                self.make_quantity("dL/dinputs", f"dL/d{x.letter}", x.gradient(), formula, "backward", record.dx)
            )
        for name, symbol in parameters.items():
            group = optimizer.find_group(f"{place}.{name}")
            own = optimizer.take_share(optimizer.groups[group - 1]) if group else optimizer
            own_rate = rate * optimizer.groups[group - 1].learning_rate_factor if group else rate
            made += self._make_update(name, symbol, record, updates.get(name), own, own_rate, step)
            if isinstance(optimizer, Averaged) and name in updates:
                made.append(self._make_average(name, symbol, kept[name], optimizer.decay, step))
        if start is not None:
            made = [self._mark_shortcut(q, x, self.symbols[number], y) for q in made]
        inner = [
            self.make_layer(f"{place}.{i}", each, take_arrays(updates, i), optimizer, rate, step, take_arrays(kept, i))
            for i, each in enumerate(record.inner)
        ]
        if inner:
            inner[0] = self._mark_inside(inner[0])
        index = int(place.rpartition(".")[2])
        quantities = {q.key: q for q in made}
        return LayerTrace(index, type(record.layer).__name__, repr(record.layer), quantities, place, inner)

    @staticmethod
    def _mark_shortcut(quantity: Quantity, x: Symbol, inner: Symbol, y: Symbol) -> Quantity:
        """Return a quantity of a block with the formula that its opened layers allow."""
        if quantity.key == "a":
            return replace(quantity, formula=formulas.write_shortcut(inner, x, y))
        if quantity.key in ("delta", "dL/dinputs"):
            return replace(quantity, formula=formulas.write_shortcut_back(x, y))
        return quantity

    @staticmethod
    def _mark_inside(layer: LayerTrace) -> LayerTrace:
        """Return the first layer of a block, whose gradient of the inputs is only what comes through the block."""
        key = "delta" if "delta" in layer.quantities and "z" not in layer.quantities else "dL/dinputs"
        found = layer.quantities[key]
        marked = replace(
            found, symbol=formulas.mark_inside(found.symbol), formula=formulas.mark_left_inside(found.formula)
        )
        return replace(layer, quantities=layer.quantities | {key: marked})

    def _make_linear(self, record: LayerRecord, x: Symbol, z: Symbol) -> list[Quantity]:
        forward = formulas.write_linear_forward(x, z, "bias" in record.params)
        return [
            self.make_quantity("z", "weighted input", z.of(), forward, "forward", record.y),
            self.make_quantity("delta", "delta", z.gradient(), z.gradient(), "backward", record.dy, False),
        ]

    def _make_activation(self, record: LayerRecord, z: Symbol, a: Symbol) -> list[Quantity]:
        local = LocalDerivatives(self.backend, record)
        elementwise = local.slopes is not None
        forward = formulas.write_forward(record.layer, z, a)
        made = [
            self.make_quantity("a", "activation", a.of(), forward, "forward", record.y),
            self.make_quantity("dL/da", "dL/da", a.gradient(), a.gradient(), "backward", record.dy, False),
        ]
        slopes = local.slopes
        if slopes is None and not local.mixes_samples and local.samples * local.n_in * local.n_out <= MAX_JACOBIAN:
            slopes = local.jacobian
        if slopes is not None:
            symbol = formulas.write_slope_symbol(z, a, elementwise)
            formula = formulas.write_slope(record.layer, z, a, elementwise)
            shape = record.y.shape if elementwise else slopes.shape
            made.append(self.make_quantity("da/dz", "da/dz", symbol, formula, "backward", slopes.reshape(shape)))
        key, name = ("delta", "delta") if z.is_weighted_input else ("dL/dinputs", f"dL/d{z.letter}")
        back = formulas.write_back(z, a, elementwise)
        return [*made, self.make_quantity(key, name, z.gradient(), back, "backward", record.dx)]

    def _make_update(
        self, name: str, symbol: Symbol, record: LayerRecord, update: UpdateRecord | None, optimizer: Optimizer,
        rate: float, step: int,
    ) -> list[Quantity]:  # fmt: skip
        short, old = _SHORT.get(name, name), self.fetch(record.params[name])
        if update is None:
            change, new, formula = np.zeros_like(old), old, formulas.write_frozen(symbol)
        else:
            new = self.fetch(update.new)
            change = self._find_change(old, self.fetch(update.alone), new, str(update.new.dtype))
            altered = not np.array_equal(self.fetch(update.gradient), self.fetch(record.grads[name]), equal_nan=True)
            formula = formulas.write_update(optimizer, rate, step, symbol, altered)
        renewed = formulas.write_new(symbol)
        mark = formulas.write_change_symbol(symbol)
        return [
            self.make_quantity(f"update {short}", "update", mark, formula, "update", change),
            self.make_quantity(f"new {short}", f"new {_LONG.get(name, name)}", symbol.of(), renewed, "update", new),
        ]

    def _make_average(self, name: str, symbol: Symbol, average: Array, decay: float, step: int) -> Quantity:
        mark, formula = formulas.write_average_symbol(symbol), formulas.write_average(symbol, decay, step)
        long = f"average of {_LONG.get(name, name)}"
        return self.make_quantity(f"average {_SHORT.get(name, name)}", long, mark, formula, "update", average)

    @staticmethod
    def _find_change(old: np.ndarray, alone: np.ndarray, new: np.ndarray, dtype: str) -> np.ndarray:
        """Return what was added to a parameter.

        The optimizer's update of zeros is the change to its last digit, where it does not depend on the parameter;
        where it does (weight decay), the difference of new and old is all there is.
        """
        ulp = 4 * np.finfo(dtype.rpartition(".")[2]).eps
        fits = np.abs(old + alone - new) <= ulp * (np.abs(old) + np.abs(alone))
        return alone if bool(fits.all()) else new - old

    # -- the loss -----------------------------------------------------------------------------------------

    def make_ends(
        self, loss: Loss, x: Array, y: Array, weight: Array | None, z: Array, dz: Array
    ) -> dict[str, Quantity]:
        """Return the quantities of a step that belong to no layer: inputs, targets, outputs, losses, error."""
        xp, p, rows, weighted = self.backend.xp, self.symbols[-1], int(x.shape[0]), weight is not None
        target = Formula("y", "y")
        made = [
            self.make_quantity("inputs", "inputs", Formula("x", "x"), Formula("x", "x"), "forward", x),
            self.make_quantity("targets", "targets", target, target, "error", y),
            self.make_quantity("outputs", "outputs", p.of(), p.of(), "error", z, False),
        ]
        meaning = formulas.write_prediction(loss, p)
        if meaning is not None:
            name = "rates" if loss.targets == "counts" else "probabilities"
            made.append(self.make_quantity(
                "predictions", name, Formula("p", "p"), meaning, "error", loss.probabilities(xp, z)
            ))  # fmt: skip
        if self.keep or rows <= MAX_LOSSES:
            losses = np.array(self._compute_sample_losses(loss, y, z))
            formula = formulas.write_sample_loss(loss, p)
            made.append(
                self.make_quantity("losses", "loss of each sample", Formula("Lₙ", "L_n"), formula, "error", losses)
            )
        formula = formulas.write_error(loss, p, rows, weighted)
        made.append(self.make_quantity("error", "error", p.gradient(), formula, "error", dz))
        return {q.key: q for q in made}

    def _compute_sample_losses(self, loss: Loss, y: Array, z: Array) -> list[float]:
        """Return each sample's loss, by the loss's own forward pass on one sample at a time."""
        rows = [slice(n, n + 1) for n in range(z.shape[0])]
        return [float(loss.forward(self.backend.xp, z[row, ...], y[row, ...])[0]) for row in rows]
