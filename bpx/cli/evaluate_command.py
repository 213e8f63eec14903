"""``bpx evaluate``: how good a trained network is on rows whose targets are known."""

from __future__ import annotations

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
from bpx.cli.pictures import PlotOption, check_picture, draw_evaluation
from bpx.cli.predict_command import ModelArgument, UnseenOption
from bpx.cli.printing import Printer
from bpx.errors import FileFormatError

if TYPE_CHECKING:
    from bpx.cli.model_files import Model

__all__ = ["evaluate"]

_CLASSES_SHOWN = 20


def evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file with the target's column, or a data set of bpx.")],
    unseen: UnseenOption = "refuse",
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    plot: PlotOption = None,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Print how good a trained network is: metrics and, for classes, the confusion matrix."""
    printer = Printer(json=json)
    from bpx.arguments import check_choice
    from bpx.cli.measures import count_confusions, measure_classes, measure_model, predict_classes
    from bpx.cli.model_files import load_model
    from bpx.cli.sources import FileOptions, load_rows
    from bpx.tables import ClassTarget

    check_choice("way to treat unseen categories", unseen, ("ignore", "refuse"))
    if plot is not None:
        check_picture(plot)
    loaded = load_model(model, choose_backend(backend, threads))
    preprocessor = loaded.preprocessor
    file = FileOptions(decimal, encoding, sheet)
    rows = load_rows(data, preprocessor, with_target=True, ignore_unseen=unseen == "ignore", file=file)
    assert rows.y is not None
    notes = [*rows.notes, *_note_same_data(loaded, data)]
    numbers = measure_model(loaded, rows.x, rows.y)
    result: dict[str, Any] = {
        "model": model,
        "data": data,
        "rows": len(rows.x),
        "target": preprocessor.target.name,
        "task": preprocessor.task,
        **numbers,
    }
    printer.notes(notes)
    facts = [("rows", f"{len(rows.x):,}"), ("loss", f"{numbers['loss']:.6g}")]
    target = preprocessor.target
    if isinstance(target, ClassTarget):
        names = preprocessor.class_names
        matrix = count_confusions(rows.y, predict_classes(loaded, rows.x), len(names))
        each = measure_classes(matrix)
        macro_f1 = each["f1"][matrix.sum(axis=0) + matrix.sum(axis=1) > 0].mean()
        facts.append(("accuracy", f"{numbers['accuracy']:.4f} ({matrix.trace():,} right)"))
        facts.append(("macro F1", f"{macro_f1:.4f}"))
        printer.facts(facts)
        printer.line("\nprecision, recall and F1 of each class")
        printer.table(
            ("class", "rows", "precision", "recall", "F1"),
            [
                (name, f"{matrix[i].sum():,}", *(f"{values[i]:.4f}" for values in each.values()))
                for i, name in enumerate(names)
            ],
            left=(0,),
        )
        if len(names) <= _CLASSES_SHOWN:
            printer.line("\nconfusion matrix: a row for each true class, a column for each predicted one")
            printer.table(
                ("", *names),
                [(name, *map(str, row)) for name, row in zip(names, matrix.tolist(), strict=True)],
                left=(0,),
            )
        result |= {
            "macro_f1": macro_f1,
            "classes": list(target.labels),
            "confusion_matrix": matrix,
            "per_class": {n: {k: v[i] for k, v in each.items()} for i, n in enumerate(names)},
        }
    else:
        facts += [("R2", f"{numbers['r2']:.4f}"), ("mean absolute error", f"{numbers['mae']:.6g}"),
                  ("root mean square error", f"{numbers['rmse']:.6g}")]  # fmt: skip
        printer.facts(facts)
    if plot is not None:
        draw_evaluation(plot, loaded, rows.x, rows.y)
        printer.line(f"\ndrawn: {plot}")
    printer.result(result | {"plot": plot, "backend": loaded.network.backend.spec, "notes": notes})


def _note_same_data(model: Model, data: str) -> list[str]:
    """Say it if the network was trained on rows of this very data."""
    from bpx.cli.sources import identify

    if model.training.get("origin") != identify(data):
        return []
    rows, scores = model.training.get("rows", {}), model.training.get("scores", {})
    try:
        line = f"the network was trained on {rows.get('training', 0):,} of these rows, so this is no test of it"
        held_out = scores.get("held_out", {})
        for name, what in (("accuracy", "accuracy"), ("r2", "R2")):
            if name in held_out:
                line += f"; on the {rows.get('held_out', 0):,} held-out rows its {what} was {held_out[name]:.4f}"
    except (AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"how the network was trained cannot be read from its file: {error}") from error
    return [line]
