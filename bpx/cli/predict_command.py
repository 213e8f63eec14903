"""``bpx predict``: apply a trained network to new rows."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from dataclasses import dataclass
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
    from bpx.recipes.model_file import Model
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
    interval: Annotated[
        float | None,
        typer.Option(
            "--interval",
            metavar="COVERAGE",
            help="For numbers: an interval around each prediction that holds the true number in this share of rows, "
            "such as 0.9: columns lower and upper behind prediction.",
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
    around = None if interval is None else _find_interval(model, loaded, interval)
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
        seen = _Seen(preprocessor, stack, around, for_programs=json)

        def take(rows: Iterator[tuple[Any, Any]]) -> None:
            seen.begin()
            with _open_writer(place, prediction, preprocessor, data, encoding, seen.margin) as writer:
                for frame, outputs in rows:
                    seen.add(outputs)
                    if writer is not None:
                        writer.write(frame, outputs)
            seen.notes = [] if writer is None else writer.notes

        prediction.run(take, bar=not json)
        notes = [*prediction.notes, *seen.notes, *([] if around is None or around.held_out else [_NO_GUARANTEE])]
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
        if around is not None:
            result |= {"lower": seen.lower, "upper": seen.upper, "interval": dataclasses.asdict(around)}
        result |= {"backend": loaded.network.backend.spec, "output": output, "notes": notes}
        printer.notes(notes)
        header = ["row", name_with_unit(preprocessor.target), *(["probability"] if seen.classes else [])]
        header += [] if around is None else ["lower", "upper"]
        printer.table(header, seen.first)
        printer.line(
            f"\n{seen.count:,} row{'' if seen.count == 1 else 's'} predicted"
            f"{f', the first {_ROWS_SHOWN} shown' if seen.count > _ROWS_SHOWN else ''}; "
            f"{'written to ' + output if output else '--output FILE writes them'}"
        )
        printer.result(result)


@dataclass(frozen=True)
class _Interval:
    """The interval around each prediction.

    Attributes
    ----------
    coverage : float
        The share of the true numbers that it is to hold.
    margin : float
        Half its width, in the units of the target.
    held_out : bool
        Whether the rows that say so were held out of everything, so that the share is guaranteed.
    """

    coverage: float
    margin: float
    held_out: bool


_NO_GUARANTEE = (
    "the intervals are from errors on rows that also told the networks when to stop, as none were held out: they carry "
    "no guarantee"
)


def _find_interval(path: str, model: Model, coverage: float) -> _Interval:
    """Return the interval that a model's errors on rows that it did not learn from ask for.

    Raises
    ------
    InputError
        If the target holds classes, there are no such rows, or too few for the coverage.
    FileFormatError
        If the errors in the model's file are not what training writes.
    """
    from bpx.arguments import check_number
    from bpx.errors import FileFormatError, InputError
    from bpx.recipes.intervals import Residuals

    check_number("--interval", coverage, above=0.0, below=1.0)
    if model.preprocessor.task == "classification":
        name = model.preprocessor.target.name
        raise InputError(f"--interval is for numbers, and the target {name!r} holds classes, which have probabilities")
    if "residuals" not in model.training:
        raise InputError(
            f"--interval needs errors on rows that the network did not learn from, and {path} holds none; train again "
            "with this bpx, and with a --validation above 0"
        )
    try:
        residuals = Residuals.from_dict(model.training["residuals"])
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    return _Interval(coverage, residuals.find_width(coverage), residuals.held_out)


class _Seen:
    """What is shown of predictions: how many there are, the first of them and, for programs, all."""

    def __init__(
        self,
        preprocessor: Preprocessor,
        stack: contextlib.ExitStack,
        around: _Interval | None,
        *,
        for_programs: bool,
    ) -> None:
        from bpx.tables import ClassTarget

        self._preprocessor, self._stack, self._for_programs = preprocessor, stack, for_programs
        self.classes = isinstance(preprocessor.target, ClassTarget)
        self.margin = None if around is None else around.margin
        self.notes: list[str] = []

    def begin(self) -> None:
        """Forget what was seen."""
        self.count, self.first = 0, list[list[str]]()
        lists = (self._stack.enter_context(JsonList()) for _ in range(4))
        self.labels, self.probabilities, self.lower, self.upper = lists

    def add(self, outputs: Any) -> None:
        """Look at further predictions."""
        target: Any = self._preprocessor.target
        decoded = target.decode(outputs)
        labels = decoded.tolist()
        ends = [] if self.margin is None else [decoded - self.margin, decoded + self.margin]
        probabilities = target.probabilities(outputs) if self.classes else None
        if self._for_programs:
            self.labels.extend(labels)
            for numbers, kept in zip(ends, (self.lower, self.upper), strict=False):
                kept.extend(numbers.tolist())
            if probabilities is not None:
                self.probabilities.extend(probabilities.tolist())
        for i in range(max(0, min(_ROWS_SHOWN - self.count, len(labels)))):
            label = labels[i]
            sure = [] if probabilities is None else [f"{probabilities[i].max():.4f}"]
            shown = f"{label:.6g}" if isinstance(label, float) else str(label)
            self.first.append([f"{self.count + i + 1}", shown, *sure, *(f"{numbers[i]:.6g}" for numbers in ends)])
        self.count += len(labels)


@contextlib.contextmanager
def _open_writer(
    output: str | None,
    prediction: Prediction,
    preprocessor: Preprocessor,
    data: str,
    encoding: str | None,
    margin: float | None,
) -> Iterator[Any]:
    """Open the file of ``--output``, if there is to be one; a data set of bpx becomes the table that is written."""
    if output is None:
        yield None
        return
    from bpx.cli.prediction import make_builtin_table
    from bpx.tables.writing import open_predictions

    if prediction.parts is None:
        with open_predictions(output, preprocessor, margin=margin) as writer:
            yield _BuiltinWriter(writer, make_builtin_table(data))
    else:
        how: Any = {"source": data, "encoding": encoding, "decimal": prediction.parts.decimal, "margin": margin}
        with open_predictions(output, preprocessor, **how) as writer:
            yield writer


class _BuiltinWriter:
    """Writes the rows of a data set of bpx, which come without themselves."""

    def __init__(self, writer: Any, table: Any) -> None:
        self._writer, self._table = writer, table
        self.notes = writer.notes

    def write(self, _: Any, outputs: Any) -> None:
        self._writer.write(self._table, outputs)
