"""Small HTML tables of networks, histories and traces, for notebooks: escaped, and in the notebook's own colors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from bpx.explanation.quantity import PARTS
from bpx.explanation.text import number, numbers, rows_of_part

if TYPE_CHECKING:
    from bpx.explanation.trace import Trace
    from bpx.history import History
    from bpx.network import Network

_STYLE = "text-align:left;vertical-align:top;white-space:pre-wrap;padding-right:1em;font-variant-numeric:tabular-nums"
_LEFT = f' style="{_STYLE}"'
_MAX_LAYERS = 30


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return an HTML table of texts; lines of a cell stay lines."""
    head = "".join(f'<th scope="col"{_LEFT}>{escape(name)}</th>' for name in header)
    body = "".join(f"<tr>{''.join(f'<td{_LEFT}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def network_html(net: Network) -> str:
    """Return a network's summary: a row for each layer, and what they have in common."""
    from bpx.summary import rows

    found = rows(net)
    shown = [(i, layer, shape, f"{n:,}") for i, layer, shape, n in found[:_MAX_LAYERS]]
    if len(found) > _MAX_LAYERS:
        shown.append(("...", f"{len(found) - _MAX_LAYERS} more layers", "", ""))
    trained = f", {net.training.epoch:,} epochs trained" if net.training is not None else ""
    line = (
        f"Network of {net.n_params:,} parameters, {net.dtype}, loss {net.loss.name} ({net.loss.reduction}), on "
        f"{net.backend.spec}{trained}"
    )
    return f"<p>{escape(line)}</p>{table(('', 'layer', 'output', 'parameters'), shown)}"


def history_html(history: History) -> str:
    """Return a row for each number that was recorded: its first and last value, its lowest and highest."""
    columns = {"loss": history.loss, **history.metrics, "validation_loss": history.validation_loss}
    columns |= {f"validation_{name}": values for name, values in history.validation_metrics.items()}
    rows = [
        (name, number(values[0]), number(values[-1]), number(min(values)), number(max(values)))
        for name, values in columns.items()
        if values
    ]
    stopped = f"; {history.stop_reason}" if history.stop_reason else ""
    line = f"{len(history):,} epochs in {history.seconds:.3g} s{stopped}"
    return f"<p>{escape(line)}</p>{table(('', 'first', 'last', 'lowest', 'highest'), rows)}"


def trace_html(trace: Trace) -> str:
    """Return the first step of a trace in four parts to unfold."""
    step = trace.steps[0]
    losses = f"loss {number(step.loss)} before the update, {number(step.loss_after)} after it"
    more = (
        f"; {len(trace)} steps in all, loss {number(trace.steps[-1].loss_after)} at the end" if len(trace) > 1 else ""
    )
    lines = [f"{trace.network}: {losses}{more}", *trace.notes]
    parts = []
    for part in PARTS:
        rows = [
            (layer, q.name, "×".join(map(str, q.shape)), q.formula.text, "\n".join(numbers(q)))
            for layer, q in rows_of_part(step, part)
        ]
        header = ("layer", "quantity", "shape", "formula", "numbers")
        parts.append(f"<details><summary>{part.capitalize()}</summary>{table(header, rows)}</details>")
    return "".join([*(f"<p>{escape(line)}</p>" for line in lines), *parts])
