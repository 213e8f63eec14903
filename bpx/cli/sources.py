"""From the name of a data set or a file to rows that a network takes."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from bpx.cli import builtin_data
from bpx.cli.train_options import READING, RECIPES, REPEATABLE, TrainOptions
from bpx.datasets import load, names
from bpx.errors import InputError, unknown_name
from bpx.recipes.presets import Recipe, choose_recipe
from bpx.tables import ClassTarget, Preprocessor, prepare, read_table, split
from bpx.tables.frames import ColumnType
from bpx.tables.headers import MissingHeaderError, number_columns
from bpx.tables.inferring import Decimal, check_decimal
from bpx.tables.kinds import SUFFIXES, find_kind
from bpx.tables.messages import counted, listed, number_rows, shown
from bpx.tables.parts import prepare_new_rows
from bpx.tables.reading import explain_failures, prepare_reading, read_prepared
from bpx.tables.reading_options import ReadingOptions
from bpx.tables.target_tally import TargetTally
from bpx.tables.text_reading import check_encoding

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "FileOptions",
    "Rows",
    "TrainingData",
    "count_classes",
    "identify",
    "is_builtin",
    "load_rows",
    "load_training",
    "name_columns",
    "note_unseen",
    "rank_classes",
    "refuse_unseen",
]

Array = np.ndarray[Any, Any]

_CLASSES_NAMED = 8


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained and tested on.

    Attributes
    ----------
    recipe : Recipe
        The settings that suit it.
    preprocessor : Preprocessor
        Fitted on the training rows.
    x_train, y_train : array
        The training rows, encoded.
    x_held_out, y_held_out : array or None
        The held-out rows; None where none are.
    notes : tuple of str
        What the user should know.
    """

    recipe: Recipe
    preprocessor: Preprocessor
    x_train: Array
    y_train: Array
    x_held_out: Array | None
    y_held_out: Array | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """What a trained network is measured on.

    Attributes
    ----------
    x : array
        The rows, encoded.
    y : array
        The targets, encoded.
    notes : tuple of str
        What the user should know.
    unseen : mapping from str to int
        Classes that the training never saw, and how many rows, which are left out, have each.
    """

    x: Array
    y: Array
    notes: tuple[str, ...] = ()
    unseen: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class FileOptions:
    """What the user says of one file of rows.

    Attributes
    ----------
    decimal, encoding, sheet : str or None
        As `read_table` takes them.
    """

    decimal: str | None = None
    encoding: str | None = None
    sheet: str | None = None

    def __post_init__(self) -> None:
        if self.decimal is not None:
            check_decimal(self.decimal)
        if self.encoding is not None:
            check_encoding(self.encoding)


def is_builtin(data: str) -> bool:
    """Tell whether ``data`` names a data set that ships with bpx; else it names a file.

    Raises
    ------
    InputError
        If it can be neither.
    """
    if data in names():
        return True
    path = Path(data)
    endings = {suffix.lower() for suffix in path.suffixes[-2:]}  # as in data.csv.gz
    if endings.isdisjoint(SUFFIXES) and not path.exists():
        error = unknown_name("dataset", data, names())
        raise InputError(f"{error}; or a file that ends in {', '.join(SUFFIXES)}")
    return False


def identify(data: str) -> str:
    """Return what tells the same data again: the name of a data set, or the digest of a file's content."""
    if is_builtin(data):
        return f"dataset:{data}"
    with Path(data).open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def load_training(options: TrainOptions) -> TrainingData:
    """Read the data of a training, split it and encode it.

    Raises
    ------
    InputError
        If there is no such data, an option does not go with it, or the table is not as it has to be.
    """
    return _load_builtin(options) if is_builtin(options.dataset) else _load_table(options)


def _load_builtin(options: TrainOptions) -> TrainingData:
    for name in ("target", "task", "missing", "categories_max", "strict", *READING, *REPEATABLE):
        if getattr(options, name):
            raise InputError(
                f"--{name.replace('_', '-')} is for files; the data set {options.dataset!r} says itself what it holds"
            )
    dataset, recipe = load(options.dataset), RECIPES[options.dataset]
    y = builtin_data.list_classes(dataset)
    share = recipe.validation if options.validation is None else options.validation
    train, held_out = (
        split(len(y), share, options.seed or 0, y, strict=True) if share else (np.arange(len(y)), np.arange(0))
    )
    preprocessor = builtin_data.fit(dataset, train, shared_scale=recipe.shared_scale)
    x, y, _ = builtin_data.encode(options.dataset, preprocessor)
    held = (x[held_out], y[held_out]) if held_out.size else (None, None)
    return TrainingData(recipe, preprocessor, x[train], y[train], *held)


def _load_table(options: TrainOptions) -> TrainingData:
    types = options.column_types()
    notes: list[str] = []
    frame, reading, decimal = _read_training_table(options, types, notes)
    target = options.target
    if target is None:
        if not (options.dataset.lower().endswith(".npz") and "y" in frame.columns):
            listed = ", ".join(map(repr, frame.columns[:20])) + (", ..." if frame.width > 20 else "")
            raise InputError(f"--target is missing: which column of {options.dataset} is to be predicted? {listed}")
        target = "y"
    if reading.header and target not in frame.columns and target in number_columns(frame.width):
        raise InputError(
            f"target {target!r} is not in the table, whose first line was taken for the names of its columns: "
            f"{', '.join(map(repr, frame.columns[:20]))}; if it is data, pass --no-header"
        )
    if _is_boolean(frame, target) and target not in types and options.task != "regression":
        frame, types = _read_spelling(options, frame, target, types, reading, strict=options.strict)
    prepared = prepare(
        frame,
        target,
        validation=0.2 if options.validation is None else options.validation,
        seed=options.seed or 0,
        task=options.asked_task,
        missing=options.missing,  # type: ignore[arg-type]
        drop=options.drop,
        categories_max=100 if options.categories_max is None else options.categories_max,
        types=types,
        strict=options.strict,
        dtype=options.dtype or "float32",  # type: ignore[arg-type]
        decimal=decimal,
        release=True,
        codes=True,
    )
    return TrainingData(
        choose_recipe(
            options.preset or "default",
            len(prepared.x_train),
            classes=isinstance(prepared.preprocessor.target, ClassTarget),
        ),
        dataclasses.replace(prepared.preprocessor, reading=reading),
        prepared.x_train,
        prepared.y_train,
        prepared.x_validation,
        prepared.y_validation,
        (*notes, *prepared.notes),
    )


def _read_training_table(
    options: TrainOptions, types: dict[str, ColumnType], notes: list[str]
) -> tuple[pl.DataFrame, ReadingOptions, Decimal]:
    """Read the file of a training, and return how it was read: without a header, where its target is a place."""

    def read(reading: ReadingOptions) -> tuple[pl.DataFrame, ReadingOptions, Decimal]:
        arguments = dataclasses.asdict(reading)
        header = arguments.pop("header")
        with explain_failures(options.dataset):
            source = prepare_reading(
                options.dataset, types=types, encoding=options.encoding, sheet=options.sheet, **arguments
            )
            frame = read_prepared(source, header=header, notes=notes)
        if reading.missing_values is None:
            notes.extend(source.how.describe_gaps())
        return frame, reading, source.how.decimal

    reading = options.reading_options()
    try:
        return read(reading)
    except MissingHeaderError:
        if not (options.target or "").isdecimal():
            raise
    notes.clear()
    frame, reading, decimal = read(dataclasses.replace(reading, header=False))
    notes.append(f"the first line is data, so the columns are called 1 to {frame.width} by their places")
    return frame, reading, decimal


def _is_boolean(frame: pl.DataFrame, name: str) -> bool:
    import polars as pl

    return name in frame.columns and frame.get_column(name).dtype == pl.Boolean


def _read_spelling(
    options: TrainOptions,
    frame: pl.DataFrame,
    target: str,
    types: dict[str, ColumnType],
    reading: ReadingOptions,
    *,
    strict: bool,
) -> tuple[pl.DataFrame, dict[str, ColumnType]]:
    """Return a table and the types of its columns, with a target of booleans as classes spelled as in the file.

    So ``TRUE`` is predicted as ``TRUE``. Where the file spells one value in several ways, is no text, or has missing
    ones, which a strict training refuses, both stay as they are.
    """
    if find_kind(Path(options.dataset)) != "csv":
        return frame, types
    declared: dict[str, ColumnType] = {**types, target: "category"}
    spelled = read_table(options.dataset, types=declared, encoding=options.encoding, **dataclasses.asdict(reading))
    texts = spelled.get_column(target)
    if texts.n_unique() == frame.get_column(target).n_unique() and not (strict and texts.null_count()):
        return spelled, declared
    return frame, types


def load_rows(
    data: str,
    preprocessor: Preprocessor,
    *,
    unseen: Literal["refuse", "ignore"] | None = None,
    strict: bool = False,
    file: FileOptions | None = None,
) -> Rows:
    """Read rows with their targets for a trained network and encode them.

    Parameters
    ----------
    data : str
        The name of a data set that ships with bpx, or a file.
    preprocessor : Preprocessor
        The network's.
    unseen : {"refuse", "ignore"} or None
        Whether a category that training never saw is refused, or counts as none of the categories, with a note; None
        for what the training was: one that was strict refuses it.
    strict : bool
        Whether cells that cannot be read as training read them, and classes that it never saw, are refused.
    file : FileOptions, optional
        How the file is written.

    Raises
    ------
    InputError
        If there is no such data, or it is not like the data of the training.
    """
    if is_builtin(data):
        return Rows(*builtin_data.encode(data, preprocessor)[:2])
    notes: list[str] = []
    file, reading = file or FileOptions(), preprocessor.reading
    with explain_failures(data):
        source = prepare_new_rows(
            data,
            preprocessor,
            decimal=file.decimal,  # type: ignore[arg-type]
            encoding=file.encoding,
            sheet=file.sheet,
        )
        frame = read_prepared(source, header=reading.header, notes=notes)
    frame = name_columns(data, frame, preprocessor, notes)
    name = preprocessor.target.name
    tally = TargetTally(name)
    kept = preprocessor.find_target_rows(frame, tally=tally)
    if len(kept) == 0:
        raise InputError(f"{data}: no row has the target {name!r}")
    frame = frame[kept]
    with number_rows(kept.tolist()):
        refused = strict or preprocessor.strict
        y = preprocessor.encode_target(frame) if refused else preprocessor.match_target(frame, tally=tally)
        notes += tally.tell()
        x = preprocessor.transform(frame, unseen=unseen, strict=strict, decimal=source.how.decimal, notes=notes)
    known = np.ones(len(y), dtype=bool) if preprocessor.task == "regression" else y >= 0
    if known.all():
        return Rows(x, y, tuple(notes))
    others = count_classes(frame.get_column(name).filter(~known))
    if not known.any():
        refuse_unseen(data, preprocessor, others)
    return Rows(x[known], y[known], tuple(notes), others)


def count_classes(labels: pl.Series) -> Counter[str]:
    """Return how many rows have each of the labels."""
    counts = labels.cast(str).str.strip_chars().value_counts(name="rows")
    return Counter(dict(counts.rows()))


def rank_classes(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts with the most frequent first, and those of as many rows in the order of their names."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def refuse_unseen(data: str, preprocessor: Preprocessor, unseen: Mapping[str, int]) -> NoReturn:
    """Raise because the training saw no class of any row."""
    raise InputError(
        f"{data}: no row has a class that the training saw, {listed(preprocessor.class_names)}; the target "
        f"{preprocessor.target.name!r} holds {listed(rank_classes(unseen))}"
    )


def note_unseen(unseen: Mapping[str, int], happens: str) -> str:
    """Say which classes the training never saw, given how many rows each has, and what happens to these rows."""
    named = [f"{shown(label)} ({counted(rows, 'row')})" for label, rows in rank_classes(unseen).items()]
    more = f", and {len(named) - _CLASSES_NAMED:,} more" if len(named) > _CLASSES_NAMED else ""
    rows = counted(sum(unseen.values()), "row")
    return f"{rows} of classes that the training never saw, {happens}: {', '.join(named[:_CLASSES_NAMED])}{more}"


def name_columns(data: str, frame: pl.DataFrame, preprocessor: Preprocessor, notes: list[str]) -> pl.DataFrame:
    """Give columns without names of their own those that training knew, where these are clear.

    Raises
    ------
    InputError
        If an array of a NumPy archive has more or fewer columns than the training had.
    """
    if not preprocessor.reading.header:
        frame = _leave_out_place(frame, preprocessor, notes)
    return _name_columns(data, frame, preprocessor) if data.lower().endswith(".npz") else frame


def _leave_out_place(frame: pl.DataFrame, preprocessor: Preprocessor, notes: list[str]) -> pl.DataFrame:
    """Number the columns of a table without a header as in training, where all are there but the target."""
    target, places = preprocessor.target.name, number_columns(frame.width + 1)
    known = {*preprocessor.column_names, *preprocessor.left_out, target}
    if known != set(places):
        return frame
    places.remove(target)
    notes.append(f"one column fewer than in training, and no header: taken for all but the target, column {target}")
    return frame.rename(dict(zip(frame.columns, places, strict=True)))


def are_of_an_array(names: Collection[str]) -> bool:
    """Tell whether these are all columns of an array ``x``, as it has no names of its own: x0, x1, x2, ..."""
    return set(names) == {f"x{i}" for i in range(len(names))}


def _name_columns(path: str, frame: pl.DataFrame, preprocessor: Preprocessor) -> pl.DataFrame:
    """Give the columns of an array ``x``, which has no names of its own, those of the training, in their order.

    Raises
    ------
    InputError
        If the array has more or fewer columns than the training had.
    """
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name.lower() for name in archive.files}
    if "x" not in arrays or arrays > {"x", "y"}:
        return frame  # each array is a column, and has its name
    wanted, known = preprocessor.column_names, {*preprocessor.column_names, *preprocessor.left_out}
    trained_on_an_array = are_of_an_array(known)
    numbered = [name for name in frame.columns if name != "y"]
    expected = len(known) if trained_on_an_array else len(wanted)
    if len(numbered) != expected:
        raise InputError(
            f"{path}: the array x has {len(numbered)} column{'' if len(numbered) == 1 else 's'}, and the training had "
            f"{expected}: {', '.join(map(repr, wanted[:5]))}{', ...' if len(wanted) > 5 else ''}"
        )
    return frame if trained_on_an_array else frame.rename(dict(zip(numbered, wanted, strict=True)))
