"""What ``bpx train`` says: before the training, after it, and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpx.cli.measures import (
    beats_baseline,
    describe_target,
    find_never_predicted,
    measure_classes,
    tell_r2,
)
from bpx.cli.prepared_training import PreparedTraining
from bpx.cli.printing import Printer, seconds
from bpx.display import name_arithmetic
from bpx.losses import MeanOverMembers
from bpx.network import Network
from bpx.optimizers import Averaged, Optimizer
from bpx.optimizers.annealing import CosineDecay, OneCycle
from bpx.optimizers.schedules import Constant, Schedule
from bpx.recipes.settings import Settings
from bpx.tables import ClassTarget
from bpx.tables.messages import listed
from bpx.tables.target import Target

__all__ = ["announce", "conclude", "note_never_predicted", "tell_baseline"]

_UNEQUAL = 2
"""How many times as many rows as the smallest class the largest has where classes are called unequal."""

_CLASSES_TOLD = 12


def announce(printer: Printer, run: PreparedTraining) -> None:
    """Say what is about to be trained, on what."""
    data, settings, network = run.data, run.settings, run.model.network
    printer.notes(data.notes)
    of = f"{data.preprocessor.n_outputs} classes" if data.preprocessor.task == "classification" else "numbers"
    held_out = 0 if data.x_held_out is None else len(data.x_held_out)
    sizes = (data.preprocessor.n_features, *settings.hidden, *(network.output_shape or ()))
    many = f"{settings.members} networks of " if settings.members > 1 else ""
    variants = settings.split()
    unbinned = sum(variant.members for variant in variants if settings.bins and not variant.bins)
    binned = f", numbers in {settings.bins} bins" if settings.bins and any(data.preprocessor.are_numbers) else ""
    binned += f" ({unbinned} without)" if binned and unbinned else ""
    binned += ", many texts as vectors" if any(data.preprocessor.n_codes) else ""
    hidden = ", ".join(dict.fromkeys(settings.activation))
    optimizer, decay = _take_apart(settings.optimizer)
    drops = any(variant.dropout for variant in variants) and settings.hidden
    dropout = f", dropout {_tell_each(variants, lambda own: f'{own.dropout:g}')}" if drops else ""
    losses = _tell_each(variants, lambda own: own.loss)
    printer.facts(
        [
            ("data", f"{run.options.dataset}: target {data.preprocessor.target.name!r}, {of}"),
            ("rows", f"{len(data.x_train):,} to train on{_tell_set_aside(run)}, {held_out:,} held out"),
            ("network", f"{many}{'-'.join(map(str, sizes))}{binned}{', ' + hidden if hidden else ''}{dropout}; "
             f"{settings.members * network.n_params:,} parameters, {name_arithmetic(network)}, "
             f"on {network.backend.spec}"),
            ("training", f"{losses}, {optimizer.name} at {_tell_rate(settings.optimizer)}{_tell_average(decay)}"
             f"{'' if settings.class_weight is None else ', every class of one weight'}"
             f"{'' if settings.clip is None else f', gradients of norm {settings.clip:g} at most'}, "
             f"{settings.epochs:,} epochs, batches of {min(settings.batch_size, len(data.x_train)):,}"
             f"{'' if settings.accumulate == 1 else f', {settings.accumulate:,} of them a step'}, "
             f"seed {settings.seed}"),
        ]
    )  # fmt: skip


def _tell_each(variants: Sequence[Settings], tell: Callable[[Settings], str]) -> str:
    """Return what all networks have, or what each variant has, with the number of its networks."""
    counts: dict[str, int] = {}
    for own in variants:
        counts[tell(own)] = counts.get(tell(own), 0) + own.members
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{what} ({n} of them)" for what, n in counts.items())


def conclude(printer: Printer, run: PreparedTraining, output: str | None, plot: str | None) -> None:
    """Say how the training ended and where the model is; print it as JSON if that is wanted."""
    training = run.model.training
    scores = training["scores"]
    where = "held_out" if "held_out" in scores else "training"
    target = run.data.preprocessor.target
    facts = [("final loss", f"{training['final_loss']:.6g}")]
    if run.settings.patience is not None and training["epochs"] < run.settings.epochs:
        facts.append(("stopped", f"after {training['epochs']:,} epochs, with the weights of the best"))
    for part, numbers in scores.items():
        rows = f"on {training['rows'][part]:,} {'held-out' if part == 'held_out' else 'training'} rows"
        if "accuracy" in numbers:
            right = round(numbers["accuracy"] * training["rows"][part])
            facts.append(("accuracy", f"{numbers['accuracy']:.4f} {rows} ({right:,} right)"))
        else:
            unit = describe_target(target)
            facts.append(("R2", f"{tell_r2(numbers['r2'])}, off by {numbers['mae']:.4g}{unit} on average, {rows}"))
    facts.append(("baseline", tell_baseline(target, scores[where], training["baseline"], where)))
    matrix, unequal = _look_at_classes(run, where)
    if unequal:
        balanced, chance = (one["balanced_accuracy"] for one in (scores[where], training["baseline"][where]))
        facts.append(("balanced accuracy", f"{balanced:.4f}, where one answer for all rows has {chance:.4f}"))
        facts.append(("right of each class", _tell_recall(run, matrix)))
    if (kept := count_members(run.model.network)) < run.settings.members:
        facts.append(("averaged", f"{kept} of the {run.settings.members} networks: they fit rows they set aside best"))
    facts.append(("time", seconds(training["seconds"])))
    facts.append(("saved", output or "nowhere; --output FILE keeps the model"))
    if plot is not None:
        facts.append(("drawn", plot))
    printer.line()
    if run.options.dataset == "xor":
        _truth_table(printer, run)
    printer.facts(facts)
    late = [] if matrix is None else note_never_predicted(run.data.preprocessor.class_names, matrix)
    printer.notes(late)
    result = _as_json(run, where) | {"output": output, "plot": plot}
    printer.result(result | {"notes": [*run.data.notes, *late]} | _tell_classes(run, matrix))


def count_members(network: Network) -> int:
    """Return how many networks a network is made of, 1 where it is no mean of several."""
    return network.output_shape[0] if isinstance(network.loss, MeanOverMembers) and network.output_shape else 1


def _take_apart(optimizer: Optimizer) -> tuple[Optimizer, float | None]:
    """Return what makes the steps, and the decay of the average of the weights, where there is one."""
    return (optimizer.optimizer, optimizer.decay) if isinstance(optimizer, Averaged) else (optimizer, None)


def _tell_average(decay: float | None) -> str:
    return "" if decay is None else f", weights averaged over about {round(1.0 / (1.0 - decay)):,} steps"


def _tell_rate(optimizer: Optimizer) -> str:
    rate = optimizer.learning_rate
    if not isinstance(rate, Schedule):
        return f"{rate:g}"
    return f"{getattr(rate, 'learning_rate', 0.0):g} ({type(rate).__name__})"


def name_schedule(optimizer: Optimizer) -> str:
    """Return how an optimizer's learning rate goes, by the name that people use for it."""
    kinds = {Constant: "constant", CosineDecay: "cosine", OneCycle: "one_cycle"}
    return kinds.get(type(optimizer.learning_rate), "constant")


def _tell_set_aside(run: PreparedTraining) -> str:
    if not run.n_aside:
        return ""
    if run.settings.members > 1:
        return f" (each network sets {run.n_aside:,} aside to stop by)"
    return f" ({run.n_aside:,} of them to stop by)"


def tell_baseline(target: Target, numbers: Mapping[str, float], baseline: Mapping[str, Any], where: str) -> str:
    """Say what the answer that looks at no column comes to, and whether the network is better.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
    numbers : mapping
        What `measure_model` says of some rows.
    baseline : mapping
        The baseline's ``answer``, and under ``where`` what `measure_baseline` says of the same rows.
    where : str
    """
    measured = baseline[where]
    if isinstance(target, ClassTarget):
        said = f"always {baseline['answer']!r} has an accuracy of {measured['accuracy']:.4f}"
        same = numbers["accuracy"] == measured["accuracy"]
    else:
        unit = target.unit and f" {target.unit}"
        said = f"always the mean, {baseline['answer']:.4g}{unit}, is off by {measured['mae']:.4g}{unit} on average"
        same = False
    better = beats_baseline(numbers, measured)
    if same or better:
        return f"{said}: the network is {'better' if better else 'no better'}"
    balanced = numbers.get("balanced_accuracy", 0.0) > measured.get("balanced_accuracy", 0.0)
    return f"{said}: the network is worse{', and better in balanced accuracy' if balanced else ''}"


def _look_at_classes(run: PreparedTraining, where: str) -> tuple[Any, bool]:
    """Return the confusion matrix of the rows that the scores are of, and whether classes are of unequal size."""
    data = run.data
    if data.preprocessor.task != "classification":
        return None, False
    matrix = run.confusions[where]
    counts = np.bincount(data.y_train, minlength=data.preprocessor.n_outputs)
    return matrix, bool(counts.max() >= _UNEQUAL * max(counts.min(), 1))


def _tell_recall(run: PreparedTraining, matrix: Any) -> str:
    names, recall, rows = run.data.preprocessor.class_names, measure_classes(matrix)["recall"], matrix.sum(axis=1)
    told = [f"{name!r} {recall[i]:.2f} of {rows[i]:,}" for i, name in enumerate(names) if rows[i]]
    more = f", and {len(told) - _CLASSES_TOLD} more" if len(told) > _CLASSES_TOLD else ""
    return ", ".join(told[:_CLASSES_TOLD]) + more


def _tell_classes(run: PreparedTraining, matrix: Any) -> dict[str, Any]:
    if matrix is None:
        return {}
    recall, names = measure_classes(matrix)["recall"], run.data.preprocessor.class_names
    return {"recall": {name: recall[i] if matrix[i].any() else None for i, name in enumerate(names)}}


def note_never_predicted(names: Sequence[str], matrix: Any) -> list[str]:
    """Say which classes have rows and are never predicted."""
    never, rows = find_never_predicted(matrix), int(matrix.sum())
    if not len(never):
        return []
    named = listed(names[i] for i in never)
    are = "classes are" if len(never) > 1 else "class is"
    count = int(matrix[never].sum())
    return [
        f"{len(never):,} {are} never predicted: {named} ({count:,} of {rows:,} rows); "
        "class_weight='balanced' (--class-weight balanced) gives rare classes more weight"
    ]


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
    optimizer, decay = _take_apart(settings.optimizer)
    return {
        "dataset": run.options.dataset,
        "target": target.name,
        "task": run.data.preprocessor.task,
        "classes": list(target.labels) if isinstance(target, ClassTarget) else [],
        "loss": training["final_loss"],
        **tested,
        **numbers,
        "measured_on": where,
        "target_unit": None if isinstance(target, ClassTarget) or not target.unit else target.unit,
        "baseline": {"answer": training["baseline"]["answer"], **training["baseline"][where]},
        "better_than_baseline": beats_baseline(training["scores"][where], training["baseline"][where]),
        "training": training["scores"]["training"],
        "rows": training["rows"],
        "features": run.data.preprocessor.n_features,
        "left_out": list(run.data.preprocessor.left_out),
        "preset": run.preset,
        "members": count_members(run.model.network),
        "bins": settings.bins,
        "hidden": list(settings.hidden),
        "parameters": run.model.network.n_params,
        "epochs": training["epochs"],
        "batch_size": settings.batch_size,
        "optimizer": optimizer.name,
        "learning_rate": getattr(settings.optimizer.learning_rate, "learning_rate", settings.optimizer.learning_rate),
        "schedule": name_schedule(settings.optimizer),
        "weight_decay": getattr(optimizer, "weight_decay", 0.0),
        "average": decay,
        "accumulate": settings.accumulate,
        "class_weight": settings.class_weight,
        "early_stopping": None if settings.patience is None else {"patience": settings.patience},
        "clip": settings.clip,
        "seed": settings.seed,
        "dtype": settings.dtype,
        "precision": settings.precision,
        "backend": run.model.network.backend.spec,
        "seconds": training["seconds"],
        "notes": list(run.data.notes),
    }
