"""Presets: what is known to work for tables, by how many rows there are and what is predicted."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from bpx.arguments import check_choice
from bpx.recipes.settings import Settings, Variant, make_optimizer

__all__ = ["PRESETS", "Recipe", "choose_recipe"]

PRESETS = ("fast", "default", "best")
"""Ways to train a network for a table: at once, well, and as well as is known."""


@dataclass(frozen=True)
class Recipe:
    """Settings of a training, by the names that people use for them.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    epochs : int
        Passes over the training rows, at the most.
    learning_rate : float
        At its highest, for Adam and its kin.
    activation, loss, optimizer : str
        Names.
    batch_size : int
        Rows of a step.
    dropout : float
        Share of the hidden units left out at a step.
    schedule : str or None
        One of `bpx.recipes.settings.SCHEDULES`; None for a rate that stays.
    weight_decay : float or None
        None for that of the optimizer.
    patience : int or None
        Epochs without a lower loss on rows that are set aside; None where none are set aside.
    bins : int
        Bins of each number, 0 for the number alone.
    average : bool
        Whether a network has the moving average of its weights, by `bpx.recipes.settings.average_weights`.
    members : int
        Networks whose predictions are averaged.
    variants : tuple of Variant
        Kinds of networks, among which the members are shared out evenly.
    """

    hidden: tuple[int, ...]
    epochs: int
    learning_rate: float
    activation: str = "relu"
    loss: str = "cross_entropy"
    optimizer: str = "adam"
    batch_size: int = 32
    dropout: float = 0.0
    schedule: str | None = None
    weight_decay: float | None = None
    patience: int | None = None
    bins: int = 0
    average: bool = False
    members: int = 1
    variants: tuple[Variant, ...] = (Variant(),)

    def change(self, **given: Any) -> Recipe:
        """Return the recipe with what a person decided otherwise; None is what nobody decided.

        Dropout, or a loss, that is given is that of all variants. Patience goes with epochs that are given.

        Parameters
        ----------
        **given
            Attributes of the recipe.
        """
        given = {name: value for name, value in given.items() if value is not None}
        if "epochs" in given and self.patience is not None:
            given.setdefault("patience", _choose_patience(given["epochs"]))
        own: dict[str, Any] = dict.fromkeys({"dropout", "loss"} & set(given))
        variants = tuple(dict.fromkeys(dataclasses.replace(variant, **own) for variant in self.variants))
        return dataclasses.replace(self, variants=variants, **given)

    def decide(self, *, seed: int = 0, dtype: str = "float32", precision: str = "float32", **changes: Any) -> Settings:
        """Return the settings, some of them changed.

        Parameters
        ----------
        seed, dtype, precision
            As `Settings` has them.
        **changes
            Attributes of `Settings` that are not the recipe's.
        """
        settings = Settings(
            hidden=self.hidden,
            activation=(self.activation,) * len(self.hidden),
            dropout=self.dropout,
            loss=self.loss,
            optimizer=make_optimizer(self.optimizer, self.learning_rate, self.schedule, self.epochs, self.weight_decay),
            epochs=self.epochs,
            batch_size=self.batch_size,
            seed=seed,
            dtype=dtype,
            precision=precision,
            patience=self.patience,
            bins=self.bins,
            members=self.members,
            variants=self.variants,
        )
        return dataclasses.replace(settings, **changes)


def choose_recipe(preset: str, rows: int, *, classes: bool) -> Recipe:
    """Return what suits a table.

    Parameters
    ----------
    preset : {"fast", "default", "best"}
        "fast" is one small network. "default" is an ensemble of a few over folds of the rows, each with the weights of
        its best epoch. "best" is several such ensembles that differ, trained for longer; those are kept whose mean is
        best on the rows that were set aside.
    rows : int
        How many training rows there are.
    classes : bool
        Whether classes are predicted, and not numbers.

    Raises
    ------
    InputError
        If there is no such preset.
    """
    check_choice("preset", preset, PRESETS)
    epochs = _choose_epochs(preset, rows)
    return Recipe(
        hidden=(64, 64),
        epochs=epochs,
        learning_rate=3e-3,
        activation="silu",
        loss="cross_entropy" if classes else "squared_error",
        optimizer="adamw",
        batch_size=min(max(rows // _STEPS, _SMALLEST_BATCH), _LARGEST_BATCH),
        schedule="cosine",
        weight_decay=1e-2,
        patience=_choose_patience(epochs),
        bins=24,
        average=preset == "fast",
        members=_choose_members(preset, rows),
        variants=_VARIANTS["classes" if classes else "numbers"] if preset == "best" else (Variant(),),
    )


_STEPS, _SMALLEST_BATCH, _LARGEST_BATCH = 128, 64, 4096
"""Steps of an epoch where batches are neither too small nor too large for it."""

_EPOCHS = {"fast": 100, "default": 60, "best": 200}
_MOST_VISITS = {"fast": 3_200_000, "default": 3_200_000, "best": 10_700_000}
_FEWEST_EPOCHS, _ROWS_OF_ALL_EPOCHS = 3, 20_000
"""Passes over the rows; with more rows fewer, and no more rows in all of them than the second line says, as far as the
fewest allow."""

_PATIENCE, _LEAST_PATIENCE = 4, 5
"""A training ends when a share of its epochs, one in so many, brings no lower loss; of fewer than the second number it
may be by chance."""

_MEMBERS = {"fast": 1, "default": 8, "best": 24}

_VARIANTS = {
    "classes": (Variant(dropout=0.3), Variant(bins=False)),
    "numbers": (
        Variant(),
        Variant(loss="huber"),
        Variant(loss="huber", dropout=0.1),
        Variant(loss="huber", bins=False),
    ),
}
"""Of "best". One learns numbers by the squared error: few targets far from all others the Huber loss passes by."""

_ROWS_OF_ALL_MEMBERS = 50_000


def _choose_epochs(preset: str, rows: int) -> int:
    """Return the epochs: of more rows fewer, so that time grows as their root and then no more."""
    share = min(1.0, _ROWS_OF_ALL_EPOCHS / max(rows, 1))
    return max(min(round(_EPOCHS[preset] * math.sqrt(share)), _MOST_VISITS[preset] // max(rows, 1)), _FEWEST_EPOCHS)


def _choose_patience(epochs: int) -> int:
    """Return how many of so many epochs may bring no lower loss."""
    return max(epochs // _PATIENCE, _LEAST_PATIENCE)


def _choose_members(preset: str, rows: int) -> int:
    """Return the members: of very many rows each network learns what there is, and fewer do."""
    most = _MEMBERS[preset]
    return min(most, max(1, most * _ROWS_OF_ALL_MEMBERS // max(rows, 1)))
