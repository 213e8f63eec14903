"""The pictures of ``--plot``, which `bpx.plot` draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bpx.errors import InputError

if TYPE_CHECKING:
    from bpx.cli.measures import Measured
    from bpx.tables import Preprocessor
    from bpx.tables.columns import NumberColumn

__all__ = ["PlotOption", "check_picture", "draw_evaluation", "draw_training"]

PlotOption = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw how it went, as .png, .svg or .pdf; needs the extra plot."),
]


def check_picture(path: str) -> None:
    """Raise unless a picture can be written there, before any work is done for it.

    Raises
    ------
    InputError
        If matplotlib is not installed, the ending names no format of pictures, or the folder is none to write to.
    """
    from bpx.cli.places import check_place
    from bpx.plot.style import require_matplotlib

    require_matplotlib()
    from matplotlib.backend_bases import FigureCanvasBase

    known = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.lower().removeprefix(".") not in known:
        raise InputError(f"--plot {path}: the ending must name a format of pictures: {', '.join(sorted(known))}")
    check_place(path, "--plot")


def draw_training(path: str, prepared: Any) -> None:
    """Draw the learning curves beside what the network makes of the held-out rows, or else of the training rows.

    Parameters
    ----------
    path : str
    prepared : PreparedTraining
        One that is trained.
    """
    from bpx import plot
    from bpx.cli.measures import name_with_unit
    from bpx.tables.columns import NumberColumn

    data, network, training = prepared.data, prepared.model.network, prepared.model.training
    held_out = data.x_held_out is not None
    x, y = (data.x_held_out, data.y_held_out) if held_out else (data.x_train, data.y_train)
    preprocessor = data.preprocessor
    classes = preprocessor.task == "classification"
    baseline = training["baseline"]
    figure = plot.training_report(
        network,
        prepared.history,
        x,
        prepared.model.encode_targets(y),
        class_names=preprocessor.class_names or None,
        feature_names=_name_features(preprocessor),
        output_names=None if classes else [name_with_unit(preprocessor.target)],
        decode=None if classes else preprocessor.decode_target,
        baseline=baseline["held_out" if held_out else "training"]["accuracy"] if classes else baseline["answer"],
        title=f"{Path(prepared.options.dataset).name}: {'held-out' if held_out else 'training'} rows",
    )
    if classes and preprocessor.n_features == 2:
        for axis, column in zip((figure.axes[-1].xaxis, figure.axes[-1].yaxis), preprocessor.columns, strict=False):
            if isinstance(column, NumberColumn):
                _show_units(axis, column)
    plot.save(figure, path)


def _name_features(preprocessor: Preprocessor) -> list[str]:
    """Return the names of features, with the units of numbers."""
    from bpx.tables.columns import NumberColumn

    units = {
        column.name: f"{column.name} ({column.notation.unit})"
        for column in preprocessor.columns
        if isinstance(column, NumberColumn) and column.notation is not None and column.notation.unit
    }
    return [units.get(name, name) for name in preprocessor.feature_names]


def _show_units(axis: Any, column: NumberColumn) -> None:
    """Write the numbers of a column, as its table has them, at an axis of standardized ones."""
    from matplotlib.ticker import MaxNLocator

    low, high = (float(end) * column.std + column.mean for end in axis.get_view_interval())
    ticks = [tick for tick in MaxNLocator(nbins=6).tick_values(low, high) if low <= tick <= high]
    axis.set_ticks([(tick - column.mean) / column.std for tick in ticks], [f"{tick:,.10g}" for tick in ticks])


def draw_evaluation(path: str, preprocessor: Preprocessor, measured: Measured) -> None:
    """Draw the confusion matrix of classes, or the predictions of numbers over the true ones."""
    from bpx import plot
    from bpx.cli.measures import name_with_unit

    if measured.matrix is not None:
        figure = plot.confusion_matrix(matrix=measured.matrix, class_names=preprocessor.class_names)
    else:
        figure = plot.predictions(measured.actual, measured.found, names=[name_with_unit(preprocessor.target)])
    plot.save(figure, path)
