"""The pictures of ``--plot``, which `bpx.plot` draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bpx.errors import InputError

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

    data, network = prepared.data, prepared.model.network
    held_out = data.x_held_out is not None
    x, y = (data.x_held_out, data.y_held_out) if held_out else (data.x_train, data.y_train)
    preprocessor = data.preprocessor
    figure = plot.training_report(
        network,
        prepared.history,
        x,
        prepared.model.encode_targets(y),
        class_names=preprocessor.class_names or None,
        feature_names=[f"{name} (standardized)" for name in preprocessor.feature_names],
        output_names=[name_with_unit(preprocessor.target)] if preprocessor.task == "regression" else None,
        decode=preprocessor.decode_target if preprocessor.task == "regression" else None,
        title=f"{Path(prepared.options.dataset).name}: {'held-out' if held_out else 'training'} rows",
    )
    plot.save(figure, path)


def draw_evaluation(path: str, model: Any, x: Any, y: Any) -> None:
    """Draw the confusion matrix of classes, or the predictions of numbers over the true ones.

    Parameters
    ----------
    path : str
    model : Model
    x, y : array
        Encoded rows and targets.
    """
    from bpx import plot
    from bpx.cli.measures import count_confusions, name_with_unit, predict_classes

    preprocessor = model.preprocessor
    if preprocessor.task == "classification":
        matrix = count_confusions(y, predict_classes(model, x), preprocessor.n_outputs)
        plot.save(plot.confusion_matrix(matrix=matrix, class_names=preprocessor.class_names), path)
    else:
        actual, found = (preprocessor.decode_target(values) for values in (y, model.network.predict(x)))
        plot.save(plot.predictions(actual, found, names=[name_with_unit(preprocessor.target)]), path)
