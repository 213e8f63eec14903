"""``bpx explain``: one training step with its true numbers, in the terminal or on a page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpx.cli.group import (
    BackendOption,
    DecimalOption,
    EncodingOption,
    JsonOption,
    SheetOption,
    ThreadsOption,
    choose_backend,
)
from bpx.cli.predict_command import UnseenOption, choose_unseen
from bpx.cli.printing import Printer

if TYPE_CHECKING:
    from bpx.cli.explained import Subject
    from bpx.explanation import Chain, Quantity, StepTrace, Trace

__all__ = ["explain"]

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


def explain(
    what: Annotated[
        str, typer.Argument(metavar="WHAT", help="xor, digits, or a model's file that 'bpx train --output' wrote.")
    ],
    data: Annotated[
        str | None,
        typer.Argument(metavar="DATA", help="For a model: a file with the target's column, or a data set of bpx."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="ROW",
            help="Explain this row alone, counted from 0. By default all four of xor, else the first.",
        ),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(
            "--weight",
            metavar="KEY",
            help="The weight whose chain rule is written out, as in 0.weight[1,0] or "
            "2.bias[0]; by default the one of the first layer with the largest gradient.",
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            metavar="N",
            help="Train so long first, and explain the step after. For --html: how long the training on the page is.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option("--learning-rate", metavar="RATE", help="Of plain gradient descent; 0.5 for xor, else 0.1."),
    ] = None,
    as_published: Annotated[
        bool, typer.Option("--as-published", help="For xor: leave the biases as they were drawn, as the notebook does.")
    ] = False,
    step: Annotated[bool, typer.Option("--step", help="Wait for Enter between the four parts, on a terminal.")] = False,
    html: Annotated[
        str | None,
        typer.Option("--html", metavar="FILE", help="Write a page to step through, which needs no network connection."),
    ] = None,
    max_bytes: Annotated[
        int | None,
        typer.Option("--max-bytes", metavar="N", help="Largest page to write, 1000000 by default; 0 for any size."),
    ] = None,
    detail: Annotated[
        str | None,
        typer.Option(
            "--detail",
            metavar="HOW",
            help="full, every number; summary, norms and extremes; auto, the default, by how many there are.",
        ),
    ] = None,
    training: Annotated[
        bool, typer.Option("--training", help="Have dropout and batch normalization behave as in training.")
    ] = False,
    unseen: UnseenOption = None,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the first weights of xor and digits.")] = 0,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Show one training step with its true numbers: forward, error, backward, update, and the chain rule of one
    weight."""  # fmt: skip
    printer = Printer(json=json)
    from bpx.arguments import check_choice, check_count, check_number
    from bpx.cli.explained import find_subject
    from bpx.cli.places import check_place
    from bpx.cli.sources import FileOptions
    from bpx.errors import InputError

    if epochs is not None:
        check_count("--epochs", epochs, 0)
    if learning_rate is not None:
        check_number("--learning-rate", learning_rate, above=0.0)
    choose_unseen(unseen)
    if detail is not None:
        check_choice("detail", detail, ("auto", "full", "summary"))
    if html is not None:
        check_place(html, "--html", what, data)
        if detail is not None or training:
            raise InputError("--detail and --training are for the step that the terminal shows, not for --html")
    if max_bytes is not None and html is None:
        raise InputError("--max-bytes is for the page that --html writes")
    if max_bytes is not None:
        check_count("--max-bytes", max_bytes, 0)
    found = find_subject(
        what, data, as_published=as_published, seed=check_count("--seed", seed, 0),
        backend=choose_backend(backend, threads), unseen=choose_unseen(unseen),
        file=FileOptions(decimal, encoding, sheet),
    )  # fmt: skip
    if sample is not None and check_count("--sample", sample, 0) >= len(found.x):
        raise InputError(f"--sample must be a row from 0 to {len(found.x) - 1}, got {sample}")
    rate = found.learning_rate if learning_rate is None else learning_rate
    if html is None:
        how = {"detail": detail or "auto", "training": training}
        _explain_in_terminal(printer, found, sample, weight, epochs or 0, rate, step, how)
    else:
        _write_page(printer, found, sample, weight, epochs, rate, html, max_bytes)


def _explain_in_terminal(
    printer: Printer, found: Subject, sample: int | None, weight: str | None, epochs: int, rate: float, pause: bool,
    how: dict[str, Any],
) -> None:  # fmt: skip
    from bpx.explanation import explain
    from bpx.optimizers import SGD

    if epochs:
        found.network.fit(found.x, found.y, epochs=epochs, batch_size=found.batch_size, optimizer=SGD(rate))
    whole = found.whole and sample is None
    row = 0 if sample is None else sample
    x, y = (found.x, found.y) if whole else (found.x[row : row + 1], found.y[row : row + 1])
    trace = explain(found.network, x, y, optimizer=SGD(rate), **how)
    chain = trace.chain(weight or trace.steepest())
    after = f" after {epochs:,} epochs" if epochs else ""
    rows = f"all {len(x)} rows" if whole else f"row {row}"
    printer.line(f"{found.title}{after}, on {rows}", style="bold")
    printer.line(f"{trace.network}, loss {trace.loss}, learning rate {rate:g}, {trace.dtype} on {trace.backend}")
    printer.notes([*found.notes, *trace.notes])
    _walk(printer, trace, chain, pause=pause)
    result: dict[str, Any] = {
        "title": found.title, "epochs": epochs, "sample": None if whole else row, "learning_rate": rate,
        "backend": trace.backend, "notes": [*found.notes, *trace.notes], "trace": trace.to_dict(),
        "chain": chain.to_dict(),
    }  # fmt: skip
    printer.result(result)


def _write_page(
    printer: Printer, found: Subject, sample: int | None, weight: str | None, epochs: int | None, rate: float,
    path: str, max_bytes: int | None,
) -> None:  # fmt: skip
    from pathlib import Path

    from bpx.explanation import write_page
    from bpx.explanation.page import MAX_PAGE_BYTES
    from bpx.explanation.page_summary import needs_summary
    from bpx.optimizers import SGD

    epochs = found.page_epochs if epochs is None else epochs
    max_bytes = MAX_PAGE_BYTES if max_bytes is None else max_bytes or None
    if needs_summary(found.network.n_params, found.network.dtype, max_bytes):
        epochs, held = 0, "one training step, in summaries"
    else:
        held = f"{epochs:,} epochs of training"
    write_page(
        path, found.network, found.x, found.y, epochs=epochs, optimizer=SGD(rate), batch_size=found.batch_size,
        title=found.title, feature_names=found.feature_names, class_names=found.class_names, notes=found.notes,
        sample=sample, weight=weight, max_bytes=max_bytes,
    )  # fmt: skip
    size = Path(path).stat().st_size
    printer.line(f"{found.title}: {path} ({size:,} bytes) holds {held}; open it in a browser")
    printer.result({"title": found.title, "epochs": epochs, "learning_rate": rate, "html": path, "bytes": size})


def _walk(printer: Printer, trace: Trace, chain: Chain, *, pause: bool) -> None:
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
    from bpx.markup import format_number

    step = trace.steps[0]
    for i, (part, (title, sentence)) in enumerate(_PARTS.items()):
        if i:
            _wait(pause)
        printer.line(f"\n{i + 1}. {title}", style="bold")
        printer.line(sentence, style="dim")
        printer.line()
        _print_part(printer, step, part)
        if part == "error":
            printer.line(f"\nloss {format_number(step.loss)} over {_count_samples(trace.samples)}")
        if part == "backward":
            printer.line("\nThe chain rule for one weight", style="bold")
            printer.line(str(chain))
    printer.line(
        f"\nloss {format_number(step.loss)} before the update, {format_number(step.loss_after)} after it", style="bold"
    )


def _print_part(printer: Printer, step: StepTrace, part: str) -> None:
    from bpx.explanation.text import list_part, write_numbers

    printer.table(
        ("layer", "quantity", "shape", "formula", "numbers"),
        [
            (layer, q.name, "×".join(map(str, q.shape)), _write_formula(q), "\n".join(write_numbers(q)))
            for layer, q in list_part(step, part)
        ],
        left=range(5),
        lines=True,
    )


def _write_formula(quantity: Quantity) -> str:
    return f"{quantity.symbol.text}, given" if quantity.formula == quantity.symbol else quantity.formula.text


def _count_samples(n: int) -> str:
    return "one sample" if n == 1 else f"{n} samples"


def _wait(pause: bool) -> None:
    """Wait for Enter; the end of the input counts as Enter."""
    if pause and sys.stdin.isatty() and sys.stdout.isatty():
        print("\n[Enter goes on]", end="", flush=True)
        sys.stdin.readline()
