"""``bpx predict``: apply a trained network to new rows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from bpx.cli.printing import Printer

if TYPE_CHECKING:
    from bpx.cli.sources import Rows

__all__ = ["ModelArgument", "UnseenOption", "choose_unseen", "predict"]

ModelArgument = Annotated[str, typer.Argument(metavar="MODEL", help="A file that 'bpx train --output' wrote.")]

UnseenOption = Annotated[
    str | None,
    typer.Option(
        "--unseen",
        metavar="HOW",
        help="Categories that training never saw: ignore them (as none of the known), the default, or refuse, the "
        "default where training was strict.",
    ),
]


def choose_unseen(how: str | None) -> Literal["refuse", "ignore"] | None:
    """Return what ``--unseen`` says.

    Raises
    ------
    InputError
        If it is none of the two ways.
    """
    from bpx.arguments import check_choice

    if how is not None:
        check_choice("way to treat unseen categories", how, ("ignore", "refuse"))
    return how  # type: ignore[return-value]


_ROWS_SHOWN = 20


def predict(
    model: ModelArgument,
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="A file, in any format that bpx train takes, or a data set of bpx.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the rows with their predictions: .csv, .tsv, .parquet. A CSV file comes back to the byte, with "
            "the predictions behind each row, and unpacked if it is compressed.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Let --output be DATA itself.")] = False,
    unseen: UnseenOption = None,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    json: JsonOption = False,
) -> None:
    """Apply a trained network to new rows, found by the names of their columns."""
    printer = Printer(json=json)
    from bpx.cli.measures import name_with_unit
    from bpx.cli.model_files import check_place, load_model
    from bpx.cli.sources import FileOptions, load_rows
    from bpx.tables import ClassTarget, write_predictions

    choose_unseen(unseen)
    if output is not None:
        check_place(output, "--output", model)
        check_place(output, "--output", None if overwrite else data, advice="name another file, or pass --overwrite")
    loaded = load_model(model, choose_backend(backend, threads))
    preprocessor = loaded.preprocessor
    file = FileOptions(decimal, encoding, sheet)
    rows = load_rows(data, preprocessor, with_target=False, unseen=choose_unseen(unseen), file=file)
    outputs = loaded.network.predict(rows.x)
    labels = preprocessor.decode_target(outputs).tolist()
    notes = list(rows.notes)
    result: dict[str, Any] = {
        "model": model,
        "data": data,
        "rows": len(labels),
        "target": preprocessor.target.name,
        "task": preprocessor.task,
        "predictions": labels,
    }
    probabilities = None
    if isinstance(preprocessor.target, ClassTarget):
        probabilities = preprocessor.target.probabilities(outputs)
        result |= {"classes": list(preprocessor.target.labels), "probabilities": probabilities}
    if output is not None:
        place = os.path.realpath(output) if overwrite else output  # the file itself, not a link to it
        source = None if rows.table is None else data
        how: dict[str, Any] = {"source": source, "encoding": encoding, "decimal": decimal, "notes": notes}
        write_predictions(place, _table(rows), outputs, preprocessor, **how)
    result |= {"backend": loaded.network.backend.spec, "output": output, "notes": notes}
    printer.notes(notes)
    header = ["row", name_with_unit(preprocessor.target), *(["probability"] if probabilities is not None else [])]
    lines = []
    for i, label in enumerate(labels[:_ROWS_SHOWN]):
        sure = [] if probabilities is None else [f"{probabilities[i].max():.4f}"]
        lines.append([f"{i + 1}", f"{label:.6g}" if isinstance(label, float) else str(label), *sure])
    printer.table(header, lines)
    printer.line(
        f"\n{len(labels):,} row{'' if len(labels) == 1 else 's'} predicted"
        f"{f', the first {_ROWS_SHOWN} shown' if len(labels) > _ROWS_SHOWN else ''}; "
        f"{'written to ' + output if output else '--output FILE writes them'}"
    )
    printer.result(result)


def _table(rows: Rows) -> Any:
    """Return the rows as a table, to be written with their predictions."""
    if rows.table is not None:
        return rows.table
    from bpx.optional import import_optional

    import_optional("polars", "tables", "table")
    import polars as pl

    assert rows.dataset is not None
    columns = {name: rows.dataset.x[:, i] for i, name in enumerate(rows.dataset.feature_names)}
    return pl.DataFrame(columns | {"y": rows.dataset.y.reshape(-1)})
