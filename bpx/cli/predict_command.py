"""``bpx predict``: apply a trained network to new rows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
from bpx.cli.printing import JsonList, Printer

if TYPE_CHECKING:
    from bpx.cli.prediction import Prediction
    from bpx.tables import Preprocessor

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
    strict: StrictOption = False,
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
    from bpx.cli.places import check_place
    from bpx.cli.prediction import Prediction
    from bpx.cli.sources import FileOptions
    from bpx.recipes.model_file import load_model
    from bpx.tables import ClassTarget

    choose_unseen(unseen)
    if output is not None:
        check_place(output, "--output", model)
        check_place(output, "--output", None if overwrite else data, advice="name another file, or pass --overwrite")
        from bpx.tables.writing import check_ending

        check_ending(output)
    loaded = load_model(model, choose_backend(backend, threads))
    preprocessor = loaded.preprocessor
    file = FileOptions(decimal, encoding, sheet)
    prediction = Prediction(
        loaded,
        data,
        file,
        typed=output is not None and output.lower().endswith(".parquet"),
        unseen=choose_unseen(unseen),
        strict=strict,
    )
    place = os.path.realpath(output) if output and overwrite else output  # the file itself, not a link to it
    with contextlib.ExitStack() as stack:
        seen = _Seen(preprocessor, stack, for_programs=json)

        def take(rows: Iterator[tuple[Any, Any]]) -> None:
            seen.begin()
            with _open_writer(place, prediction, preprocessor, data, encoding) as writer:
                for frame, outputs in rows:
                    seen.add(outputs)
                    if writer is not None:
                        writer.write(frame, outputs)
            seen.notes = [] if writer is None else writer.notes

        prediction.run(take, bar=not json)
        notes = [*prediction.notes, *seen.notes]
        result: dict[str, Any] = {
            "model": model,
            "data": data,
            "rows": seen.count,
            "target": preprocessor.target.name,
            "task": preprocessor.task,
            "predictions": seen.labels,
        }
        if isinstance(preprocessor.target, ClassTarget):
            result |= {"classes": list(preprocessor.target.labels), "probabilities": seen.probabilities}
        result |= {"backend": loaded.network.backend.spec, "output": output, "notes": notes}
        printer.notes(notes)
        header = ["row", name_with_unit(preprocessor.target), *(["probability"] if seen.classes else [])]
        printer.table(header, seen.first)
        printer.line(
            f"\n{seen.count:,} row{'' if seen.count == 1 else 's'} predicted"
            f"{f', the first {_ROWS_SHOWN} shown' if seen.count > _ROWS_SHOWN else ''}; "
            f"{'written to ' + output if output else '--output FILE writes them'}"
        )
        printer.result(result)


class _Seen:
    """What is shown of predictions: how many there are, the first of them and, for programs, all."""

    def __init__(self, preprocessor: Preprocessor, stack: contextlib.ExitStack, *, for_programs: bool) -> None:
        from bpx.tables import ClassTarget

        self._preprocessor, self._stack, self._for_programs = preprocessor, stack, for_programs
        self.classes = isinstance(preprocessor.target, ClassTarget)
        self.notes: list[str] = []

    def begin(self) -> None:
        """Forget what was seen."""
        self.count, self.first = 0, list[list[str]]()
        self.labels, self.probabilities = (self._stack.enter_context(JsonList()) for _ in range(2))

    def add(self, outputs: Any) -> None:
        """Look at further predictions."""
        target: Any = self._preprocessor.target
        labels = target.decode(outputs).tolist()
        probabilities = target.probabilities(outputs) if self.classes else None
        if self._for_programs:
            self.labels.extend(labels)
            if probabilities is not None:
                self.probabilities.extend(probabilities.tolist())
        for i in range(max(0, min(_ROWS_SHOWN - self.count, len(labels)))):
            label = labels[i]
            sure = [] if probabilities is None else [f"{probabilities[i].max():.4f}"]
            shown = f"{label:.6g}" if isinstance(label, float) else str(label)
            self.first.append([f"{self.count + i + 1}", shown, *sure])
        self.count += len(labels)


@contextlib.contextmanager
def _open_writer(
    output: str | None, prediction: Prediction, preprocessor: Preprocessor, data: str, encoding: str | None
) -> Iterator[Any]:
    """Open the file of ``--output``, if there is to be one; a data set of bpx becomes the table that is written."""
    if output is None:
        yield None
        return
    from bpx.cli.prediction import make_builtin_table
    from bpx.tables.writing import open_predictions

    if prediction.parts is None:
        with open_predictions(output, preprocessor) as writer:
            yield _BuiltinWriter(writer, make_builtin_table(data))
    else:
        how: Any = {"source": data, "encoding": encoding, "decimal": prediction.parts.decimal}
        with open_predictions(output, preprocessor, **how) as writer:
            yield writer


class _BuiltinWriter:
    """Writes the rows of a data set of bpx, which come without themselves."""

    def __init__(self, writer: Any, table: Any) -> None:
        self._writer, self._table = writer, table
        self.notes = writer.notes

    def write(self, _: Any, outputs: Any) -> None:
        self._writer.write(self._table, outputs)
