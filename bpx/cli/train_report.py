"""What ``bpx train`` says: before the training, after it, and as JSON."""

from __future__ import annotations

from typing import Any

from bpx.cli.prepared_training import PreparedTraining
from bpx.cli.printing import Printer, seconds
from bpx.display import name_arithmetic
from bpx.tables import ClassTarget

__all__ = ["announce", "conclude"]


def announce(printer: Printer, run: PreparedTraining) -> None:
    """Say what is about to be trained, on what."""
    data, settings, network = run.data, run.settings, run.model.network
    printer.notes(data.notes)
    of = f"{data.preprocessor.n_outputs} classes" if data.preprocessor.task == "classification" else "numbers"
    held_out = 0 if data.x_held_out is None else len(data.x_held_out)
    sizes = (data.preprocessor.n_features, *settings.hidden, *(network.output_shape or ()))
    hidden = ", ".join(dict.fromkeys(settings.activation))
    dropout = f", dropout {settings.dropout:g}" if settings.dropout and settings.hidden else ""
    printer.facts(
        [
            ("data", f"{run.options.dataset}: target {data.preprocessor.target.name!r}, {of}"),
            ("rows", f"{len(data.x_train):,} to train on, {held_out:,} held out"),
            ("network", f"{'-'.join(map(str, sizes))}{', ' + hidden if hidden else ''}{dropout}; "
             f"{network.n_params:,} parameters, {name_arithmetic(network)}, on {network.backend.spec}"),
            ("training", f"{settings.loss}, {settings.optimizer.name} at {settings.optimizer.learning_rate:g}"
             f"{'' if settings.clip is None else f', gradients of norm {settings.clip:g} at most'}, "
             f"{settings.epochs:,} epochs, batches of {min(settings.batch_size, len(data.x_train)):,}, "
             f"seed {settings.seed}"),
        ]
    )  # fmt: skip


def conclude(printer: Printer, run: PreparedTraining, output: str | None, plot: str | None) -> None:
    """Say how the training ended and where the model is; print it as JSON if that is wanted."""
    training = run.model.training
    scores = training["scores"]
    where = "held_out" if "held_out" in scores else "training"
    facts = [("final loss", f"{training['final_loss']:.6g}")]
    for part, numbers in scores.items():
        rows = f"on {training['rows'][part]:,} {'held-out' if part == 'held_out' else 'training'} rows"
        if "accuracy" in numbers:
            right = round(numbers["accuracy"] * training["rows"][part])
            facts.append(("accuracy", f"{numbers['accuracy']:.4f} {rows} ({right:,} right)"))
        else:
            facts.append(("R2", f"{numbers['r2']:.4f}, off by {numbers['mae']:.4g} on average, {rows}"))
    facts.append(("time", seconds(training["seconds"])))
    facts.append(("saved", output or "nowhere; --output FILE keeps the model"))
    if plot is not None:
        facts.append(("drawn", plot))
    printer.line()
    if run.options.dataset == "xor":
        _truth_table(printer, run)
    printer.facts(facts)
    printer.result(_as_json(run, where) | {"output": output, "plot": plot})


def _truth_table(printer: Printer, run: PreparedTraining) -> None:
    from bpx.datasets import xor

    x, y = xor()
    found = run.data.preprocessor.target.probabilities(run.model.network.predict(run.data.x_train))  # type: ignore[union-attr]
    printer.table(
        ("x1", "x2", "target", "prediction"),
        [
            (f"{a:.0f}", f"{b:.0f}", f"{target:.0f}", f"{p:.6f}")
            for (a, b), target, p in zip(x, y[:, 0], found[:, 1], strict=True)
        ],
    )
    printer.line()


def _as_json(run: PreparedTraining, where: str) -> dict[str, Any]:
    training, settings = run.model.training, run.settings
    numbers = dict(training["scores"][where])
    tested = {"held_out_loss": numbers.pop("loss")} if where == "held_out" else {}
    numbers.pop("loss", None)
    target = run.data.preprocessor.target
    return {
        "dataset": run.options.dataset,
        "target": target.name,
        "task": run.data.preprocessor.task,
        "classes": list(target.labels) if isinstance(target, ClassTarget) else [],
        "loss": training["final_loss"],
        **tested,
        **numbers,
        "measured_on": where,
        "training": training["scores"]["training"],
        "rows": training["rows"],
        "features": run.data.preprocessor.n_features,
        "hidden": list(settings.hidden),
        "parameters": run.model.network.n_params,
        "epochs": training["epochs"],
        "batch_size": settings.batch_size,
        "optimizer": settings.optimizer.name,
        "learning_rate": settings.optimizer.learning_rate,
        "clip": settings.clip,
        "seed": settings.seed,
        "dtype": settings.dtype,
        "precision": settings.precision,
        "backend": run.model.network.backend.spec,
        "seconds": training["seconds"],
        "notes": list(run.data.notes),
    }
