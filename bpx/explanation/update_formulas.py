"""The formulas of the optimizers' updates, as text and as LaTeX."""

from __future__ import annotations

import dataclasses
from string import Template

from bpx.explanation.symbols import Formula, Symbol, derivative
from bpx.optimizers import SGD, Optimizer

_UPDATE = {
    "sgd": ("−$rate · $g", r"-$rate \cdot $g"),
    "momentum": ("v,  v ← $momentum v − $rate · $g", r"v,\quad v \leftarrow $momentum\, v - $rate \cdot $g"),
    "nesterov": (
        "$momentum v − $rate · $g,  v ← $momentum v − $rate · $g",
        r"$momentum\, v - $rate \cdot $g,\quad v \leftarrow $momentum\, v - $rate \cdot $g",
    ),
    "adam": (
        "−$rate · m̂ / (√v̂ + $eps),  m ← $b1 m + (1 − $b1) $g,  v ← $b2 v + (1 − $b2) ($g)²,  "
        "m̂ = m / (1 − $b1^$t),  v̂ = v / (1 − $b2^$t)",
        r"-$rate \frac{\hat m}{\sqrt{\hat v} + $eps},\quad m \leftarrow $b1\, m + (1 - $b1) $g,\quad "
        r"v \leftarrow $b2\, v + (1 - $b2) ($g)^2,\quad \hat m = \frac{m}{1 - $b1^{$t}},\quad "
        r"\hat v = \frac{v}{1 - $b2^{$t}}",
    ),
    "adamw": (
        "−$rate · $weight_decay · $w − $rate · m̂ / (√v̂ + $eps),  m̂ and v̂ as in Adam",
        r"-$rate \cdot $weight_decay\, $w - $rate \frac{\hat m}{\sqrt{\hat v} + $eps}",
    ),
    "rmsprop": (
        "−$rate · $g / (√v + $eps),  v ← $decay v + (1 − $decay) ($g)²",
        r"-$rate \frac{$g}{\sqrt{v} + $eps},\quad v \leftarrow $decay\, v + (1 - $decay) ($g)^2",
    ),
}


def change_symbol(parameter: Symbol) -> Formula:
    """Return the symbol of a parameter's change."""
    w = parameter.of()
    return Formula(f"Δ{w.text}", rf"\Delta {w.latex}")


def update_formula(optimizer: Optimizer, rate: float, step: int, parameter: Symbol, altered: bool) -> Formula:
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
    change, w = change_symbol(parameter), parameter.of()
    g = Formula("g", "g") if altered else derivative(Formula("L", "L"), w)
    kind = optimizer.name
    if isinstance(optimizer, SGD) and optimizer.momentum:
        kind = "nesterov" if optimizer.nesterov else "momentum"
    if kind not in _UPDATE:
        return Formula(
            f"{change.text}: as {type(optimizer).__name__} makes it of {g.text}",
            rf"{change.latex} = \mathrm{{{type(optimizer).__name__}}}({g.latex})",
        )
    settings = {f.name: getattr(optimizer, f.name) for f in dataclasses.fields(optimizer)} | {
        "rate": f"{rate:g}",
        "t": step,
    }
    text = Template(_UPDATE[kind][0]).substitute(settings | {"g": g.text, "w": w.text})
    latex = Template(_UPDATE[kind][1]).substitute(settings | {"g": g.latex, "w": w.latex})
    note = ",  g: the gradient after penalties and clipping" if altered else ""
    return Formula(f"{change.text} = {text}{note}", f"{change.latex} = {latex}")


def frozen_formula(parameter: Symbol) -> Formula:
    """Return the formula of the change of a frozen parameter."""
    change = change_symbol(parameter)
    return Formula(f"{change.text} = 0 (frozen)", f"{change.latex} = 0")


def new_formula(parameter: Symbol) -> Formula:
    """Return how a parameter takes its change."""
    w, change = parameter.of(), change_symbol(parameter)
    return Formula(f"{w.text} ← {w.text} + {change.text}", rf"{w.latex} \leftarrow {w.latex} + {change.latex}")
