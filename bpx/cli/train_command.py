"""``bpx train``: train a network on a data set or a file."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bpx.cli.group import DATA, BackendOption, EncodingOption, JsonOption, SheetOption, ThreadsOption
from bpx.cli.pictures import PlotOption
from bpx.cli.printing import Printer

__all__ = ["train"]

_DATA, _NETWORK, _TRAINING, _BREAKS = DATA, "The network", "The training", "Going on after a break"


def _option(name: str, metavar: str | None, panel: str | None, text: str, *short: str) -> Any:
    return typer.Option(name, *short, metavar=metavar, rich_help_panel=panel, help=text)


_dataset = typer.Argument(
    metavar="DATASET",
    help="xor, moons, circles, spirals, digits, or a file: CSV, TSV, JSON lines (.gz and .zst too), .xlsx, .parquet, "
    ".arrow, .npz.",
)
_target = _option("--target", "COLUMN", _DATA, "The column to predict; without a header its place, from 1.")
_task = _option("--task", "TASK", _DATA, "auto, classes or regression; auto finds it from the target.")
_missing = _option(
    "--missing",
    "HOW",
    _DATA,
    "Missing values: impute, the default (medians, most frequent ones, and a feature that says where they were), or "
    "refuse.",
)
_drop = _option("--drop", "COLUMN", _DATA, "Leave a column out; repeatable.")
_categories_max = _option(
    "--categories-max",
    "N",
    _DATA,
    "How many categories of a column have an input each, 100 by default. Of a column with more, each that comes often "
    "enough becomes a vector that is learned, and all others count as one.",
)
_text = _option(
    "--text", "COLUMN", _DATA, "Take a column as text, each value as it stands, and never leave it out; repeatable."
)
_number = _option(
    "--number",
    "COLUMN",
    _DATA,
    "Take a column as numbers, even if they all differ, and refuse what is none; repeatable.",
)
_category = _option(
    "--category", "COLUMN", _DATA, "Take a column as categories, however many and whatever they look like; repeatable."
)
_missing_values = _option(
    "--missing-values",
    "A,B,...",
    _DATA,
    "What stands for a missing value beside an empty one, in place of NA, N/A, n/a, NaN, nan, null, NULL, None, ?, -, "
    "-- and .; kept with the model.",
)
_decimal = _option(
    "--decimal",
    "MARK",
    _DATA,
    "What stands before decimals: a point or a comma; found by default. Kept with the model.",
)
_no_header = _option(
    "--no-header", None, _DATA, "The file has no line of names: columns are called 1, 2, 3, ...; kept with the model."
)
_strict = typer.Option(
    "--strict",
    rich_help_panel=_DATA,
    help="Refuse what else is decided and told: missing values, dates, numbers with signs, columns of many texts, "
    "classes of one row, rows without a target.",
)
_preset = _option(
    "--preset",
    "NAME",
    _NETWORK,
    "For files: fast, one small network; default, an ensemble of a few; or best, ensembles that differ, trained for "
    "longer, of which those are kept whose mean is best. Other options change what each of the networks is.",
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
_schedule = _option(
    "--schedule",
    "NAME",
    _TRAINING,
    "How the learning rate goes: constant, the default, cosine (down to 0) or one_cycle (up, then down).",
)
_weight_decay = _option(
    "--weight-decay", "RATE", _TRAINING, "Share of each weight taken off at a step, times the learning rate; for adamw."
)
_class_weight = _option(
    "--class-weight", "HOW", _TRAINING, "balanced: each class weighs as much as any other, however few rows it has."
)
_early_stopping = typer.Option(
    "--early-stopping",
    rich_help_panel=_TRAINING,
    help="Set a tenth of the training rows aside, stop when their loss no longer falls, and keep the best epoch; the "
    "presets do so by themselves.",
)
_patience = _option(
    "--patience",
    "N",
    _TRAINING,
    "Epochs without a lower loss that end a training: by default a quarter of the epochs, and 5 at least; for a data "
    "set with --early-stopping 20.",
)
_clip = _option("--clip", "NORM", _TRAINING, "Largest norm of the gradients of a step; longer ones are shrunk to it.")
_epochs = _option("--epochs", "N", _TRAINING, "Passes over the training rows.")
_batch_size = _option("--batch-size", "N", _TRAINING, "Rows of a step.")
_average = typer.Option(
    "--average",
    rich_help_panel=_TRAINING,
    help="Keep the moving average of the weights, over about an epoch's steps (from 10 to 1,000), and not their last "
    "values.",
)
_accumulate = _option(
    "--accumulate",
    "N",
    _TRAINING,
    "Batches whose gradients are added up to one step, computed one after the other; 1 by default.",
)
_seed = _option("--seed", "N", _TRAINING, "Of the split, the weights, the shuffles and dropout; 0 by default.")
_checkpoint = _option(
    "--checkpoint", "FOLDER", _BREAKS, "Keep in a new folder what it takes to go on with the training after a break."
)
_resume = _option(
    "--resume",
    "FOLDER",
    _BREAKS,
    "Go on with the training in this folder: no DATASET, and of the other options only --epochs (more of them), "
    "--output, --card, --plot, --backend, --threads and those about checkpoints.",
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
_card = _option("--card", "FILE", None, "A text about the model, to keep in its file; 'bpx show' prints it.")


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
    missing_values: Annotated[str | None, _missing_values] = None,
    decimal: Annotated[str | None, _decimal] = None,
    no_header: Annotated[bool, _no_header] = False,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    strict: Annotated[bool, _strict] = False,
    validation: Annotated[float | None, _validation] = None,
    preset: Annotated[str | None, _preset] = None,
    hidden: Annotated[str | None, _hidden] = None,
    activation: Annotated[str | None, _activation] = None,
    dropout: Annotated[float | None, _dropout] = None,
    dtype: Annotated[str | None, _dtype] = None,
    precision: Annotated[str | None, _precision] = None,
    loss: Annotated[str | None, _loss] = None,
    optimizer: Annotated[str | None, _optimizer] = None,
    learning_rate: Annotated[float | None, _learning_rate] = None,
    schedule: Annotated[str | None, _schedule] = None,
    weight_decay: Annotated[float | None, _weight_decay] = None,
    clip: Annotated[float | None, _clip] = None,
    class_weight: Annotated[str | None, _class_weight] = None,
    early_stopping: Annotated[bool, _early_stopping] = False,
    patience: Annotated[int | None, _patience] = None,
    epochs: Annotated[int | None, _epochs] = None,
    batch_size: Annotated[int | None, _batch_size] = None,
    average: Annotated[bool, _average] = False,
    accumulate: Annotated[int | None, _accumulate] = None,
    seed: Annotated[int | None, _seed] = None,
    checkpoint: Annotated[str | None, _checkpoint] = None,
    resume: Annotated[str | None, _resume] = None,
    checkpoint_every: Annotated[str | None, _checkpoint_every] = None,
    keep: Annotated[int | None, _keep] = None,
    on_checkpoint_error: Annotated[str | None, _on_checkpoint_error] = None,
    backend: BackendOption = None,
    threads: ThreadsOption = None,
    output: Annotated[str | None, _output] = None,
    card: Annotated[str | None, _card] = None,
    plot: PlotOption = None,
    json: JsonOption = False,
) -> None:
    """Train a network on a data set or a file, and test it on the part that is held out.

    What no option says is chosen to suit the data. The model's file holds the preprocessing too, for 'bpx predict'.

    Files are taken as they are: gaps are filled, dates and $1,200 are read, ids are left out. Notes tell it.
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
        "missing_values": missing_values,
        "decimal": decimal,
        "no_header": no_header or None,
        "encoding": encoding,
        "sheet": sheet,
        "validation": validation,
        "preset": preset,
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
        "strict": strict or None,
        "schedule": schedule,
        "weight_decay": weight_decay,
        "class_weight": class_weight,
        "early_stopping": early_stopping or None,
        "patience": patience,
        "average": average or None,
        "accumulate": accumulate,
    }
    around = {
        "backend": backend,
        "threads": threads,
        "output": output,
        "card": card,
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
