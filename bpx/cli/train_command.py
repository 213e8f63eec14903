"""``bpx train``: train a network on a data set or a file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bpx.cli.group import BackendOption, JsonOption, ThreadsOption
from bpx.cli.pictures import PlotOption
from bpx.cli.printing import Printer

__all__ = ["train"]

_DATA, _NETWORK, _TRAINING, _BREAKS = "The data", "The network", "The training", "Going on after a break"


def _option(name: str, metavar: str, panel: str | None, text: str, *short: str) -> Any:
    return typer.Option(name, *short, metavar=metavar, rich_help_panel=panel, help=text)


_dataset = typer.Argument(
    metavar="DATASET", help="xor, moons, circles, spirals, digits, or a .csv, .tsv, .parquet, .npz."
)
_target = _option("--target", "COLUMN", _DATA, "The column to predict.")
_task = _option("--task", "TASK", _DATA, "auto, classes or regression; auto finds it from the target.")
_missing = _option("--missing", "HOW", _DATA, "Missing values: refuse them, or impute (medians, most frequent ones).")
_drop = _option("--drop", "COLUMN", _DATA, "Leave a column out; repeatable.")
_categories_max = _option(
    "--categories-max", "N", _DATA, "Most categories that a column of text may have; 100 by default."
)
_text = _option("--text", "COLUMN", _DATA, "Take a column as text, each value as it stands; repeatable.")
_number = _option("--number", "COLUMN", _DATA, "Take a column as numbers, and refuse what is none; repeatable.")
_category = _option(
    "--category", "COLUMN", _DATA, "Take a column as categories, however many and whatever they look like; repeatable."
)
_validation = _option(
    "--validation",
    "SHARE",
    _DATA,
    "Share of the rows to hold out for the test, each class in proportion; 0.2 by default, and 0 for xor.",
)
_hidden = _option("--hidden", "SIZES", _NETWORK, "Units of the hidden layers, as in 64,32; none for a linear model.")
_activation = _option(
    "--activation",
    "NAME",
    _NETWORK,
    "relu, tanh, sigmoid, leaky_relu, gelu, silu, softplus, mish, selu, identity or softmax; or one for each "
    "hidden layer, with commas.",
)
_dropout = _option("--dropout", "SHARE", _NETWORK, "Share of the hidden units left out at each step.")
_dtype = _option("--dtype", "NAME", _NETWORK, "float32, the default, or float64.")
_precision = _option(
    "--precision",
    "NAME",
    _NETWORK,
    "How the operands of matrix products are rounded: float32, the default, tf32 or bfloat16, faster on GPUs alone.",
)
_loss = _option(
    "--loss",
    "NAME",
    _TRAINING,
    "cross_entropy, binary_cross_entropy, squared_error, absolute_error or huber.",
)
_optimizer = _option("--optimizer", "NAME", _TRAINING, "adam, adamw, rmsprop or sgd.")
_learning_rate = _option("--learning-rate", "RATE", _TRAINING, "Size of a step.")
_clip = _option("--clip", "NORM", _TRAINING, "Largest norm of the gradients of a step; longer ones are shrunk to it.")
_epochs = _option("--epochs", "N", _TRAINING, "Passes over the training rows.")
_batch_size = _option("--batch-size", "N", _TRAINING, "Rows of a step.")
_seed = _option("--seed", "N", _TRAINING, "Of the split, the weights, the shuffles and dropout; 0 by default.")
_checkpoint = _option(
    "--checkpoint", "FOLDER", _BREAKS, "Keep in a new folder what it takes to go on with the training after a break."
)
_resume = _option(
    "--resume",
    "FOLDER",
    _BREAKS,
    "Go on with the training in this folder: no DATASET, and of the other options only --epochs (more of them), "
    "--output, --plot, --backend, --threads and those about checkpoints.",
)
_checkpoint_every = _option(
    "--checkpoint-every", "WHEN", _BREAKS, "Epochs between two, or '500 steps', '30 seconds'; 1 by default."
)
_keep = _option("--keep", "N", _BREAKS, "How many checkpoints stay; 3 by default.")
_on_checkpoint_error = _option(
    "--on-checkpoint-error",
    "HOW",
    _BREAKS,
    "Where one cannot be written: warn and go on training, the default, or raise and end it.",
)
_output = _option("--output", "FILE", None, "Save the model, as safetensors.", "-o")


def train(
    dataset: Annotated[str | None, _dataset] = None,
    target: Annotated[str | None, _target] = None,
    task: Annotated[str | None, _task] = None,
    missing: Annotated[str | None, _missing] = None,
    drop: Annotated[list[str] | None, _drop] = None,
    categories_max: Annotated[int | None, _categories_max] = None,
    text: Annotated[list[str] | None, _text] = None,
    number: Annotated[list[str] | None, _number] = None,
    category: Annotated[list[str] | None, _category] = None,
    validation: Annotated[float | None, _validation] = None,
    hidden: Annotated[str | None, _hidden] = None,
    activation: Annotated[str | None, _activation] = None,
    dropout: Annotated[float | None, _dropout] = None,
    dtype: Annotated[str | None, _dtype] = None,
    precision: Annotated[str | None, _precision] = None,
    loss: Annotated[str | None, _loss] = None,
    optimizer: Annotated[str | None, _optimizer] = None,
    learning_rate: Annotated[float | None, _learning_rate] = None,
    clip: Annotated[float | None, _clip] = None,
    epochs: Annotated[int | None, _epochs] = None,
    batch_size: Annotated[int | None, _batch_size] = None,
    seed: Annotated[int | None, _seed] = None,
    checkpoint: Annotated[str | None, _checkpoint] = None,
    resume: Annotated[str | None, _resume] = None,
    checkpoint_every: Annotated[str | None, _checkpoint_every] = None,
    keep: Annotated[int | None, _keep] = None,
    on_checkpoint_error: Annotated[str | None, _on_checkpoint_error] = None,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    output: Annotated[str | None, _output] = None,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Train a network on a data set or a file, and test it on the part that is held out.

    What no option says is chosen to suit the data. The model's file holds the preprocessing too, for 'bpx predict'.
    """
    printer = Printer(json=json)
    from bpx.cli.training_run import train as run

    training = {
        "target": target,
        "task": task,
        "missing": missing,
        "drop": tuple(drop or ()),
        "categories_max": categories_max,
        "text": tuple(text or ()),
        "number": tuple(number or ()),
        "category": tuple(category or ()),
        "validation": validation,
        "hidden": hidden,
        "activation": activation,
        "dropout": dropout,
        "loss": loss,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "clip": clip,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        "dtype": dtype,
        "precision": precision,
    }
    around = {
        "backend": backend,
        "threads": threads,
        "output": output,
        "plot": plot,
        "checkpoint": checkpoint,
        "checkpoint_every": checkpoint_every,
        "keep": keep,
        "on_checkpoint_error": on_checkpoint_error,
    }
    run(printer, dataset, resume, _given(training), _given(around))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value not in (None, ())}
