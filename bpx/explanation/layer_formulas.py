"""The formulas of the layers' forward passes and of their derivatives, as text and as LaTeX.

In the templates ``$z`` stands for what goes in and ``$a`` for what comes out; the other names are settings of the
layer. A layer that is not listed here, someone's own, is explained in general terms: its numbers are as true as any
other's.
"""

from __future__ import annotations

import dataclasses
from string import Template
from typing import Any

from bpx.explanation.symbols import Formula, Symbol, derivative
from bpx.layers import Layer

_FORWARD = {
    "Identity": ("$z", "$z"),
    "Sigmoid": ("σ($z) = 1 / (1 + exp(−$z))", r"\sigma($z) = \frac{1}{1 + e^{-$z}}"),
    "Tanh": ("tanh($z)", r"\tanh($z)"),
    "ReLU": ("max($z, 0)", r"\max($z, 0)"),
    "LeakyReLU": (
        "$z where $z > 0, else $slope · $z",
        r"\begin{cases} $z & $z > 0 \\ $slope\,$z & \text{else} \end{cases}",
    ),
    "GELU": ("$z · Φ($z)", r"$z \odot \Phi($z)"),
    "SiLU": ("$z · σ($z)", r"$z \odot \sigma($z)"),
    "Softplus": ("ln(1 + exp($z))", r"\ln(1 + e^{$z})"),
    "Softmax": ("exp($z) / Σₖ exp($zₖ)", r"\frac{e^{$z}}{\sum_k e^{${z}_k}}"),
    "Dropout": ("mask · $z / (1 − $rate)", r"\frac{m \odot $z}{1 - $rate}"),
    "Flatten": ("$z, each sample as one row", r"\mathrm{vec}($z)"),
    "LayerNorm": (
        "γ · ($z − mean) / √(variance + $eps) + β, over the features",
        r"\gamma \odot \frac{$z - \mu}{\sqrt{\sigma^2 + $eps}} + \beta",
    ),
    "BatchNorm": (
        "γ · ($z − mean) / √(variance + $eps) + β, for each feature",
        r"\gamma \odot \frac{$z - \mu}{\sqrt{\sigma^2 + $eps}} + \beta",
    ),
    "Residual": ("block($z) + $z", r"\mathrm{block}($z) + $z"),
}

_SLOPE = {
    "Identity": ("1", "1"),
    "Sigmoid": ("$a · (1 − $a)", r"$a \odot (1 - $a)"),
    "Tanh": ("1 − $a²", r"1 - $a^2"),
    "ReLU": ("1 where $z > 0, else 0", r"[\,$z > 0\,]"),
    "LeakyReLU": ("1 where $z > 0, else $slope", r"\begin{cases} 1 & $z > 0 \\ $slope & \text{else} \end{cases}"),
    "GELU": ("Φ($z) + $z · φ($z)", r"\Phi($z) + $z \odot \varphi($z)"),
    "SiLU": ("σ($z) · (1 + $z · (1 − σ($z)))", r"\sigma($z) \odot (1 + $z \odot (1 - \sigma($z)))"),
    "Softplus": ("σ($z)", r"\sigma($z)"),
    "Softmax": ("$aᵢ · ([i = j] − $aⱼ)", r"${a}_i\,([\,i = j\,] - ${a}_j)"),
    "Dropout": ("mask / (1 − $rate)", r"\frac{m}{1 - $rate}"),
    "Flatten": ("1", "1"),
}


def _filled(templates: tuple[str, str], layer: Layer, z: Symbol, a: Symbol) -> Formula:
    fields: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(layer) if dataclasses.is_dataclass(layer) else ()
    settings = {f.name: getattr(layer, f.name) for f in fields}
    text = Template(templates[0]).substitute(settings | {"z": z.of().text, "a": a.of().text})
    latex = Template(templates[1]).substitute(settings | {"z": f"{{{z.of().latex}}}", "a": f"{{{a.of().latex}}}"})
    return Formula(text, latex)


def forward_formula(layer: Layer, z: Symbol, a: Symbol) -> Formula:
    """Return the formula of what a layer other than Linear makes of z."""
    kind = type(layer).__name__
    made = _filled(_FORWARD.get(kind, (f"{kind}($z)", rf"\mathrm{{{kind}}}($z)")), layer, z, a)
    return Formula(f"{a.of().text} = {made.text}", f"{a.of().latex} = {made.latex}")


def slope_symbol(z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the symbol of a layer's derivative: of each element, or of output i with respect to input j."""
    return derivative(a.of(), z.of()) if elementwise else derivative(a.of("i"), z.of("j"))


def slope_formula(layer: Layer, z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the formula of a layer's derivative; a layer without one here is asked by unit vectors."""
    kind, symbol = type(layer).__name__, slope_symbol(z, a, elementwise)
    if kind not in _SLOPE or (kind == "Dropout" and not elementwise):
        return Formula(f"{symbol.text}: {kind}'s backward pass, fed unit vectors", symbol.latex)
    made = _filled(_SLOPE[kind], layer, z, a)
    return Formula(f"{symbol.text} = {made.text}", f"{symbol.latex} = {made.latex}")


def back_formula(z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the chain rule through a layer other than Linear."""
    down, up, slope = z.gradient(), a.gradient(), slope_symbol(z, a, elementwise)
    if elementwise:
        return Formula(f"{down.text} = {up.text} · {slope.text}", rf"{down.latex} = {up.latex} \odot {slope.latex}")
    down, up = z.gradient("j"), a.gradient("i")
    return Formula(
        f"{down.text} = Σᵢ {up.text} · {slope.text}", rf"{down.latex} = \sum_i {up.latex} \cdot {slope.latex}"
    )


def linear_forward(x: Symbol, z: Symbol, bias: bool) -> Formula:
    """Return ``z = x W + b``."""
    w, b = Symbol("W", z.mark).of(), Symbol("b", z.mark).of()
    text, latex = f"{z.of().text} = {x.of().text} {w.text}", rf"{z.of().latex} = {x.of().latex}\, {w.latex}"
    return Formula(f"{text} + {b.text}", f"{latex} + {b.latex}") if bias else Formula(text, latex)


def linear_back(x: Symbol, z: Symbol) -> Formula:
    """Return the gradient of a linear layer's inputs, ``δ Wᵀ``."""
    down, delta, w = x.gradient(), z.gradient(), Symbol("W", z.mark).of()
    return Formula(f"{down.text} = {delta.text} {w.text}ᵀ", rf"{down.latex} = {delta.latex}\, {{{w.latex}}}^\top")


def parameter_gradient(layer: Layer, name: str, parameter: Symbol, x: Symbol, y: Symbol) -> Formula:
    """Return the formula of the loss's gradient with respect to a layer's parameter."""
    symbol, up = derivative(Formula("L", "L"), parameter.of()), y.gradient()
    kind = type(layer).__name__
    if kind == "Linear" and name == "weight":
        turned = rf"{{{x.of().latex}}}^\top"
        return Formula(f"{symbol.text} = {x.of().text}ᵀ {up.text}", rf"{symbol.latex} = {turned}\, {up.latex}")
    if name == "bias":
        return Formula(f"{symbol.text} = Σₙ {up.text}", rf"{symbol.latex} = \sum_n {up.latex}")
    if kind in ("LayerNorm", "BatchNorm"):
        return Formula(
            f"{symbol.text} = Σₙ {up.text} · ({x.of().text} − mean) / √(variance + {layer.eps})",  # type: ignore[attr-defined]
            rf"{symbol.latex} = \sum_n {up.latex} \odot \hat{{{x.of().latex}}}",
        )
    own = derivative(y.of(), parameter.of())
    return Formula(f"{symbol.text} = Σ {up.text} · {own.text}", rf"{symbol.latex} = \sum {up.latex} \cdot {own.latex}")
