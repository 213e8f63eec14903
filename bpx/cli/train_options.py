"""What a training was asked for, the recipes that fill the gaps, and what both come to once the data is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bpx.arguments import check_choice, check_count, check_number
from bpx.backend.base import FLOAT_DTYPES
from bpx.backend.precision import MANTISSA_BITS
from bpx.errors import InputError
from bpx.layers import ACTIVATIONS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS, Optimizer
from bpx.optimizers.annealing import CosineDecay, OneCycle
from bpx.optimizers.schedules import Constant, Schedule
from bpx.tables.frames import ColumnType
from bpx.tables.reading_options import ReadingOptions
from bpx.tables.text_reading import check_encoding

__all__ = [
    "READING",
    "RECIPES",
    "REPEATABLE",
    "SCHEDULES",
    "SGD_RATE",
    "Recipe",
    "Settings",
    "TrainOptions",
    "choose_table_recipe",
]

SGD_RATE = 0.1
"""Learning rate of plain gradient descent; those of the recipes are for adaptive methods, such as Adam."""

_TABLE_STEPS, _TABLE_EPOCHS = 1000, (20, 200)


@dataclass(frozen=True)
class Recipe:
    """Settings of a training.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    epochs : int
        Passes over the training rows.
    learning_rate : float
        For Adam and its kin.
    activation, loss, optimizer : str
        Names.
    batch_size : int
        Rows of a step.
    dropout : float
        Share of the hidden units left out at a step.
    validation : float
        Share of the rows held out.
    shared_scale : bool
        Whether all inputs are scaled by one mean and standard deviation, as the pixels of an image are.
    """

    hidden: tuple[int, ...]
    epochs: int
    learning_rate: float
    activation: str = "relu"
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    batch_size: int = 32
    dropout: float = 0.0
    validation: float = 0.2
    shared_scale: bool = False


_TOY = Recipe(hidden=(32, 32), epochs=100, learning_rate=1e-2)

RECIPES: dict[str, Recipe] = {
    # All four rows are for training: there is nothing to hold out.
    "xor": Recipe((16,), 300, 5e-2, activation="tanh", loss="binary_cross_entropy", validation=0.0),
    "moons": _TOY,
    "circles": _TOY,
    "spirals": _TOY,
    "digits": Recipe(hidden=(256, 128), epochs=40, learning_rate=1e-3, dropout=0.3, shared_scale=True),
}
"""The data sets that ship with bpx."""


def choose_table_recipe(rows: int, *, classes: bool) -> Recipe:
    """Return the settings for a table with so many training rows: a thousand steps, in 20 to 200 epochs."""
    batch = 32
    fewest, most = _TABLE_EPOCHS
    epochs = min(max(_TABLE_STEPS * batch // rows, fewest), most)
    loss = "cross_entropy" if classes else "squared_error"
    return Recipe((64, 32), epochs, 1e-3, loss=loss, batch_size=batch, dropout=0.2)


_TASKS = {
    "auto": "auto",
    "classes": "classification",
    "classification": "classification",
    "regression": "regression",
}
"""The tasks by the names that people use for them."""


READING = ("missing_values", "decimal", "no_header", "encoding", "sheet")
"""Options of how a file is read."""
SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda rate, epochs: Constant(rate),
    "cosine": lambda rate, epochs: CosineDecay(rate, length=epochs),
    "one_cycle": lambda rate, epochs: OneCycle(rate, length=epochs),
}
"""How a learning rate goes over the epochs of a training, by name."""

_PATIENCE = 20
"""Epochs without improvement that end a training with early stopping, if nothing else is asked for."""


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

    def __post_init__(self) -> None:
        names: list[tuple[str, Any, Any]] = [
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
        for kind, name, known in names:
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
        if self.patience is not None and not self.early_stopping:
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


@dataclass(frozen=True)
class Settings:
    """The settings of a training, all of them decided; ``patience`` is None where nothing stops it early."""

    hidden: tuple[int, ...]
    activation: tuple[str, ...]
    dropout: float
    loss: str
    optimizer: Optimizer
    epochs: int
    batch_size: int
    seed: int
    dtype: str
    precision: str
    clip: float | None
    class_weight: str | None = None
    patience: int | None = None

    @classmethod
    def decide(cls, options: TrainOptions, recipe: Recipe) -> Settings:
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
        highest = options.learning_rate or (SGD_RATE if optimizer == "sgd" else recipe.learning_rate)
        epochs = options.epochs or recipe.epochs
        rate = highest if options.schedule is None else SCHEDULES[options.schedule](highest, epochs)
        decay: dict[str, Any] = {} if options.weight_decay is None else {"weight_decay": options.weight_decay}
        return cls(
            hidden=hidden,
            activation=tuple(activation),
            dropout=recipe.dropout if options.dropout is None else options.dropout,
            loss=options.loss or recipe.loss,
            optimizer=OPTIMIZERS[optimizer](learning_rate=rate, **decay),
            epochs=epochs,
            batch_size=options.batch_size or recipe.batch_size,
            seed=options.seed or 0,
            dtype=options.dtype or "float32",
            precision=options.precision or "float32",
            clip=options.clip,
            class_weight=options.class_weight,
            patience=(options.patience or _PATIENCE) if options.early_stopping else None,
        )


def _split(text: str | None) -> list[str] | None:
    """Return the names of a text with commas."""
    return None if text is None else [name.strip() for name in text.split(",")]
