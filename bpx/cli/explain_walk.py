"""A training step told in the terminal, in four parts: forward, error, backward, update."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bpx.cli.printing import Printer
from bpx.explanation.chain_text import chain_text
from bpx.explanation.quantity import Quantity
from bpx.explanation.text import number, numbers, rows_of_part

if TYPE_CHECKING:
    from bpx.explanation import Chain, StepTrace, Trace

__all__ = ["walk"]

_PARTS = {
    "forward": (
        "Forward propagation",
        "From the inputs to the outputs: each unit sums its inputs, weighted, and adds its bias (the weighted input "
        "z); the activation function makes its output a of that sum.",
    ),
    "error": (
        "Error",
        "The outputs are compared with the targets. The loss says how wrong they are, and its derivative, the error, "
        "in which direction each output should move.",
    ),
    "backward": (
        "Backward propagation",
        "The chain rule, from the outputs back: the error times the slope of the activation is delta; delta times the "
        "layer's inputs is the gradient of its weights; delta sent back through the weights is the error of the layer "
        "before.",
    ),
    "update": (
        "Update",
        "Each weight takes a small step against its gradient, which is the direction in which the loss grows fastest.",
    ),
}


def walk(printer: Printer, trace: Trace, chain: Chain, *, pause: bool) -> None:
    """Print one step in four parts, and the chain rule of one weight after the third.

    Parameters
    ----------
    printer : Printer
    trace : Trace
        Its first step is told.
    chain : Chain
    pause : bool
        Whether to wait for Enter between the parts, where there is a terminal to wait at.
    """
    step = trace.steps[0]
    for i, (part, (title, sentence)) in enumerate(_PARTS.items()):
        if i:
            _wait(pause)
        printer.line(f"\n{i + 1}. {title}", style="bold")
        printer.line(sentence, style="dim")
        printer.line()
        _table(printer, step, part)
        if part == "error":
            printer.line(f"\nloss {number(step.loss)} over {_samples(trace.samples)}")
        if part == "backward":
            printer.line("\nThe chain rule for one weight", style="bold")
            printer.line(chain_text(chain))
    printer.line(f"\nloss {number(step.loss)} before the update, {number(step.loss_after)} after it", style="bold")


def _table(printer: Printer, step: StepTrace, part: str) -> None:
    printer.table(
        ("layer", "quantity", "shape", "formula", "numbers"),
        [
            (layer, q.name, "×".join(map(str, q.shape)), _formula(q), "\n".join(numbers(q)))
            for layer, q in rows_of_part(step, part)
        ],
        left=range(5),
    )


def _formula(quantity: Quantity) -> str:
    return f"{quantity.symbol.text}, given" if quantity.formula == quantity.symbol else quantity.formula.text


def _samples(n: int) -> str:
    return "one sample" if n == 1 else f"{n} samples"


def _wait(pause: bool) -> None:
    """Wait for Enter; the end of the input goes on too."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print("\n[Enter goes on]", end="", flush=True)
        sys.stdin.readline()
