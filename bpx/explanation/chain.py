"""The chain rule for one parameter: every path from it to the loss, the factors along each path, and their sum.

A path starts at a unit that the parameter feeds, picks one unit of every later layer, and ends at the loss:

    dL/dw = sum over samples and paths of  dy/dw * (one factor for each layer crossed) * dL/d(output)

Elementwise layers offer one way on, the others one to each of their units. Where there are more paths than anyone
reads, those that agree up to a layer are summed by what the backward pass knows there: their rest is dL/d(unit).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.explanation.jacobian import LocalDerivatives
from bpx.explanation.symbols import Symbol, WeightKey, differentiate, mark_element
from bpx.formulas import Formula
from bpx.markup import format_number

MAX_SHOWN = 12
"""Paths of a chain that its text writes out; the rest is one line."""


@dataclass(frozen=True)
class Factor:
    """One factor of a path.

    Attributes
    ----------
    symbol : Formula
        What it is the derivative of, such as ∂a⁽¹⁾₂/∂z⁽¹⁾₂.
    layer : int
        The layer it comes from; for the last factor the number of layers, which stands for the loss.
    value : float

    See Also
    --------
    bpx.explanation.Path : One product of the chain rule.
    bpx.explanation.Chain : The chain rule of one parameter.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> factor = bpx.explain(net, *bpx.datasets.xor()).chain("0.weight[1,0]", sample=1).paths[0].factors[0]
    >>> factor.symbol.text, factor.layer, factor.value  # the weight's input
    ('∂z⁽¹⁾₁/∂w⁽¹⁾₂₁', 0, 1.0)
    """

    symbol: Formula
    layer: int
    value: float


@dataclass(frozen=True)
class Path:
    """One product of the chain rule.

    Attributes
    ----------
    sample : int
        The sample at whose inputs the path starts.
    factors : tuple of Factor
        From the parameter to the loss.
    paths : int
        How many paths to the loss its last factor stands for: 1, unless paths are grouped.

    See Also
    --------
    bpx.explanation.Factor : One factor of a path.
    bpx.explanation.Chain : The chain rule of one parameter.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> path = bpx.explain(net, *bpx.datasets.xor()).chain("0.weight[1,0]", sample=1).paths[0]
    >>> [factor.symbol.text for factor in path.factors]
    ['∂z⁽¹⁾₁/∂w⁽¹⁾₂₁', '∂a⁽¹⁾₁/∂z⁽¹⁾₁', '∂z⁽²⁾₁/∂a⁽¹⁾₁', '∂a⁽²⁾₁/∂z⁽²⁾₁', '∂L/∂a⁽²⁾₁']
    """

    sample: int
    factors: tuple[Factor, ...]
    paths: int

    @property
    def product(self) -> float:
        """The product of the factors."""
        return math.prod(factor.value for factor in self.factors)

    def write_lines(self, named: bool) -> list[str]:
        """Return its factors in symbols and in numbers, with their product; ``named`` says of which sample."""
        symbols = " · ".join(factor.symbol.text for factor in self.factors)
        numbers = (format_number(factor.value) for factor in self.factors)
        values = " · ".join(f"({v})" if v.startswith("−") else v for v in numbers)
        where = f"sample {self.sample}: " if named else ""
        return [f"  {where}{symbols}", f"    = {values} = {format_number(self.product)}"]


@dataclass(frozen=True, repr=False)
class Chain:
    """The whole chain rule for one parameter.

    Attributes
    ----------
    weight : WeightKey
        Which parameter.
    symbol : Formula
        Its symbol, w⁽¹⁾₂₁.
    value : float
        The parameter before the step.
    sample : int or None
        The sample whose share this is; None for the sum over the batch.
    paths : tuple of Path
    grouped : bool
        Whether paths are summed from some layer on, because there are too many.
    n_paths : int
        How many paths there are.
    gradient : float
        What the backward pass of training gave: the element of ``net.gradients``, or for one sample that sample's
        share.

    See Also
    --------
    bpx.explanation.Path : One product of the chain rule.
    Trace : Training steps, with every quantity.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> chain = bpx.explain(net, *bpx.datasets.xor()).chain("0.weight[1,0]", sample=1)
    >>> chain.symbol.text, chain.n_paths
    ('w⁽¹⁾₂₁', 1)
    >>> abs(sum(path.product for path in chain.paths) - chain.gradient) < 1e-12
    True
    """

    weight: WeightKey
    symbol: Formula
    value: float
    sample: int | None
    paths: tuple[Path, ...]
    grouped: bool
    n_paths: int
    gradient: float

    @property
    def total(self) -> float:
        """The sum of the paths' products."""
        return math.fsum(path.product for path in self.paths)

    @property
    def difference(self) -> float:
        """How far the sum is from the backward pass's gradient, relative to that.

        Where all products cancel, as for a bias before batch normalization, relative to the largest product.
        """
        largest = max(abs(path.product) for path in self.paths)
        scale = abs(self.gradient) if abs(self.gradient) > 1e-12 * largest else largest
        return abs(self.total - self.gradient) / scale if scale else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the chain as plain data."""
        paths = [
            {
                "sample": path.sample,
                "product": path.product,
                "paths": path.paths,
                "factors": [
                    {"symbol": f.symbol.text, "latex": f.symbol.latex, "layer": f.layer, "value": f.value}
                    for f in path.factors
                ],
            }
            for path in self.paths
        ]
        return {
            "weight": str(self.weight), "symbol": self.symbol.text, "latex": self.symbol.latex, "value": self.value,
            "sample": self.sample, "gradient": self.gradient, "sum": self.total, "difference": self.difference,
            "n_paths": self.n_paths, "grouped": self.grouped, "paths": paths,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"Chain({self.weight}: {self.n_paths} paths, total={self.total:.6g}, gradient={self.gradient:.6g})"

    def __str__(self) -> str:
        """Return each path's factors in symbols and in numbers, their products, and the sum."""
        share = "the batch" if self.sample is None else f"sample {self.sample}"
        paths = f"{self.n_paths:,} path{'s' if self.n_paths > 1 else ''}"
        if self.grouped:
            paths += f" in {len(self.paths):,} groups"
        lines = [
            f"∂L/∂{self.symbol.text}, {self.weight} = {format_number(self.value)}, over {share}: {paths} to the loss"
        ]
        largest = sorted(self.paths, key=lambda path: -abs(path.product))
        several = len({path.sample for path in self.paths}) > 1
        for path in self.paths if len(self.paths) <= MAX_SHOWN else largest[:MAX_SHOWN]:
            lines += path.write_lines(several)
        rest = largest[MAX_SHOWN:]
        if rest:
            lines.append(
                f"  and {len(rest):,} smaller products, together {format_number(sum(path.product for path in rest))}"
            )
        lines.append(f"  sum over the paths {self.total!r}")
        lines.append(f"  backward pass      {self.gradient!r}, relative difference {self.difference:.1e}")
        return "\n".join(lines)


class ChainRule:
    """Finds the chains of one step.

    Parameters
    ----------
    layers : sequence of LocalDerivatives
        One for each layer.
    symbols : sequence of Symbol
        Of the input and each layer's output.
    """

    def __init__(self, layers: Sequence[LocalDerivatives], symbols: Sequence[Symbol]) -> None:
        self.layers, self.symbols = layers, symbols

    def find(self, key: WeightKey, symbol: Symbol, sample: int | None, max_paths: int) -> Chain:
        """Return the chain of one parameter; see `Trace.chain`."""
        own = self.layers[key.layer]
        starts = own.of_parameter(key.name, key.index)
        rows = range(own.samples) if sample is None else [sample]
        end = self._find_end(key.layer, len(rows) * len(starts), max_paths)
        element = mark_element(symbol, key.index)
        paths = []
        for n in rows:
            for unit, values in starts.items():
                output = self.symbols[key.layer + 1].of(str(unit + 1))
                first = Factor(differentiate(output, element), key.layer, float(values[n]))
                paths += [
                    Path(n, factors, self._count_ways(end))
                    for factors in self._walk(key.layer + 1, end, n, unit, (first,))
                ]
        record = own.record
        backend = own.backend
        value = float(backend.to_numpy(record.params[key.name])[key.index])
        if sample is None:
            gradient = float(backend.to_numpy(record.grads[key.name])[key.index])
        else:
            dy = backend.to_numpy(record.dy).reshape(own.samples, -1).astype(np.float64)
            dy[np.arange(own.samples) != sample] = 0.0
            gradient = float(backend.to_numpy(own.pull_back(dy)[1][key.name])[key.index])
        n_paths = sum(path.paths for path in paths)
        return Chain(key, element, value, sample, tuple(paths), end < len(self.layers), n_paths, gradient)

    def _count_fan(self, layer: int) -> int:
        """Return how many ways on a layer offers."""
        found = self.layers[layer]
        if found.slopes is not None:
            return 1
        return found.n_out * (found.samples if found.mixes_samples else 1)

    def _count_ways(self, start: int) -> int:
        """Return how many paths lead from one input of a layer to the loss."""
        return math.prod(self._count_fan(layer) for layer in range(start, len(self.layers)))

    def _find_end(self, layer: int, starts: int, max_paths: int) -> int:
        """Return the layer before which paths are to end: the last one with which there are at most ``max_paths``."""
        end, count = layer + 1, starts
        while end < len(self.layers):
            count *= self._count_fan(end)
            if count > max_paths:
                break
            end += 1
        return end

    def _walk(
        self, layer: int, end: int, sample: int, unit: int, factors: tuple[Factor, ...]
    ) -> Iterator[tuple[Factor, ...]]:
        """Yield the factors of every path that continues from a unit of the values before ``layer``."""
        here = self.symbols[layer].of(str(unit + 1))
        if layer == end:
            dy = self.layers[layer - 1].record.dy
            value = self.layers[layer - 1].backend.to_numpy(dy).reshape(dy.shape[0], -1)[sample, unit]
            yield (*factors, Factor(differentiate(Formula("L", "L"), here), len(self.layers), float(value)))
            return
        crossed = self.layers[layer]
        if crossed.slopes is not None:
            ways = [(sample, unit, crossed.slopes[sample, unit])]
        else:
            arrivals = range(crossed.samples) if crossed.mixes_samples else [sample]
            ways = [(n, to, crossed.row(to, n)[sample, unit]) for n in arrivals for to in range(crossed.n_out)]
        for n, to, value in ways:
            symbol = differentiate(self.symbols[layer + 1].of(str(to + 1)), here)
            yield from self._walk(layer + 1, end, n, to, (*factors, Factor(symbol, layer, float(value))))
