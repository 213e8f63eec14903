"""The formulas of a step's quantities, from what layers, losses and optimizers say of themselves.

A class that says nothing, such as a user's, is written in general terms; its numbers are as true as those of others.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from bpx.explanation.symbols import Symbol, differentiate, is_linear
from bpx.formulas import Formula, find_declared
from bpx.layers import COMPUTING, Layer, LayerFormulas
from bpx.losses import Loss, LossFormulas
from bpx.optimizers import Averaged, Optimizer

_LOSS = Formula("L", "L")


def collect_settings(value: Any) -> dict[str, Any]:
    """Return the settings of a layer, loss or optimizer by name."""
    return (
        {f.name: getattr(value, f.name) for f in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else {}
    )


def equate(symbol: Formula, value: Formula) -> Formula:
    """Return the equation of a symbol and what it is."""
    return Formula(f"{symbol.text} = {value.text}", f"{symbol.latex} = {value.latex}")


# -- layers ---------------------------------------------------------------------------------------------------


def write_forward(layer: Layer, z: Symbol, a: Symbol) -> Formula:
    """Return the formula of what a layer other than Linear makes of z."""
    declared: LayerFormulas | None = find_declared(type(layer), "formulas", *COMPUTING)
    kind = type(layer).__name__
    general = Formula(f"{kind}($x)", rf"\mathrm{{{kind}}}($x)")
    template = general if declared is None else declared.forward
    return equate(a.of(), template.fill(collect_settings(layer), x=z.of(), y=a.of()))


def write_slope_symbol(z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the symbol of a layer's derivative: of each element, or of output i with respect to input j."""
    return differentiate(a.of(), z.of()) if elementwise else differentiate(a.of("i"), z.of("j"))


def write_slope(layer: Layer, z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the formula of a layer's derivative; a layer that says none is asked by unit vectors."""
    declared: LayerFormulas | None = find_declared(type(layer), "formulas", *COMPUTING)
    template = None if declared is None else declared.slope if elementwise else declared.jacobian
    symbol = write_slope_symbol(z, a, elementwise)
    if template is None:
        return Formula(f"{symbol.text}: {type(layer).__name__}'s backward pass, fed unit vectors", symbol.latex)
    return equate(symbol, template.fill(collect_settings(layer), x=z.of(), y=a.of()))


def write_back(z: Symbol, a: Symbol, elementwise: bool) -> Formula:
    """Return the chain rule through a layer other than Linear."""
    down, up, slope = z.gradient(), a.gradient(), write_slope_symbol(z, a, elementwise)
    if elementwise:
        return equate(down, Formula(f"{up.text} · {slope.text}", rf"{up.latex} \odot {slope.latex}"))
    down, up = z.gradient("j"), a.gradient("i")
    return equate(down, Formula(f"Σᵢ {up.text} · {slope.text}", rf"\sum_i {up.latex} \cdot {slope.latex}"))


def write_shortcut(inner: Symbol, x: Symbol, y: Symbol) -> Formula:
    """Return what the end of a shortcut makes: what the block's layers made, and the block's input."""
    return equate(y.of(), Formula(f"{inner.of().text} + {x.of().text}", f"{inner.of().latex} + {x.of().latex}"))


def write_shortcut_back(x: Symbol, y: Symbol) -> Formula:
    """Return the gradient where a residual block begins: what comes back through its layers, and past them."""
    back, past = mark_inside(x.gradient()), y.gradient()
    return equate(x.gradient(), Formula(f"{back.text} + {past.text}", f"{back.latex} + {past.latex}"))


def mark_inside(gradient: Formula) -> Formula:
    """Return the symbol of the share of a gradient that comes back through the layers of a residual block."""
    return Formula(f"[{gradient.text}]", rf"\bigl[{gradient.latex}\bigr]")


def mark_left_inside(equation: Formula) -> Formula:
    """Return an equation with its left side marked as `mark_inside` does."""
    (left, right), (left_latex, right_latex) = equation.text.split(" = ", 1), equation.latex.split(" = ", 1)
    return equate(mark_inside(Formula(left, left_latex)), Formula(right, right_latex))


def write_linear_forward(x: Symbol, z: Symbol, bias: bool) -> Formula:
    """Return ``z = x W + b``."""
    w, b = Symbol("W", z.mark).of(), Symbol("b", z.mark).of()
    product = Formula(f"{x.of().text} {w.text}", rf"{x.of().latex}\, {w.latex}")
    return equate(z.of(), Formula(f"{product.text} + {b.text}", f"{product.latex} + {b.latex}") if bias else product)


def write_linear_back(x: Symbol, z: Symbol) -> Formula:
    """Return the gradient of a linear layer's inputs, ``δ Wᵀ``."""
    delta, w = z.gradient(), Symbol("W", z.mark).of()
    return equate(x.gradient(), Formula(f"{delta.text} {w.text}ᵀ", rf"{delta.latex}\, {{{w.latex}}}^\top"))


def write_parameter_gradient(layer: Layer, name: str, parameter: Symbol, x: Symbol, y: Symbol) -> Formula:
    """Return the formula of the loss's gradient with respect to a layer's parameter."""
    symbol, up = differentiate(_LOSS, parameter.of()), y.gradient()
    declared: LayerFormulas | None = find_declared(type(layer), "formulas", *COMPUTING)
    if is_linear(layer) and name == "weight":
        turned = rf"{{{x.of().latex}}}^\top"
        return equate(symbol, Formula(f"{x.of().text}ᵀ {up.text}", rf"{turned}\, {up.latex}"))
    if declared is not None and name in declared.gradients:
        return equate(symbol, declared.gradients[name].fill(collect_settings(layer), x=x.of(), dy=up))
    if name == "bias":
        return equate(symbol, Formula(f"Σₙ {up.text}", rf"\sum_n {up.latex}"))
    own = differentiate(y.of(), parameter.of())
    return equate(symbol, Formula(f"Σ {up.text} · {own.text}", rf"\sum {up.latex} \cdot {own.latex}"))


# -- losses ---------------------------------------------------------------------------------------------------


def _declare_loss(loss: Loss) -> LossFormulas:
    declared: LossFormulas | None = find_declared(type(loss), "formulas", "forward", "backward", "probabilities")
    if declared is not None:
        return declared
    kind = type(loss).__name__
    return LossFormulas(
        Formula(f"{kind}($z, y)", rf"\mathrm{{{kind}}}($z, y)"),
        Formula(f"{kind}'s gradient($z, y)", rf"\mathrm{{{kind}'s gradient}}($z, y)"),
    )


def write_sample_loss(loss: Loss, p: Symbol) -> Formula:
    """Return the formula of the loss of one sample."""
    made = _declare_loss(loss).loss.fill(collect_settings(loss), z=p.of())
    smoothing = float(getattr(loss, "label_smoothing", 0.0))
    note = f", y smoothed by {smoothing}" if smoothing else ""
    return Formula(f"Lₙ = {made.text}{note}", f"L_n = {made.latex}")


def write_error(loss: Loss, p: Symbol, rows: int, weighted: bool) -> Formula:
    """Return the formula of the gradient with respect to the outputs."""
    made = _declare_loss(loss).gradient.fill(collect_settings(loss), z=p.of())
    if weighted:
        text, latex = f"wₙ ({made.text})", rf"w_n ({made.latex})"
        if loss.reduction == "mean":
            text, latex = f"{text} / Σₙ wₙ", rf"{latex} / \sum_n w_n"
    elif loss.reduction == "mean" and rows > 1:
        text, latex = f"({made.text}) / {rows}", rf"\tfrac{{1}}{{{rows}}} ({made.latex})"
    else:
        text, latex = made
    return equate(p.gradient(), Formula(text, latex))


def write_prediction(loss: Loss, p: Symbol) -> Formula | None:
    """Return the formula of what the outputs mean to a person, None where that is the outputs themselves."""
    template = _declare_loss(loss).prediction
    return None if template is None else equate(Formula("p", "p"), template.fill(collect_settings(loss), z=p.of()))


# -- updates --------------------------------------------------------------------------------------------------


def write_change_symbol(parameter: Symbol) -> Formula:
    """Return the symbol of a parameter's change."""
    w = parameter.of()
    return Formula(f"Δ{w.text}", rf"\Delta {w.latex}")


def write_update(optimizer: Optimizer, rate: float, step: int, parameter: Symbol, altered: bool) -> Formula:
    """Return the formula of a parameter's change at an optimizer's step.

    Parameters
    ----------
    optimizer : Optimizer
    rate : float
        The learning rate of this step.
    step : int
        The optimizer's steps, this one included.
    parameter : Symbol
    altered : bool
        Whether penalties or clipping changed the gradient before the optimizer got it.
    """
    if isinstance(optimizer, Averaged):
        optimizer = optimizer.optimizer  # the average changes no step
    change, w = write_change_symbol(parameter), parameter.of()
    g = Formula("g", "g") if altered else differentiate(_LOSS, w)
    declared = find_declared(type(optimizer), "formula", "update", "coefficients")
    template = None if declared is None else optimizer.formula
    if template is None:
        kind = type(optimizer).__name__
        return Formula(
            f"{change.text}: as {kind} makes it of {g.text}", rf"{change.latex} = \mathrm{{{kind}}}({g.latex})"
        )
    settings = collect_settings(optimizer) | {"rate": f"{rate:g}", "t": step}
    made = template.fill(settings, g=g, w=w)
    note = ",  g: the gradient after penalties and clipping" if altered else ""
    return Formula(f"{change.text} = {made.text}{note}", f"{change.latex} = {made.latex}")


def write_average_symbol(parameter: Symbol) -> Formula:
    """Return the symbol of a parameter's average over the steps."""
    w = parameter.of()
    return Formula(f"⟨{w.text}⟩", rf"\overline{{{w.latex}}}")


def write_average(parameter: Symbol, decay: float, step: int) -> Formula:
    """Return how a parameter's average takes the parameter in, after it was changed."""
    a, w = write_average_symbol(parameter), parameter.of()
    share = Formula(f"(1 − {decay}) / (1 − {decay}^{step})", rf"\frac{{1 - {decay}}}{{1 - {decay}^{{{step}}}}}")
    return Formula(
        f"{a.text} ← {a.text} + {share.text} · ({w.text} − {a.text})",
        rf"{a.latex} \leftarrow {a.latex} + {share.latex} ({w.latex} - {a.latex})",
    )


def write_frozen(parameter: Symbol) -> Formula:
    """Return the formula of the change of a frozen parameter."""
    change = write_change_symbol(parameter)
    return Formula(f"{change.text} = 0 (frozen)", f"{change.latex} = 0")


def write_new(parameter: Symbol) -> Formula:
    """Return how a parameter takes its change."""
    w, change = parameter.of(), write_change_symbol(parameter)
    return Formula(f"{w.text} ← {w.text} + {change.text}", rf"{w.latex} \leftarrow {w.latex} + {change.latex}")
