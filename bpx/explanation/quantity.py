"""One quantity of a training step: what it is called, the formula that made it, and its numbers or their summary."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bpx.formulas import Formula

PARTS = ("forward", "error", "backward", "update")
"""The four parts of a training step."""

_BINS = 12


@dataclass(frozen=True, eq=False, repr=False)
class Quantity:
    """One quantity of a training step.

    Attributes
    ----------
    key : str
        Its short name, by which a layer's quantities are found: "z", "a", "delta", "dL/dw" ...
    name : str
        Its textbook name: "weighted input", "activation" ...
    symbol, formula : Formula
        How it is written, and the formula that made it; each as ``.text`` and ``.latex``.
    part : str
        "forward", "error", "backward" or "update".
    shape : tuple of int
    values : numpy.ndarray or None
        Its numbers in float64, exactly those of the network; None where only a summary is kept.
    made_here : bool
        Whether this layer made it; otherwise it came from a neighbor and stands here to be found.

    See Also
    --------
    bpx.explanation.LayerTrace : One layer's quantities.
    bpx.explanation.StepTrace : One training step.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error", dtype="float64")
    >>> z = bpx.explain(net, *bpx.datasets.xor()).steps[0].layers[0]["z"]
    >>> z.name, z.part, z.shape, z.formula.text
    ('weighted input', 'forward', (4, 2), 'z⁽¹⁾ = x W⁽¹⁾ + b⁽¹⁾')
    """

    key: str
    name: str
    symbol: Formula
    formula: Formula
    part: str
    shape: tuple[int, ...]
    values: np.ndarray | None
    made_here: bool
    _summary: dict[str, Any] | None = None

    @classmethod
    def of(
        cls, key: str, name: str, symbol: Formula, formula: Formula, part: str, values: np.ndarray, *,
        keep: bool, made_here: bool = True,
    ) -> Quantity:  # fmt: skip
        """Build a quantity from its numbers, keeping them or a summary of them."""
        kept, summary = (values, None) if keep else (None, summarize(values))
        return cls(key, name, symbol, formula, part, tuple(values.shape), kept, made_here, summary)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Norm, mean, spread and histogram of the numbers; see `summarize`."""
        if self._summary is not None:
            return self._summary
        assert self.values is not None
        return summarize(self.values)

    def __repr__(self) -> str:
        return f"Quantity({self.key!r}, {self.shape}: {self.formula.text})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.values is None:
            raise ValueError(f"only a summary of {self.key!r} was kept; explain(..., detail='full') keeps the numbers")
        return np.array(self.values, dtype=dtype, copy=copy)

    def to_dict(self) -> dict[str, Any]:
        """Return the quantity as plain data: its numbers as nested lists, or else their summary."""
        data: dict[str, Any] = {
            "name": self.name, "part": self.part, "symbol": self.symbol.text, "latex": self.symbol.latex,
            "formula": self.formula.text, "formula_latex": self.formula.latex, "shape": list(self.shape),
            "made_here": self.made_here,
        }  # fmt: skip
        if self.values is None:
            return {**data, "summary": self.summary}
        return {**data, "values": make_plain(self.values)}


def summarize(values: np.ndarray) -> dict[str, Any]:
    """Return norm, mean, standard deviation, extremes, share of zeros and a histogram, as plain data.

    Numbers that are not finite are counted and left out of the rest; a number that cannot be given is None.
    """
    flat = values.reshape(-1)
    finite = flat[np.isfinite(flat)]
    result: dict[str, Any] = {"count": int(flat.size), "not_finite": int(flat.size - finite.size)}
    if not finite.size:
        return result
    scale = float(np.abs(finite).max()) or 1.0  # so that no square overflows
    small = finite / scale
    counts, edges = _histogram(small)
    numbers = {
        "norm": np.linalg.norm(small) * scale,
        "mean": small.mean() * scale,
        "std": small.std() * scale,
        "min": finite.min(),
        "max": finite.max(),
        "zeros": np.mean(finite == 0.0),
    }
    result |= {name: make_plain(float(value)) for name, value in numbers.items()}
    return result | {"histogram": {"counts": counts, "edges": [edge * scale for edge in edges]}}


def _histogram(values: np.ndarray) -> tuple[list[int], list[float]]:
    """Return counts and edges of a histogram; of numbers that are nearly the same a single bin."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-12:
        return [int(values.size)], [low, high]
    counts, edges = np.histogram(values, bins=_BINS)
    return counts.tolist(), edges.tolist()


def make_plain(values: Any) -> Any:
    """Return numbers as nested lists of Python floats; NaN and infinity, which JSON does not have, are None."""
    if isinstance(values, np.ndarray | np.generic):
        values = values.tolist()
    if isinstance(values, list):
        return [make_plain(item) for item in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
