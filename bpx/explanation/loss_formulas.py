"""The formulas of the losses and of the errors they start the backward pass with, as text and as LaTeX."""

from __future__ import annotations

import dataclasses
from string import Template

from bpx.explanation.symbols import Formula, Symbol
from bpx.losses import Loss

_LOSS = {
    "squared_error": ("½ Σₖ ($pₖ − yₖ)²", r"\tfrac{1}{2} \sum_k (${p}_k - y_k)^2"),
    "absolute_error": ("Σₖ |$pₖ − yₖ|", r"\sum_k |${p}_k - y_k|"),
    "huber": (
        "Σₖ c · (d − c/2), d = $pₖ − yₖ, c = d cut to ±$delta",
        r"\sum_k c_k (d_k - \tfrac{1}{2} c_k),\; d = $p - y,\; c = \mathrm{clip}(d, -$delta, $delta)",
    ),
    "cross_entropy": ("−Σₖ yₖ ln softmax($p)ₖ", r"-\sum_k y_k \ln \mathrm{softmax}($p)_k"),
    "binary_cross_entropy": ("Σₖ ln(1 + exp($pₖ)) − yₖ $pₖ", r"\sum_k \ln(1 + e^{${p}_k}) - y_k\, ${p}_k"),
    "poisson": ("Σₖ exp($pₖ) − yₖ $pₖ + yₖ ln yₖ − yₖ", r"\sum_k e^{${p}_k} - y_k\, ${p}_k + y_k \ln y_k - y_k"),
}

_ERROR = {
    "squared_error": ("$p − y", "$p - y"),
    "absolute_error": ("sign($p − y)", r"\mathrm{sign}($p - y)"),
    "huber": ("$p − y, cut to ±$delta", r"\mathrm{clip}($p - y, -$delta, $delta)"),
    "cross_entropy": ("softmax($p) − y", r"\mathrm{softmax}($p) - y"),
    "binary_cross_entropy": ("σ($p) − y", r"\sigma($p) - y"),
    "poisson": ("exp($p) − y", "e^{$p} - y"),
}

_PROBABILITIES = {
    "cross_entropy": ("softmax($p)", r"\mathrm{softmax}($p)"),
    "binary_cross_entropy": ("σ($p)", r"\sigma($p)"),
    "poisson": ("exp($p)", "e^{$p}"),
}


def _filled(table: dict[str, tuple[str, str]], loss: Loss, p: Symbol, otherwise: str) -> Formula:
    settings = {f.name: getattr(loss, f.name) for f in dataclasses.fields(loss)}
    text, latex = table.get(loss.name, (f"{otherwise}($p, y)", rf"\mathrm{{{otherwise}}}($p, y)"))
    return Formula(
        Template(text).substitute(settings | {"p": p.of().text}),
        Template(latex).substitute(settings | {"p": f"{{{p.of().latex}}}"}),
    )


def smoothed(loss: Loss) -> float:
    """Return the label smoothing of a loss, 0 where it has none."""
    return float(getattr(loss, "label_smoothing", 0.0))


def sample_loss(loss: Loss, p: Symbol) -> Formula:
    """Return the formula of the loss of one sample."""
    made = _filled(_LOSS, loss, p, type(loss).__name__)
    note = f", y smoothed by {smoothed(loss)}" if smoothed(loss) else ""
    return Formula(f"Lₙ = {made.text}{note}", f"L_n = {made.latex}")


def batch_loss(loss: Loss, rows: int, weighted: bool) -> Formula:
    """Return how the samples' losses make the batch's."""
    if weighted:
        share, latex = ("", "") if loss.reduction == "sum" else (" / Σₙ wₙ", r" / \sum_n w_n")
        return Formula(f"L = Σₙ wₙ Lₙ{share}", rf"L = \sum_n w_n L_n{latex}")
    if loss.reduction == "sum" or rows == 1:
        return Formula("L = Σₙ Lₙ", r"L = \sum_n L_n")
    return Formula(f"L = 1/{rows} Σₙ Lₙ", rf"L = \tfrac{{1}}{{{rows}}} \sum_n L_n")


def error_formula(loss: Loss, p: Symbol, rows: int, weighted: bool) -> Formula:
    """Return the formula of the gradient with respect to the outputs."""
    made = _filled(_ERROR, loss, p, f"{type(loss).__name__}'s gradient")
    symbol = p.gradient()
    if weighted:
        text, latex = f"wₙ ({made.text})", rf"w_n ({made.latex})"
        if loss.reduction == "mean":
            text, latex = f"{text} / Σₙ wₙ", rf"{latex} / \sum_n w_n"
    elif loss.reduction == "mean" and rows > 1:
        text, latex = f"({made.text}) / {rows}", rf"\tfrac{{1}}{{{rows}}} ({made.latex})"
    else:
        text, latex = made
    return Formula(f"{symbol.text} = {text}", f"{symbol.latex} = {latex}")


def probability_formula(loss: Loss, p: Symbol) -> Formula | None:
    """Return the formula of what the outputs mean to a person, None where that is the outputs themselves."""
    if loss.name not in _PROBABILITIES:
        return None
    made = _filled(_PROBABILITIES, loss, p, "")
    return Formula(f"p = {made.text}", f"p = {made.latex}")
