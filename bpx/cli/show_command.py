"""``bpx show``: what a file holds: the network, what it was trained on and how well, and the card written about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpx.cli.group import BackendOption, JsonOption, choose_backend
from bpx.cli.printing import Printer, seconds

if TYPE_CHECKING:
    from bpx.network import Network
    from bpx.tables import Preprocessor

__all__ = ["show"]

_SHOWN = 20
"""Columns and classes that are named."""


def show(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A file of 'bpx train --output', net.save or an estimator's save.")
    ],
    backend: BackendOption = None,
    json: JsonOption = False,
) -> None:
    """Print what a model is: layers, columns, when and on what it was trained, its scores, and its card."""
    printer = Printer(json=json)
    from bpx.display import list_rows, name_arithmetic
    from bpx.files import read_card
    from bpx.network import Network
    from bpx.recipes.model_file import load_model_or_network

    loaded = load_model_or_network(model, choose_backend(backend))
    card = read_card(model)
    network = loaded if isinstance(loaded, Network) else loaded.network
    preprocessor = None if isinstance(loaded, Network) else loaded.preprocessor
    training: dict[str, Any] = {} if isinstance(loaded, Network) else loaded.training
    layers = list_rows(network)
    told = _Training(training)
    facts = [("file", f"{model}, {os.path.getsize(model):,} bytes"), ("predicts", _tell_target(preprocessor))]
    if preprocessor is not None:
        facts.append(("from", _tell_columns(preprocessor)))
    facts += [
        ("network", f"{network.n_params:,} parameters, {name_arithmetic(network)}, loss {network.loss.name}"),
        *told.list_facts(),
    ]
    printer.facts([(name, text) for name, text in facts if text])
    printer.line()
    printer.table(("", "layer", "output", "parameters"), layers, left=(1, 2))
    if card is not None:
        printer.line(f"\n{card.rstrip()}")
    printer.result(
        {
            "model": model,
            "parameters": network.n_params,
            "loss": network.loss.name,
            "dtype": network.dtype,
            "precision": network.precision,
            "layers": [{"layer": name, "output": output, "parameters": _count(network, i)}
                       for i, (_, name, output, _) in enumerate(layers)],
            **_describe(preprocessor),
            "training": training,
            "card": card,
            "backend": network.backend.spec,
        }
    )  # fmt: skip


def _count(network: Network, i: int) -> int:
    from math import prod

    return sum(prod(array.shape) for array in network.params[i].values())


def _tell_target(preprocessor: Preprocessor | None) -> str:
    """Say what is predicted."""
    if preprocessor is None:
        return "what its layers make of arrays: the file holds a network alone"
    from bpx.cli.measures import name_with_unit
    from bpx.tables import ClassTarget
    from bpx.tables.messages import shown

    target = preprocessor.target
    if not isinstance(target, ClassTarget):
        return f"the number {name_with_unit(target)}"
    labels = ", ".join(map(shown, target.labels[:_SHOWN]))
    more = f" and {target.n_outputs - _SHOWN:,} more" if target.n_outputs > _SHOWN else ""
    return f"one of {target.n_outputs:,} classes of {shown(target.name)}: {labels}{more}"


def _tell_columns(preprocessor: Preprocessor) -> str:
    """Say which columns it takes."""
    columns = [f"{column.name} ({column.to_dict()['kind']})" for column in preprocessor.columns]
    more = f" and {len(columns) - _SHOWN:,} more" if len(columns) > _SHOWN else ""
    left_out = f"; left out: {', '.join(preprocessor.left_out[:_SHOWN])}" if preprocessor.left_out else ""
    count = f"{len(columns):,} column{'' if len(columns) == 1 else 's'}"
    return f"{count}: {', '.join(columns[:_SHOWN])}{more}{left_out}"


def _describe(preprocessor: Preprocessor | None) -> dict[str, Any]:
    """Return task, target and columns as plain data."""
    if preprocessor is None:
        return {"task": None, "target": None, "classes": [], "columns": [], "left_out": []}
    return {
        "task": preprocessor.task,
        "target": preprocessor.target.name,
        "classes": list(getattr(preprocessor.target, "labels", ())),
        "columns": [{"name": column.name, "kind": column.to_dict()["kind"]} for column in preprocessor.columns],
        "left_out": list(preprocessor.left_out),
    }


class _Training:
    """What a file says of a training; what is not as bpx writes it is left out.

    Parameters
    ----------
    said : mapping
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        self.said = said

    def _find(self, kind: type | tuple[type, ...], *keys: str) -> Any:
        """Return an entry of an entry, or None where there is none of this kind."""
        value: Any = self.said
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if isinstance(value, kind) and not isinstance(value, bool) else None

    def list_facts(self) -> list[tuple[str, str]]:
        """Return names and texts: when and on what it was trained, how, and how well it did."""
        facts = [("trained", self._tell_when()), ("training", self._tell_how())]
        for part, name in (("held_out", "on held-out rows"), ("training", "on training rows")):
            facts.append((name, self._tell_scores(part)))
        return [(name, text) for name, text in facts if text]

    def _tell_when(self) -> str:
        when, version = self._find(str, "when"), self._find(str, "bpx")
        data, rows = self._find(str, "data"), self._find(int, "rows", "training")
        estimator = self._find(str, "estimator")
        parts = [
            when and when.replace("T", " ").replace("+00:00", " UTC"),
            version and f"by bpx {version}",
            estimator and f"as {estimator}",
            data and f"on {data}",
            rows and f"{rows:,} rows",
        ]
        return ", ".join(part for part in parts if part)

    def _tell_how(self) -> str:
        epochs, loss = self._find(int, "epochs"), self._find((int, float), "final_loss")
        optimizer, members = self._find(str, "settings", "optimizer", "name"), self._find(int, "settings", "members")
        averaged = self._find(str, "settings", "optimizer", "optimizer", "name")
        took = self._find((int, float), "seconds")
        parts = [
            members and members > 1 and f"{members} networks",
            f"{averaged} with averaged weights" if averaged else optimizer,
            epochs is not None and f"{epochs:,} epochs",
            loss is not None and f"final loss {loss:.6g}",
            took is not None and seconds(float(took)),
        ]
        return ", ".join(part for part in parts if part)

    def _tell_scores(self, part: str) -> str:
        rows = self._find(int, "rows", part)
        scores = self._find(Mapping, "scores", part)
        if not scores:
            return ""
        words = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "r2": "R2",
                 "mae": "mean absolute error", "rmse": "root mean square error", "loss": "loss"}  # fmt: skip
        told = []
        for key, word in words.items():
            value = self._find((int, float), "scores", part, key)
            baseline = self._find((int, float), "baseline", part, key)
            if value is not None:
                beside = "" if baseline is None else f" (baseline {baseline:.4g})"
                told.append(f"{word} {value:.4g}{beside}")
        return f"{f'{rows:,}: ' if rows is not None else ''}{', '.join(told)}"
