"""How each data set is trained unless the command says otherwise."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECIPES", "SGD_RATE", "Recipe", "table_recipe"]

SGD_RATE = 0.1
"""Learning rate of plain gradient descent; those of the recipes are for steps that each weight's gradients scale."""

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


def table_recipe(rows: int, *, classes: bool) -> Recipe:
    """Return the settings for a table with so many training rows: a thousand steps, in 20 to 200 epochs."""
    batch = 32
    fewest, most = _TABLE_EPOCHS
    epochs = min(max(_TABLE_STEPS * batch // rows, fewest), most)
    loss = "cross_entropy" if classes else "squared_error"
    return Recipe((64, 32), epochs, 1e-3, loss=loss, batch_size=batch, dropout=0.2)
