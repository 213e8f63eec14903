"""A training whose data is read, whose settings are decided and whose network is built."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.backend import Backend
from bpx.backend.precision import check_precision
from bpx.cli.measures import Measured, learn_baseline, measure_baseline, measure_model
from bpx.cli.printing import plain
from bpx.cli.sources import TrainingData, identify, load_training
from bpx.cli.train_options import TrainOptions, decide_settings
from bpx.datasets import names
from bpx.errors import InputError
from bpx.network import Network
from bpx.optimizers import Averaged, Optimizer
from bpx.recipes.building import Edges, build_network, find_bins
from bpx.recipes.intervals import Residuals
from bpx.recipes.model_file import Model
from bpx.recipes.settings import Settings, average_weights
from bpx.recipes.training import LEAST_SET_ASIDE, Rows, Trained, count_aside, train_network
from bpx.tables import Preprocessor
from bpx.training.history import History

__all__ = ["PreparedTraining"]

Array = np.ndarray[Any, Any]


@dataclass
class PreparedTraining:
    """A training: its data, settings and model, and, once `train` has run, its history.

    Attributes
    ----------
    options : TrainOptions
    data : TrainingData
    settings : Settings
    model : Model
    history : History
    edges : list
        Of the bins of each feature, which all networks of the training share.
    confusions : dict of str to array
        The confusion matrix of classes in the training and in the held-out rows, once they are measured.
    """

    options: TrainOptions
    data: TrainingData
    settings: Settings
    model: Model
    history: History
    edges: Edges
    confusions: dict[str, Array] = dataclasses.field(default_factory=dict)

    @classmethod
    def prepare(cls, options: TrainOptions, backend: Backend) -> PreparedTraining:
        """Read the data and build the network.

        Raises
        ------
        InputError
            If the data or an option is not as it has to be.
        BackendError
            If the backend does not have the dtype.
        """
        backend.require_dtype(options.dtype or "float32")
        check_precision(options.precision or "float32", options.dtype or "float32")
        data = load_training(options)
        settings = decide_settings(options, data.recipe)
        name, rows = data.preprocessor.target.name, len(data.x_train)
        if options.average or data.recipe.average:
            settings = average_weights(settings, rows)
        if settings.class_weight is not None and data.preprocessor.task == "regression":
            raise InputError(f"--class-weight is for classes, and target {name!r} holds numbers")
        if settings.class_weight is not None and settings.loss not in ("cross_entropy", "binary_cross_entropy"):
            raise InputError(
                f"--class-weight goes with the losses cross_entropy and binary_cross_entropy, got {settings.loss}"
            )
        if options.early_stopping and rows < LEAST_SET_ASIDE:
            raise InputError(f"--early-stopping sets a tenth of the training rows aside: {rows} are too few for that")
        edges = find_bins(settings, data.x_train, data.preprocessor.are_numbers)
        network = _build(settings, data, backend, 0, edges)
        return cls(options, data, settings, Model(network, data.preprocessor, {}), History(), edges)

    def train(self, *, curves: bool = False, **how: Any) -> None:
        """Train the network.

        Parameters
        ----------
        curves : bool
            Whether the held-out rows, and the accuracy, are looked at after each epoch.
        **how
            Further arguments of ``fit``.

        Raises
        ------
        DivergenceError
            If the loss turns NaN or infinite.
        Interrupted
            If Ctrl-C was pressed.
        """
        model, data, settings = self.model, self.data, self.settings
        classes = data.y_train if data.preprocessor.task == "classification" else None
        watched = None
        if curves and data.x_held_out is not None and data.y_held_out is not None:
            watched = Rows(data.x_held_out, model.encode_targets(data.y_held_out))
        if curves and classes is not None:
            how["metrics"] = ("accuracy",)
        trained = train_network(
            settings,
            Rows(data.x_train, model.encode_targets(data.y_train), classes=classes),
            lambda i: _build(settings, data, model.network.backend, i, self.edges) if i else model.network,
            watched=watched,
            **how,
        )
        self.model = Model(trained.network, data.preprocessor, {})
        self.history = trained.history
        measured = self._measure()
        self.model.training.update(self.describe(measured))
        if classes is None:
            self.model.training.update(self._list_residuals(trained, measured))

    @property
    def preset(self) -> str | None:
        """The preset of a table's training; None for a data set that ships with bpx."""
        return None if self.options.dataset in names() else self.options.preset or "default"

    @property
    def n_aside(self) -> int:
        """How many training rows a network sets aside to stop by."""
        return count_aside(self.settings, len(self.data.x_train))

    def _list_residuals(self, trained: Trained, measured: Mapping[str, Measured]) -> dict[str, Any]:
        """Return the errors on rows that no weight was learned from: the held-out rows, or those set aside."""
        tested = measured.get("held_out")
        if tested is not None:
            assert tested.found is not None
            assert tested.actual is not None
            return {"residuals": Residuals.of(tested.found - tested.actual, held_out=True).to_dict()}
        if not len(trained.outputs):
            return {}
        decode = self.data.preprocessor.decode_target
        errors = decode(trained.outputs) - decode(self.data.y_train[trained.aside])
        return {"residuals": Residuals.of(errors, held_out=False).to_dict()}

    def _measure(self) -> dict[str, Measured]:
        """Measure the network on the training rows and, where there are any, on the held-out rows.

        The confusion matrices are kept as `confusions`.
        """
        data = self.data
        parts = {"training": (data.x_train, data.y_train)}
        if data.x_held_out is not None and data.y_held_out is not None:
            parts["held_out"] = (data.x_held_out, data.y_held_out)
        measured = {part: measure_model(self.model, [rows]) for part, rows in parts.items()}
        self.confusions = {part: one.matrix for part, one in measured.items() if one.matrix is not None}
        return measured

    def describe(self, measured: Mapping[str, Measured]) -> dict[str, Any]:
        """Return the training as plain data, as the model's file keeps it."""
        settings = dataclasses.asdict(self.settings)
        baseline = learn_baseline(self.model, self.data.y_train)
        parts = {"training": self.data.y_train}
        if self.data.y_held_out is not None:
            parts["held_out"] = self.data.y_held_out
        settings["optimizer"] = _describe_optimizer(self.settings.optimizer)
        held_out = 0 if self.data.x_held_out is None else len(self.data.x_held_out)
        return {
            "bpx": __version__,
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": Path(self.options.dataset).name,
            "origin": identify(self.options.dataset),
            "rows": {"training": len(self.data.x_train), "held_out": held_out},
            "settings": settings,
            "scores": plain({part: one.numbers for part, one in measured.items()}),
            "baseline": {
                "answer": baseline.answer,
                "encoded": baseline.encoded,
                **{part: plain(measure_baseline(self.model, baseline, y)) for part, y in parts.items()},
            },
            "epochs": self.history.epoch[-1] if self.history.epoch else 0,
            "final_loss": self.history.loss[-1] if self.history.loss else None,
            "seconds": self.history.seconds,
        }


def _describe_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """Return an optimizer as plain data with its name, and with that of what makes the steps of averaged weights."""
    described = {"name": optimizer.name, **dataclasses.asdict(optimizer)}
    if isinstance(optimizer, Averaged):
        described["optimizer"] = _describe_optimizer(optimizer.optimizer)
    return described


def _build(settings: Settings, data: TrainingData, backend: Backend, i: int, edges: Edges) -> Network:
    """Return the i-th network before its training."""
    preprocessor = data.preprocessor
    n_out, output = choose_head(preprocessor, settings.loss)
    return build_network(
        settings,
        data.x_train,
        preprocessor.are_numbers,
        n_out,
        output,
        backend,
        i,
        codes=preprocessor.n_codes,
        edges=edges,
    )


def choose_head(preprocessor: Preprocessor, loss: str) -> tuple[int, str]:
    """Return how many outputs a network has and their activation.

    Classes have logits for the cross-entropies; for the other losses probabilities, by a softmax layer or, with two
    classes, by one sigmoid unit. Numbers have one linear output.

    Raises
    ------
    InputError
        If the loss does not go with the task.
    """
    n, of = preprocessor.n_outputs, f"target {preprocessor.target.name!r}"
    if preprocessor.task == "regression":
        if loss not in ("squared_error", "absolute_error", "huber"):
            raise InputError(
                f"--loss {loss} does not go with {of}, which holds numbers (standardized ones in training); "
                "use squared_error, absolute_error or huber"
            )
        return 1, "identity"
    if loss == "poisson":
        raise InputError(f"--loss poisson is for counts, and {of} holds {n} classes; use cross_entropy")
    if loss == "cross_entropy":
        return n, "identity"
    if loss == "binary_cross_entropy" and n > 2:
        raise InputError(f"--loss binary_cross_entropy is for two classes, and {of} holds {n}; use cross_entropy")
    if n == 2:
        return 1, "identity" if loss == "binary_cross_entropy" else "sigmoid"
    return n, "softmax"
