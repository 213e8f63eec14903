"""What a training was asked for, the recipes that fill the gaps, and what both come to once the data is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bpx.arguments import check_choice, check_count, check_number
from bpx.backend.base import FLOAT_DTYPES
from bpx.backend.precision import MANTISSA_BITS
from bpx.datasets import names
from bpx.errors import InputError
from bpx.layers import ACTIVATIONS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS
from bpx.recipes.presets import PRESETS, Recipe
from bpx.recipes.settings import SCHEDULES, SGD_RATE, Settings
from bpx.tables.frames import ColumnType
from bpx.tables.reading_options import ReadingOptions
from bpx.tables.text_reading import check_encoding

__all__ = ["READING", "RECIPES", "REPEATABLE", "BuiltinRecipe", "TrainOptions", "decide_settings"]


@dataclass(frozen=True)
class BuiltinRecipe(Recipe):
    """Settings for a data set that ships with bpx.

    Attributes
    ----------
    validation : float
        Share of the rows held out.
    shared_scale : bool
        Whether all inputs are scaled by one mean and standard deviation, as the pixels of an image are.
    """

    validation: float = 0.2
    shared_scale: bool = False


_TOY = BuiltinRecipe(hidden=(32, 32), epochs=100, learning_rate=1e-2)

RECIPES: dict[str, BuiltinRecipe] = {
    # All four rows are for training: there is nothing to hold out.
    "xor": BuiltinRecipe((16,), 300, 5e-2, activation="tanh", loss="binary_cross_entropy", validation=0.0),
    "moons": _TOY,
    "circles": _TOY,
    "spirals": _TOY,
    "digits": BuiltinRecipe(hidden=(256, 128), epochs=40, learning_rate=1e-3, dropout=0.3, shared_scale=True),
}
"""The data sets that ship with bpx."""


_TASKS = {
    "auto": "auto",
    "classes": "classification",
    "classification": "classification",
    "regression": "regression",
}
"""The tasks by the names that people use for them."""


READING = ("missing_values", "decimal", "no_header", "encoding", "sheet")
"""Options of how a file is read."""
_PATIENCE = 20
"""Epochs without improvement that end a training on a data set with early stopping, if no others are asked for."""


REPEATABLE = ("drop", "text", "number", "category")
"""Options that may be given several times, each with the name of a column."""


@dataclass(frozen=True)
class TrainOptions:
    """The options of ``bpx train``; None where none was given.

    Raises
    ------
    InputError
        If a value is none of those that the option takes.
    """

    dataset: str
    target: str | None = None
    task: str | None = None
    missing: str | None = None
    drop: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    validation: float | None = None
    hidden: str | None = None
    activation: str | None = None
    dropout: float | None = None
    loss: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    dtype: str | None = None
    precision: str | None = None
    clip: float | None = None
    categories_max: int | None = None
    missing_values: str | None = None
    decimal: str | None = None
    no_header: bool = False
    encoding: str | None = None
    sheet: str | None = None
    strict: bool = False
    class_weight: str | None = None
    early_stopping: bool = False
    patience: int | None = None
    schedule: str | None = None
    weight_decay: float | None = None
    preset: str | None = None
    average: bool = False
    accumulate: int | None = None

    def __post_init__(self) -> None:
        choices: list[tuple[str, Any, Any]] = [
            ("preset", self.preset, PRESETS),
            ("task", self.task, _TASKS),
            ("way to treat missing values", self.missing, ("impute", "refuse")),
            ("loss", self.loss, LOSSES),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("dtype", self.dtype, FLOAT_DTYPES),
            ("precision", self.precision, MANTISSA_BITS),
            ("decimal mark", self.decimal, (".", ",")),
            ("class weight", self.class_weight, ("balanced",)),
            ("schedule", self.schedule, SCHEDULES),
            *(("activation", name, ACTIVATIONS) for name in _split(self.activation) or ()),
        ]
        for kind, name, known in choices:
            if name is not None:
                check_choice(kind, name, known)
        self.hidden_sizes()
        self.column_types()
        if self.encoding is not None:
            check_encoding(self.encoding)
        for name, value, least in (
            ("--epochs", self.epochs, 1),
            ("--batch-size", self.batch_size, 1),
            ("--seed", self.seed, 0),
            ("--categories-max", self.categories_max, 1),
            ("--patience", self.patience, 1),
            ("--accumulate", self.accumulate, 1),
        ):
            if value is not None:
                check_count(name, value, least)
        for name, number in (("--learning-rate", self.learning_rate), ("--clip", self.clip)):
            if number is not None:
                check_number(name, number, above=0.0)
        if self.weight_decay is not None:
            check_number("--weight-decay", self.weight_decay, minimum=0.0)
            if self.optimizer not in (None, "adamw"):
                raise InputError(
                    f"--weight-decay goes with --optimizer adamw, which it takes if none is named, got {self.optimizer}"
                )
        if self.preset is not None and self.dataset in names():
            raise InputError(f"--preset is for files; the data set {self.dataset!r} has settings of its own")
        stops = self.early_stopping or self.dataset not in names()
        if self.patience is not None and not stops:
            raise InputError("--patience goes with --early-stopping; give both")
        for name, share in (("--validation", self.validation), ("--dropout", self.dropout)):
            if share is not None:
                check_number(name, share, minimum=0.0, below=1.0)

    def hidden_sizes(self) -> tuple[int, ...] | None:
        """Return the widths of the hidden layers; none for ``--hidden none``."""
        if self.hidden is None or self.hidden.strip() == "none":
            return None if self.hidden is None else ()
        try:
            sizes = tuple(int(size) for size in self.hidden.split(","))
        except ValueError:
            raise InputError(
                f"--hidden must be numbers of units with commas between, as in 64,32, or none, got {self.hidden!r}"
            ) from None
        return tuple(check_count("--hidden", size) for size in sizes)

    def column_types(self) -> dict[str, ColumnType]:
        """Return the declared types of columns, by name.

        Raises
        ------
        InputError
            If a column is declared two of them.
        """
        types: dict[str, ColumnType] = {}
        for declared in get_args(ColumnType):
            for name in getattr(self, declared):
                if types.setdefault(name, declared) != declared:
                    raise InputError(f"--{types[name]} and --{declared} both name the column {name!r}; choose one")
        return types

    def reading_options(self) -> ReadingOptions:
        """Return how tables are read, as the model keeps it."""
        markers = _split(self.missing_values)
        return ReadingOptions(
            None if markers is None else tuple(dict.fromkeys(markers)),
            self.decimal,  # type: ignore[arg-type]
            not self.no_header,
        )

    @property
    def asked_task(self) -> Literal["auto", "classification", "regression"]:
        """The task, as the tables name it."""
        return _TASKS[self.task or "auto"]  # type: ignore[return-value]

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data."""
        return dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in REPEATABLE}


def decide_settings(options: TrainOptions, recipe: Recipe) -> Settings:
    """Return the options, and the recipe where none was given.

    Raises
    ------
    InputError
        If there are several activations, and not one for each hidden layer.
    """
    given = options.hidden_sizes()
    hidden = recipe.hidden if given is None else given
    activation = _split(options.activation) or [recipe.activation]
    if len(activation) == 1:
        activation *= len(hidden)
    if len(activation) != len(hidden):
        raise InputError(
            f"--activation must be one, or one for each of the {len(hidden)} hidden layers, got {len(activation)}"
        )
    optimizer = options.optimizer or ("adamw" if options.weight_decay is not None else recipe.optimizer)
    decay = recipe.weight_decay if optimizer == recipe.optimizer else None
    chosen = recipe.change(
        hidden=hidden,
        epochs=options.epochs,
        learning_rate=options.learning_rate or (SGD_RATE if optimizer == "sgd" else None),
        loss=options.loss,
        optimizer=optimizer,
        batch_size=options.batch_size,
        dropout=options.dropout,
        schedule=options.schedule,
        patience=options.patience or (_PATIENCE if options.early_stopping and recipe.patience is None else None),
    )
    decay = decay if options.weight_decay is None else options.weight_decay
    return dataclasses.replace(chosen, weight_decay=decay).decide(
        activation=tuple(activation),
        seed=options.seed or 0,
        dtype=options.dtype or "float32",
        precision=options.precision or "float32",
        clip=options.clip,
        class_weight=options.class_weight,
        accumulate=options.accumulate or 1,
    )


def _split(text: str | None) -> list[str] | None:
    """Return the names of a text with commas."""
    return None if text is None else [name.strip() for name in text.split(",")]
