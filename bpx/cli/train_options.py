"""What a training was asked for, and what that comes to once the data is known."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from bpx.checks import choice, count, number
from bpx.cli.recipes import SGD_RATE, Recipe
from bpx.errors import InputError
from bpx.layers import ACTIVATIONS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS, Optimizer

__all__ = ["Settings", "TrainOptions"]

_TASKS = {
    "auto": "auto",
    "classes": "classification",
    "classification": "classification",
    "regression": "regression",
}
"""The tasks by the names that people use for them."""


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

    def __post_init__(self) -> None:
        names: list[tuple[str, Any, Any]] = [
            ("task", self.task, _TASKS),
            ("way to treat missing values", self.missing, ("impute", "refuse")),
            ("loss", self.loss, LOSSES),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("dtype", self.dtype, ("float32", "float64")),
            *(("activation", name, ACTIVATIONS) for name in _listed(self.activation) or ()),
        ]
        for kind, name, known in names:
            if name is not None:
                choice(kind, name, known)
        self.hidden_sizes()
        for name, value, least in (
            ("--epochs", self.epochs, 1),
            ("--batch-size", self.batch_size, 1),
            ("--seed", self.seed, 0),
        ):
            if value is not None:
                count(name, value, least)
        if self.learning_rate is not None:
            number("--learning-rate", self.learning_rate, above=0.0)
        for name, share in (("--validation", self.validation), ("--dropout", self.dropout)):
            if share is not None:
                number(name, share, minimum=0.0, below=1.0)

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
        return tuple(count("--hidden", size) for size in sizes)

    @property
    def asked_task(self) -> Literal["auto", "classification", "regression"]:
        """The task, as the tables name it."""
        return _TASKS[self.task or "auto"]  # type: ignore[return-value]

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data."""
        return dataclasses.asdict(self) | {"drop": list(self.drop)}


@dataclass(frozen=True)
class Settings:
    """The settings of a training, all of them decided."""

    hidden: tuple[int, ...]
    activation: tuple[str, ...]
    dropout: float
    loss: str
    optimizer: Optimizer
    epochs: int
    batch_size: int
    seed: int
    dtype: str

    @classmethod
    def of(cls, options: TrainOptions, recipe: Recipe) -> Settings:
        """Return the options, and the recipe where none was given.

        Raises
        ------
        InputError
            If there are several activations, and not one for each hidden layer.
        """
        given = options.hidden_sizes()
        hidden = recipe.hidden if given is None else given
        activation = _listed(options.activation) or [recipe.activation]
        if len(activation) == 1:
            activation *= len(hidden)
        if len(activation) != len(hidden):
            raise InputError(
                f"--activation must be one, or one for each of the {len(hidden)} hidden layers, got {len(activation)}"
            )
        optimizer = options.optimizer or recipe.optimizer
        rate = options.learning_rate or (SGD_RATE if optimizer == "sgd" else recipe.learning_rate)
        return cls(
            hidden=hidden,
            activation=tuple(activation),
            dropout=recipe.dropout if options.dropout is None else options.dropout,
            loss=options.loss or recipe.loss,
            optimizer=OPTIMIZERS[optimizer](learning_rate=rate),
            epochs=options.epochs or recipe.epochs,
            batch_size=options.batch_size or recipe.batch_size,
            seed=options.seed or 0,
            dtype=options.dtype or "float32",
        )


def _listed(text: str | None) -> list[str] | None:
    """Return the names of a text with commas."""
    return None if text is None else [name.strip() for name in text.split(",")]
