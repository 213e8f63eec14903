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
    StrictOption,
    ThreadsOption,
    choose_backend,
)
from bpx.cli.pictures import PlotOption, check_picture, draw_evaluation
from bpx.cli.predict_command import ModelArgument, UnseenOption, choose_unseen
from bpx.cli.printing import Printer
from bpx.errors import FileFormatError

if TYPE_CHECKING:
    from bpx.cli.measures import Baseline, Measured
    from bpx.recipes.model_file import Model

__all__ = ["evaluate"]

_CLASSES_SHOWN = 20


def evaluate(
    model: ModelArgument,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file with the target's column, or a data set of bpx.")],
    unseen: UnseenOption = None,
    strict: StrictOption = False,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    plot: PlotOption = None,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Print how good a trained network is: metrics and, for classes, the confusion matrix.

    A file may be larger than memory: its rows are read, and forgotten, some at a time.
    """
    printer = Printer(json=json)
    import numpy as np

    from bpx.cli.labelled_rows import LabelledRows
    from bpx.cli.measures import (
        beats_baseline,
        describe_target,
        measure_baseline,
        measure_classes,
        measure_model,
        predict_classes,
        tell_r2,
    )
    from bpx.cli.sources import FileOptions, note_unseen
    from bpx.cli.train_report import note_never_predicted, tell_baseline
    from bpx.recipes.model_file import load_model
    from bpx.tables import ClassTarget

    choose_unseen(unseen)
    if plot is not None:
        check_picture(plot)
    loaded = load_model(model, choose_backend(backend, threads))
    preprocessor = loaded.preprocessor
    file = FileOptions(decimal, encoding, sheet)
    rows = LabelledRows(loaded, data, file, unseen=choose_unseen(unseen), strict=strict)
    found: list[Measured] = []
    rows.measure(
        lambda parts: found.append(measure_model(loaded, parts, rows.unseen)),
        lambda x: predict_classes(loaded, x),
        bar=not json,
    )
    measured = found[-1]
    numbers, matrix = measured.numbers, measured.matrix
    notes = [*rows.notes, *_note_same_data(loaded, data)]
    if rows.unseen:
        notes.append(note_unseen(rows.unseen, "counted as wrong, and left out of the loss"))
    if np.isnan(numbers.get("r2", 0.0)):
        notes.append(f"all targets are {preprocessor.decode_target(measured.y[:1])[0]:.6g}: R2 does not exist for them")
    n_rows = len(measured.y) + sum(rows.unseen.values())
    result: dict[str, Any] = {
        "model": model,
        "data": data,
        "rows": n_rows,
        "target": preprocessor.target.name,
        "task": preprocessor.task,
        **numbers,
    }
    baseline = _read_baseline(loaded)
    of_baseline = {} if baseline is None else measure_baseline(loaded, baseline, measured.y, rows.unseen)
    said = []
    if baseline is not None:
        result |= {
            "baseline": {"answer": baseline.answer, **of_baseline},
            "better_than_baseline": beats_baseline(numbers, of_baseline),
        }
        told = {"answer": baseline.answer, "these": of_baseline}
        said = [("baseline", tell_baseline(preprocessor.target, numbers, told, "these"))]
    printer.notes(notes)
    facts = [("rows", f"{n_rows:,}"), ("loss", f"{numbers['loss']:.6g}")]
    target = preprocessor.target
    if isinstance(target, ClassTarget):
        names = preprocessor.class_names
        assert matrix is not None
        each = measure_classes(matrix, rows.taken_for)
        occurring = matrix.sum(axis=0) + rows.taken_for + matrix.sum(axis=1) > 0
        macro_f1 = each["f1"][occurring].sum() / (occurring.sum() + len(rows.unseen))  # an unseen class has 0
        facts.append(("accuracy", f"{numbers['accuracy']:.4f} ({matrix.trace():,} right)"))
        facts.append(("balanced accuracy", f"{numbers['balanced_accuracy']:.4f}"))
        facts.append(("macro F1", f"{macro_f1:.4f}"))
        printer.facts(facts + said)
        late = note_never_predicted(names, matrix)
        notes += late
        printer.notes(late)
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
            "unseen_classes": rows.unseen,
        }
    else:
        unit = describe_target(target)
        facts += [("R2", tell_r2(numbers["r2"])), ("mean absolute error", f"{numbers['mae']:.6g}{unit}"),
                  ("root mean square error", f"{numbers['rmse']:.6g}{unit}")]  # fmt: skip
        printer.facts(facts + said)
    if plot is not None:
        draw_evaluation(plot, preprocessor, measured)
        printer.line(f"\ndrawn: {plot}")
    printer.result(result | {"plot": plot, "backend": loaded.network.backend.spec, "notes": notes})


def _read_baseline(model: Model) -> Baseline | None:
    """Return the baseline that the model's file holds; None for a file from before there was one."""
    from bpx.cli.measures import Baseline
    from bpx.tables import ClassTarget

    stored, target = model.training.get("baseline"), model.preprocessor.target
    if stored is None:
        return None
    try:
        answer, encoded = stored["answer"], float(stored["encoded"])
        right = answer == (target.labels[int(encoded)] if isinstance(target, ClassTarget) else target.mean)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise FileFormatError(f"the baseline of the training cannot be read from the model's file: {error}") from error
    if not right:
        raise FileFormatError(f"the baseline of the training, {answer!r}, does not fit the target of the model's file")
    return Baseline(answer, encoded)


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
            if held_out.get(name) is not None:
                line += f"; on the {rows.get('held_out', 0):,} held-out rows its {what} was {held_out[name]:.4f}"
    except (AttributeError, TypeError, ValueError) as error:
        raise FileFormatError(f"how the network was trained cannot be read from its file: {error}") from error
    return [line]
