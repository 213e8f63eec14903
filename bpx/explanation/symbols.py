"""What the values of a network are called on paper: x, z⁽¹⁾, a⁽¹⁾, z⁽²⁾ ... and their gradients.

The numbers count linear layers from 1, as textbooks do: ``z`` is what a linear layer makes (the weighted input) and
``a`` what the layer after it makes of it (the activation). Several layers after one linear layer are a⁽¹˒¹⁾, a⁽¹˒²⁾
..., a⁽¹⁾. The layers of a residual block are counted where they stand, within it. Units are counted from 1 too.
Parameters are also known by a key that counts from 0, as code does: ``0.weight[1,0]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpx.errors import InputError
from bpx.explanation.opening import OpenedLayer
from bpx.formulas import Formula, find_definer
from bpx.layers import COMPUTING, Layer, Linear

_RAISED = str.maketrans("0123456789,", "⁰¹²³⁴⁵⁶⁷⁸⁹˒")
_LOWERED = str.maketrans("0123456789ijkn", "₀₁₂₃₄₅₆₇₈₉ᵢⱼₖₙ")


@dataclass(frozen=True)
class Symbol:
    """A letter with the number of its linear layer.

    Attributes
    ----------
    letter : str
        "x", "z", "a", or a parameter's letter.
    mark : str
        The number above it: "1", "1,2", or nothing.
    bold : str
        How LaTeX writes the letter, where that is not the letter itself.
    """

    letter: str
    mark: str = ""
    bold: str = ""

    def of(self, sub: str = "") -> Formula:
        """Return the symbol of the whole array, or of one element of it."""
        raised = f"⁽{self.mark.translate(_RAISED)}⁾" if self.mark else ""
        up, down = f"^{{({self.mark})}}" if self.mark else "", f"_{{{sub}}}" if sub else ""
        return Formula(f"{self.letter}{raised}{sub.translate(_LOWERED)}", f"{self.bold or self.letter}{up}{down}")

    @property
    def is_weighted_input(self) -> bool:
        """Whether this is a linear layer's output, whose gradient is called delta."""
        return self.letter == "z"

    def gradient(self, sub: str = "") -> Formula:
        """Return the symbol of the loss's gradient with respect to it: δ for a weighted input, ∂L/∂a otherwise."""
        if self.is_weighted_input:
            return Symbol("δ", self.mark, "\\delta").of(sub)
        return differentiate(Formula("L", "L"), self.of(sub))


def differentiate(of: Formula, by: Formula) -> Formula:
    """Return the symbol of a partial derivative."""
    return Formula(f"∂{of.text}/∂{by.text}", f"\\frac{{\\partial {of.latex}}}{{\\partial {by.latex}}}")


def is_linear(layer: Layer) -> bool:
    """Tell whether a layer computes ``x W + b``: it is a Linear, and its class defines no passes of its own."""
    return isinstance(layer, Linear) and find_definer(type(layer), *COMPUTING) is Linear


def make_symbols(row: Sequence[OpenedLayer]) -> list[Symbol]:
    """Return the symbols of the input and of each layer's output, one more than there are layers in an opened row."""
    symbols, block = [Symbol("x")], 0
    linear = [is_linear(each.layer) for each in row]
    for i in range(len(row)):
        if linear[i]:
            block += 1
            symbols.append(Symbol("z", str(block)))
            continue
        start = next((k for k in range(i, -1, -1) if linear[k]), -1)
        end = next((k for k in range(i, len(row)) if linear[k]), len(row))
        number = "" if i == end - 1 else f",{i - start}"
        symbols.append(Symbol("a", f"{block}{number}"))
    return symbols


def pick_symbols(row: Sequence[OpenedLayer], symbols: Sequence[Symbol]) -> list[Symbol]:
    """Return of the symbols of an opened row those of the input and of what each layer of the network itself makes."""
    return [symbols[0], *(symbols[k + 1] for k, each in enumerate(row) if "." not in each.place)]


def make_parameter_symbol(layer: Layer, name: str, output: Symbol) -> Symbol:
    """Return the symbol of a layer's parameter: W and b, γ and β of a normalization, or the parameter's own name."""
    if isinstance(layer, Linear) and name in ("weight", "bias"):
        return Symbol("W" if name == "weight" else "b", output.mark)
    if name in ("weight", "bias"):
        greek, latex = ("γ", "\\gamma") if name == "weight" else ("β", "\\beta")
        return Symbol(greek, output.mark, latex)
    return Symbol(name, output.mark, f"\\mathrm{{{name}}}")


def mark_element(symbol: Symbol, index: Sequence[int]) -> Formula:
    """Return the symbol of one element of a parameter: w⁽¹⁾₂₁ for the weight from unit 2 to unit 1."""
    small = Symbol("w", symbol.mark) if symbol.letter == "W" else symbol
    numbers = [str(i + 1) for i in index]
    return small.of(("," if any(len(n) > 1 for n in numbers) else "").join(numbers))


@dataclass(frozen=True)
class WeightKey:
    """Which single parameter is meant.

    Attributes
    ----------
    layer : int
        Number of the layer in ``net.layers``.
    name : str
        Name of the array in ``net.params[layer]``.
    index : tuple of int
        Which element of it, counted from 0.
    """

    layer: int
    name: str
    index: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.layer}.{self.name}[{','.join(map(str, self.index))}]"


def list_shapes(params: Sequence[Mapping[str, Any]]) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes of each layer's parameters by name."""
    return [{name: tuple(array.shape) for name, array in part.items()} for part in params]


def parse_weight(text: str, shapes: Sequence[dict[str, tuple[int, ...]]]) -> WeightKey:
    """Read the key of a single parameter, such as ``0.weight[1,0]``.

    Parameters
    ----------
    text : str
        ``LAYER.NAME[INDEX]``, all counted from 0.
    shapes : sequence of dict
        The shapes of each layer's parameters by name.

    Raises
    ------
    InputError
        If the text is no key, or names no parameter of the network.
    """
    match = (
        re.fullmatch(r"\s*(\d+)\.(.+?)\s*\[\s*(\d+(?:\s*,\s*\d+)*)\s*\]\s*", text) if isinstance(text, str) else None
    )
    if match is None:
        raise InputError(f"a weight is named LAYER.NAME[INDEX], as in '0.weight[1,0]' or '2.bias[0]', got {text!r}")
    layer, name, index = int(match[1]), match[2], tuple(int(part) for part in match[3].split(","))
    known = [f"{i}.{name}" for i, part in enumerate(shapes) for name in part]
    if f"{layer}.{name}" not in known:
        raise InputError(f"{text!r} names no parameter of this network; it has {', '.join(known) or 'none'}")
    shape = shapes[layer][name]
    if len(index) != len(shape) or any(i >= n for i, n in zip(index, shape, strict=True)):
        last = ",".join(str(n - 1) for n in shape)
        first = ",".join("0" for _ in shape)
        raise InputError(f"{text!r} is outside {layer}.{name}, whose elements go from [{first}] to [{last}]")
    return WeightKey(layer, name, index)
